"""Runs by v1's REST contract: started by the id of a published pipeline or of an endpoint, looked at, and cancelled."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.access import Caller, GuardedRoute, Role, needs
from api.computes import choices
from api.reach import Reach
from api.service import Asking, Service
from api.starting import Once, OnlyOnce, locate, prepared
from api.v1.base import V1Here
from api.v1.shapes import RunEntity, Status, StoredPath, SubmitRequest, moment, status_of
from api.v1.values import shown, values_of
from canalis.contract.errors import NotFound
from canalis.contract.layout import STEP_LOG, artifacts
from canalis.contract.messages import CancelRequested
from canalis.contract.ports import Run, RunQuery
from canalis.contract.published import Published
from canalis.contract.run import Origin, StepRunId, split_step_run_id
from canalis.contract.views import StepView
from orchestrator import step_views, views
from orchestrator.advance import advance
from orchestrator.notices.callback import may_call_back, remember_callback
from orchestrator.pipelines.endpoints import behind, endpoint, endpoint_named
from orchestrator.pipelines.launch import Launch, launch
from orchestrator.pipelines.publish import graph_of, published

router = APIRouter(prefix="/PipelineRuns", route_class=GuardedRoute, tags=["v1"])

_NODES_MAX = 1_000
_LOG_BYTES_MAX = 2**20
_PAGE_MAX = 100

ParentRun = Annotated[str | None, Query(alias="parentRunId", description="The run that asks for it.")]
Version = Annotated[str | None, Query(alias="pipelineVersion", max_length=20)]
Nodes = Annotated[list[str], Field(max_length=_NODES_MAX)]
_START = [needs(Role.SUBMITTER, step=Reach.CHOSEN)]
_LOOK = [needs(Role.READER, step=Reach.RUNS)]


@router.post("/PipelineSubmit/{pipeline}", dependencies=_START)
def submit_pipeline(
    here: V1Here, who: Asking, once: OnlyOnce, pipeline: str, asked: SubmitRequest, parent: ParentRun = None
) -> RunEntity:
    """Start a run of a published pipeline: PublishedPipeline.endpoint."""
    found = published(here.ports.documents, pipeline)
    return _started(here, who, once, found, asked, parent, Origin())


@router.post("/PipelineEndpointSubmit/Id/{identity}", dependencies=_START)
def submit_endpoint(
    here: V1Here,
    who: Asking,
    once: OnlyOnce,
    identity: str,
    asked: SubmitRequest,
    parent: ParentRun = None,
    version: Version = None,
) -> RunEntity:
    """Start a run of what is behind an endpoint: PipelineEndpoint.endpoint."""
    pipeline, origin = _behind(here, endpoint(here.ports.documents, identity).id, version)
    return _started(here, who, once, pipeline, asked, parent, origin)


@router.post("/PipelineEndpointSubmit/Id/{identity}/{version}", dependencies=_START)
def submit_endpoint_version(
    here: V1Here,
    who: Asking,
    once: OnlyOnce,
    identity: str,
    version: str,
    asked: SubmitRequest,
    parent: ParentRun = None,
) -> RunEntity:
    """Start a run of a version of what is behind an endpoint."""
    pipeline, origin = _behind(here, identity, version)
    return _started(here, who, once, pipeline, asked, parent, origin)


@router.post("/PipelineEndpointSubmit/Name", dependencies=_START)
def submit_named_endpoint(
    here: V1Here,
    who: Asking,
    once: OnlyOnce,
    asked: SubmitRequest,
    name: Annotated[str, Query(max_length=255)],
    parent: ParentRun = None,
    version: Version = None,
) -> RunEntity:
    """Start a run of what is behind the endpoint of that name."""
    pipeline, origin = _behind(here, endpoint_named(here.ports.documents, name).id, version)
    return _started(here, who, once, pipeline, asked, parent, origin)


@router.get("/Pipeline/{pipeline}", dependencies=[needs(Role.READER)])
def list_pipeline_runs(here: V1Here, pipeline: str) -> list[RunEntity]:
    """The last 100 runs of a published pipeline, newest first."""
    return _found(here, RunQuery(pipeline=published(here.ports.documents, pipeline).id, limit=_PAGE_MAX))


@router.get("/Schedule/{schedule}", dependencies=[needs(Role.READER)])
def list_schedule_runs(here: V1Here, schedule: str) -> list[RunEntity]:
    """The last 100 runs that a schedule has started, newest first."""
    return _found(here, RunQuery(schedule=schedule, limit=_PAGE_MAX))


@router.get(
    "/Schedule/{schedule}/Last",
    dependencies=[needs(Role.READER)],
    response_model=RunEntity,
    responses={204: {"description": "It has started none."}},
)
def get_last_schedule_run(here: V1Here, schedule: str) -> RunEntity | Response:
    """The run that a schedule has started last; 204 when it has started none."""
    found = _found(here, RunQuery(schedule=schedule, limit=1))
    return found[0] if found else Response(status_code=204)


@router.get("/{name}", dependencies=_LOOK)
def get_run(here: V1Here, name: str) -> RunEntity:
    """A run of a pipeline."""
    return entity(here, views.find_run(here.ports, name))


@router.delete("/{name}/Execution", dependencies=[needs(Role.SUBMITTER, step=Reach.RUNS)])
def cancel_run(here: V1Here, who: Asking, name: str) -> RunEntity:
    """Cancel a run. It is cancelled once everything that runs has ended."""
    run = views.find_run(here.ports, name)
    advance(here.engine, run.run_id, [CancelRequested(run_id=run.run_id, by=who.name)])
    return entity(here, here.ports.runs.load(run.run_id))


@router.post("/{name}/Graph/Node/StatusCode", dependencies=_LOOK)
def get_status_codes(here: V1Here, name: str, nodes: Nodes) -> dict[str, str]:
    """How nodes of a run stand, by the ids by which they were asked for."""
    return {asked: view.status_v1 for asked, view in _nodes(here, name, nodes).items()}


@router.post("/{name}/Graph/AllNodes/Status", dependencies=_LOOK)
def get_statuses(here: V1Here, name: str) -> dict[str, Status]:
    """How all nodes of a run stand, by their ids."""
    return {view.node: status_of(view) for view in step_views.step_views(here.ports, views.find_run(here.ports, name))}


@router.post("/{name}/Outputs", dependencies=_LOOK)
def get_outputs(here: V1Here, name: str, nodes: Nodes) -> dict[str, dict[str, StoredPath]]:
    """Where the outputs of nodes lie, by the ids of nodes and the names of outputs."""
    return {
        asked: {
            output.name: StoredPath(data_store_name=output.datastore, relative_path=output.path)
            for output in step_views.output_views(here.ports, _step_run(view))
        }
        for asked, view in _nodes(here, name, nodes).items()
    }


@router.get("/{name}/PipelineRunOutputs/{output}", dependencies=_LOOK)
def get_pipeline_output(here: V1Here, name: str, output: str) -> StoredPath:
    """Where the output lies that was given that pipeline output name."""
    run = views.find_run(here.ports, name)
    for view in step_views.pipeline_outputs(here.ports, run):
        if view.pipeline_output == output:
            return StoredPath(data_store_name=view.datastore, relative_path=view.path)
    raise NotFound(f"Run {run.run_id} has no pipeline output '{output}'", kind="output", name=output)


@router.post("/{name}/Graph/Shareable/{log}", dependencies=_LOOK)
def get_logs(here: V1Here, name: str, log: Literal["STDOUT", "STDERR", "JobLog"], nodes: Nodes) -> dict[str, str]:
    """What nodes of a run have printed, by the ids by which they were asked for; of more than 1 MiB the end.

    STDOUT and STDERR are one log here, in the order of printing. JobLog is what the service knows of the attempt.
    """
    read: Callable[[StepView], str] = (
        (lambda view: json.dumps(view.model_dump(mode="json"), indent=2))
        if log == "JobLog"
        else (lambda view: _log_of(here, view))
    )
    return {asked: read(view) for asked, view in _nodes(here, name, nodes).items()}


def entity(here: Service, run: Run, warnings: Iterable[str] = ()) -> RunEntity:
    """A run as v1's contract shows it."""
    view, warned = views.run_view(here.ports, run), list(warnings)
    return RunEntity(
        id=view.id,
        description=view.description,
        status=status_of(view),
        graph_id=view.graph,
        has_errors=view.error is not None,
        has_warnings=bool(warned),
        warnings=warned,
        **shown(view.parameters),
        run_history_experiment_name=view.experiment,
        pipeline_id=view.origin.pipeline,
        run_source=view.origin.source or None,
        run_type=view.origin.kind or None,
        total_run_steps=sum(view.steps.values()),
        schedule_id=view.origin.schedule,
        continue_run_on_step_failure=view.continue_on_step_failure,
        tags=view.tags,
        properties=view.properties,
        etag=str(view.version),
        created_date=moment(view.submitted_at) or "",
        last_modified_date=moment(view.updated_at) or "",
    )


