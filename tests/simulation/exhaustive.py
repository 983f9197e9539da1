"""Mode A: every state that the pure functions can reach, for every small graph, whatever is heard in whatever order.

Any order that was ever sent may be answered at any time, any number of times, with any outcome; a cancel and a GoOn
may come at any time. What the run's state does not hold has no effect, so a state is all there is to remember.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from canalis.contract.graph import Graph
from canalis.contract.messages import CancelRequested, Event, Send, StartStep, StepAbandoned, StepEnded
from canalis.contract.run import RunState
from canalis.contract.status import Outcome, RunStatus, StepStatus
from orchestrator.decide import LOST_MAX, apply, decide
from orchestrator.plan import Plan, first_state, make_plan
from tests.simulation.oracle import Violation
from tests.stories import RUN, a_graph, a_request

_IN_WORK = (StepStatus.STARTED, StepStatus.RECALLED, StepStatus.STOPPING)
_OUTCOMES = (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED)
DIAMOND = ("a > b > d", "a > c > d")


@dataclass
class Reached:
    """How much was looked at."""

    graphs: int = 0
    states: int = 0
    transitions: int = 0

    def __str__(self) -> str:
        return f"{self.graphs} graphs, {self.states:,} states, {self.transitions:,} transitions"


def small_graphs(steps_max: int, retries: int) -> Iterator[Graph]:
    """Every graph of up to so many steps, but for their names."""
    for count in range(1, steps_max + 1):
        names = "abcd"[:count]
        pairs = list(itertools.combinations(names, 2))
        for drawn in itertools.product((False, True), repeat=len(pairs)):
            edges = [f"{one} > {other}" for (one, other), is_there in zip(pairs, drawn, strict=True) if is_there]
            yield a_graph(*names, *edges, retries=retries)


def explore_all(steps_max: int = 3, retries: int = 1) -> Reached:
    """All small graphs and the diamond, stopping and going on after a failure. Raises Violation."""
    reached = Reached()
    for graph in (*small_graphs(steps_max, retries), a_graph(*DIAMOND, retries=retries)):
        for goes_on in (False, True):
            explore(make_plan(RUN, a_request(continue_on_step_failure=goes_on), graph), _OUTCOMES, reached)
    # What is lost with its machine has tries of its own, and more of them.
    for graph in small_graphs(2, retries):
        explore(make_plan(RUN, a_request(), graph), (*_OUTCOMES, Outcome.LOST), reached)
    return reached


def explore(plan: Plan, outcomes: tuple[Outcome, ...], reached: Reached) -> None:
    """All states of one graph."""
    start, sends = _decided(plan, first_state(plan))
    _check_orders(plan, first_state(plan), start, sends)
    seen, ahead = {start}, [start]
    while ahead:
        state = ahead.pop()
        for event in _events(plan, state, outcomes):
            after = _heard(plan, state, event)
            reached.transitions += 1
            if after not in seen:
                seen.add(after)
                ahead.append(after)
    reached.graphs += 1
    reached.states += len(seen)


def _events(plan: Plan, state: RunState, outcomes: tuple[Outcome, ...]) -> Iterator[Event]:
    yield CancelRequested(run_id=RUN)
    for place, node in enumerate(plan.keys):
        for attempt in range(1, state.attempts[place] + 1):
            for outcome in outcomes:
                yield StepEnded(run_id=RUN, node=node, attempt=attempt, outcome=outcome)
            yield StepAbandoned(run_id=RUN, node=node, attempt=attempt)


def _heard(plan: Plan, before: RunState, event: Event) -> RunState:
    seen = apply(plan, before, event)
    after, sends = _decided(plan, seen)
    if before.status.is_terminal and after != before:
        raise Violation("S1", f"{event} changed a run that was {before.status.value}")
    _check_steps(plan, before, after)
    _check_orders(plan, before, after, sends)
    _check_goes_on(plan, after)
    return after


def _decided(plan: Plan, state: RunState) -> tuple[RunState, list[Send]]:
    after, sends = decide(plan, state)
    again, more = decide(plan, after)
    if more or again != after:
        raise Violation("decide", f"says something new on its own result: {more}")
    return after, sends


def _check_steps(plan: Plan, before: RunState, after: RunState) -> None:
    for place, node in enumerate(plan.keys):
        was, now = before.step(place), after.step(place)
        if was.is_terminal and now is not was:
            raise Violation("S4", f"{node} was {was.name} and became {now.name}")
        tries = after.attempts[place] - after.lost[place]
        if tries > plan.settings[place].retries + 1 or after.lost[place] > LOST_MAX + 1:
            raise Violation("S5", f"{node} is at attempt {after.attempts[place]}")
    counts = struct.unpack(f"<{len(plan.keys)}H", after.waiting)
    for place, node in enumerate(plan.keys):
        before_it = [one for one in range(len(plan.keys)) if place in plan.successors[one]]
        missing = sum(after.step(one) is not StepStatus.SUCCEEDED for one in before_it)
        if counts[place] != missing:
            raise Violation("count", f"{node} waits for {counts[place]} steps, and {missing} have not succeeded")


def _check_orders(plan: Plan, before: RunState, after: RunState, sends: list[Send]) -> None:
    for send in sends:
        message = send.message
        if not isinstance(message, StartStep):
            continue
        place = plan.index[message.node]
        if message.attempt != before.attempts[place] + 1 or after.attempts[place] != message.attempt:
            raise Violation("S5", f"{message} although it was at attempt {before.attempts[place]}")
        if after.status is not RunStatus.RUNNING:
            raise Violation("S2", f"{message} although the run is {after.status.value}")
        for one, followers in enumerate(plan.successors):
            if place in followers and after.step(one) is not StepStatus.SUCCEEDED:
                raise Violation("S9", f"{message} although {plan.keys[one]} is {after.step(one).name}")


def _check_goes_on(plan: Plan, state: RunState) -> None:
    steps = [StepStatus(status) for status in state.steps]
    is_open = any(not status.is_terminal for status in steps)
    if state.status.is_terminal:
        if is_open:
            raise Violation("S3", f"{state.status.value} with {[status.name for status in steps]}")
        expected = RunStatus.FAILED if StepStatus.FAILED in steps else RunStatus.COMPLETED
        if state.status not in (expected, RunStatus.CANCELLED):
            raise Violation("S7", f"{state.status.value} with {[status.name for status in steps]}")
    elif not any(status in _IN_WORK for status in steps):
        raise Violation("L1", f"{state.status.value} and nothing in work: {[status.name for status in steps]}")
