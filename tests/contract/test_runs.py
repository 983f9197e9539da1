"""What every run store promises."""

from __future__ import annotations

import dataclasses
import random
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest

from canalis.contract.errors import Conflict, NotFound
from canalis.contract.faults import NODES_MAX
from canalis.contract.messages import ORCHESTRATOR_QUEUE, GoOn, Send, StartStep, from_bytes
from canalis.contract.ports import AttemptKey, Fact, RunQuery
from canalis.contract.run import Origin, RunState
from canalis.contract.status import RunStatus
from orchestrator.plan import first_state
from tests.stories import a_graph, a_plan, a_request

STATE = first_state(a_plan(a_graph("a > b")))
DONE = dataclasses.replace(STATE, status=RunStatus.COMPLETED)
START = Send(queue="steps-process", message=StartStep(run_id="r-1", node="a", attempt=1))
KEY = AttemptKey("r-1", "a", 1)


@pytest.fixture
def run(runs):
    runs.create("r-1", a_request(submitted_at=5.0), STATE, [])
    return runs.load("r-1")


def test_a_run_comes_back_as_it_was_created(runs):
    request = a_request(parameters={"rate": 0.5, "n": 3, "flag": True}, tags={"k": "v"})

    assert runs.create("r-1", request, STATE, [])
    run = runs.load("r-1")

    assert (run.request, run.state, run.version) == (request, STATE, 1)
    assert run.request.parameters["flag"] is True


def test_a_run_is_created_once_whoever_creates_it_again(runs, bus):
    assert runs.create("r-1", a_request(), STATE, [START])
    assert not runs.create("r-1", a_request(experiment="other"), DONE, [START])

    runs.deliver("r-1")
    assert runs.load("r-1").request.experiment == "e"
    assert len(bus.take("steps-process", 10, 0)) == 1


def test_a_run_that_is_not_there_is_not_found(runs):
    with pytest.raises(NotFound, match="no run r-9"):
        runs.load("r-9")


def test_a_commit_puts_state_messages_and_facts_in_place_together(runs, run, bus):
    after = runs.commit(run, DONE, [START], [Fact("a", 1, {"exit_code": 0}, ended=True)])
    runs.deliver("r-1")

    assert after == runs.load("r-1")
    assert (after.state, after.version) == (DONE, 2)
    assert after.ended_at is not None
    assert runs.attempt(KEY).facts == {"exit_code": 0}
    assert [from_bytes(taken.body) for taken in bus.take("steps-process", 10, 0)] == [START.message]


def test_a_commit_on_an_old_version_changes_nothing(runs, run, bus):
    runs.commit(run, STATE)

    with pytest.raises(Conflict):
        runs.commit(run, DONE, [START], [Fact("a", 1, {"exit_code": 0}, ended=True)])
    runs.deliver("r-1")
    assert runs.load("r-1").state == STATE
    assert runs.attempt(KEY) is None
    assert bus.take("steps-process", 10, 0) == []


def test_of_many_writers_of_one_version_exactly_one_wins(runs, run):
    def write(number: int) -> bool:
        try:
            runs.commit(run, STATE, [Send(queue=ORCHESTRATOR_QUEUE, message=GoOn(run_id=f"r-{number}"))])
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(write, range(32))).count(True) == 1
    assert runs.load("r-1").version == 2


def test_only_runs_that_have_not_ended_are_open(runs, run):
    runs.create("r-2", a_request(), STATE, [])
    runs.commit(run, DONE)

    assert runs.open_runs() == ["r-2"]


def test_runs_are_found_newest_first_and_page_by_page(runs):
    for number in range(5):
        runs.create(f"r-{number}", a_request(submitted_at=float(number), experiment="eo"[number % 2]), STATE, [])

    def ids(**query):
        return [run.run_id for run in runs.find(RunQuery(**query))]

    assert ids(limit=2) == ["r-4", "r-3"]
    assert ids(limit=2, before=3.0) == ["r-2", "r-1"]
    assert ids(experiment="o") == ["r-3", "r-1"]
    assert ids(id_prefix="r-2") == ["r-2"]
    assert ids(status=("completed",)) == []


