"""The only writer of a run's state."""

from __future__ import annotations

from collections.abc import Sequence

from canalis.contract.about import about
from canalis.contract.errors import Conflict
from canalis.contract.messages import ORCHESTRATOR_QUEUE, Event, StepAbandoned, StepEnded, stamped
from canalis.contract.ports import Document, Fact, Ports
from canalis.contract.trace import CONSUMER, INTERNAL, current, span
from orchestrator.decide import apply, decide
from orchestrator.plan import plan_of

EVENTS_MAX = 90  # applied together: each ended step is one of the 100 rows that a table transaction may have
_ABANDONED = "It was told to stop and did not say in time that it had: it may still be running"
_OF_MESSAGES: dict[str, str | int] = {
    "messaging.operation.type": "process",
    "messaging.operation.name": "advance",
    "messaging.destination.name": ORCHESTRATOR_QUEUE,
}
_TRIES = 8  # commits that lost against another writer before the messages go back to the bus


def advance(ports: Ports, run_id: str, events: Sequence[Event], traces: Sequence[str] = ()) -> None:
    """Carry events into their run, in one commit. Safe to call twice with the same events.

    traces   that the events came with from the bus: what follows goes on with the first, and is linked to the others
    Raises NotFound for a run that is not there, Conflict when others keep writing first.
    """
    assert len(events) <= EVENTS_MAX, len(events)
    known = [trace for trace in dict.fromkeys(traces) if trace]
    kind, said = (CONSUMER, _OF_MESSAGES | {"messaging.batch.message_count": len(events)}) if traces else (INTERNAL, {})
    with about(run_id=run_id), span("advance", known[0] if known else "", known[1:], kind, said) as told:
        told.set({"canalis.messages_sent": _carry(ports, run_id, events)})


def _carry(ports: Ports, run_id: str, events: Sequence[Event]) -> int:
    """How many messages follow from the events."""
    for fresh in (False, *[True] * _TRIES):  # most often nobody else has written since this process has
        run = ports.runs.load(run_id, fresh)
        plan = plan_of(ports.blobs, run)
        seen, facts, now = run.state, list[Fact](), ports.clock.now()
        for event in events:
            before, seen = seen, apply(plan, seen, event)
            if seen is not before and isinstance(event, StepEnded | StepAbandoned):
                facts.append(_fact(event, now))
        after, sends = decide(plan, seen)
        sends = stamped(sends, current())
        if after is run.state and fresh:
            break
        if after is run.state:
            continue  # what says nothing new may be about what somebody else has written
        try:
            ports.runs.commit(run, after, sends, facts)
            break
        except Conflict:
            continue  # somebody else wrote first, so all of it is thought through again
    else:
        raise Conflict(f"run {run_id} was changed by others {_TRIES} times in a row", run_id=run_id)
    ports.runs.deliver(run_id)  # also what an earlier crash left behind
    return len(sends)


def _fact(event: StepEnded | StepAbandoned, now: float) -> Fact:
    if isinstance(event, StepAbandoned):
        news: Document = {"ended_at": now, "error_code": "abandoned", "error": _ABANDONED}
    else:
        news = event.model_dump(mode="json", exclude={"kind", "run_id", "node", "attempt"}, exclude_none=True)
    return Fact(event.node, event.attempt, news | {"heard_at": now}, ended=True)
