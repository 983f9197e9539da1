"""A table in Azure when the service or the way to it fails."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from adapters import azure_tables  # noqa: E402
from adapters.azure_tables import AzureTable  # noqa: E402
from adapters.clock import SystemClock  # noqa: E402
from adapters.tables import Delete, Insert, Merge, Replace, TableRuns  # noqa: E402
from canalis.contract.errors import Conflict, SettingInvalid, StoreUnavailable  # noqa: E402
from canalis.contract.messages import GoOn, Send  # noqa: E402
from canalis.contract.ports import AttemptKey, RunQuery  # noqa: E402
from canalis.contract.status import RunStatus  # noqa: E402
from orchestrator.plan import first_state  # noqa: E402
from tests.azure.storage.azurite import KEY, Azurite, connection_string  # noqa: E402
from tests.azure.storage.client import FaultProxy  # noqa: E402
from tests.azure.storage.tokens import UnsignedCredential  # noqa: E402
from tests.stories import a_graph, a_plan, a_request  # noqa: E402

WRITES = ("insert", "replace", "merge", "delete", "batch")
PART = (
    b"--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_1\r\n\r\n"
    b"--changesetresponse_1\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\n"
)
STATE = first_state(a_plan(a_graph("a > b")))
DONE = dataclasses.replace(STATE, status=RunStatus.COMPLETED)


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


@pytest.fixture
def meanwhile(monkeypatch):
    """Has something done while a table that was not answered rests, before it asks again."""

    def have(done: Callable[[], object]) -> None:
        monkeypatch.setattr(azure_tables, "time", SimpleNamespace(sleep=lambda _: done()))

    return have


@contextmanager
def broken_off(length: int) -> Iterator[str]:
    """Where a transaction is answered with the beginning of what a service says, though it has promised `length`."""
    content = PART[:length]

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(202)
            self.send_header("Content-Type", "multipart/mixed; boundary=batchresponse_1")
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/account"
        server.shutdown()
        thread.join()


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


@pytest.mark.parametrize("over", [lambda tag: Replace("one", {"n": 3}, tag), lambda _: Merge("one", {"n": 3})])
def test_what_another_wrote_after_a_lost_answer_is_not_ours_to_write_over(table, azure_table, proxy, meanwhile, over):
    (tag,) = table.transact("p", [Insert("one", {"n": 1})])
    meanwhile(lambda: azure_table.transact("p", [over(azure_table.get("p", "one").etag)]))
    proxy.have(reset_after=1.0, count=1, only=WRITES)
    tags = table.transact("p", [Replace("one", {"n": 2}, tag), Insert("two", {})])

    assert tags == ["", table.get("p", "two").etag]
    assert table.get("p", "one").properties == {"n": 3}


def test_a_commit_whose_answer_was_lost_does_not_undo_those_of_others(table, azure_table, proxy, meanwhile):
    ours, theirs = (TableRuns(one, None, SystemClock()) for one in (table, azure_table))
    ours.create("r-1", a_request(), STATE, [])
    first = ours.load("r-1")
    meanwhile(lambda: theirs.commit(theirs.load("r-1"), DONE))
    proxy.have(reset_after=1.0, count=1, only=WRITES)
    after = ours.commit(first, STATE, [Send(queue="orchestrator", message=GoOn(run_id="r-1"))])

    with pytest.raises(Conflict):
        ours.commit(after, STATE)
    assert ours.load("r-1", fresh=False).state == theirs.load("r-1").state == DONE


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
    with pytest.raises(SettingInvalid, match="https"):
        AzureTable(azurite.table_url, "t", UnsignedCredential())


def test_an_access_token_opens_a_table(tmp_path):
    with Azurite(tmp_path, oauth=True) as azurite:
        ca = str(azurite.certificate)
        table = AzureTable(azurite.table_url, "runs", UnsignedCredential(), create_if_missing=True, verify=ca)
        (tag,) = table.transact("p", [Insert("one", {"n": 1})])
        table.transact("p", [Replace("one", {"n": 2}, tag), Insert("two", {})])
        assert [(row.key, row.properties) for row in table.rows("p")] == [("one", {"n": 2}), ("two", {})]


@pytest.mark.parametrize("length", [0, 5000])
def test_an_answer_that_breaks_off_is_none(length):
    with broken_off(length) as url, pytest.raises(StoreUnavailable):
        AzureTable(connection_string(url, url), "runs").transact("p", [Insert("one", {}), Insert("two", {})])


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
