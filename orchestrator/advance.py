"""The only writer of a run's state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from canalis.contract.errors import Conflict
from canalis.contract.messages import Event, Send, StartStep, StepEnded
from canalis.contract.ports import Fact, Ports
from orchestrator.decide import apply, decide
from orchestrator.plan import plan_of

EVENTS_MAX = 90  # applied together: each ended step is one of the 100 rows that a table transaction may have
_TRIES = 8  # commits that lost against another writer before the messages go back to the bus


def advance(ports: Ports, run_id: str, events: Sequence[Event]) -> None:
    """Carry events into their run, in one commit. Safe to call twice with the same events.

    Raises NotFound for a run that is not there, Conflict when others keep writing first.
    """
    assert len(events) <= EVENTS_MAX, len(events)
    for _ in range(_TRIES):
        run = ports.runs.load(run_id)
        plan = plan_of(ports.blobs, run)
        seen, facts = run.state, []
        for event in events:
            before, seen = seen, apply(plan, seen, event)
            if seen is not before and isinstance(event, StepEnded):
                facts.append(_fact(event))
        after, sends = decide(plan, seen)
        if after is run.state:
            break
        try:
            ports.runs.commit(run, after, sends, [*facts, *_rests(sends, ports.clock.now())])
            break
        except Conflict:
            continue  # somebody else wrote first, so all of it is thought through again
    else:
        raise Conflict(f"run {run_id} was changed by others {_TRIES} times in a row", run_id=run_id)
    ports.runs.deliver(run_id)  # also what an earlier crash left behind


def _fact(event: StepEnded) -> Fact:
    news = event.model_dump(mode="json", exclude={"kind", "run_id", "node", "attempt"}, exclude_none=True)
    return Fact(event.node, event.attempt, news, ended=True)


def _rests(sends: Iterable[Send], now: float) -> list[Fact]:
    # The sweep must not take a resting step for one whose order was lost.
    return [
        Fact(send.message.node, send.message.attempt, {"not_before": now + send.delay_s})
        for send in sends
        if send.delay_s and isinstance(send.message, StartStep)
    ]
