"""A table in Azure when the service or the way to it fails, and what Microsoft's own client makes of its rows."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from azure.core.exceptions import ServiceRequestError  # noqa: E402
from azure.core.pipeline.transport import RequestsTransport  # noqa: E402
from azure.data.tables import EdmType, EntityProperty, TableClient, UpdateMode  # noqa: E402

from adapters.azure_tables import AzureTable  # noqa: E402
from adapters.clock import SystemClock  # noqa: E402
from adapters.tables import Delete, Insert, Merge, Replace, TableRuns, wire  # noqa: E402
from canalis.contract.errors import Conflict, SettingInvalid, StoreUnavailable  # noqa: E402
from canalis.contract.ports import AttemptKey, RunQuery  # noqa: E402
from orchestrator.plan import first_state  # noqa: E402
from tests.azure.storage.azurite import KEY, connection_string  # noqa: E402
from tests.azure.storage.client import FaultProxy  # noqa: E402
from tests.stories import a_graph, a_plan, a_request  # noqa: E402

WRITES = ("insert", "replace", "merge", "delete", "batch")
STATE = first_state(a_plan(a_graph("a > b")))


@pytest.fixture(scope="module")
def proxy(azurite):
    with FaultProxy(azurite.table_port, "table") as proxy:
        yield proxy


@pytest.fixture
def table(azure_table, azurite, proxy):
    """The fresh table, reached through the proxy."""
    proxy.have()
    proxy.reset()
    return AzureTable(connection_string(azurite.blob_url, proxy.url), azure_table._name)


def test_a_write_whose_answer_was_lost_is_known_for_our_own(table, proxy):
    proxy.have(reset_after=1.0, count=1, only=WRITES)
    (tag,) = table.transact("p", [Insert("one", {"n": 1})])
    assert tag == table.get("p", "one").etag

    proxy.have(reset_after=1.0, count=1, only=WRITES)
    (tag,) = table.transact("p", [Replace("one", {"n": 2}, tag)])
    proxy.have(reset_after=1.0, count=1, only=WRITES)
    (tag,) = table.transact("p", [Merge("one", {"m": 3}, tag)])
    proxy.have(reset_after=1.0, count=1, only=WRITES)
    tags = table.transact("p", [Replace("one", {"n": 4}, tag), Insert("two", {}), Merge("three", {})])
    proxy.have(reset_after=1.0, count=1, only=WRITES)
    table.transact("p", [Delete("two", tags[1])])

    assert proxy.counts().faults["reset_after"] == 5
    assert [(row.key, row.properties) for row in table.rows("p")] == [("one", {"n": 4}), ("three", {})]
    assert tags[0] == table.get("p", "one").etag


def test_the_write_of_another_is_not_taken_for_our_own(table, azure_table, proxy):
    (tag,) = table.transact("p", [Insert("one", {"n": 1})])
    azure_table.transact("p", [Replace("one", {"n": 2}, tag)])

    for lost in ("reset_before", "reset_after"):
        proxy.have(**{lost: 1.0}, count=1, only=WRITES)
        for operations in (
            [Insert("one", {"n": 2})],
            [Replace("one", {"n": 2}, tag)],
            [Insert("one", {}), Merge("x", {})],
        ):
            with pytest.raises(Conflict):
                table.transact("p", operations)
    assert [(row.key, row.properties) for row in table.rows("p")] == [("one", {"n": 2})]


def test_of_many_writers_one_wins_though_answers_are_lost(table, proxy):
    (tag,) = table.transact("p", [Insert("one", {"n": 0})])
    proxy.have(reset_after=0.3, reset_before=0.2, only=WRITES, seed=3)

    def write(number: int) -> bool | None:
        try:
            table.transact("p", [Replace("one", {"n": number}, tag), Insert("out", {"by": number})])
        except Conflict:
            return False
        except StoreUnavailable:
            return None  # every try failed: it may be done or not
        return True

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(write, range(16)))
    proxy.have()
    winner = table.get("p", "one").properties["n"]
    assert winner == table.get("p", "out").properties["by"]
    assert won.count(True) <= 1 and won[winner] is not False
    assert True in won or None in won


def test_who_is_throttled_waits_as_long_as_is_asked(table, proxy):
    proxy.have(throttled=1.0, count=1, retry_after_s=1)
    before = time.monotonic()
    table.transact("p", [Insert("one", {})])
    assert time.monotonic() - before >= 1.0

    proxy.have(throttled=1.0, retry_after_s=60)  # that is left to the bus
    before = time.monotonic()
    with pytest.raises(StoreUnavailable, match="throttled"):
        table.get("p", "one")
    assert time.monotonic() - before < 10


def test_a_service_that_is_busy_or_gone_is_said_to_be(table, proxy):
    proxy.have(busy=1.0)
    with pytest.raises(StoreUnavailable, match="ServerBusy"):
        list(table.rows("p"))
    nobody = AzureTable(
        connection_string("http://127.0.0.1:9/devstoreaccount1", "http://127.0.0.1:9/devstoreaccount1"), "t"
    )
    with pytest.raises(StoreUnavailable, match="does not answer"):
        nobody.get("p", "one")


def test_what_is_missing_is_named(azurite, azure_table):
    with pytest.raises(StoreUnavailable, match="no table nothere"):
        AzureTable(azurite.connection_string, "nothere").get("p", "k")
    with pytest.raises(StoreUnavailable, match="no table nothere"):
        AzureTable(azurite.connection_string, "nothere").transact("p", [Insert("a", {}), Insert("b", {})])
    stranger = AzureTable(azurite.connection_string.replace(KEY, "bm9uZQ=="), azure_table._name)
    with pytest.raises(StoreUnavailable, match="Storage Table Data Contributor"):
        stranger.get("p", "k")
    for where in ("https://x.table.core.windows.net", "AccountName=x;AccountKey=bm9uZQ=="):
        with pytest.raises(SettingInvalid):
            AzureTable(where, "t")


def test_the_clients_of_microsoft_read_and_write_the_same_rows(azurite, azure_table):
    theirs = TableClient.from_connection_string(azurite.connection_string, azure_table._name)
    row = {"int": 1, "long": 2**40, "whole": 2.0, "yes": True, "text": "é'", "bytes": b"\0\xff"}
    azure_table.transact("p", [Insert("ours", row), Insert("beside", row)])

    for key in ("ours", "beside"):
        found = dict(theirs.get_entity("p", key))
        assert found.pop("long") == EntityProperty(2**40, EdmType.INT64)
        assert {name: found[name] for name in row if name != "long"} == {k: v for k, v in row.items() if k != "long"}
        assert isinstance(found["whole"], float)

    typed = row | {"long": EntityProperty(2**40, EdmType.INT64), "PartitionKey": "p", "RowKey": "theirs"}
    theirs.submit_transaction([("upsert", typed, {"mode": UpdateMode.REPLACE})])
    assert azure_table.get("p", "theirs").properties == row


def test_a_transaction_is_written_as_the_client_of_microsoft_writes_it(azurite, azure_table):
    """Method, address and conditions of each part, and what is said of types: so a row means the same in Azure."""
    sent: list[str] = []
    theirs = TableClient.from_connection_string(
        azurite.connection_string, "t1", transport=_Recording(sent), retry_total=0
    )
    tag = "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""
    with pytest.raises(Exception, match="not sent"):
        theirs.submit_transaction(
            [
                ("create", {"PartitionKey": "p", "RowKey": "a", "b": b"x", "f": 2.0}),
                ("update", {"PartitionKey": "p", "RowKey": "b"}, _if(tag, UpdateMode.REPLACE)),
                ("update", {"PartitionKey": "p", "RowKey": "c", "n": 1}, _if(tag, UpdateMode.MERGE)),
                ("upsert", {"PartitionKey": "p", "RowKey": "d"}, {"mode": UpdateMode.MERGE}),
                ("delete", {"PartitionKey": "p", "RowKey": "e"}),
            ]
        )
    operations = [
        Insert("a", {"b": b"x", "f": 2.0}),
        Replace("b", {}, tag),
        Merge("c", {"n": 1}, tag),
        Merge("d", {}),
        Delete("e"),
    ]
    ours = wire.batch(azurite.table_url, "t1", "p", operations, "id")[1].decode()
    wanted = ("POST", "PUT", "PATCH", "DELETE", "If-Match")
    lines = [[line.strip() for line in text.splitlines() if line.startswith(wanted)] for text in (sent[0], ours)]
    assert lines[0] == lines[1]


def test_a_page_of_runs_is_not_the_whole_list(table, proxy, database):
    runs = TableRuns(table, None, SystemClock())
    index = [Merge(f"{10**13 - n * 1000:014d}:r-{n:04d}", {"experiment": "e", "parent": ""}) for n in range(1500)]
    for start in range(0, 1500, 100):
        table.transact("runs", index[start : start + 100])
    for number in (0, 1, 1499):
        runs.create(f"r-{number:04d}", a_request(submitted_at=float(number)), STATE, [])

    proxy.reset()
    assert [run.run_id for run in runs.find(RunQuery(limit=1))] == ["r-1499"]
    assert proxy.counts().all_requests("query") == 2  # a page of the index, and the request
    proxy.reset()
    assert [run.run_id for run in runs.find(RunQuery(limit=1, before=2.0))] == ["r-0001"]
    assert proxy.counts().all_requests("query") == 2
    assert [run.run_id for run in runs.find(RunQuery(id_prefix="r-0000"))] == ["r-0000"]


def test_a_claim_whose_answer_was_lost_is_ours(table, proxy):
    runs = TableRuns(table, None, SystemClock())
    proxy.have(reset_after=1.0, count=1, only=WRITES)
    attempt = runs.claim(AttemptKey("r-1", "a", 1), "one", 60)

    assert attempt is not None and attempt.fence == 1
    assert runs.attempt(attempt.key) == attempt


class _Recording(RequestsTransport):
    """Keeps what would be sent."""

    def __init__(self, sent: list[str]) -> None:
        super().__init__()
        self._sent = sent

    def send(self, request, **_):
        self._sent.append(request.content.decode() if isinstance(request.content, bytes) else str(request.content))
        raise ServiceRequestError("not sent")


def _if(tag: str, mode: UpdateMode) -> dict:
    from azure.core import MatchConditions

    return {"mode": mode, "etag": tag, "match_condition": MatchConditions.IfNotModified}
