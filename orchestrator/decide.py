"""What an event means, and what happens next. Pure: no I/O, no clock, no randomness; durations, never times.

`apply` writes down what was heard. `decide` draws every conclusion from what is written down, so it can be
called on any state at any time and says nothing new when there is nothing new.
"""

from __future__ import annotations

import struct

from canalis.contract.messages import (
    NOTICES_QUEUE,
    ORCHESTRATOR_QUEUE,
    CancelRequested,
    Event,
    GoOn,
    RecallStep,
    RunEnded,
    Send,
    StartStep,
    StepAbandoned,
    StepEnded,
    StopStep,
)
from canalis.contract.run import ATTEMPTS_MAX, RunState
from canalis.contract.status import Outcome, RunStatus, StepStatus
from orchestrator.plan import Plan

SENDS_MAX = 100  # orders of one commit: they travel in one table row of at most 64 KiB
LOST_MAX = 3  # times a step is started again after its machine went away

_OPEN = tuple(status for status in StepStatus if not status.is_terminal)
_IN_WORK = (StepStatus.STARTED, StepStatus.RECALLED, StepStatus.STOPPING)


def apply(plan: Plan, state: RunState, event: Event) -> RunState:
    """The state after an event was heard; the same object when it says nothing new.

    Total over any order of events: what is late, doubled or about another attempt changes nothing.
    """
    if state.status.is_terminal:
        return state
    if isinstance(event, CancelRequested):
        return state if state.status is RunStatus.CANCELLING else _with(state, status=RunStatus.CANCELLING)
    if isinstance(event, StepEnded):
        return _step_ended(plan, state, event)
    if isinstance(event, StepAbandoned):
        return _step_abandoned(plan, state, event)
    return state


def decide(plan: Plan, state: RunState) -> tuple[RunState, list[Send]]:
    """Everything that follows from a state, as the next state and the orders that go with it.

    Returns at most SENDS_MAX orders; what is left waits for the GoOn that then is the last of them.
    """
    if state.status.is_terminal:
        return state, []
    draft = _Draft(plan, state)
    draft.tell_successors()
    draft.face_failures()
    if draft.status is RunStatus.RUNNING:
        draft.start_what_is_ready()
    else:
        draft.start_nothing_further()
    if draft.status is RunStatus.CANCELLING:
        draft.call_off(StopStep, StepStatus.STOPPING, StepStatus.STARTED, StepStatus.RECALLED)
    elif draft.status is RunStatus.FAILING:
        draft.call_off(RecallStep, StepStatus.RECALLED, StepStatus.STARTED)
    draft.roll_up()
    return draft.result()


def _step_ended(plan: Plan, state: RunState, event: StepEnded) -> RunState:
    place = plan.index.get(event.node)
    # The bus keeps no order and may say things twice: only the attempt that is under way can end.
    if place is None or state.attempts[place] != event.attempt or state.step(place) not in _IN_WORK:
        return state
    status = state.step(place)
    if event.outcome is Outcome.SUCCEEDED:
        return _with_step(state, place, StepStatus.PASSED)
    if status is not StepStatus.STARTED and event.outcome in (Outcome.CANCELLED, Outcome.LOST):
        ended = StepStatus.CANCELLED if status is StepStatus.STOPPING else StepStatus.SKIPPED
        return _with_step(state, place, ended)
    # What was to stop may have failed by itself before it was told. Then that is what happened.
    fallen = _with_step(state, place, StepStatus.FELL)
    if event.outcome is Outcome.LOST:
        return _with(fallen, lost=_put(state.lost, place, min(state.lost[place] + 1, ATTEMPTS_MAX)))
    return fallen


def _step_abandoned(plan: Plan, state: RunState, event: StepAbandoned) -> RunState:
    place = plan.index.get(event.node)
    if place is None or state.attempts[place] != event.attempt or state.step(place) is not StepStatus.STOPPING:
        return state
    return _with_step(state, place, StepStatus.CANCELLED)


