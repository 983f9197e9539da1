"""What happens on its own: messages that were lost are made again from the run's record, and time runs out."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from canalis.contract.about import about
from canalis.contract.errors import CanalisError, NotFound, WorldError
from canalis.contract.messages import (
    ORCHESTRATOR_QUEUE,
    GoOn,
    Message,
    RecallStep,
    Send,
    StartStep,
    StepAbandoned,
    StopStep,
    stamped,
)
from canalis.contract.ports import Attempt, AttemptKey, Ports, Run
from canalis.contract.status import StepStatus
from canalis.contract.trace import current, span
from orchestrator.plan import Plan, plan_of

SWEEP_S = 15.0  # between two sweeps
QUIET_S = 15.0  # a message younger than this is more likely on its way than lost
KILL_S = 30.0  # what was told to stop and is not heard of for so long is abandoned

_log = logging.getLogger("canalis.sweep")

_IN_VAIN_MAX = 3  # runs in a row that cannot be looked after: then the others could not be either
_AHEAD_S_MAX = 60.0  # what a clock may lag behind another; what lies further ahead was written before it was set back

# The order that a step in work was last given.
_ORDERS: dict[StepStatus, type[StartStep | RecallStep | StopStep]] = {
    StepStatus.STARTED: StartStep,
    StepStatus.RECALLED: RecallStep,
    StepStatus.STOPPING: StopStep,
}
_UNDECIDED = (StepStatus.READY, StepStatus.PASSED, StepStatus.FELL)


class Sweeper:
    """Looks at all open runs again and again. What it remembers only saves messages; another may take over any time.

    owner   whose claims count as abandoned unless it holds them; "" when leases alone tell
    """

    def __init__(self, ports: Ports, owner: str = "") -> None:
        self._ports = ports
        self._owner = owner
        self.opened: Collection[str] = ()  # runs that were open when it last looked
        self._last: float | None = None
        self._unclaimed: dict[AttemptKey, float] = {}  # since when an order was seen that nobody had taken up

    def sweep(self, held: Collection[AttemptKey] = frozenset(), at_once: bool = False) -> int:
        """Send again what open runs wait for and nobody is working on. Safe to call at any time.

        held      attempts that the owner has in hand
        at_once   whether what nobody has taken up counts as lost now: when a service starts and has nothing else
        Returns   how many messages were sent again
        """
        clock = self._ports.clock
        look = _Look(clock.now(), clock.monotonic(), self._last, self._owner, held, at_once, self._unclaimed)
        self.opened = opened = self._ports.runs.open_runs()
        sent = self._look_after_all(opened, look) if opened else 0
        self._last, self._unclaimed = look.passed, look.unclaimed
        return sent

    def _look_after_all(self, run_ids: Collection[str], look: _Look) -> int:
        sent, in_a_row = 0, 0
        first: WorldError | None = None
        with span("sweep", attributes={"canalis.open_runs": len(run_ids)}) as told:
            for run_id in run_ids:
                with about(run_id=run_id):
                    try:
                        sent += self._look_after(run_id, look)
                        in_a_row = 0
                    except WorldError as error:  # perhaps of this run's rows alone
                        first, in_a_row = first or error, in_a_row + 1
                        if in_a_row == _IN_VAIN_MAX:
                            break
                    except Exception as error:  # one run that cannot be read must not keep the others waiting
                        self._flag(run_id, error)
            told.set({"canalis.messages_sent": sent})
        if first is not None:
            raise first
        return sent

    def _flag(self, run_id: str, error: Exception) -> None:
        _log.warning("run %s: %r", run_id, error, exc_info=not isinstance(error, CanalisError))
        with suppress(NotFound):  # it was never created to the end, and its author was told so
            self._ports.runs.flag(run_id, f"It cannot be looked after: {error!r}")

    def _look_after(self, run_id: str, look: _Look) -> int:
        runs = self._ports.runs
        runs.deliver(run_id)
        run = runs.load(run_id)
        live = {attempt.key: attempt for attempt in runs.attempts(run_id, live=True)}
        plan = plan_of(self._ports.blobs, run)
        sends = [send for send in missing_messages(plan, run, live, look) if not self._rests(plan, send.message, look)]
        if sends:
            # They take the place of what was lost, so they belong to the run's own trace, if it has one.
            self._ports.bus.send(stamped(sends, run.request.trace or current()))
        return len(sends)

    def _rests(self, plan: Plan, message: Message, look: _Look) -> bool:
        """Whether a step waits for its next attempt, as it was told to."""
        if not isinstance(message, StartStep) or message.attempt == 1:
            return False
        earlier = self._ports.runs.attempt(AttemptKey(message.run_id, message.node, message.attempt - 1))
        if earlier is None:
            return False
        rest_s = plan.settings[plan.index[message.node]].rest_s(earlier.key.attempt)
        return look.now < float(earlier.facts.get("heard_at", 0.0)) + rest_s


@dataclass(slots=True)
class _Look:
    """One look at all open runs.

    now      the time of day, which somebody may set
    passed   seconds by a clock that nobody can set; `since` is that of the look before
    known, unclaimed   orders that nobody had taken up then and now
    """

    now: float
    passed: float
    since: float | None = None
    owner: str = ""
    held: Collection[AttemptKey] = frozenset()
    at_once: bool = False
    known: Mapping[AttemptKey, float] = field(default_factory=dict)
    unclaimed: dict[AttemptKey, float] = field(default_factory=dict)

    def is_lost(self, key: AttemptKey, live: Attempt | None, updated_at: float) -> bool:
        """Whether an order may have been lost, or the worker that had taken it up.

        updated_at   of its run: the order is no younger than that
        """
        if live is not None and live.owner:
            return live.key not in self.held if live.owner == self.owner else live.lease_until <= self.now
        # Whoever looks for the first time remembers nothing. Where machines come and go he may not look twice.
        seen = self.passed - QUIET_S if self.since is None and self.is_quiet(updated_at) else self.passed
        first = self.unclaimed[key] = self.known.get(key, seen)
        return self.at_once or self._is_due(first)

    def is_quiet(self, since: float) -> bool:
        """Whether nothing was heard for long enough; also of what seems to lie ahead, since the clock was set back."""
        return self.at_once or not -_AHEAD_S_MAX < self.now - since < QUIET_S

    def _is_due(self, first: float) -> bool:
        """Whether an order that nobody has taken up is to be sent again.

        It may be lost, or wait in a long queue, and nobody can tell. So it is sent again 15 s after it was first
        seen, 30 s, 60 s and so on: a lost one is soon made good, one that waits for hours is doubled ten times.
        """
        due_s = QUIET_S
        while self.since is not None and due_s <= self.since - first:
            due_s *= 2
        return self.passed - first >= due_s


def missing_messages(plan: Plan, run: Run, live: Mapping[AttemptKey, Attempt], look: _Look) -> list[Send]:
    """The messages without which the run would stand still."""
    if run.state.status.is_terminal:
        return []
    sends = []
    for place, node in _in_work(plan, run):
        order = _ORDERS[run.state.step(place)]
        key = AttemptKey(run.run_id, node, run.state.attempts[place])
        if order is StopStep:
            stopping_since = run.stopping_since or 0.0
            if look.now - stopping_since > KILL_S:
                abandoned = StepAbandoned(run_id=run.run_id, node=node, attempt=key.attempt)
                sends.append(Send(queue=ORCHESTRATOR_QUEUE, message=abandoned))
            is_missing = look.is_quiet(stopping_since)
        else:
            is_missing = look.is_lost(key, live.get(key), run.updated_at)
        if is_missing:
            message = order(run_id=run.run_id, node=node, attempt=key.attempt)
            sends.append(Send(queue=plan.queues[place], message=message))
    is_undecided = any(status in run.state.steps for status in _UNDECIDED)
    if is_undecided and look.is_quiet(run.updated_at):
        sends.append(Send(queue=ORCHESTRATOR_QUEUE, message=GoOn(run_id=run.run_id)))
    return sends


def _in_work(plan: Plan, run: Run) -> Iterator[tuple[int, str]]:
    for status in _ORDERS:
        place = run.state.steps.find(status)
        while place >= 0:
            yield place, plan.keys[place]
            place = run.state.steps.find(status, place + 1)
