"""Jobs at a service that loses answers, goes away and comes back: told as stories, on real storage."""

from __future__ import annotations

import pytest

from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from canalis.contract.graph import content_id
from canalis.contract.layout import STEP_LOG, artifacts, graph_key
from canalis.contract.messages import ORCHESTRATOR_QUEUE, CheckStep, StartStep, StopStep, from_bytes
from canalis.contract.ports import AttemptKey, Ports
from canalis.contract.run import StepRunId
from canalis.contract.status import Outcome
from orchestrator.decide import decide
from orchestrator.plan import first_state, make_plan
from steps.backend import Ended, Work
from steps.follow import LEASE_S
from steps.jobs import PATIENCE_S, PAUSE_S_MAX, Away, JobBackend, Refused, Seen
from steps.surroundings import Site
from steps.worker import work
from tests.contract.conftest import StoryClock
from tests.outside import outside
from tests.simulation.stores import MemoryBlobs
from tests.stories import RUN, a_graph, a_request

KEY = AttemptKey(RUN, "a", 1)
LOG = artifacts(StepRunId(RUN, "a")) + STEP_LOG


class Service:
    """A service whose jobs are as the story says. What is asked under a token that it knows is no new job.

    fails   what is raised instead of the next answers, one each; a string says at which call
    """

    def __init__(self) -> None:
        self.made: dict[str, str] = {}
        self.seen = Seen(address="https://there/1")
        self.fails: list[tuple[str, Exception]] = []
        self.loses: list[Exception] = []
        self.looks = 0
        self.cancelled: list[str] = []

    def submit(self, work: Work, token: str) -> str:
        self._fail("submit")
        job = self.made.setdefault(token, f"job-{len(self.made) + 1}")
        if self.loses:
            raise self.loses.pop(0)
        return job

    def look(self, work: Work, job: str) -> Seen:
        self.looks += 1
        self._fail("look")
        assert job in self.made.values()
        return self.seen

    def cancel(self, work: Work, job: str) -> None:
        self.cancelled.append(job)
        self.seen = Seen(Ended(Outcome.CANCELLED, error="was cancelled there"))

    def _fail(self, call: str) -> None:
        if self.fails and self.fails[0][0] == call:
            raise self.fails.pop(0)[1]


class Story:
    """A run of one step, which is a job."""

    def __init__(self, folder) -> None:
        self.clock = StoryClock()
        self.database = Database(folder / "canalis.db")
        self.bus = SqliteBus(self.database, self.clock)
        documents = SqliteDocuments(self.database)
        runs = SqliteRuns(self.database, self.bus, self.clock)
        self.ports = Ports(runs, documents, MemoryBlobs(), None, self.bus, self.clock, **outside(documents))
        self.service = Service()
        site = Site("w", "s", "g", "l", "http://here", lambda step: "token", folder, ())
        self.backend = JobBackend(self.ports, site, self.service, "told")
        document = a_graph("a").to_bytes()
        self.ports.blobs.put(graph_key(content_id(document)), document)
        request = a_request(content_id(document))
        plan = make_plan(RUN, request, a_graph("a"))
        runs.create(RUN, request, *decide(plan, first_state(plan)))
        self.bus.take("steps-process", 10, 0)

    def says(self, order, owner: str = "one") -> None:
        work(self.ports, self.backend, owner, order)

    def starts(self, owner: str = "one") -> None:
        self.says(StartStep(run_id=RUN, node="a", attempt=1), owner)

    def stops(self, owner: str = "one") -> None:
        self.says(StopStep(run_id=RUN, node="a", attempt=1), owner)

    def looks_again(self, after_s: float) -> bool:
        """Whether somebody looked: an order to do so was due."""
        self.clock.pass_s(after_s)
        orders = [from_bytes(taken.body) for taken in self.bus.take("steps-process", 10, 0)]
        for order in orders:
            assert isinstance(order, CheckStep)
            self.says(order, "another")
        return bool(orders)

    @property
    def ends(self):
        return [from_bytes(one.body) for one in self.bus.take(ORCHESTRATOR_QUEUE, 10, 0)]

    @property
    def log(self) -> str:
        return self.ports.blobs.get(LOG).decode() if self.ports.blobs.info(LOG) else ""


@pytest.fixture
def story(tmp_path):
    story = Story(tmp_path)
    yield story
    story.database.close()


def test_a_job_is_asked_for_once_however_often_its_order_comes_and_seen_to_its_end(story):
    for owner in ("one", "two", "one"):
        story.starts(owner)
    story.service.seen = Seen(started_at=story.clock.now())
    assert story.looks_again(2.0)
    story.service.seen = Seen(Ended(Outcome.SUCCEEDED, 0), text="done\n")
    assert story.looks_again(2.0)

    (ended,) = story.ends
    assert ended.outcome is Outcome.SUCCEEDED and len(story.service.made) == 1
    assert story.log == "canalis: it is job job-1 of told: https://there/1\ndone\n"