class _Draft:
    """The next state while it is being made."""

    def __init__(self, plan: Plan, state: RunState) -> None:
        self.plan = plan
        self.before = state
        self.status = state.status
        self.steps = bytearray(state.steps)
        self.attempts = bytearray(state.attempts)
        self.waiting = bytearray(state.waiting)
        self.sends: list[Send] = []
        self.is_unfinished = False

    def places(self, status: StepStatus) -> list[int]:
        """Places of all steps that stand so."""
        found = []
        place = self.steps.find(status)
        while place >= 0:
            found.append(place)
            place = self.steps.find(status, place + 1)
        return found

    def tell_successors(self) -> None:
        """A step that passed is one reason less to wait for each step after it."""
        for place in self.places(StepStatus.PASSED):
            self.steps[place] = StepStatus.SUCCEEDED
            for after in self.plan.successors[place]:
                (count,) = struct.unpack_from("<H", self.waiting, 2 * after)
                assert count > 0, (self.plan.run_id, self.plan.keys[after])
                struct.pack_into("<H", self.waiting, 2 * after, count - 1)
                if count == 1 and self.steps[after] == StepStatus.WAITING:
                    self.steps[after] = StepStatus.READY

    def face_failures(self) -> None:
        """A step that fell is tried again, or has failed and takes the steps after it with it."""
        for place in self.places(StepStatus.FELL):
            if self.status is RunStatus.RUNNING and self.may_try_again(place):
                self.start(place, self.plan.settings[place].rest_s(self.attempts[place]))
                continue
            self.steps[place] = StepStatus.FAILED
            if self.plan.continue_on_step_failure:
                self.skip_all_after(place)
            elif self.status is RunStatus.RUNNING:
                self.status = RunStatus.FAILING

    def may_try_again(self, place: int) -> bool:
        """Whether the step's own retries, or those for a lost machine, allow one more attempt."""
        attempts, lost = self.attempts[place], self.before.lost[place]
        return attempts - lost <= self.plan.settings[place].retries and lost <= LOST_MAX and attempts < ATTEMPTS_MAX

    def skip_all_after(self, place: int) -> None:
        """Everything that waits for a failed step, however far, will never start."""
        ahead = list(self.plan.successors[place])
        while ahead:
            after = ahead.pop()
            if self.steps[after] == StepStatus.WAITING:
                self.steps[after] = StepStatus.SKIPPED
                ahead.extend(self.plan.successors[after])

    def start_what_is_ready(self) -> None:
        """Order each ready step, as far as one commit goes."""
        for place in self.places(StepStatus.READY):
            if not self.start(place, 0.0):
                break

    def start(self, place: int, rest_s: float) -> bool:
        """Order the next attempt of a step; False when this commit is full."""
        if self.is_full():
            return False
        self.steps[place] = StepStatus.STARTED
        self.attempts[place] += 1
        message = StartStep(run_id=self.plan.run_id, node=self.plan.keys[place], attempt=self.attempts[place])
        self.sends.append(Send(queue=self.plan.queues[place], message=message, delay_s=rest_s))
        return True

    def start_nothing_further(self) -> None:
        """What has not been ordered never will be."""
        end = StepStatus.CANCELLED if self.status is RunStatus.CANCELLING else StepStatus.SKIPPED
        for status in (StepStatus.WAITING, StepStatus.READY):
            self.steps = self.steps.replace(bytes([status]), bytes([end]))

    def call_off(self, order: type[StopStep | RecallStep], then: StepStatus, *standing: StepStatus) -> None:
        """Send an order to each step that stands so. The run ends when all have been heard of again."""
        for place in (place for status in standing for place in self.places(status)):
            if self.is_full():
                break
            self.steps[place] = then
            message = order(run_id=self.plan.run_id, node=self.plan.keys[place], attempt=self.attempts[place])
            self.sends.append(Send(queue=self.plan.queues[place], message=message))

    def is_full(self) -> bool:
        """Whether this commit can hold no more orders; what is left is then done by the next."""
        self.is_unfinished = self.is_unfinished or len(self.sends) >= SENDS_MAX - 1
        return self.is_unfinished

    def roll_up(self) -> None:
        """When no step is open any more the run has its last word."""
        if any(status in self.steps for status in _OPEN):
            return
        if self.status is RunStatus.CANCELLING:
            self.status = RunStatus.CANCELLED
        else:
            self.status = RunStatus.FAILED if StepStatus.FAILED in self.steps else RunStatus.COMPLETED
        if self.plan.announces:
            self.sends.append(Send(queue=NOTICES_QUEUE, message=RunEnded(run_id=self.plan.run_id)))

    def result(self) -> tuple[RunState, list[Send]]:
        """The next state and its orders; the state that came in when nothing changed."""
        after = RunState(self.status, bytes(self.steps), bytes(self.attempts), self.before.lost, bytes(self.waiting))
        if self.is_unfinished:
            self.sends.append(Send(queue=ORCHESTRATOR_QUEUE, message=GoOn(run_id=self.plan.run_id)))
        return (self.before if after == self.before else after), self.sends


def _with(state: RunState, status: RunStatus | None = None, lost: bytes | None = None) -> RunState:
    return RunState(status or state.status, state.steps, state.attempts, lost or state.lost, state.waiting)


def _with_step(state: RunState, place: int, status: StepStatus) -> RunState:
    return RunState(state.status, _put(state.steps, place, status), state.attempts, state.lost, state.waiting)


def _put(column: bytes, place: int, value: int) -> bytes:
    return column[:place] + bytes([value]) + column[place + 1 :]
