"""Whose end is told to anybody, and the record of what is still to be told.

prepared(...)   a run is submitted: does anybody want to hear of it? Then there is a record from before it exists
announce(...)   it has ended: who hears of it is written down, and each is told
deliver(...)    one of them is told, again until it works (orchestrator/notices/deliver.py)
make_good(...)  what got lost on the way is made again from the record (orchestrator/notices/sweep.py)
"""

from __future__ import annotations

from contextlib import suppress

from canalis.contract.announcements import ANNOUNCEMENTS, CALLBACK, REPLY, TOPIC, WEBHOOK, Announcement, Owed
from canalis.contract.errors import Conflict, NotFound
from canalis.contract.ports import Ports, Run
from canalis.contract.run import RunRequest
from orchestrator.notices import webhooks
from orchestrator.notices.callback import is_called_back
from orchestrator.notices.deliver import is_told, next_try, order


def prepared(ports: Ports, run_id: str, request: RunRequest) -> RunRequest:
    """The request of a run that is about to be created, knowing whether its end is to be announced.

    If it is, that is on record on return. A run of which nobody wants to hear costs nothing further.
    """
    if not _is_wanted(ports, run_id, request):
        return request
    try:
        ports.runs.load(run_id)  # it was submitted before: what is to be told of it is on record, or has been told
    except NotFound:
        expect(ports, run_id)
    return request.model_copy(update={"announce": True})


def expect(ports: Ports, run_id: str) -> None:
    """Put on record that somebody may want to hear of the end of a run."""
    body = Announcement(since=ports.clock.now()).model_dump(mode="json")
    with suppress(Conflict):
        ports.documents.put(ANNOUNCEMENTS, run_id, body, if_absent=True)


def announce(ports: Ports, run_id: str) -> None:
    """Tell of a run's end whoever wants to hear of it. Safe to call twice with the same run.

    Raises Conflict when somebody else has begun at the same moment
    """
    known = ports.documents.get(ANNOUNCEMENTS, run_id)
    if known is None:
        return  # all of them have been told
    try:
        run = ports.runs.load(run_id)
    except NotFound:
        return
    if not run.state.status.is_terminal:
        return  # whoever sent this knows nothing of it
    owed = Announcement.model_validate(known.body).owed
    if owed is None:
        owed = _told_at_once(ports, run)
        if not owed:
            ports.documents.delete(ANNOUNCEMENTS, run_id)
            return
        record = Announcement(since=run.ended_at or ports.clock.now(), owed=owed)
        ports.documents.put(ANNOUNCEMENTS, run_id, record.model_dump(mode="json"), etag=known.etag)
    now = ports.clock.now()
    ports.bus.send([order(run_id, listener, one, now) for listener, one in owed.items()])


def listeners(ports: Ports, run: Run) -> list[str]:
    """Who wants to hear that this run has ended."""
    found = [REPLY] if run.request.reply is not None else []
    if ports.listening is not None and ports.listening.topic:
        found.append(TOPIC)
    if is_called_back(ports, run.run_id):
        found.append(CALLBACK)
    status, origin = run.state.status.value, run.request.origin
    wanting = webhooks.wanting(ports.documents, run.request.experiment, origin.pipeline, status)
    return [*found, *(f"{WEBHOOK}{hook.id}" for hook in wanting)]


def _is_wanted(ports: Ports, run_id: str, request: RunRequest) -> bool:
    if request.announce or request.reply is not None:
        return True
    if ports.listening is None:
        return False
    if ports.listening.topic or is_called_back(ports, run_id):
        return True
    return bool(webhooks.wanting(ports.documents, request.experiment, request.origin.pipeline))


def _told_at_once(ports: Ports, run: Run) -> dict[str, Owed]:
    """Who is still owed, after those were told for whom that is a message on our own bus: it takes no time."""
    now = ports.clock.now()
    owed = {}
    for listener in listeners(ports, run):
        if listener not in (REPLY, TOPIC):
            owed[listener] = Owed(due_at=now)
        elif not is_told(ports, run, listener):
            owed[listener] = next_try(Owed(due_at=now), now)
    return owed