def test_a_job_whose_id_was_lost_is_found_by_its_token(story):
    story.service.loses = [Away("nobody answers"), Away("nobody answers")]
    story.starts()
    assert story.looks_again(2.0)
    story.service.seen = Seen(Ended(Outcome.SUCCEEDED, 0))
    assert story.looks_again(2.0)

    assert [ended.outcome for ended in story.ends] == [Outcome.SUCCEEDED] and len(story.service.made) == 1


def test_a_fault_in_the_code_of_a_backend_fails_the_step_and_does_not_come_again_for_ever(story):
    story.service.fails = [("submit", ZeroDivisionError("a fault of its author's"))]
    story.starts()

    (ended,) = story.ends
    assert ended.error_code == "internal" and "The backend told could not run this step: ZeroDiv" in ended.error


def test_a_worker_that_dies_once_it_has_asked_leaves_a_job_that_the_next_one_finds(story):
    story.service.fails = [("look", KeyboardInterrupt())]
    with pytest.raises(KeyboardInterrupt):
        story.starts("dies")
    story.clock.pass_s(LEASE_S + 1)
    story.service.seen = Seen(Ended(Outcome.SUCCEEDED, 0))
    story.starts("next")

    assert [ended.outcome for ended in story.ends] == [Outcome.SUCCEEDED] and len(story.service.made) == 1


def test_a_worker_that_was_asleep_does_not_ask_for_what_was_called_off_meanwhile(story):
    asleep = story.ports.runs.claim(KEY, "asleep", LEASE_S)
    story.clock.pass_s(LEASE_S + 1)
    story.stops("awake")
    assert [ended.outcome for ended in story.ends] == [Outcome.CANCELLED]

    assert not story.ports.runs.note(asleep, {"asked_for": "told"})
    assert story.service.made == {}


def test_what_is_stopped_is_cancelled_there_also_when_nobody_wrote_down_its_id(story):
    story.service.fails = [("look", KeyboardInterrupt())]
    with pytest.raises(KeyboardInterrupt):
        story.starts("dies")
    story.clock.pass_s(LEASE_S + 1)
    story.stops("next")

    assert story.service.cancelled == ["job-1"] and len(story.service.made) == 1
    assert [ended.outcome for ended in story.ends] == [Outcome.CANCELLED]


def test_a_service_that_is_away_is_waited_for_by_name_and_its_job_goes_on(story):
    story.starts()
    story.service.fails = [("look", Away("told does not answer")), ("look", Away("told does not answer", 40.0))]
    assert story.looks_again(2.0)
    assert story.looks_again(2.0) and not story.looks_again(35.0), "it wanted 40 s"
    story.service.seen = Seen(Ended(Outcome.SUCCEEDED, 0))
    assert story.looks_again(10.0)

    assert [ended.outcome for ended in story.ends] == [Outcome.SUCCEEDED]
    assert story.log.count("canalis: waits, since told does not answer") == 1


def test_a_service_that_stays_away_fails_the_step_in_the_end(story):
    story.starts()
    story.service.fails = [("look", Away("told does not answer"))] * 1000
    while not (ends := story.ends):
        story.looks_again(PAUSE_S_MAX)
    assert ends[0].error_code == "service_away" and "its job job-1 may be going on" in ends[0].error
    assert f"{PATIENCE_S:.0f}"[:2] in ends[0].error


def test_a_token_that_runs_out_while_a_job_goes_on_is_waited_for_and_one_that_never_was_good_is_not(story):
    story.starts()
    story.service.fails = [("look", Refused("the token has expired", status=403))]
    assert story.looks_again(2.0) and story.ends == []
    assert "canalis: waits, since the token has expired" in story.log

    story.service.fails = [("look", Refused("there is no such job", status=404))]
    assert story.looks_again(5.0)
    assert [ended.error_code for ended in story.ends] == ["service_refused"]


def test_the_pauses_between_looks_grow_to_a_minute(story):
    story.starts()
    passed, pauses = 0.0, []
    while passed < 1800:
        waited = 0.5
        while not story.looks_again(0.5):
            waited += 0.5
        pauses.append(waited)
        passed += waited
    assert pauses == sorted(pauses) and pauses[0] <= 1.5 and pauses[-1] == PAUSE_S_MAX
    assert story.service.looks < 80


def test_a_secret_of_the_workspace_that_a_job_prints_is_masked(story):
    story.ports.vault.keep("secret db", "hunter2-hunter2")
    story.service.seen = Seen(Ended(Outcome.FAILED, 1, "script_failed", "no hunter2-hunter2"), text="hunter2-hunter2")
    story.starts()

    assert "hunter2" not in story.log and "***" in story.log
    assert "hunter2" not in story.ends[0].error
