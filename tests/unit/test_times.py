"""Where the time went: segments that do not overlap and leave nothing out, whatever the clocks did."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from canalis.contract.graph import Graph, Settings
from canalis.contract.messages import Event
from canalis.contract.ports import Attempt, AttemptKey, Run
from canalis.contract.status import Outcome
from canalis.contract.times import SEGMENTS
from orchestrator.times import Timeline, marks_of, split
from tests.stories import RUN, Story, a_graph, a_plan, a_request, ended, failed

T0 = 1_000_000.0
WORKED = [
    ["data_in", T0 + 3],
    ["capacity", T0 + 4],
    ["user_code", T0 + 10],
    ["data_out", T0 + 30],
    ["finishing", T0 + 32],
]

Facts = Mapping[tuple[str, int], dict[str, object]]


def timeline(graph: Graph, facts: Facts, *events: Event, now: float = T0 + 100, ended_at: float | None = None, **said):
    """The times of a run after these events, of whose attempts these facts are known."""
    story = Story(a_plan(graph, **said))
    for event in events:
        story.hear(event)
    run = Run(RUN, a_request(submitted_at=T0, **said), story.state, 2, T0 + 50, ended_at)
    keys = {AttemptKey(RUN, node, attempt): found for (node, attempt), found in facts.items()}
    return Timeline(run, graph, {key: Attempt(key, facts=dict(found)) for key, found in keys.items()}, now)


def took(claimed: float, started: float, over: float) -> dict[str, object]:
    """Facts of an attempt that was taken up, ran and ended so many seconds after the submission."""
    marks = [["user_code", T0 + started], ["data_out", T0 + over]]
    return {"claimed_at": T0 + claimed, "marks": marks, "heard_at": T0 + over}


def test_a_step_that_ran_shows_each_segment_and_capacity_on_both_sides_of_its_data():
    facts = {("train", 1): {"claimed_at": T0 + 2, "marks": WORKED, "heard_at": T0 + 33}}
    times = timeline(a_graph("train"), facts, ended("train")).times(0)
    assert times == {
        "queue": 2,
        "capacity": 1 + 6,
        "data_in": 1,
        "user_code": 20,
        "data_out": 2,
        "finishing": 1,
    }


def test_a_step_waits_for_the_last_of_its_inputs_and_then_for_a_worker():
    graph = a_graph("a > c", "b > c")
    facts = {("a", 1): took(0, 1, 5), ("b", 1): took(0, 1, 9)}
    line = timeline(graph, facts, ended("a"), ended("b"), now=T0 + 12)
    assert line.times(graph.places["c"]) == {"inputs": 9, "queue": 3}
    assert line.current(graph.places["c"]) == ("queue", T0 + 9)

    line = timeline(graph, facts, ended("a"), now=T0 + 8)
    assert line.times(graph.places["c"]) == {"inputs": 8}


def test_a_step_under_way_shows_its_segments_so_far():
    facts = {("train", 1): {"claimed_at": T0 + 2, "marks": WORKED[:3]}}
    line = timeline(a_graph("train"), facts, now=T0 + 15)
    assert line.times(0) == {"queue": 2, "capacity": 7, "data_in": 1, "user_code": 5}


def test_a_retried_step_shows_its_earlier_attempts_and_its_rests():
    graph = a_graph("train", retries=2, rest_s=10)
    facts = {
        ("train", 1): took(1, 2, 5),
        ("train", 2): took(17, 18, 20),
        ("train", 3): took(41, 42, 45),
    }
    line = timeline(graph, facts, failed("train"), failed("train", 2), ended("train", 3))
    assert line.times(0) == {"earlier_attempts": 5 + 5, "rest": 10 + 20, "queue": 1, "capacity": 1, "user_code": 3}


def test_a_resting_step_is_resting_until_its_order_is_due():
    graph = a_graph("train", retries=1, rest_s=10)
    facts = {("train", 1): took(1, 2, 5), ("train", 2): {}}
    line = timeline(graph, facts, failed("train"), now=T0 + 9)
    assert line.times(0) == {"earlier_attempts": 5, "rest": 4}
    assert line.current(0) == ("rest", T0 + 5)


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_step_that_was_skipped_waited_until_the_failure_was_heard(goes_on):
    graph = a_graph("a > b > c")
    line = timeline(graph, {("a", 1): took(0, 1, 7)}, failed("a"), continue_on_step_failure=goes_on)
    assert line.times(1) == line.times(2) == {"inputs": 7}


def test_only_steps_behind_a_failure_are_skipped_at_its_moment_when_the_others_go_on():
    graph = a_graph("a > b", "x > y > z")
    facts = {("a", 1): took(0, 1, 7), ("x", 1): took(0, 1, 20), ("y", 1): took(20, 21, 30)}
    line = timeline(graph, facts, failed("a"), ended("x"), failed("y"), continue_on_step_failure=True)
    assert line.times(graph.places["b"]) == {"inputs": 7}
    assert line.times(graph.places["z"]) == {"inputs": 30}


def test_a_step_that_was_called_off_before_it_began_is_over_with_its_run():
    from canalis.contract.messages import CancelRequested

    graph = a_graph("a > b")
    events = CancelRequested(run_id=RUN), ended("a", outcome=Outcome.CANCELLED)
    line = timeline(graph, {("a", 1): took(0, 1, 7)}, *events, ended_at=T0 + 7)
    assert line.times(1) == {"inputs": 7}


def test_what_a_worker_without_marks_has_told_is_used():
    facts = {"claimed_at": T0 + 1, "started_at": T0 + 3, "ended_at": T0 + 8, "heard_at": T0 + 9}
    line = timeline(a_graph("a"), {("a", 1): facts}, ended("a"))
    assert line.times(0) == {"queue": 1, "capacity": 2, "user_code": 5, "finishing": 1}


def test_the_critical_path_is_the_chain_that_the_run_had_to_wait_for():
    graph = a_graph("a > slow > d", "a > fast > d", "a > lone")
    facts = {
        ("a", 1): took(1, 2, 5),
        ("slow", 1): took(6, 8, 30),
        ("fast", 1): took(6, 8, 9),
        ("lone", 1): took(6, 8, 31),
        ("d", 1): took(31, 31, 40),
    }
    names = [node.key for node in graph.nodes]
    events = [ended(name) for name in ("a", "slow", "fast", "lone", "d")]
    line = timeline(graph, facts, *events, ended_at=T0 + 40.5)
    assert [names[place] for place in line.critical_path()] == ["a", "slow", "d"]
    assert line.path_times() == {"queue": 1 + 1 + 1, "capacity": 1 + 2, "user_code": 3 + 22 + 9, "finishing": 0.5}
    assert line.wall_s() == 40.5


def test_whatever_the_clocks_did_no_segment_is_negative_and_all_of_them_are_the_wall_clock():
    for seed in range(3000):
        chance = random.Random(seed)
        at = lambda: T0 + chance.choice([chance.uniform(-50, 50), chance.uniform(0, 10)])  # noqa: B023, E731
        attempts = []
        for _ in range(chance.randint(0, 4)):
            names = [name for name in SEGMENTS if chance.random() < 0.6]
            facts = {
                "claimed_at": at(),
                "started_at": at(),
                "ended_at": at(),
                "heard_at": at(),
                "marks": [[name, at()] for name in names],
            }
            attempts.append({name: value for name, value in facts.items() if chance.random() < 0.7})
        ready_at = chance.choice([None, at(), at()])
        end = at()
        times = split(marks_of(T0, ready_at, attempts, Settings(retry_rest_s=chance.choice([0, 3]))), end)
        assert all(seconds >= 0 for seconds in times.values()), seed
        assert sum(times.values()) == pytest.approx(max(0.0, end - T0), abs=1e-6), seed


def test_the_same_holds_for_every_step_of_runs_that_went_any_way():
    for seed in range(200):
        chance = random.Random(seed)
        graph = a_graph("a > b > d", "a > c > d", "e", retries=chance.randint(0, 2), rest_s=chance.choice([0, 3]))
        now, facts, story = T0, {}, Story(a_plan(graph, continue_on_step_failure=seed % 2 == 0))
        for _ in range(chance.randint(0, 12)):
            now += chance.uniform(-2, 5)
            node = chance.choice(graph.nodes).key
            attempt = story.state.attempts[graph.places[node]]
            if attempt and not story.step(node).is_terminal and (node, attempt) not in facts:
                outcome = chance.choice([Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.FAILED, Outcome.LOST])
                facts[node, attempt] = took(now - T0 - 3, now - T0 - 2, now - T0)
                story.hear(ended(node, attempt, outcome))
        ended_at = now if story.state.status.is_terminal else None
        run = Run(
            RUN, a_request(submitted_at=T0, continue_on_step_failure=seed % 2 == 0), story.state, 2, now, ended_at
        )
        keys = {AttemptKey(RUN, *name): found for name, found in facts.items()}
        line = Timeline(run, graph, {key: Attempt(key, facts=found) for key, found in keys.items()}, now)
        for place in range(len(graph.nodes)):
            times = line.times(place)
            assert all(seconds > 0 for seconds in times.values())
            assert sum(times.values()) == pytest.approx(max(0.0, line.end(place) - T0), abs=0.01), (seed, place)
            assert set(times) <= set(SEGMENTS)
