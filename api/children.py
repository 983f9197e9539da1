"""Runs that scripts begin below the run of their step: the same as those that MLflow's client begins there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access import GuardedRoute, Role, needs
from api.mlflow.shapes import KEY_MAX, CreateRun, TagSaid
from api.mlflow.tracked import PARENT_TAG, Tracked, begin_child, known_of, remember, tracked
from api.reach import Reach
from api.runs import get_run
from api.service import Asking, Here, Service
from canalis.contract.errors import NotFound
from canalis.contract.mlflow_ids import RUNS, mlflow_id, named
from canalis.contract.ports import Document
from canalis.contract.run import StepRunId
from canalis.contract.views import ChildView, ErrorView, StepView

router = APIRouter(route_class=GuardedRoute, tags=["children"])

_LOOK = [needs(Role.READER, step=Reach.CHOSEN)]
_WRITE = [needs(Role.SUBMITTER, step=Reach.CHOSEN)]
_ERROR_MAX = 10_000
_WORDS = {"FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled", "SCHEDULED": "NotStarted"}
_OURS = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED", "Running": "RUNNING"}
_RUNNING = "Running"


class NewChild(BaseModel):
    """A run that a script begins. Another one of that name is there already: it is called a little differently."""

    name: str = Field(default="", max_length=KEY_MAX)


class ChildNews(BaseModel):
    """What its script says of such a run. `error` is why it has failed."""

    name: str = Field(default="", max_length=KEY_MAX)
    status: Literal["Running", "Completed", "Failed", "Canceled"] | None = None
    error: str = Field(default="", max_length=_ERROR_MAX)


@router.post("/runs/{name}/children", dependencies=_WRITE, status_code=201)
def post_child(here: Here, who: Asking, name: str, asked: NewChild) -> ChildView:
    """Begin a run below the run of a step, or below one that was begun there."""
    parent = [TagSaid(key=PARENT_TAG, value=name)]
    made = begin_child(here, who, CreateRun(run_name=asked.name, start_time=int(time.time() * 1000), tags=parent))
    return _view(made, known_of(here, made), _step_of(here, made))


@router.get("/runs/{name}/children", dependencies=_LOOK)
def list_children(here: Here, who: Asking, name: str) -> list[ChildView]:
    """All runs that scripts have begun below a run: of a step, or of all steps; those that began first come first."""
    above = tracked(here, who, name, Reach.RUNS)
    found = {child.id: child for child in _below(here, above)}
    meant = [child for child in found.values() if not above.child or above.id in _above(child, found)]
    return sorted(meant, key=lambda child: (child.started_at, child.id))


@router.get("/children/{name}", dependencies=_LOOK)
def get_child(here: Here, who: Asking, name: str) -> ChildView:
    """A run that a script has begun."""
    found = _child(here, tracked(here, who, name, Reach.RUNS))
    return _view(found, known_of(here, found), _step_of(here, found))


@router.patch("/children/{name}", dependencies=_WRITE)
def patch_child(here: Here, who: Asking, name: str, said: ChildNews) -> ChildView:
    """Say how a run that a script has begun stands, or what it is called."""
    found = _child(here, tracked(here, who, name, Reach.OWN))
    news: dict[str, Any] = {"name": said.name} if said.name else {}
    if said.status is not None:
        ended_at = None if said.status == _RUNNING else int(time.time() * 1000)
        news |= {"status": _OURS[said.status], "end_time": ended_at, "error": said.error}
    remember(here, found, news)
    return _view(found, known_of(here, found), _step_of(here, found))


def _below(here: Service, above: Tracked) -> Iterator[ChildView]:
    """The runs that were begun below that run, at any depth; of one that was begun itself, all of its step."""
    owner = above.owner if StepRunId.parse(above.run) else None
    begins = f"{owner.run_id}_{owner.attempt}-" if owner else f"{above.run}_"
    steps = dict[str, StepView]()
    for stored in here.ports.documents.list(RUNS, begins):
        meant = named(stored.name)
        step = StepRunId.parse(meant.run)
        if not meant.child or step is None or owner not in (None, step):
            continue
        child = Tracked(str(step), step, meant.child, above.experiment)
        if child.run not in steps:
            steps[child.run] = _step_of(here, child)
        yield _view(child, stored.body, steps[child.run])


def _above(child: ChildView, known: Mapping[str, ChildView]) -> set[str]:
    """The ids of all runs above one, up to the step's."""
    found = set[str]()
    while child.parent not in found:
        found.add(child.parent)
        child = known.get(child.parent, child)
    return found


def _child(here: Service, run: Tracked) -> Tracked:
    if not run.child:
        raise NotFound(f"No script has begun a run {run.id}", kind="run", name=run.id)
    return run


def _step_of(here: Service, child: Tracked) -> StepView:
    made = StepRunId.parse(child.run)
    assert made is not None, child
    found = get_run(here, f"{made.run_id}.{made.node}.{made.attempt}")  # the first, too: else the current one is meant
    assert isinstance(found, StepView), child
    return found


def _view(child: Tracked, known: Document, step: StepView) -> ChildView:
    word = _WORDS.get(known["status"], _RUNNING)
    ended_ms = known.get("end_time")
    ended_at = ended_ms / 1000 if ended_ms else None
    if ended_at is None and word == _RUNNING and step.ended_at is not None:
        word, ended_at = step.run_status_v1, step.ended_at  # nobody is left who could say how it ended
    error = ErrorView(code="child_failed", message=known["error"], step=child.run) if known.get("error") else None
    return ChildView(
        id=child.id,
        run=child.run,
        name=known["name"],
        step=step.name,
        parent=_parent(child, known),
        experiment=child.experiment,
        prefix=child.prefix,
        display_name=known["name"],
        run_status_v1=word,
        started_at=known["start_time"] / 1000,
        ended_at=ended_at,
        error=error,
        tags=_own(child, step.tags),
        properties=_own(child, step.properties),
    )


def _parent(child: Tracked, known: Document) -> str:
    """The run right above it: one that was begun as well, or the step's."""
    with suppress(NotFound):  # whatever MLflow's client has said of it
        above = named(known.get("tags", {}).get(PARENT_TAG, ""))
        if above.child:
            return mlflow_id(above.run, above.child)
    return child.run


def _own(child: Tracked, values: dict[str, str]) -> dict[str, str]:
    return {key[len(child.prefix) :]: value for key, value in values.items() if key.startswith(child.prefix)}
