"""What others are told, as CloudEvents 1.0 in their structured JSON form. Never a run's parameters: they may be secret.

Source   https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from canalis.contract.announcements import Listening
from canalis.contract.errors import NotFound
from canalis.contract.logs import masked
from canalis.contract.ports import Ports, Run
from canalis.contract.status import RunStatus
from canalis.contract.views import RunView
from orchestrator import views

CONTENT_TYPE = "application/cloudevents+json"
REFUSED = "io.canalis.submission.refused"
TEST = "io.canalis.webhook.test"
_ENDED = {
    RunStatus.COMPLETED: "io.canalis.run.completed",
    RunStatus.FAILED: "io.canalis.run.failed",
    RunStatus.CANCELLED: "io.canalis.run.canceled",
}
_TEXT_MAX = 2_000  # characters of an error; an event must fit into a message of the bus
_TAGS_MAX = 8_000  # of tags with their values
_NOWHERE = Listening("canalis")  # for a service that nobody has told where it is


@dataclass(frozen=True, slots=True)
class Event:
    """An event, ready to be sent.

    id     the same however often it is sent, so that a receiver can drop doubles
    said   what goes beside it on a bus: who reads a topic can choose by it
    """

    id: str
    body: bytes
    said: Mapping[str, str]


def of_end(ports: Ports, run: Run) -> Event:
    """That a run has ended, and how."""
    assert run.state.status.is_terminal and run.ended_at is not None, run.run_id
    view, kind = _view(ports, run), _ENDED[run.state.status]
    said = {"type": kind, "status": view.status, "experiment": view.experiment}
    if view.origin.pipeline:
        said["pipeline"] = view.origin.pipeline
    extensions = {"traceparent": run.request.trace} if run.request.trace else {}
    return event(
        ports, kind, f"{run.run_id}-ended", run.run_id, run.ended_at, _data(ports, run, view), said, extensions
    )


def event(
    ports: Ports,
    kind: str,
    identity: str,
    subject: str,
    at: float,
    data: Mapping[str, Any],
    said: Mapping[str, str],
    extensions: Mapping[str, str] | None = None,
) -> Event:
    """An event of that kind, about that subject, of a moment in seconds since 1970."""
    envelope = {
        "specversion": "1.0",
        "id": identity,
        "source": source_of(ports),
        "type": kind,
        "subject": subject,
        "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        **(extensions or {}),
        "data": data,
    }
    beside = {"message_id": identity, "subject": subject, "content_type": CONTENT_TYPE, **said}
    return Event(identity, json.dumps(envelope).encode(), beside)


def source_of(ports: Ports) -> str:
    """The workspace's address, where events come from."""
    return (ports.listening or _NOWHERE).source


def _view(ports: Ports, run: Run) -> RunView:
    try:
        return views.run_view(ports, run)
    except NotFound:  # somebody has deleted its graph, and how it ended is known all the same
        return views.run_view(ports, run, with_error=False)


def _data(ports: Ports, run: Run, view: RunView) -> dict[str, Any]:
    """A run as others are told of it. Times are in seconds since 1970, as over HTTP."""
    reply = run.request.reply
    return {
        "run": view.id,
        "url": f"{source_of(ports)}/api/v1/runs/{view.id}",
        "experiment": view.experiment,
        "number": view.number,
        "display_name": view.display_name,
        "status": view.status,
        "pipeline": view.origin.pipeline,
        "endpoint": view.origin.endpoint,
        "version": view.origin.version,
        "schedule": view.origin.schedule,
        "parent": view.parent,
        "submission": reply.to if reply is not None else None,
        "submitted_by": view.submitted_by,
        "submitted_at": view.submitted_at,
        "ended_at": view.ended_at,
        "error": None
        if view.error is None
        else {"code": view.error.code, "message": masked(view.error.message)[:_TEXT_MAX], "step": view.error.step},
        "tags": _fitting(view.tags),
    }


def _fitting(tags: Mapping[str, str]) -> dict[str, str]:
    """As many of the tags as an event has room for."""
    found, left = {}, _TAGS_MAX
    for name, value in tags.items():
        left -= len(name) + len(value)
        if left < 0:
            break
        found[name] = value
    return found
