"""What happens on its own: messages that were lost are made again from the run's record."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from canalis.contract.messages import ORCHESTRATOR_QUEUE, GoOn, RecallStep, Send, StartStep, StopStep
from canalis.contract.ports import Attempt, AttemptKey, Ports, Run
from canalis.contract.status import StepStatus
from orchestrator.plan import Plan, plan_of

QUIET_S = 15.0  # a message younger than this is more likely on its way than lost

# The order that a step in work was last given.
_ORDERS: dict[StepStatus, type[StartStep | RecallStep | StopStep]] = {
    StepStatus.STARTED: StartStep,
    StepStatus.RECALLED: RecallStep,
    StepStatus.STOPPING: StopStep,
}
_UNDECIDED = (StepStatus.READY, StepStatus.PASSED, StepStatus.FELL)


def sweep(ports: Ports, owner: str, held: Collection[AttemptKey], quiet_s: float = QUIET_S) -> int:
    """Send again what every open run is waiting for and nobody is working on. Safe to call at any time.

    owner     whose claims count as abandoned unless they are in `held`
    Returns   how many messages were sent
    """
    sent = 0
    now = ports.clock.now()
    for run_id in ports.runs.open_runs():
        ports.runs.deliver(run_id)
        run = ports.runs.load(run_id)
        if now - run.updated_at < quiet_s:
            continue
        attempts = {attempt.key: attempt for attempt in ports.runs.attempts(run_id)}
        sends = missing_messages(plan_of(ports.blobs, run), run, attempts, owner, held, now)
        if sends:
            ports.bus.send(sends)
            sent += len(sends)
    return sent


def missing_messages(
    plan: Plan,
    run: Run,
    attempts: Mapping[AttemptKey, Attempt],
    owner: str,
    held: Collection[AttemptKey],
    now: float,
) -> list[Send]:
    """The messages without which the run would stand still. Pure."""
    if run.state.status.is_terminal:
        return []
    sends = []
    for place, node in enumerate(plan.keys):
        status = run.state.step(place)
        if status not in _ORDERS:
            continue
        key = AttemptKey(run.run_id, node, run.state.attempts[place])
        if _is_cared_for(attempts.get(key), owner, held, now) and status is not StepStatus.STOPPING:
            continue
        order = _ORDERS[status]
        message = order(run_id=run.run_id, node=node, attempt=key.attempt)
        sends.append(Send(queue=plan.queues[place], message=message))
    if any(status in run.state.steps for status in _UNDECIDED):
        sends.append(Send(queue=ORCHESTRATOR_QUEUE, message=GoOn(run_id=run.run_id)))
    return sends


def _is_cared_for(attempt: Attempt | None, owner: str, held: Collection[AttemptKey], now: float) -> bool:
    if attempt is None:
        return False
    if attempt.owner == owner:
        return attempt.key in held
    return attempt.lease_until > now or float(attempt.facts.get("not_before", 0.0)) > now