def test_runs_are_found_by_what_they_were_started_from(runs):
    nightly, hourly = Origin(pipeline="p", schedule="nightly", tick=1.0), Origin(pipeline="p", schedule="hourly")
    for number, origin in enumerate((Origin(), nightly, hourly, Origin(pipeline="q"), nightly)):
        runs.create(f"r-{number}", a_request(submitted_at=float(number), origin=origin), STATE, [])

    def found(**query):
        return [run.run_id for run in runs.find(RunQuery(**query))]

    assert found(pipeline="p") == ["r-4", "r-2", "r-1"] and found(pipeline="q") == ["r-3"]
    assert found(schedule="nightly") == ["r-4", "r-1"] and found(schedule="nightly", limit=1) == ["r-4"]
    assert found(schedule="nightly", before=4.0) == ["r-1"]
    assert found(schedule="hourly", pipeline="q") == found(pipeline="nothing") == []
    assert runs.load("r-1").request.origin == nightly


def test_a_run_that_was_asked_for_twice_is_found_once(runs):
    for submitted_at in (5.0, 7.0):
        runs.create("r-1", a_request(submitted_at=submitted_at, origin=Origin(schedule="nightly")), STATE, [])
    for query in (RunQuery(), RunQuery(schedule="nightly")):
        assert [(run.run_id, run.request.submitted_at) for run in runs.find(query)] == [("r-1", 5.0)]


def test_an_attempt_has_one_owner_until_its_lease_runs_out(runs, run, clock):
    first = runs.claim(KEY, "one", 60)
    assert first is not None and first.fence == 1
    assert runs.claim(KEY, "two", 60) is None

    clock.pass_s(61)
    second = runs.claim(KEY, "two", 60)
    assert second is not None and second.fence == 2


def test_of_many_claimers_exactly_one_gets_the_attempt(runs, run):
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda n: runs.claim(KEY, f"worker-{n}", 60), range(32)))
    assert sum(attempt is not None for attempt in taken) == 1


def test_an_owner_that_comes_back_gets_its_attempt_again(runs, run):
    runs.claim(KEY, "one", 60)

    again = runs.claim(KEY, "one", 60)
    assert again is not None and again.fence == 2


def test_a_renewed_lease_keeps_others_away(runs, run, clock):
    runs.claim(KEY, "one", 60)
    clock.pass_s(50)
    runs.renew("one", [KEY], 60)
    runs.renew("two", [KEY], 6000)
    clock.pass_s(50)

    assert runs.claim(KEY, "two", 60) is None
    clock.pass_s(11)
    assert runs.claim(KEY, "two", 60) is not None


def test_facts_are_merged_and_those_of_an_earlier_owner_are_refused(runs, run, clock):
    first = runs.claim(KEY, "one", 60)
    assert runs.note(first, {"phase": "running", "started_at": 1.0})
    assert runs.note(first, {"phase": "finalizing"})
    assert runs.attempt(KEY).facts["started_at"] == 1.0
    assert runs.attempt(KEY).facts["phase"] == "finalizing"

    clock.pass_s(61)
    runs.claim(KEY, "two", 60)
    assert not runs.note(first, {"phase": "running"})
    assert runs.attempt(KEY).facts["phase"] == "finalizing"


def test_an_attempt_that_has_ended_can_be_neither_claimed_nor_noted(runs, run):
    attempt = runs.claim(KEY, "one", 60)
    runs.commit(run, DONE, [], [Fact("a", 1, {"exit_code": 1}, ended=True)])

    assert runs.claim(KEY, "one", 60) is None
    assert not runs.note(attempt, {"phase": "running"})
    assert runs.attempt(KEY).facts["exit_code"] == 1