def _started(
    here: Service,
    who: Caller,
    once: Once,
    pipeline: Published,
    asked: SubmitRequest,
    parent: str | None,
    origin: Origin,
) -> RunEntity:
    assigned = values_of(here, graph_of(here.ports, pipeline), asked)
    wish = Launch(
        experiment=asked.experiment_name,
        display_name=asked.display_name,
        description=asked.description or "",
        parameters=assigned.values,
        regenerate_outputs=bool(asked.regenerate_outputs),
        continue_on_step_failure=asked.continue_run_on_step_failure,
        tags={name: str(value) for name, value in (asked.tags or {}).items()},
        properties={name: str(value) for name, value in (asked.properties or {}).items()},
        parent=parent,
    )
    origin = origin.model_copy(
        update={"source": asked.run_source or "", "kind": str(asked.run_type) if asked.run_type is not None else "HTTP"}
    )
    wish = prepared(here, wish, who, once)
    waits = asked.az_dev_ops_call_back_info
    announce = waits is not None and may_call_back(here.ports)
    run = launch(here.engine, pipeline, wish, choices(here), who.name, origin, once.fingerprint, announce=announce)
    locate(run, once.response)
    warnings = list(assigned.warnings)
    if waits is not None:  # after the run is there: what is refused must leave no token behind
        warnings += filter(None, [remember_callback(here.ports, run.run_id, waits)])
    return entity(here, run, warnings)


