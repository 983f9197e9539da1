"""The walk of the DAG, told as stories. No storage, no bus, no time."""

from __future__ import annotations

import itertools
import random

import pytest

from canalis.contract.messages import CancelRequested, GoOn, RecallStep, RunSubmitted, StepAbandoned, StopStep
from canalis.contract.run import RunState
from canalis.contract.status import Outcome, StepStatus
from orchestrator.decide import LOST_MAX, SENDS_MAX, apply, decide
from orchestrator.plan import first_state
from tests.stories import RUN, Story, a_graph, a_plan, ended, failed, tell


def test_a_step_starts_when_the_last_of_its_inputs_is_there():
    graph = a_graph("prep > train > score", "prep > clean > score", data=True)

    _, started = tell(graph, ended("prep"), ended("clean"))
    assert started == ["prep", "train", "clean"]

    _, started = tell(graph, ended("prep"), ended("clean"), ended("train"))
    assert started[-1] == "score"


def test_order_edges_hold_a_step_back_as_data_edges_do():
    _, started = tell(a_graph("a > b"))
    assert started == ["a"]

    _, started = tell(a_graph("a > b"), ended("a"))
    assert started == ["a", "b"]


def test_a_run_is_completed_when_its_last_step_has_succeeded():
    story, _ = tell(a_graph("a > b"), ended("a"))
    assert story.status == "running"

    story.hear(ended("b"))
    assert story.status == "completed"


def test_a_failed_step_is_tried_again_and_then_no_more():
    story, started = tell(a_graph("prep > train", retries=1), failed("prep"), failed("prep", 2))

    assert started == ["prep", "prep"]
    assert story.step("train") is StepStatus.SKIPPED
    assert story.status == "failed"


def test_a_retry_rests_and_each_further_one_rests_twice_as_long():
    story, _ = tell(a_graph("a", retries=3, rest_s=10), failed("a"), failed("a", 2), failed("a", 3))

    assert story.delays == [0, 10, 20, 40]


def test_a_time_out_counts_as_a_failure_of_the_step():
    story, started = tell(a_graph("a", retries=1), ended("a", 1, Outcome.TIMED_OUT), ended("a", 2, Outcome.TIMED_OUT))

    assert started == ["a", "a"]
    assert story.status == "failed"


def test_a_step_lost_with_its_machine_is_started_again_without_spending_its_retries():
    story, started = tell(a_graph("a"), ended("a", 1, Outcome.LOST))
    assert started == ["a", "a"]

    story.hear(failed("a", 2))
    assert story.status == "failed"


def test_a_step_that_is_lost_again_and_again_fails_in_the_end():
    story, started = tell(a_graph("a"), *(ended("a", n, Outcome.LOST) for n in range(1, LOST_MAX + 2)))

    assert len(started) == LOST_MAX + 1
    assert story.status == "failed"


def test_after_a_failure_nothing_starts_and_what_runs_may_end():
    story, started = tell(a_graph("a > c", "b > d"), failed("a"))
    assert story.status == "failing"
    assert started == ["a", "b"]

    story.hear(ended("b"))
    assert story.status == "failed"
    assert [story.step(name).name for name in "abcd"] == ["FAILED", "SUCCEEDED", "SKIPPED", "SKIPPED"]
    assert story.started == ["a", "b"]


def test_after_a_failure_what_was_ordered_and_has_not_begun_is_called_back():
    story, _ = tell(a_graph("a", "b", "c"), failed("a"))
    assert [m.node for m in story.sent if isinstance(m, RecallStep)] == ["b", "c"]

    story.hear(ended("b", outcome=Outcome.CANCELLED))  # it still stood in line
    story.hear(failed("c"))  # it had begun
    assert story.status == "failed"
    assert [story.step(name).name for name in "abc"] == ["FAILED", "SKIPPED", "FAILED"]


def test_a_failing_run_can_still_be_cancelled():
    story, _ = tell(a_graph("a", "b"), failed("a"), CancelRequested(run_id=RUN))
    assert [m.node for m in story.sent if isinstance(m, StopStep)] == ["b"]

    story.hear(ended("b", outcome=Outcome.CANCELLED))
    assert story.status == "cancelled"


def test_with_continue_on_step_failure_only_what_needs_the_failed_step_is_skipped():
    graph = a_graph("a > c > e", "b > d")
    story, started = tell(graph, failed("a"), ended("b"), ended("d"), continue_on_step_failure=True)

    assert started == ["a", "b", "d"]
    assert [story.step(name).name for name in "abcde"] == ["FAILED", "SUCCEEDED", "SKIPPED", "SUCCEEDED", "SKIPPED"]
    assert story.status == "failed"


def test_a_cancelled_run_stops_what_runs_and_is_over_when_all_have_ended():
    story, _ = tell(a_graph("a > c", "b"), CancelRequested(run_id=RUN))
    assert story.status == "cancelling"
    assert [m.node for m in story.sent if isinstance(m, StopStep)] == ["a", "b"]

    story.hear(ended("a", outcome=Outcome.CANCELLED))
    assert story.status == "cancelling"
    story.hear(ended("b", outcome=Outcome.CANCELLED))
    assert story.status == "cancelled"
    assert story.step("c") is StepStatus.CANCELLED


