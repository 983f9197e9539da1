"""The only writer of a run's state."""

from __future__ import annotations

from collections.abc import Sequence

from canalis.contract.errors import Conflict
from canalis.contract.messages import Event, StepAbandoned, StepEnded
from canalis.contract.ports import Document, Fact, Ports
from orchestrator.decide import apply, decide
from orchestrator.plan import plan_of

EVENTS_MAX = 90  # applied together: each ended step is one of the 100 rows that a table transaction may have
_ABANDONED = "It was told to stop and did not say in time that it had: it may still be running"
_TRIES = 8  # commits that lost against another writer before the messages go back to the bus


def advance(ports: Ports, run_id: str, events: Sequence[Event]) -> None:
    """Carry events into their run, in one commit. Safe to call twice with the same events.

    Raises NotFound for a run that is not there, Conflict when others keep writing first.
    """
    assert len(events) <= EVENTS_MAX, len(events)
    for fresh in (False, *[True] * _TRIES):  # most often nobody else has written since this process has
        run = ports.runs.load(run_id, fresh)
        plan = plan_of(ports.blobs, run)
        seen, facts, now = run.state, list[Fact](), ports.clock.now()
        for event in events:
            before, seen = seen, apply(plan, seen, event)
            if seen is not before and isinstance(event, StepEnded | StepAbandoned):
                facts.append(_fact(event, now))
        after, sends = decide(plan, seen)
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


def _fact(event: StepEnded | StepAbandoned, now: float) -> Fact:
    if isinstance(event, StepAbandoned):
        news: Document = {"ended_at": now, "error_code": "abandoned", "error": _ABANDONED}
    else:
        news = event.model_dump(mode="json", exclude={"kind", "run_id", "node", "attempt"}, exclude_none=True)
    return Fact(event.node, event.attempt, news | {"heard_at": now}, ended=True)
