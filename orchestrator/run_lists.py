"""Runs that fit what somebody looks for, page by page: also by what no storage has an index of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from canalis.contract.ports import Ports, Run, RunQuery
from orchestrator.remarks import ANNOTATIONS, merged

_PAGE = 200
_LOOKED_AT_MAX = 4_000  # runs that one request looks through; then it gives what it has, and where to go on


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run must have, beside what the storage looks for.

    text      stands in its id, experiment, name, description, parameters or who submitted it, in any case
    tag       a name, or name=value
    trigger   what started it: own, pipeline, endpoint, schedule or step
    after     it was submitted then or later, in seconds since 1970
    """

    text: str = ""
    tag: str = ""
    trigger: str = ""
    after: float | None = None

    def __bool__(self) -> bool:
        return bool(self.text or self.tag or self.trigger or self.after is not None)


def listed(ports: Ports, query: RunQuery, wanted: Wanted) -> tuple[list[Run], float | None]:
    """The next runs that fit, newest first, and `before` for the page after them; None when there is none.

    After _LOOKED_AT_MAX runs it stops: then there may be fewer than `query.limit` although more follow.
    """
    if not wanted:
        found = ports.runs.find(query)
        return found, found[-1].request.submitted_at if len(found) == query.limit else None
    found, looked_at, before = [], 0, query.before
    while looked_at < _LOOKED_AT_MAX:
        page = ports.runs.find(replace(query, before=before, limit=_PAGE))
        notes = ports.documents.get_all(ANNOTATIONS, [run.run_id for run in page])
        for run in page:
            before = run.request.submitted_at
            if wanted.after is not None and before < wanted.after:
                return found, None
            if _fits(run, notes.get(run.run_id, {}), wanted):
                found.append(run)
                if len(found) == query.limit:
                    return found, before
        looked_at += len(page)
        if len(page) < _PAGE:
            return found, None
    return found, before


def trigger_of(run: Run) -> str:
    """What started a run: a schedule, an endpoint, a published pipeline, a step of another run, or its author."""
    origin = run.request.origin
    kinds = {"schedule": origin.schedule, "step": run.request.parent, "endpoint": origin.endpoint}
    return next((kind for kind, named in kinds.items() if named), "pipeline" if origin.pipeline else "own")


def _fits(run: Run, notes: Mapping[str, Any], wanted: Wanted) -> bool:
    request = run.request
    if wanted.trigger and trigger_of(run) != wanted.trigger:
        return False
    tags = merged(request.tags, notes.get("tags", {}))
    if wanted.tag:
        name, is_pair, value = wanted.tag.partition("=")
        if name not in tags or (is_pair and tags[name] != value):
            return False
    if not wanted.text:
        return True
    texts = [run.run_id, request.experiment, notes.get("display_name") or request.display_name, request.description]
    texts += [request.submitted_by, *(f"{name}={value}" for name, value in request.parameters.items())]
    texts += [f"{name}={value}" for name, value in tags.items()]
    return any(wanted.text.lower() in text.lower() for text in texts)
