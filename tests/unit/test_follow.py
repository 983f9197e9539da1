"""Jobs at other services, told as stories: real storage, a service that does as it is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import pytest

from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from canalis.contract.errors import Conflict
from canalis.contract.graph import content_id
from canalis.contract.layout import graph_key
from canalis.contract.messages import ORCHESTRATOR_QUEUE, CheckStep, StartStep, StopStep, from_bytes, received
from canalis.contract.ports import AttemptKey, Ports
from canalis.contract.status import Outcome, RunStatus, StepStatus
from orchestrator.decide import decide
from orchestrator.plan import first_state, make_plan
from steps.backend import Ended, Pending, Work
from steps.follow import KILL_S, LEASE_S
from steps.worker import work
from tests.contract.conftest import StoryClock
from tests.outside import outside
from tests.simulation.stores import MemoryBlobs
from tests.stories import RUN, a_graph, a_request

KEY = AttemptKey(RUN, "a", 1)


class ToldService:
    """A backend whose one job stands as the story says."""

    forestalls = False

    def __init__(self, clock: StoryClock) -> None:
        self.clock = clock
        self.answer: Ended | Pending | None = None
        self.looks = 0
        self.stops = 0

    def start(self, work: Work) -> Ended | Pending:
        if self.answer is None:
            self.answer = Pending("job-1", 5.0, self.clock.now())
        return self.check(work, "")

    def check(self, work: Work, handle: str) -> Ended | Pending:
        self.looks += 1
        assert self.answer is not None
        return self.answer

    def stop(self, key: AttemptKey) -> bool:
        self.stops += 1
        return self.answer is not None

    def recall(self, key: AttemptKey) -> bool:
        return False

    def has_begun(self, key: AttemptKey) -> bool:
        return self.answer is not None

    def held(self) -> Collection[AttemptKey]:
        return ()


class Story:
    """A run of one step whose job is followed."""

    def __init__(self, ports: Ports, bus: SqliteBus, clock: StoryClock, timeout_s: float | None) -> None:
        self.ports, self.bus, self.clock = ports, bus, clock
        self.service = ToldService(clock)
        graph = a_graph("a")
        node = graph.nodes[0]
        settings = node.settings.model_copy(update={"timeout_s": timeout_s})
        graph = graph.model_copy(update={"nodes": (node.model_copy(update={"settings": settings}),)})
        document = graph.to_bytes()
        ports.blobs.put(graph_key(content_id(document)), document)
        request = a_request(content_id(document))
        state, sends = decide(make_plan(RUN, request, graph), first_state(make_plan(RUN, request, graph)))
        ports.runs.create(RUN, request, state, sends)
        bus.take("steps-process", 10, 0)

    def says(self, command: StartStep | CheckStep | StopStep, owner: str = "one") -> None:
        work(self.ports, self.service, owner, command)

    def starts(self, owner: str = "one") -> None:
        self.says(StartStep(run_id=RUN, node="a", attempt=1), owner)

    def next_look(self) -> CheckStep:
        """The one order to look again that is on the bus, when it is due."""
        self.clock.pass_s(10)
        (found,) = [from_bytes(taken.body) for taken in self.bus.take("steps-process", 10, 0)]
        assert isinstance(found, CheckStep)
        return found

    def reports(self) -> list[Outcome]:
        taken = [from_bytes(one.body) for one in self.bus.take(ORCHESTRATOR_QUEUE, 10, 0)]
        return [message.outcome for message in taken]


@pytest.fixture
def tell(tmp_path):
    opened = []

    def told(timeout_s: float | None = None) -> Story:
        clock = StoryClock()
        database = Database(tmp_path / "canalis.db")
        opened.append(database)
        bus = SqliteBus(database, clock)
        runs = SqliteRuns(database, bus, clock)
        documents = SqliteDocuments(database)
        ports = Ports(runs, documents, MemoryBlobs(), None, bus, clock, **outside(documents))
        return Story(ports, bus, clock, timeout_s)

    yield told
    for database in opened:
        database.close()


def test_a_job_is_looked_at_again_and_again_by_whoever_is_there_and_its_end_is_reported(tell):
    story = tell()
    story.starts("one")
    story.says(story.next_look(), "two")
    assert story.reports() == []

    story.service.answer = Ended(Outcome.SUCCEEDED)
    story.says(story.next_look(), "three")
    assert story.reports() == [Outcome.SUCCEEDED]


def test_a_second_chain_of_looks_ends_without_asking(tell):
    story = tell()
    story.starts()
    look = story.next_look()
    story.says(look)
    asked = story.service.looks

    story.says(look)
    assert story.service.looks == asked
    story.next_look()  # there is one chain still, and one order


def test_an_order_to_start_that_comes_twice_finds_the_job(tell):
    story = tell()
    story.starts("one")
    story.clock.pass_s(60)  # whoever followed it is gone
    story.starts("two")

    assert story.ports.runs.attempt(KEY).owner == "two"
    assert story.service.answer == Pending("job-1", 5.0, story.service.answer.started_at)


def test_a_time_out_counts_from_the_start_of_the_job_stops_it_and_waits_for_its_end(tell):
    story = tell(timeout_s=15)
    story.starts()
    story.says(story.next_look())
    assert story.service.stops == 0
    story.says(story.next_look())
    assert story.service.stops == 1
    assert story.reports() == []

    story.service.answer = Ended(Outcome.CANCELLED)
    story.says(story.next_look())
    assert story.reports() == [Outcome.TIMED_OUT]


def test_a_job_that_does_not_stop_in_time_is_given_up(tell):
    story = tell(timeout_s=5)
    story.starts()
    for _ in range(int(KILL_S / 10)):
        assert story.reports() == []
        story.says(story.next_look())
    story.says(story.next_look())
    assert story.reports() == [Outcome.TIMED_OUT]


def test_an_order_to_stop_stops_the_job_and_looks_soon(tell):
    story = tell()
    story.starts("one")
    story.bus.take("steps-process", 10, 0)
    story.says(StopStep(run_id=RUN, node="a", attempt=1), "two")
    assert story.service.stops == 1

    story.service.answer = Ended(Outcome.CANCELLED)
    story.clock.pass_s(2.5)
    looks = [from_bytes(taken.body) for taken in story.bus.take("steps-process", 10, 0)]
    for look in looks:
        story.says(look, "three")
    assert Outcome.CANCELLED in story.reports()


def test_a_job_that_was_begun_for_a_run_that_no_longer_wants_it_is_stopped(tell):
    story = tell()
    runs = story.ports.runs

    begin = story.service.start

    def while_the_run_is_cancelled(work: Work) -> Ended | Pending:
        answer = begin(work)
        run = runs.load(RUN)
        runs.commit(
            run, dataclasses.replace(run.state, status=RunStatus.CANCELLED, steps=bytes([StepStatus.CANCELLED]))
        )
        story.clock.pass_s(60)
        runs.claim(KEY, "two", 60)
        return answer

    story.service.start = while_the_run_is_cancelled
    story.starts()
    assert story.service.stops == 1


def test_a_job_is_not_begun_under_a_claim_that_may_have_run_out(tell):
    story = tell()
    load = story.ports.runs.load

    def slowly(run_id: str):
        story.clock.pass_s(LEASE_S)
        return load(run_id)

    story.ports.runs.load = slowly
    with pytest.raises(Conflict):
        story.starts()
    assert story.service.answer is None

    story.ports.runs.load = load
    story.starts("two")  # the claim was given back, so nobody waits for it
    assert story.service.answer is not None


def test_what_was_called_off_after_another_worker_had_claimed_it_is_looked_at_once_more(tell):
    story = tell()
    story.ports.runs.claim(KEY, "one", LEASE_S)  # and then it sleeps
    story.clock.pass_s(LEASE_S + 1)
    story.says(StopStep(run_id=RUN, node="a", attempt=1), "two")
    assert story.reports() == [Outcome.CANCELLED]

    story.service.answer = Pending("job-1", 5.0, story.clock.now())  # it has woken up, begun the job, and died
    story.clock.pass_s(LEASE_S + 1)
    (again,) = [from_bytes(taken.body) for taken in story.bus.take("steps-process", 10, 0)]
    story.says(again, "three")
    assert story.service.stops == 2


def test_one_trace_goes_along_a_chain_of_looks_and_the_job_is_told_when_it_is_over(tell, heard):
    story = tell()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    work(story.ports, story.service, "one", StartStep(run_id=RUN, node="a", attempt=1), trace)
    story.clock.pass_s(10)
    (look,) = [received(taken.body) for taken in story.bus.take("steps-process", 10, 0)]
    assert look.trace == trace

    began = story.clock.now()
    story.service.answer = Ended(Outcome.FAILED, 3, "script_failed", "secret words", began, began + 60)
    work(story.ports, story.service, "two", look.message, look.trace)
    told = heard.one("work")
    assert (told.end_time - told.start_time) / 1e9 == 60 and told.start_time / 1e9 == pytest.approx(began)
    assert f"{told.context.trace_id:032x}" == trace[3:35]
    assert told.status.description == "script_failed" and "secret words" not in told.to_json()
    assert {name: value for name, value in told.attributes.items() if name.startswith(("canalis.", "process."))} == {
        "canalis.run_id": RUN,
        "canalis.step": "a",
        "canalis.attempt": 1,
        "canalis.backend": "process",
        "canalis.step_name": "a",
        "canalis.experiment": "e",
        "canalis.outcome": "failed",
        "process.exit.code": 3,
    }
