"""What was to be told and got lost on the way is told all the same: made again from the record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress

from canalis.contract.announcements import ANNOUNCEMENTS, Announcement, Owed
from canalis.contract.errors import Conflict, NotFound
from canalis.contract.messages import NOTICES_QUEUE, RunEnded, Send
from canalis.contract.ports import Ports, Stored
from orchestrator.notices import callback
from orchestrator.notices.deliver import DELAYS_S, order

LATE_S = 30.0  # a message that is later than this is more likely lost than on its way
_CREATED_WITHIN_S = 3600.0  # a run that was announced and is not there after so long never will be
_AHEAD_S_MAX = DELAYS_S[-1] + 60.0  # what lies further ahead was written before the clock was set back


def make_good(ports: Ports, opened: Collection[str] = ()) -> int:
    """Send again what listeners wait for and no message may be about any more. Safe to call at any time.

    opened    runs that were open just now, of which nothing is to be told yet
    Returns   how many messages were sent again
    """
    records = ports.documents.list(ANNOUNCEMENTS)
    return sum(_look_after(ports, stored) for stored in records if stored.name not in opened)


def _look_after(ports: Ports, stored: Stored) -> int:
    record, now = Announcement.model_validate(stored.body), ports.clock.now()
    if record.owed is None:
        return _remind(ports, stored, record, now)
    late = {listener: one for listener, one in record.owed.items() if _is_late(one.due_at, now)}
    if not late:
        return 0
    due: Mapping[str, Owed] = {listener: one.model_copy(update={"due_at": now}) for listener, one in late.items()}
    if not _is_written(ports, stored, record.model_copy(update={"owed": {**record.owed, **due}})):
        return 0
    ports.bus.send([order(stored.name, listener, one, now) for listener, one in due.items()])
    return len(due)


def _remind(ports: Ports, stored: Stored, record: Announcement, now: float) -> int:
    """Call the end of a run to mind that nobody has begun to tell."""
    try:
        run = ports.runs.load(stored.name)
    except NotFound:
        if now - record.since > _CREATED_WITHIN_S:
            callback.forget(ports, stored.name)
            ports.documents.delete(ANNOUNCEMENTS, stored.name)
        return 0
    if not run.state.status.is_terminal or not _is_late(max(run.ended_at or now, record.asked_at), now):
        return 0
    if not _is_written(ports, stored, record.model_copy(update={"asked_at": now})):
        return 0
    ports.bus.send([Send(queue=NOTICES_QUEUE, message=RunEnded(run_id=stored.name))])
    return 1


def _is_late(due_at: float, now: float) -> bool:
    return not -_AHEAD_S_MAX < now - due_at < LATE_S


def _is_written(ports: Ports, stored: Stored, record: Announcement) -> bool:
    """Whether it is on record now that it was made again just now: so nobody else does the same."""
    with suppress(Conflict):
        ports.documents.put(ANNOUNCEMENTS, stored.name, record.model_dump(mode="json"), etag=stored.etag)
        return True
    return False