def _behind(here: Service, identity: str, version: str | None) -> tuple[Published, Origin]:
    found = endpoint(here.ports.documents, identity)
    pipeline, chosen = behind(here.ports.documents, found, version)
    return pipeline, Origin(endpoint=found.id, version=chosen.version)


def _found(here: Service, query: RunQuery) -> list[RunEntity]:
    return [entity(here, run) for run in here.ports.runs.find(query)]


def _nodes(here: Service, name: str, nodes: Iterable[str]) -> dict[str, StepView]:
    """The nodes that are asked for, by id or by the id of their step run. Raises NotFound, naming all that are not."""
    run = views.find_run(here.ports, name)
    known = {view.node: view for view in step_views.step_views(here.ports, run)}
    found = {asked: known.get((split_step_run_id(asked) or ("", asked, None))[1]) for asked in nodes}
    missing = [asked[:80] for asked, view in found.items() if view is None]
    if missing:
        raise NotFound(f"Run {run.run_id} has no node {', '.join(missing[:20])}", kind="node", names=missing[:20])
    return {asked: view for asked, view in found.items() if view is not None}


def _step_run(view: StepView) -> StepRunId:
    return StepRunId(view.run_id, view.node, max(1, view.attempt))


def _log_of(here: Service, view: StepView) -> str:
    blobs = here.ports.blobs
    key = artifacts(step_views.maker_of(here.ports, _step_run(view))) + STEP_LOG
    info = blobs.info(key)
    if info is None:
        return ""
    mask = here.ports.vault.mask()
    data = blobs.get(key, max(0, info.size - _LOG_BYTES_MAX - mask.longest))
    sure = len(data) - (mask.unsure(data) if view.ended_at is None else 0)
    return mask.blanked(data)[:sure][-_LOG_BYTES_MAX:].decode("utf-8", "replace")
