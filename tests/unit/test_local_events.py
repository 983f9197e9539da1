"""Messages of others on a laptop: beside the pump, again while time can mend something, and set aside when it cannot."""

from __future__ import annotations

import json

import pytest

from adapters.clock import SystemClock
from adapters.files import FileBlobs, FileStores
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from adapters.sqlite.bus import FAILURES_MAX
from canalis.contract.errors import StoreUnavailable
from canalis.contract.graph import CommandWork, Graph, Node
from canalis.contract.messages import NOTICES_QUEUE, SUBMISSIONS_QUEUE, RunEnded, Send
from canalis.contract.ports import Ports, RunQuery
from canalis.contract.published import Publication
from canalis.contract.run import ComputeChoice
from local_engine import Pump
from local_events import Events
from orchestrator.notices.announce import expect
from orchestrator.pipelines.publish import publish
from tests.outside import outside
from tests.scenes.conftest import until
from tests.unit.test_pump import Picky

COMPUTES = {"": ComputeChoice(backend="process")}
GRAPH = Graph(nodes=(Node(key="a", name="a", work=CommandWork(line=("true",))),))


class Here:
    """A pump with its events, over a backend whose steps succeed at once."""

    def __init__(self, folder) -> None:
        clock = SystemClock()
        self.database = Database(folder / "canalis.db")
        self.bus = SqliteBus(self.database, clock)
        documents, runs = SqliteDocuments(self.database), SqliteRuns(self.database, self.bus, clock)
        blobs, stores = FileBlobs(folder / "blobs"), FileStores(folder / "stores")
        self.ports = Ports(runs, documents, blobs, stores, self.bus, clock, **outside(documents))
        publish(self.ports, Publication(id="pipe-one", graph=GRAPH), COMPUTES)
        self.trouble: Exception | None = None
        self.tries = 0
        self.events = Events(self.ports, self.ports, self.bus, self.computes)
        self.pump = Pump(self.ports, self.bus, Picky(), self.events.takers)
        self.pump.start()

    def computes(self) -> dict[str, ComputeChoice]:
        self.tries += 1
        if self.trouble is not None:
            raise self.trouble
        return COMPUTES

    def sends(self, message_id: str, **body: object) -> None:
        asked = {"pipeline": "pipe-one", **body}
        self.bus.publish(SUBMISSIONS_QUEUE, json.dumps(asked).encode(), {"message_id": message_id})

    def runs(self) -> int:
        return len(self.ports.runs.find(RunQuery(limit=500)))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr("adapters.sqlite.bus._RETRY_S_MAX", 0.002)  # else ten failures take a minute and a half
    here = Here(tmp_path)
    yield here
    here.pump.close()
    here.events.close()
    here.database.close()


def test_messages_become_runs_and_their_ends_are_told(here):
    for number in range(5):
        here.sends(f"m-{number}", reply_to="replies", tags={"n": str(number)})
    found: list[str] = []

    def all_told() -> bool:
        found.extend(json.loads(one.body)["data"]["submission"] for one in here.bus.receive("replies", 10))
        return len(found) == 5

    until(all_told)
    assert sorted(found) == [f"m-{number}" for number in range(5)] and here.runs() == 5
    until(lambda: here.bus.count(SUBMISSIONS_QUEUE) == here.bus.count(NOTICES_QUEUE) == 0)
    until(lambda: here.ports.documents.list("announcements") == [])


def test_what_time_can_mend_is_tried_for_as_long_as_it_takes(here):
    here.trouble = StoreUnavailable("the disk is away")
    here.sends("m-1", reply_to="replies")
    until(lambda: here.tries > 3 * FAILURES_MAX)  # of those that it may fail by its own fault
    assert here.bus.those_set_aside() == [] and here.runs() == 0
    here.trouble = None
    until(lambda: here.bus.receive("replies", 1))
    assert here.runs() == 1


def test_a_fault_of_ours_sets_a_message_aside_at_last_and_says_little_to_its_sender(here):
    here.trouble = ZeroDivisionError("a fault of ours with a secret in it")
    here.sends("m-1", reply_to="replies")
    (aside,) = until(here.bus.those_set_aside)
    assert aside.id == "m-1" and "ZeroDivisionError" in aside.reason
    (told,) = until(lambda: here.bus.receive("replies", 9))
    said = json.loads(told.body)["data"]
    assert said["error"]["code"] == "internal" and "secret" not in told.body
    here.trouble = None
    here.sends("m-2")
    until(lambda: here.runs() == 1)


def test_a_notice_that_fails_for_a_reason_of_ours_is_given_up_and_its_run_says_so(here, monkeypatch):
    here.sends("m-1")
    until(lambda: here.runs() == 1 and here.ports.runs.open_runs() == [])
    (run,) = here.ports.runs.find(RunQuery())
    expect(here.ports, run.run_id)

    def fails(*asked: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("orchestrator.notices.carry.announce", fails)
    here.bus.send([Send(queue=NOTICES_QUEUE, message=RunEnded(run_id=run.run_id))])
    until(lambda: here.bus.count(f"{NOTICES_QUEUE}/dead") == 1)
    here.events.face_dead_letters()
    assert "a fault of ours" in here.ports.runs.load(run.run_id).attention
    assert here.ports.documents.list("announcements") == []


def test_a_message_on_our_own_queue_that_is_none_of_ours_is_dropped(here):
    with here.database.write() as connection:
        for seq, body in ((9_001, b"hello"), (9_002, b'{"v":1,"kind":"go_on","run_id":"run-one"}')):
            connection.execute(
                "INSERT INTO messages (seq, queue, visible_at, body) VALUES (?, ?, 0, ?)", (seq, NOTICES_QUEUE, body)
            )
    again = SqliteBus(here.database, SystemClock())
    events = Events(here.ports, here.ports, again, here.computes)
    pump = Pump(here.ports, again, Picky(), events.takers)
    pump.start()
    until(lambda: again.count(NOTICES_QUEUE) == 0)
    pump.close()
    events.close()
