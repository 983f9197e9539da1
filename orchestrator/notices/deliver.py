"""One listener is told of the end of a run, again and again until it works or a day has passed."""

from __future__ import annotations

import logging
from contextlib import suppress

from canalis.contract.announcements import ANNOUNCEMENTS, CALLBACK, REPLY, TOPIC, WEBHOOK, Announcement, Owed
from canalis.contract.errors import CanalisError, NotFound
from canalis.contract.logs import masked
from canalis.contract.messages import NOTICES_QUEUE, DeliverNotice, Send
from canalis.contract.ports import Document, Ports, Run
from orchestrator.kept import changed
from orchestrator.notices import callback, webhooks
from orchestrator.notices.event import of_end

DELAYS_S = (10.0, 60.0, 300.0, 900.0)  # before the second try, the third ...; from then on the last of them
GIVE_UP_S = 24 * 3600.0  # after the end of a run, from when on nobody is told of it

_log = logging.getLogger("canalis.notices")


def deliver(ports: Ports, run_id: str, listener: str, turn: int) -> None:
    """Tell one listener, or see to it that this is tried again later. Safe to call twice with the same turn."""
    record = _record(ports, run_id)
    owed = (record.owed or {}).get(listener) if record is not None else None
    if record is None or owed is None or owed.turn != turn:
        return  # it has been told, or a later turn is at it
    run = ports.runs.load(run_id)
    now, ended_at = ports.clock.now(), run.ended_at or record.since
    rests_until = _rests_until(ports, listener)
    if now < rests_until:
        later: Owed | None = owed.model_copy(update={"turn": owed.turn + 1, "due_at": rests_until})
    else:
        later = None if is_told(ports, run, listener) else next_try(owed, now)
    if later is not None and later.due_at > ended_at + GIVE_UP_S:
        _log.warning("run %s: %s is not told of its end, after %d tries", run_id, listener, owed.tries + 1)
        give_up(ports, run_id, listener)
        return
    if later is None:
        _settled(ports, run_id, listener, turn, record)
    elif _put_off(ports, run_id, listener, turn, later):
        ports.bus.send([order(run_id, listener, later, now)])


def is_told(ports: Ports, run: Run, listener: str) -> bool:
    """Tell it once; whether it has heard. What kept it from that is in the log, and with a webhook beside it."""
    try:
        return _told(ports, run, listener)
    except CanalisError as error:
        _log.warning("run %s: %s has not heard of its end: %s", run.run_id, listener, masked(error.message))
        return False


def order(run_id: str, listener: str, owed: Owed, now: float) -> Send:
    """That this listener be told when it is due."""
    message = DeliverNotice(run_id=run_id, listener=listener, turn=owed.turn)
    return Send(queue=NOTICES_QUEUE, message=message, delay_s=min(max(0.0, owed.due_at - now), DELAYS_S[-1]))


def next_try(owed: Owed, now: float) -> Owed:
    """When a listener is told again, after a try that failed.

    >>> [next_try(Owed(tries=tries, due_at=0.0), 0.0).due_at for tries in range(6)]
    [10.0, 60.0, 300.0, 900.0, 900.0, 900.0]
    """
    delay_s = DELAYS_S[min(owed.tries, len(DELAYS_S) - 1)]
    return Owed(turn=owed.turn + 1, tries=owed.tries + 1, due_at=now + delay_s)


def give_up(ports: Ports, run_id: str, listener: str) -> None:
    """Nobody tells this listener of that run any more."""
    record = _record(ports, run_id)
    owed = (record.owed or {}).get(listener) if record is not None else None
    if record is not None and owed is not None:
        _settled(ports, run_id, listener, owed.turn, record)
    if listener == CALLBACK:
        callback.forget(ports, run_id)


def _told(ports: Ports, run: Run, listener: str) -> bool:
    if listener == CALLBACK:
        return callback.call_back(ports, run)
    if listener == REPLY:
        reply = run.request.reply
        if reply is not None:
            told = of_end(ports, run)
            ports.bus.publish(reply.queue, told.body, {**told.said, "correlation_id": reply.to})
    elif listener == TOPIC:
        if ports.listening is not None and ports.listening.topic:
            told = of_end(ports, run)
            ports.bus.publish(ports.listening.topic, told.body, told.said)
    else:
        with suppress(NotFound):  # deleted meanwhile
            hook = webhooks.webhook(ports.documents, listener.removeprefix(WEBHOOK))
            return not hook.enabled or webhooks.send(ports, hook, of_end(ports, run), run.run_id).ok
    return True


def _rests_until(ports: Ports, listener: str) -> float:
    """Until when a webhook is left alone, since it does not answer: else each run would wait for it anew."""
    if not listener.startswith(WEBHOOK):
        return 0.0
    return webhooks.deliveries_of(ports.documents, listener.removeprefix(WEBHOOK)).rests_until


def _record(ports: Ports, run_id: str) -> Announcement | None:
    stored = ports.documents.get(ANNOUNCEMENTS, run_id)
    return Announcement.model_validate(stored.body) if stored is not None else None


def _settled(ports: Ports, run_id: str, listener: str, turn: int, record: Announcement) -> None:
    """This listener is owed nothing any more; the record goes with the last of them."""
    # Nobody is added to those who are owed, so the last of them stays the last.
    if record.owed is None or len(record.owed) > 1:
        left = _edited(ports, run_id, listener, turn, None)
        if left is None or left.get("owed"):
            return
    ports.documents.delete(ANNOUNCEMENTS, run_id)


def _put_off(ports: Ports, run_id: str, listener: str, turn: int, later: Owed) -> bool:
    """Whether it is on record now that this is tried later; not when somebody else was faster."""
    after = _edited(ports, run_id, listener, turn, later)
    found = Announcement.model_validate(after).owed if after is not None else None
    return bool(found and found.get(listener) == later)


def _edited(ports: Ports, run_id: str, listener: str, turn: int, later: Owed | None) -> Document | None:
    """The record after what is owed at that turn was replaced, or taken out; None when there is none any more."""

    def edit(body: Document) -> Document:
        record = Announcement.model_validate(body)
        owed = dict(record.owed or {})
        if listener not in owed or owed[listener].turn != turn:
            return body
        if later is None:
            del owed[listener]
        else:
            owed[listener] = later
        return record.model_copy(update={"owed": owed}).model_dump(mode="json")

    with suppress(NotFound):
        return changed(ports.documents, ANNOUNCEMENTS, run_id, edit).body
    return None
