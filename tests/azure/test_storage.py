"""Azurite and the proxy in front of it, with the real client libraries."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from azure.core.exceptions import (  # noqa: E402
    HttpResponseError,
    ResourceExistsError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.data.tables import TableClient, TableServiceClient  # noqa: E402
from azure.storage.blob import BlobServiceClient, UserDelegationKey  # noqa: E402

from tests.azure.parts import ROOT  # noqa: E402
from tests.azure.storage.azurite import ACCOUNT, Azurite, connection_string  # noqa: E402
from tests.azure.storage.client import FaultProxy  # noqa: E402
from tests.azure.storage.tokens import UnsignedCredential  # noqa: E402


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as started:
        yield started


@pytest.fixture(scope="module")
def table_proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    with FaultProxy(azurite.table_port, "table") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def blob_proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    with FaultProxy(azurite.blob_port, "blob") as proxy:
        yield proxy


@pytest.fixture
def runs(azurite: Azurite, table_proxy: FaultProxy) -> Iterator[TableClient]:
    """An empty table, seen through a proxy that has no faults and has counted nothing."""
    told = connection_string(azurite.blob_url, table_proxy.url)
    with TableServiceClient.from_connection_string(told, retry_total=0, read_timeout=20) as service:
        table_proxy.have()
        table = service.create_table("runs")
        table_proxy.reset()
        yield table
        table_proxy.have()
        service.delete_table("runs")


def row(number: int) -> dict[str, object]:
    return {"PartitionKey": "p", "RowKey": f"{number:03}", "n": number}


def test_tables_and_blobs_are_there_once_azurite_has_started(azurite):
    with TableServiceClient.from_connection_string(azurite.connection_string) as tables:
        tables.create_table("first")
        with pytest.raises(ResourceExistsError):
            tables.create_table("first")

    with BlobServiceClient.from_connection_string(azurite.connection_string) as blobs:
        container = blobs.create_container("first")
        container.upload_blob("a/b", b"x" * 1000)
        assert container.download_blob("a/b").readall() == b"x" * 1000
    assert azurite.version[0].isdigit()


def test_azurite_ends_with_the_process_that_started_it(tmp_path):
    script = (
        "from pathlib import Path; import os; from tests.azure.storage.azurite import Azurite;"
        f"print(Azurite(Path({str(tmp_path)!r})).start().table_port, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60)

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", int(done.stdout)), timeout=1).close()
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("it still answers")


def delegated_link(key: UserDelegationKey, container: str, blob: str) -> str:
    """A link that opens one blob for reading, signed with a user delegation key in the form of 2020-12-06.

    The client library signs in the form of 2026-04-06, which this Azurite does not know; 3.37.0 does.
    """
    told = {
        "sp": "r",
        "se": str(key.signed_expiry),
        "skoid": str(key.signed_oid),
        "sktid": str(key.signed_tid),
        "skt": str(key.signed_start),
        "ske": str(key.signed_expiry),
        "sks": "b",
        "skv": str(key.signed_version),
        "sv": "2020-12-06",
        "sr": "b",
    }
    signed = [
        told["sp"],
        "",
        told["se"],
        f"/blob/{ACCOUNT}/{container}/{blob}",
        told["skoid"],
        told["sktid"],
        told["skt"],
        told["ske"],
        told["sks"],
        told["skv"],
        "",
        "",
        "",
        "",
        "",
        told["sv"],
        told["sr"],
        "",
        "",
        "",
        "",
        "",
        "",
        "",
    ]
    secret = base64.b64decode(str(key.value))
    signature = hmac.new(secret, "\n".join(signed).encode(), hashlib.sha256).digest()
    return urlencode({**told, "sig": base64.b64encode(signature).decode()})


def test_a_user_delegation_key_opens_one_blob_when_azurite_takes_tokens(tmp_path):
    with Azurite(tmp_path, oauth=True) as azurite:
        ca = str(azurite.certificate)
        with BlobServiceClient(
            azurite.blob_url, credential=UnsignedCredential(), connection_verify=ca, retry_total=0
        ) as blobs:
            blobs.create_container("runs").upload_blob("a", b"content")
            blobs.get_container_client("runs").upload_blob("b", b"other")
            now = datetime.now(UTC)
            key = blobs.get_user_delegation_key(now - timedelta(minutes=1), now + timedelta(hours=1))
        link = delegated_link(key, "runs", "a")
        with BlobServiceClient(f"{azurite.blob_url}?{link}", connection_verify=ca, retry_total=0) as reader:
            assert reader.get_blob_client("runs", "a").download_blob().readall() == b"content"
            with pytest.raises(HttpResponseError):
                reader.get_blob_client("runs", "a").delete_blob()
            with pytest.raises(HttpResponseError):
                reader.get_blob_client("runs", "b").download_blob().readall()


def test_the_proxy_counts_each_kind_of_table_operation_and_what_is_in_a_batch(runs, table_proxy):
    runs.create_entity(row(0))
    runs.upsert_entity(row(0))
    runs.update_entity(row(0))
    runs.get_entity("p", "000")
    runs.submit_transaction(
        [("create", row(1)), ("upsert", row(2)), ("upsert", row(3), {"mode": "replace"}), ("delete", row(0))]
    )
    assert [found["n"] for found in runs.query_entities("PartitionKey eq 'p'")] == [1, 2, 3]
    runs.delete_entity("p", "001")

    counts = table_proxy.counts()
    assert counts.requests == {"runs": {"insert": 1, "merge": 2, "get": 1, "batch": 1, "query": 1, "delete": 1}}
    assert counts.batched == {"runs": {"insert": 1, "merge": 1, "replace": 1, "delete": 1}}
    assert counts.all_requests() == 7 and counts.all_operations() == 10 and counts.faults == {}


def test_a_batch_of_a_hundred_passes_and_a_conflict_in_it_comes_back(runs):
    runs.submit_transaction([("create", row(number)) for number in range(100)])
    assert len(list(runs.query_entities("PartitionKey eq 'p'", results_per_page=30))) == 100
    with pytest.raises(HttpResponseError) as raised:
        runs.submit_transaction([("create", row(100)), ("create", row(7))])
    assert raised.value.status_code == 409
    assert len(list(runs.list_entities())) == 100


def test_a_throttled_request_says_when_to_come_again_and_has_not_been_done(runs, table_proxy):
    table_proxy.have(throttled=1.0, retry_after_s=7)
    with pytest.raises(HttpResponseError) as raised:
        runs.create_entity(row(1))
    assert raised.value.status_code == 429 and raised.value.response.headers["Retry-After"] == "7"

    table_proxy.have(busy=1.0)
    with pytest.raises(HttpResponseError) as raised:
        runs.create_entity(row(1))
    assert raised.value.status_code == 503 and "busy" in raised.value.message.lower()

    table_proxy.have()
    assert list(runs.list_entities()) == []
    assert table_proxy.counts().faults == {"throttled": 1, "busy": 1}


def test_a_connection_that_breaks_before_has_done_nothing_and_one_that_breaks_after_has(runs, table_proxy):
    table_proxy.have(reset_before=1.0)
    with pytest.raises((ServiceResponseError, ServiceRequestError)):
        runs.create_entity(row(1))
    table_proxy.have(reset_after=1.0)
    with pytest.raises((ServiceResponseError, ServiceRequestError)):
        runs.create_entity(row(2))

    table_proxy.have()
    assert [found["n"] for found in runs.list_entities()] == [2]


def test_an_answer_that_is_swallowed_is_waited_for_until_the_connection_is_closed(runs, table_proxy):
    table_proxy.have(swallowed=1.0, swallow_s=0.5)
    began = time.monotonic()
    with pytest.raises((ServiceResponseError, ServiceRequestError)):
        runs.create_entity(row(1))
    assert 0.5 <= time.monotonic() - began < 5

    table_proxy.have()
    assert [found["n"] for found in runs.list_entities()] == [1]


def test_faults_strike_the_same_requests_for_the_same_seed_and_only_the_kinds_that_were_named(runs, table_proxy):
    def struck(seed: int) -> list[int]:
        table_proxy.have(busy=0.3, seed=seed, only=["get"])
        runs.upsert_entity(row(1))
        refused = []
        for number in range(30):
            try:
                runs.get_entity("p", "001")
            except HttpResponseError:
                refused.append(number)
        return refused

    first = struck(7)
    assert 3 <= len(first) <= 16
    assert struck(7) == first and struck(8) != first


def test_no_more_faults_come_than_were_asked_for(runs, table_proxy):
    table_proxy.have(reset_before=1.0, count=2)
    for _ in range(2):
        with pytest.raises((ServiceResponseError, ServiceRequestError)):
            runs.create_entity(row(1))
    runs.create_entity(row(1))
    assert table_proxy.counts().faults == {"reset_before": 2}


def test_a_fault_that_is_none_is_refused(table_proxy):
    with pytest.raises(ValueError, match="no fault explosions"):
        table_proxy.have(explosions=1.0)
    with pytest.raises(ValueError, match="more than 1"):
        table_proxy.have(busy=0.7, throttled=0.7)


def test_requests_are_held_up_for_as_long_as_was_said(runs, table_proxy):
    table_proxy.have(delay_s=0.3)
    began = time.monotonic()
    list(runs.list_entities())
    assert time.monotonic() - began >= 0.3


def test_blobs_pass_the_proxy_whole_and_are_counted(azurite, blob_proxy):
    told = connection_string(blob_proxy.url, azurite.table_url)
    content = bytes(range(256)) * 40_000
    with BlobServiceClient.from_connection_string(
        told, max_single_put_size=1 << 20, max_block_size=1 << 20, max_single_get_size=1 << 20
    ) as blobs:
        container = blobs.create_container("counted")
        container.upload_blob("big", content)
        assert container.download_blob("big").readall() == content
        container.upload_blob("small", b"")
        assert container.get_blob_client("small").exists()
        assert container.download_blob("small").readall() == b""
        assert [blob.name for blob in container.list_blobs()] == ["big", "small"]
        container.delete_blob("small")

    counted = blob_proxy.counts().requests["counted"]
    assert counted["block"] == 10 and counted["commit"] == 1 and counted["put"] == 1
    assert counted["list"] == 1 and counted["delete"] == 1 and counted["head"] == 1 and counted["get"] >= 3


def test_the_proxy_keeps_its_connection_as_its_client_does(table_proxy, runs):
    runs.create_entity(row(1))
    table_proxy.reset()
    for _ in range(100):
        runs.get_entity("p", "001")
    counted = table_proxy.counts()
    assert counted.all_requests() == 100
    assert counted.connections <= 5  # one is left after two idle seconds, which a busy machine may have