def test_a_success_that_races_with_a_cancel_is_kept_and_the_run_is_cancelled():
    story, _ = tell(a_graph("a > b"), CancelRequested(run_id=RUN), ended("a"))

    assert story.step("a") is StepStatus.SUCCEEDED
    assert story.status == "cancelled"
    assert story.started == ["a"]


def test_a_step_that_fell_while_the_run_was_being_cancelled_is_not_tried_again():
    story, started = tell(a_graph("a", retries=5), CancelRequested(run_id=RUN), failed("a"))

    assert started == ["a"]
    assert story.status == "cancelled"


@pytest.mark.parametrize("late", [ended("a"), failed("a"), ended("a", 2), ended("nobody"), RunSubmitted(run_id=RUN)])
def test_late_doubled_and_foreign_news_change_nothing(late):
    story, _ = tell(a_graph("a > b", retries=2), failed("a"), ended("a", 2))
    before = story.state

    assert apply(story.plan, before, late) is before


def test_a_run_that_has_ended_never_changes_again():
    story, _ = tell(a_graph("a"), ended("a"))

    for news in (CancelRequested(run_id=RUN), failed("a"), GoOn(run_id=RUN)):
        story.hear(news)
    assert story.status == "completed"


def test_more_orders_than_one_commit_may_hold_are_written_in_several():
    plan = a_plan(a_graph(*(f"s{n}" for n in range(250))))

    _, sends = decide(plan, first_state(plan))
    assert len(sends) == SENDS_MAX
    assert isinstance(sends[-1].message, GoOn)

    story = Story(plan)
    assert story.started == [f"s{n}" for n in range(250)]


def test_a_decision_repeated_on_its_own_result_says_nothing_new():
    plan = a_plan(a_graph("a > b", "c"))
    state, sends = decide(plan, first_state(plan))

    again, further = decide(plan, state)
    assert sends and not further
    assert again is state


def test_any_order_of_the_same_news_leads_to_the_same_end():
    graph = a_graph("a > c > e", "b > c", "b > d > e")
    names = "abcde"
    for order in itertools.permutations(names):
        # Told three times over in this order, every step's end is heard after its start at some time.
        story, started = tell(graph, *(ended(name) for name in order * 5))
        assert story.status == "completed"
        assert sorted(started) == list(names), "each step is started exactly once"


@pytest.mark.parametrize("seeds", [range(300), pytest.param(range(300, 30_000), marks=pytest.mark.soak)])
def test_random_graphs_with_random_ends_always_come_to_an_end_and_never_start_a_step_too_early(seeds):
    for seed in seeds:
        choose = random.Random(seed)
        count = choose.randint(1, 9)
        edges = [f"s{a} > s{b}" for b in range(count) for a in range(b) if choose.random() < 0.4]
        graph = a_graph(*(f"s{n}" for n in range(count)), *edges, retries=choose.randint(0, 2))
        story = Story(a_plan(graph, continue_on_step_failure=choose.random() < 0.5))
        outcomes = list(Outcome)
        for _ in range(500):
            if story.state.status.is_terminal:
                break
            if choose.random() < 0.02:
                story.hear(CancelRequested(run_id=RUN))
            name = choose.choice([node.key for node in graph.nodes])
            attempt = story.state.attempts[story.plan.index[name]]
            before = graph.node(name).predecessors()
            if attempt:
                assert all(story.step(p) is StepStatus.SUCCEEDED for p in before), (seed, name)
            story.hear(ended(name, attempt, choose.choice(outcomes)))
        assert story.state.status.is_terminal, seed
        assert all(status.is_terminal for status in map(StepStatus, story.state.steps)), seed


def test_the_packed_state_is_small_and_comes_back_as_it_was():
    plan = a_plan(a_graph(*(f"s{n}" for n in range(10_000))))
    state = Story(plan).state

    packed = state.pack()
    assert RunState.unpack(packed) == state
    assert len(packed) < 1024


def test_what_does_not_stop_is_abandoned_and_the_run_ends_without_it():
    story, _ = tell(a_graph("a", retries=1), failed("a"), CancelRequested(run_id=RUN))
    assert story.step("a") is StepStatus.STOPPING

    story.hear(StepAbandoned(run_id=RUN, node="a", attempt=1))  # an earlier attempt, of which that is no news
    assert story.status == "cancelling"
    story.hear(StepAbandoned(run_id=RUN, node="a", attempt=2))
    assert (story.step("a"), story.status) == (StepStatus.CANCELLED, "cancelled")


def test_only_what_was_told_to_stop_can_be_abandoned():
    story, _ = tell(a_graph("a"), StepAbandoned(run_id=RUN, node="a", attempt=1))
    assert (story.step("a"), story.status) == (StepStatus.STARTED, "running")
