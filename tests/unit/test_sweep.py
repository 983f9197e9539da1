"""What is made good by itself: lost orders, dead workers, runs that cannot be read."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict

import pytest

from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from canalis.contract.errors import StoreUnavailable
from canalis.contract.graph import Graph, content_id
from canalis.contract.layout import graph_key
from canalis.contract.messages import ORCHESTRATOR_QUEUE, GoOn, StartStep, StepAbandoned, StopStep, from_bytes
from canalis.contract.ports import AttemptKey, Ports
from canalis.contract.status import Outcome, RunStatus, StepStatus
from orchestrator.advance import advance
from orchestrator.decide import decide
from orchestrator.plan import first_state, make_plan
from orchestrator.sweep import KILL_S, SWEEP_S, Sweeper
from tests.contract.conftest import StoryClock
from tests.outside import outside
from tests.simulation.stores import MemoryBlobs
from tests.stories import a_graph, a_request, ended


class Workspace:
    """Runs whose messages are all lost."""

    def __init__(self, ports: Ports, bus: SqliteBus, clock: StoryClock) -> None:
        self.ports, self.bus, self.clock = ports, bus, clock
        self.sweeper = Sweeper(ports)
        self.sweeper.sweep()  # one that has been there for a while

    def submits(self, run_id: str, graph: Graph) -> None:
        document = graph.to_bytes()
        self.ports.blobs.put(graph_key(content_id(document)), document)
        request = a_request(content_id(document))
        plan = make_plan(run_id, request, graph)
        self.ports.runs.create(run_id, request, *decide(plan, first_state(plan)))
        self.loses()

    def hears(self, run_id: str, node: str, outcome: Outcome = Outcome.SUCCEEDED) -> None:
        advance(self.ports, run_id, [ended(node, outcome=outcome).model_copy(update={"run_id": run_id})])
        self.loses()

    def loses(self) -> None:
        for queue in ("steps-process", ORCHESTRATOR_QUEUE):
            self.bus.take(queue, 1000, 0)

    def sweeps(self, after_s: float = SWEEP_S) -> list:
        self.clock.pass_s(after_s)
        self.sweeper.sweep()
        found = [*self.bus.take("steps-process", 1000, 0), *self.bus.take(ORCHESTRATOR_QUEUE, 1000, 0)]
        return [from_bytes(taken.body) for taken in found]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.plan._kept", OrderedDict())  # run ids are used once, but for here
    clock = StoryClock()
    database = Database(tmp_path / "canalis.db")
    bus, documents = SqliteBus(database, clock), SqliteDocuments(database)
    yield Workspace(
        Ports(SqliteRuns(database, bus, clock), documents, MemoryBlobs(), None, bus, clock, **outside(documents)),
        bus,
        clock,
    )
    database.close()


def test_a_lost_order_is_sent_again_after_15_s_and_ever_more_seldom(here):
    here.submits("run-1", a_graph("a"))
    sent_at = [n for n in range(17) if here.sweeps()]
    assert sent_at == [1, 2, 4, 8, 16]


def test_who_looks_for_the_first_time_sees_what_has_waited_since_before_he_came(here):
    here.submits("run-1", a_graph("a"))
    here.sweeper = Sweeper(here.ports)
    assert not here.sweeps(SWEEP_S - 1)
    here.sweeper = Sweeper(here.ports)
    assert here.sweeps(1) == [StartStep(run_id="run-1", node="a", attempt=1)]
    assert not here.sweeps(SWEEP_S - 1)


class Brittle:
    """A store of runs in which the row of one cannot be read just now."""

    def __init__(self, runs, broken: str) -> None:
        self.runs, self.broken = runs, broken

    def __getattr__(self, name):
        return getattr(self.runs, name)

    def load(self, run_id, fresh=True):
        if self.broken in ("all", run_id):
            raise StoreUnavailable("throttled")
        return self.runs.load(run_id, fresh)


def test_a_run_whose_storage_does_not_answer_keeps_no_other_waiting(here):
    for number in range(6):
        here.submits(f"run-{number}", a_graph("a"))
    here.sweeps()
    here.sweeper._ports = here.ports.with_changes(runs=Brittle(here.ports.runs, "run-0"))
    here.clock.pass_s(SWEEP_S)
    with pytest.raises(StoreUnavailable):
        here.sweeper.sweep()
    assert len(here.bus.take("steps-process", 1000, 0)) == 5


def test_where_no_storage_answers_not_every_run_is_tried(here):
    for number in range(6):
        here.submits(f"run-{number}", a_graph("a"))
    tried = []
    brittle = Brittle(here.ports.runs, "all")
    brittle.deliver = tried.append
    here.sweeper._ports = here.ports.with_changes(runs=brittle)
    with pytest.raises(StoreUnavailable):
        here.sweeper.sweep()
    assert len(tried) == 3


def test_an_order_is_missed_although_other_steps_of_the_run_keep_it_busy(here):
    here.submits("run-1", a_graph("lost", "a > b > c > d"))
    found = []
    for node in "abcd":
        here.ports.runs.claim(AttemptKey("run-1", node, 1), "one", 600)
        found += here.sweeps(8)
        here.hears("run-1", node)
    assert StartStep(run_id="run-1", node="lost", attempt=1) in found


def test_what_a_dead_worker_had_is_sent_again_when_its_lease_has_run_out(here):
    here.submits("run-1", a_graph("a"))
    here.ports.runs.claim(AttemptKey("run-1", "a", 1), "one", 40)
    assert [bool(here.sweeps()) for _ in range(4)] == [False, False, True, True]


def test_a_step_that_rests_is_left_to_rest(here):
    here.submits("run-1", a_graph("a", retries=1, rest_s=100))
    here.hears("run-1", "a", Outcome.FAILED)
    sent_at = [n * SWEEP_S for n in range(1, 12) if here.sweeps()]
    assert sent_at[0] > 100


def test_what_is_told_to_stop_is_told_again_and_then_abandoned(here):
    here.submits("run-1", a_graph("a"))
    here.ports.runs.claim(AttemptKey("run-1", "a", 1), "one", 600)
    run = here.ports.runs.load("run-1")
    stopping = dataclasses.replace(run.state, status=RunStatus.CANCELLING, steps=bytes([StepStatus.STOPPING]))
    here.ports.runs.commit(run, stopping)

    stop = StopStep(run_id="run-1", node="a", attempt=1)
    assert here.sweeps(SWEEP_S + 1) == [stop]
    assert here.sweeps(KILL_S) == [stop, StepAbandoned(run_id="run-1", node="a", attempt=1)]


def test_what_was_not_decided_is_decided_when_its_message_is_lost(here):
    here.submits("run-1", a_graph(*(f"s{n}" for n in range(150))))
    assert not here.sweeps(1)
    assert GoOn(run_id="run-1") in here.sweeps()


def test_a_run_that_cannot_be_read_wants_attention_and_keeps_nobody_waiting(here):
    here.submits("run-1", a_graph("a"))
    here.submits("run-2", a_graph("b"))
    request = here.ports.runs.load("run-1").request.model_copy(update={"graph": "0" * 64})
    here.ports.runs.create("run-0", request, here.ports.runs.load("run-1").state, [])
    here.sweeps()
    found = here.sweeps()

    assert {message.run_id for message in found} == {"run-1", "run-2"}
    assert "cannot be looked after" in here.ports.runs.load("run-0").attention


def test_nothing_is_sent_again_while_everything_goes_well(here):
    here.submits("run-1", a_graph("a > b"))
    here.ports.runs.claim(AttemptKey("run-1", "a", 1), "one", 600)
    assert not any(here.sweeps() for _ in range(8))
