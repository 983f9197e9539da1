"""Messages that fail again and again: their run says so, and the others go on."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from adapters.clock import SystemClock
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from canalis.contract.graph import Graph, content_id
from canalis.contract.layout import graph_key
from canalis.contract.messages import ORCHESTRATOR_QUEUE, Send, StepEnded
from canalis.contract.ports import AttemptKey, Ports
from canalis.contract.status import Outcome
from local_engine import OWNER, Pump
from orchestrator.advance import advance
from orchestrator.decide import LOST_MAX, decide
from orchestrator.plan import first_state, make_plan
from orchestrator.step_views import step_views
from orchestrator.sweep import Sweeper
from steps.backend import Ended, Work
from tests.outside import outside
from tests.scenes.conftest import until
from tests.simulation.stores import MemoryBlobs
from tests.stories import a_graph, a_request


class Picky:
    """A backend that succeeds at once with every step but those it cannot bear."""

    forestalls = True

    def __init__(self, *unbearable: str) -> None:
        self.unbearable = unbearable

    def start(self, work: Work) -> Ended:
        if work.key.node in self.unbearable:
            raise ZeroDivisionError(f"a fault of ours in {work.key.node}")
        return Ended(Outcome.SUCCEEDED)

    def check(self, work: Work, handle: str) -> Ended:
        return self.start(work)

    def stop(self, key: AttemptKey) -> bool:
        return False

    def recall(self, key: AttemptKey) -> bool:
        return False

    def has_begun(self, key: AttemptKey) -> bool:
        return False

    def held(self) -> Collection[AttemptKey]:
        return ()


class Workspace:
    """A pump at work."""

    def __init__(self, ports: Ports, bus: SqliteBus, backend: Picky) -> None:
        self.ports, self.bus = ports, bus
        self.pump = Pump(ports, bus, backend)
        self.sweeper = Sweeper(ports, OWNER)
        self.pump.start()

    def submits(self, run_id: str, graph: Graph) -> None:
        document = graph.to_bytes()
        self.ports.blobs.put(graph_key(content_id(document)), document)
        request = a_request(content_id(document))
        plan = make_plan(run_id, request, graph)
        self.ports.runs.create(run_id, request, *decide(plan, first_state(plan)))

    def status(self, run_id: str) -> str:
        self.pump.face_dead_letters()
        return self.ports.runs.load(run_id).state.status.value


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr("adapters.sqlite.bus._RETRY_S_MAX", 0.002)  # else ten failures take a minute and a half
    clock, opened = SystemClock(), []

    def begun(backend: Picky) -> Workspace:
        database = Database(tmp_path / "canalis.db")
        bus = SqliteBus(database, clock)
        runs, documents = SqliteRuns(database, bus, clock), SqliteDocuments(database)
        ports = Ports(runs, documents, MemoryBlobs(), None, bus, clock, **outside(documents))
        opened.append((Workspace(ports, bus, backend), database))
        return opened[-1][0]

    yield begun
    for workspace, database in opened:
        workspace.pump.close()
        database.close()


def test_a_step_whose_order_fails_for_ever_fails_with_the_reason_and_its_run_with_it(here):
    workspace = here(Picky("bad"))
    workspace.submits("poison-1", a_graph("good > bad > never"))

    until(lambda: workspace.status("poison-1") == "failed")
    run = workspace.ports.runs.load("poison-1")
    good, bad, never = step_views(workspace.ports, run)
    assert (good.status, bad.status, never.status) == ("succeeded", "failed", "skipped")
    assert "a fault of ours in bad" in bad.error.message and bad.error.code == "gave_up"
    assert bad.attempt == LOST_MAX + 1  # it may have been the machine, so it was tried elsewhere


def test_an_event_that_cannot_be_carried_in_leaves_a_run_that_says_so_and_goes_on_when_it_can(here, monkeypatch):
    workspace = here(Picky())
    carried = advance

    def fails_on_one(ports, run_id, events, traces=()):
        if any(isinstance(event, StepEnded) and event.node == "bad" for event in events):
            raise ZeroDivisionError("a fault of ours")
        carried(ports, run_id, events)

    monkeypatch.setattr("local_engine.advance", fails_on_one)
    workspace.submits("poison-2", a_graph("good", "bad > after"))
    workspace.submits("poison-3", a_graph("a > b"))

    until(lambda: workspace.status("poison-3") == "completed")
    until(lambda: workspace.status("poison-2") and workspace.ports.runs.load("poison-2").attention)
    assert "a fault of ours" in workspace.ports.runs.load("poison-2").attention
    good, *_ = step_views(workspace.ports, workspace.ports.runs.load("poison-2"))
    assert good.status == "succeeded"  # it came in one batch with the one that fails

    monkeypatch.setattr("local_engine.advance", carried)
    workspace.sweeper.sweep(at_once=True)
    until(lambda: workspace.status("poison-2") == "completed")
    assert workspace.ports.runs.load("poison-2").attention == ""


def test_a_message_that_is_none_of_ours_stops_nothing(here):
    workspace = here(Picky())
    with workspace.ports.runs._database.write() as connection:
        connection.execute(
            "INSERT INTO messages (seq, queue, visible_at, body) VALUES (10000, ?, 0, ?)", (ORCHESTRATOR_QUEUE, b"{}")
        )
    again = SqliteBus(workspace.ports.runs._database, SystemClock())
    other = Pump(workspace.ports, again, Picky())
    other.start()
    again.send([Send(queue=ORCHESTRATOR_QUEUE, message=StepEnded(run_id="r", node="a", attempt=1, outcome="lost"))])
    until(lambda: again.count(ORCHESTRATOR_QUEUE) == 0)
    other.close()


def test_a_message_of_a_newer_service_leaves_a_run_that_says_so_and_goes_on(here):
    workspace = here(Picky())
    workspace.submits("run-1", a_graph("a"))
    until(lambda: workspace.status("run-1") == "completed")
    newer = b'{"v":2,"kind":"step_paused","run_id":"run-1"}'
    with workspace.ports.runs._database.write() as connection:
        connection.execute(
            "INSERT INTO messages (seq, queue, visible_at, body) VALUES (10000, ?, 0, ?)", (ORCHESTRATOR_QUEUE, newer)
        )
    again = SqliteBus(workspace.ports.runs._database, SystemClock())
    other = Pump(workspace.ports, again, Picky())
    other.start()
    until(lambda: again.count(ORCHESTRATOR_QUEUE) == 0)
    other.close()
    assert "schema 2, and this service knows 1" in workspace.ports.runs.load("run-1").attention
