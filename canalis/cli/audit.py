"""The record of changes: who changed what, when and from where."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from canalis.cli import output, where
from canalis.cli.words import Json, WorkspaceName, app

_NOUNS = {
    "computes": "compute target",
    "datasets": "dataset",
    "datastores": "datastore",
    "drafts": "draft",
    "endpoints": "endpoint",
    "environments": "environment",
    "experiments": "experiment",
    "interactive": "run that its author ends",
    "models": "model",
    "pipelines": "published pipeline",
    "retention": "retention policy",
    "runs": "run",
    "schedules": "schedule",
    "webhooks": "webhook",
}
_V1_NOUNS = {"Pipelines": "pipelines", "PipelineEndpoints": "endpoints", "Schedules": "schedules"}
_VERBS = {"POST": "made", "PUT": "made or changed", "PATCH": "changed", "DELETE": "deleted"}
_ENDS = {
    "cancel": "cancelled a run",
    "clearing": "cleared away what nothing needs",
    "message": "started a run",
    "end": "ended a run",
    "Execution": "cancelled a run",
    "resume": "resumed a run",
    "publish": "published a draft",
    "receive": "took messages from a queue",
    "submissions": "put a message on the queue",
    "test": "tested a webhook",
    "tick": "started a run",
    "versions": "added a version to an endpoint",
}


@app.command()
def audit(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 20,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """List who changed what, when and from where, newest first. In the cloud it takes the role operator."""
    found = where.workspace(workspace)._client.get("/audit", limit=limit)
    if as_json:
        output.print_json(found)
        return
    rows = [
        (_when(line["at"]), line["who"], deed(line), line["name"], line.get("made", ""), line.get("client", ""))
        for line in found
    ]
    if rows:
        output.table(("when", "who", "what", "to", "which made", "from"), rows)
    else:
        print("Nothing has been changed yet")


def deed(line: Mapping[str, Any]) -> str:
    """What somebody did, in words; a line of a schedule has no method, since nobody sent a request.

    >>> deed({"method": "POST", "route": "/pipelines/{identity}/runs"})
    'started a run of a published pipeline'
    >>> deed({"method": "PATCH", "route": "/schedules/{identity}"}), deed({"method": "PUT", "route": "/new/{thing}"})
    ('changed a schedule', 'PUT /new/{thing}')
    """
    method, route = str(line.get("method", "")), str(line["route"])
    parts = [part for part in route.split("/") if part and not part.startswith("{")]
    last, first = parts[-1], _V1_NOUNS.get(parts[0], parts[0])
    noun = _NOUNS.get(first, "")
    if last in _ENDS:
        return _ENDS[last]
    if any(part.endswith("Submit") for part in parts):
        return "started a run by v1's contract"
    if last == "runs" and len(parts) > 1 and noun:
        return f"started a run of {_one(noun)}"
    if last == "status" and noun:
        return f"changed {_one(noun)}"
    if len(parts) > 1 or not noun:
        return f"{method} {route}"
    return "started a run" if (method, first) == ("POST", "runs") else f"{_VERBS[method]} {_one(noun)}"


def _one(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
