"""Runs: submit, look, stop, and everything a run leaves behind."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from api.access import GuardedRoute, Role, needs
from api.computes import choices
from api.datastores import with_default_store
from api.files import (
    BYTES_GIVEN,
    BYTES_SENT,
    RANGE_BYTES_MAX,
    RANGE_GIVEN,
    file_view,
    key_shown_as,
    receive,
    send_file,
    send_log,
    send_range,
)
from api.links import LinksAnswer, LinksAsked, checked, links_to_read
from api.reach import Reach, is_parent_within
from api.service import Asking, Here, Service
from api.starting import OnlyOnce, made, prepared
from canalis.contract.costs import CostView, cost_view
from canalis.contract.errors import Conflict, NotSupported
from canalis.contract.graph import Graph
from canalis.contract.graphs import stored_graph
from canalis.contract.layout import METRICS, STEP_LOG, artifacts, of_run, records
from canalis.contract.masking import hidden_lines
from canalis.contract.messages import CancelRequested
from canalis.contract.ports import Run, RunQuery
from canalis.contract.retention import Deleted
from canalis.contract.run import StepRunId
from canalis.contract.status import runs_called
from canalis.contract.views import FileView, MetricPoint, OutputView, RunView, StepView, TimesView
from orchestrator import step_views, views
from orchestrator.advance import advance
from orchestrator.logged import points_of
from orchestrator.remarks import annotate
from orchestrator.resume import Resumption, resume
from orchestrator.retention import delete
from orchestrator.run_lists import Wanted, listed
from orchestrator.submit import Behind, Submission, submit

router = APIRouter(prefix="/runs", route_class=GuardedRoute, tags=["runs"])

_TRIES = 8
_AS_IT_WAS = Resumption()  # what is meant by no body
_POINTS_MAX = 10_000


class Annotation(BaseModel):
    """What somebody says of a run. A tag or property that is null is removed."""

    tags: dict[str, str | None] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)
    display_name: str | None = None
    description: str | None = None


@router.post("", dependencies=[needs(Role.SUBMITTER, step=Reach.CHOSEN)], status_code=201)
def post_run(here: Here, who: Asking, once: OnlyOnce, asked: Submission, response: Response) -> RunView:
    """Submit a graph. Its first steps have been ordered when this returns."""
    asked = prepared(here, asked, who, once).model_copy(update={"graph": with_default_store(here, asked.graph)})
    behind = Behind(fingerprint=once.fingerprint)
    return made(here, submit(here.engine, asked, choices(here), by=who.name, behind=behind), response)


@router.get("", dependencies=[needs(Role.READER, step=Reach.CHOSEN)])
def list_runs(
    here: Here,
    who: Asking,
    response: Response,
    experiment: str | None = None,
    status: Annotated[list[str] | None, Query()] = None,
    parent: str | None = None,
    before: float | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    pipeline: str | None = None,
    schedule: str | None = None,
    search: Annotated[str, Query(max_length=200)] = "",
    tag: Annotated[str, Query(max_length=400)] = "",
    trigger: Literal["", "own", "pipeline", "endpoint", "schedule", "step"] = "",
    after: float | None = None,
) -> list[RunView]:
    """Runs, newest first, those of a `status` in our words or v1's. `before` is the submitted_at of the last one on
    the page before, as the header X-Next-Before has it when there may be more; `pipeline` and `schedule` are ids of
    what started them. `search` is part of an id, name, parameter or tag, `tag` a name or `name=value`.
    """
    if who.run is not None and not is_parent_within(here.ports, who.run, parent := parent or str(who.run)):
        return []
    statuses = tuple(dict.fromkeys(found.value for word in status or () for found in runs_called(word)))
    query = RunQuery(experiment, statuses, parent, None, before, limit, pipeline, schedule)
    found, following = listed(here.ports, query, Wanted(search, tag, trigger, after))
    if following is not None:
        response.headers["X-Next-Before"] = repr(following)
    return [views.run_view(here.ports, run, with_error=False) for run in found]


@router.get("/{name}", dependencies=[needs(Role.READER, step=Reach.RUNS)])
def get_run(here: Here, name: str) -> RunView | StepView:
    """A pipeline run or the run of a step, by its id or the beginning of it."""
    found = views.find(here.ports, name)
    if not isinstance(found, Run):
        return step_views.step_view(here.ports, found)
    view, trouble = views.run_view(here.ports, found), here.trouble()
    if view.attention or not trouble or found.state.status.is_terminal:
        return view
    return view.model_copy(update={"attention": trouble})


@router.patch("/{name}", dependencies=[needs(Role.SUBMITTER, step=Reach.OWN)])
def annotate_run(here: Here, name: str, said: Annotation) -> RunView | StepView:
    """Say something of a run: tags, properties, a name, a description."""
    found = views.find(here.ports, name)
    identity = found.run_id if isinstance(found, Run) else str(found)
    for _ in range(_TRIES):
        try:
            news = here.ports.vault.mask().hidden_in(said.model_dump(exclude_unset=True))
            annotate(here.ports, identity, news)
            return get_run(here, name)
        except Conflict:
            continue  # somebody else said something at the same moment
    raise Conflict(f"{identity} was changed by others {_TRIES} times in a row", name=identity)


@router.delete("/{name}", dependencies=[needs(Role.OPERATOR)])
def delete_run(here: Here, name: str) -> Deleted:
    """Delete the run of that whole id, with all that belongs to it and the runs that its steps have submitted, or find
    that it is gone. Refused while one goes on, and while something needs one: a run, a model, a dataset, a pipeline.
    """
    if (step := StepRunId.parse(name)) is not None:
        raise NotSupported(f"A step cannot be deleted on its own. Delete its run: {step.run_id}", run=step.run_id)
    return Deleted(runs=tuple(delete.delete_run(here.ports, name)))


@router.post("/{name}/cancel", dependencies=[needs(Role.SUBMITTER, step=Reach.RUNS)], status_code=202)
def cancel_run(here: Here, who: Asking, name: str) -> RunView:
    """Stop a run. It is cancelled once everything that runs has ended. Stopping it again does no harm."""
    run = views.find(here.ports, name)
    if isinstance(run, StepRunId):
        raise NotSupported(
            f"A step cannot be stopped on its own. Stop its run: {run.run_id} (run.parent.cancel(), canalis cancel)",
            run=run.run_id,
        )
    advance(here.engine, run.run_id, [CancelRequested(run_id=run.run_id, by=who.name)])
    return views.run_view(here.ports, here.ports.runs.load(run.run_id))


@router.post("/{name}/resume", dependencies=[needs(Role.SUBMITTER)], status_code=201)
def resume_run(here: Here, who: Asking, name: str, response: Response, asked: Resumption = _AS_IT_WAS) -> RunView:
    """Start a new run that keeps what has succeeded in an ended run and is still valid, and runs the rest."""
    run = views.find_run(here.ports, name)
    return made(here, resume(here.ports, run, asked, choices(here), by=who.name), response)


@router.get("/{name}/steps", dependencies=[needs(Role.READER, step=Reach.RUNS)])
def list_steps(here: Here, name: str, news_since: float | None = None) -> list[StepView]:
    """All steps of a run, in the order of its graph; with `news_since` those started, or ended since that time."""
    return step_views.step_views(here.ports, views.find_run(here.ports, name), news_since)


@router.get("/{name}/times", dependencies=[needs(Role.READER, step=Reach.RUNS)])
def get_times(here: Here, name: str) -> TimesView:
    """Where the time of a run went: the steps that it had to wait for, and what they did meanwhile."""
    return step_views.times_view(here.ports, views.find_run(here.ports, name))


@router.get("/{name}/cost", dependencies=[needs(Role.READER, step=Reach.RUNS)])
def get_cost(here: Here, name: str) -> CostView:
    """What a run has cost in storage operations and messages, without what people looked at."""
    run = views.find_run(here.ports, name)
    return cost_view(run.run_id, len(run.state.steps), here.counts(run.run_id), run.state.status.is_terminal)


@router.get("/{name}/graph", dependencies=[needs(Role.READER, step=Reach.RUNS)])
def get_graph(here: Here, name: str) -> Graph:
    """The graph that a run walks."""
    return stored_graph(here.ports.blobs, views.find_run(here.ports, name).request.graph)


@router.get("/{name}/outputs", dependencies=[needs(Role.READER, step=Reach.RUNS)])
def list_outputs(here: Here, name: str) -> list[OutputView]:
    """Where the outputs of a step lie; of a pipeline run, those that have a pipeline output name."""
    found = views.find(here.ports, name)
    if isinstance(found, StepRunId):
        return step_views.output_views(here.ports, found)
    return step_views.pipeline_outputs(here.ports, found)


@router.get(
    "/{name}/log",
    dependencies=[needs(Role.READER, step=Reach.RUNS)],
    response_class=Response,
    responses=RANGE_GIVEN,
)
def get_log(
    here: Here,
    name: str,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=RANGE_BYTES_MAX)] = 2**20,
) -> Response:
    """What a step has printed, from byte `offset` on. X-Size is its length now, X-Complete whether it has ended."""
    owner = _owner(here, name)
    # Asked before the bytes are read: a step that ends in between is looked at once more, not cut short.
    is_complete = _is_over(here, owner)
    return send_range(
        here.ports.blobs, artifacts(owner) + STEP_LOG, offset, limit, is_complete, here.ports.vault.mask()
    )


@router.get("/{name}/metrics", dependencies=[needs(Role.READER, step=Reach.RUNS)])
def get_metrics(here: Here, name: str) -> list[MetricPoint]:
    """What was logged on a run, point by point. Lines that are not whole are left out."""
    return points_of(here.ports, _owner(here, name))


@router.post("/{name}/metrics", dependencies=[needs(Role.SUBMITTER, step=Reach.OWN)], status_code=204)
def post_metrics(here: Here, name: str, points: Annotated[list[MetricPoint], Field(max_length=_POINTS_MAX)]) -> None:
    """Log points on a run."""
    body = b"".join(point.model_dump_json().encode() + b"\n" for point in points)
    body = hidden_lines(here.ports.vault.mask(), body)
    here.engine.blobs.append(records(_owner(here, name)) + METRICS, body)


@router.get("/{name}/artifacts", dependencies=[needs(Role.READER, step=Reach.RUNS)])
def list_artifacts(here: Here, name: str, prefix: str = "") -> list[FileView]:
    """Files of a run: its log, what it left in outputs/ and logs/, what it uploaded."""
    root = artifacts(_owner(here, name))
    return [file_view(blob, root) for blob in here.ports.blobs.list(root + prefix)]


@router.post("/{name}/links", dependencies=[needs(Role.READER, step=Reach.RUNS)])
def link_artifacts(here: Here, name: str, asked: LinksAsked) -> LinksAnswer:
    """Links to fetch files of a run past the service, up to 1000 at once. They are sent to it through the service."""
    checked(asked.paths)
    if asked.purpose == "write":
        raise NotSupported("The files of a run are sent through the service: PUT to .../artifacts/<path>")
    blobs, root = here.ports.blobs, artifacts(_owner(here, name))
    return links_to_read(blobs, {path: key_shown_as(path, blobs, root) for path in asked.paths})


@router.get(
    "/{name}/artifacts/{path:path}",
    dependencies=[needs(Role.READER, step=Reach.RUNS)],
    response_class=Response,
    responses=BYTES_GIVEN,
)
def get_artifact(here: Here, name: str, path: str) -> StreamingResponse:
    """One file of a run."""
    blobs = here.ports.blobs
    key = key_shown_as(path, blobs, artifacts(_owner(here, name)))
    return send_log(blobs, key, path, here.ports.vault.mask()) if path == STEP_LOG else send_file(blobs, key, path)


@router.put(
    "/{name}/artifacts/{path:path}",
    dependencies=[needs(Role.SUBMITTER, step=Reach.OWN)],
    status_code=204,
    openapi_extra=BYTES_SENT,
)
async def put_artifact(here: Here, name: str, path: str, request: Request) -> None:
    """Upload a file to a run."""
    await receive(request, partial(here.engine.blobs.put, artifacts(_owner(here, name)) + path))


def _owner(here: Service, name: str) -> StepRunId:
    """Whose artifacts and metrics are meant: a step's attempt, the one kept for it, or the pipeline run itself."""
    found = views.find(here.ports, name)
    return step_views.maker_of(here.ports, found) if isinstance(found, StepRunId) else of_run(found.run_id)


def _is_over(here: Service, owner: StepRunId) -> bool:
    run: Any = here.ports.runs.load(owner.run_id)
    places = stored_graph(here.ports.blobs, run.request.graph).places
    if owner.node not in places:
        return bool(run.state.status.is_terminal)
    place = places[owner.node]
    return bool(run.state.step(place).is_terminal or run.state.attempts[place] > owner.attempt)