def test_attempts_are_listed_by_node_and_attempt(runs, run):
    for node, number in (("b", 1), ("a", 2), ("a", 1)):
        runs.claim(AttemptKey("r-1", node, number), "one", 60)
    runs.claim(AttemptKey("r-2", "a", 1), "one", 60)

    assert [(a.key.node, a.key.attempt) for a in runs.attempts("r-1")] == [("a", 1), ("a", 2), ("b", 1)]


def test_of_several_who_go_on_with_an_attempt_as_they_read_it_one_does(runs, run):
    first = runs.claim(KEY, "one", 60)
    read = runs.attempt(KEY)

    held = runs.hold(read, "two", 60, {"handle": "job-1"})
    assert held is not None
    assert (held.owner, held.fence) == ("two", first.fence + 1)
    assert runs.attempt(KEY) == held
    assert runs.attempt(KEY).facts["handle"] == "job-1"

    assert runs.hold(read, "three", 60, {"handle": "job-2"}) is None
    assert not runs.note(first, {"phase": "running"})
    assert runs.attempt(KEY) == held


def test_an_attempt_that_has_ended_is_held_by_nobody(runs, run):
    first = runs.claim(KEY, "one", 60)
    runs.commit(run, STATE, [], [Fact("a", 1, {"exit_code": 0}, ended=True)])

    assert runs.hold(first, "one", 60, {}) is None
    assert runs.attempts("r-1", live=True) == []
    assert [attempt.key for attempt in runs.attempts("r-1")] == [KEY]


def test_what_wants_attention_does_so_until_the_run_goes_on(runs, run):
    runs.flag("r-1", "nobody knows how")
    assert runs.load("r-1").attention == "nobody knows how"

    runs.commit(runs.load("r-1"), STATE)
    assert runs.load("r-1").attention == ""
    with pytest.raises(NotFound):
        runs.flag("r-9", "not there")


def test_a_run_remembers_since_when_it_is_being_cancelled(runs, run, clock):
    stopping = dataclasses.replace(STATE, status=RunStatus.CANCELLING)
    asked_at = clock.now()
    runs.commit(run, stopping)
    clock.pass_s(10)

    after = runs.commit(runs.load("r-1"), stopping)
    assert runs.load("r-1") == after
    assert after.stopping_since == asked_at


def test_several_attempts_are_claimed_at_once_each_by_its_own_right(runs, run):
    taken, ended, free = (AttemptKey("r-1", node, 1) for node in ("taken", "ended", "free"))
    runs.claim(taken, "somebody", 60)
    runs.commit(run, STATE, facts=[Fact("ended", 1, {}, ended=True)])

    assert [claim is not None for claim in runs.claim_all([taken, free, ended], "me", 60)] == [False, True, False]
    assert runs.attempt(free).owner == "me" and runs.attempt(taken).owner == "somebody"
    assert [claim.fence for claim in runs.claim_all([free], "me", 60)] == [2]
    assert runs.claim_all([], "me", 60) == []


def test_an_end_is_recorded_however_long_its_error_is_and_however_it_is_written(runs, run):
    errors = {"long": "e" * 210_000, "wide": "\u6f22" * 60_000, "wider": "\U0001f600" * 16_000, "odd": "\x01" * 16_000}
    runs.commit(run, DONE, facts=[Fact(name, 1, {"error": text}, ended=True) for name, text in errors.items()])
    for attempt in runs.attempts("r-1"):
        found, whole = attempt.facts["error"], errors[attempt.key.node]
        assert attempt.ended and len(found) >= 4_000 and whole.startswith(found)


def test_a_run_of_the_largest_graph_is_kept_however_its_steps_stand(runs):
    draw = random.Random(1)
    steps, tries = draw.choices([0, 2, 7], k=NODES_MAX), draw.choices([0, 1, 2, 3], k=NODES_MAX)
    waiting = struct.pack(f"<{NODES_MAX}H", *draw.choices(range(200), k=NODES_MAX))
    state = RunState(RunStatus.RUNNING, bytes(steps), bytes(tries), bytes(NODES_MAX), waiting)
    assert len(state.pack()) > 64 * 2**10

    assert runs.create("r-1", a_request(), state, [])
    small = runs.commit(runs.load("r-1"), STATE)
    assert runs.load("r-1") == small
    runs.commit(small, state)
    assert runs.load("r-1").state == state


def test_a_run_may_have_any_name_that_a_run_can_have(runs):
    names = ["open", "runs", "run", "doc"]
    for number, name in enumerate(names):
        assert runs.create(name, a_request(submitted_at=float(number)), STATE, [START])
        runs.claim(AttemptKey(name, "a", 1), "me", 60)
    assert [run.run_id for run in runs.find(RunQuery())] == names[::-1]
    assert sorted(runs.open_runs()) == sorted(names)


@pytest.fixture
def ended(runs):
    origin = Origin(pipeline="p-1", schedule="s-1")
    runs.create("r-1", a_request(submitted_at=5.0, origin=origin), STATE, [START])
    runs.claim(KEY, "me", 30.0)
    run = runs.commit(runs.load("r-1"), DONE, [], [Fact("a", 1, {"exit_code": 0}, ended=True)])
    runs.deliver("r-1")
    return run


def test_every_run_is_listed_once(runs, ended):
    for number in range(2, 6):
        runs.create(f"r-{number}", a_request(submitted_at=float(number)), STATE, [])

    assert sorted(run.run_id for run in runs.every()) == ["r-1", "r-2", "r-3", "r-4", "r-5"]
    assert ended in list(runs.every())


def test_a_hidden_run_is_seen_nowhere_and_its_id_stays_taken(runs, ended, clock):
    clock.pass_s(7.0)
    runs.hide(ended)

    for fresh in (True, False):
        with pytest.raises(NotFound, match="no run r-1"):
            runs.load("r-1", fresh)
    queries = (RunQuery(), RunQuery(pipeline="p-1"), RunQuery(schedule="s-1"), RunQuery(id_prefix="r-"))
    assert [runs.find(query) for query in queries] == [[], [], [], []]
    assert list(runs.every()) == [] and runs.open_runs() == []
    assert [(run.run_id, run.state, since) for run, since in runs.hidden()] == [("r-1", DONE, clock.now())]
    assert not runs.create("r-1", a_request(), STATE, [])


def test_a_hidden_run_can_be_shown_again_as_it_was(runs, ended):
    runs.hide(ended)
    runs.show("r-1")
    runs.show("r-1")
    runs.show("r-9")

    assert (runs.load("r-1"), runs.hidden()) == (ended, [])
    assert runs.attempt(KEY).facts["exit_code"] == 0
    assert [run.run_id for run in runs.find(RunQuery(pipeline="p-1"))] == ["r-1"]
    runs.forget("r-1")  # it is not hidden
    assert runs.load("r-1") == ended


def test_of_a_forgotten_run_nothing_is_left_but_its_id(runs, ended):
    runs.hide(ended)
    for _ in range(2):
        runs.forget("r-1")

    assert (runs.hidden(), list(runs.every()), runs.attempts("r-1")) == ([], [], [])
    runs.show("r-1")
    with pytest.raises(NotFound):
        runs.load("r-1")
    assert not runs.create("r-1", a_request(), STATE, [START])
    assert runs.find(RunQuery(pipeline="p-1")) == runs.find(RunQuery()) == []


def test_what_goes_on_cannot_be_hidden_nor_what_has_changed_since(runs, run):
    with pytest.raises(Conflict):
        runs.hide(run)
    after = runs.commit(run, DONE)
    with pytest.raises(Conflict):
        runs.hide(run)
    runs.hide(after)
    with pytest.raises(Conflict):
        runs.hide(after)
    assert len(runs.hidden()) == 1
