"""Published pipelines, endpoints, drafts, schedules and graphs by v1's REST contract: looked at, and switched off."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import Field

from api.access import GuardedRoute, Role, needs
from api.reach import Reach
from api.service import Service
from api.v1.base import V1Here
from api.v1.shapes import EntityStatusSaid, Shape, StoredPath, moment
from api.v1.values import shown
from canalis.contract.drafts import Draft
from canalis.contract.endpoints import Endpoint, EndpointChange
from canalis.contract.errors import NotFound
from canalis.contract.graph import Graph
from canalis.contract.graphs import stored_graph
from canalis.contract.parameters import text_of
from canalis.contract.published import Published, PublishedChange
from canalis.contract.schedules import DataChanges, Schedule, ScheduleChange
from orchestrator.pipelines import drafts, endpoints, publish
from orchestrator.schedules import kept as schedules

router = APIRouter(route_class=GuardedRoute, tags=["v1"])

_GRAPH_ID = re.compile(r"[0-9a-f]{64}")
_LOOK = [needs(Role.READER, step=Reach.WORKSPACE)]
_CHANGE = [needs(Role.SUBMITTER)]
ActiveOnly = Annotated[bool, Query(alias="activeOnly")]
StatusBody = Annotated[EntityStatusSaid, Body(description='As text or as its number, or {"EntityStatus": it}.')]


class PipelineEntity(Shape):
    """A published pipeline."""

    id: str
    name: str
    description: str
    version: str
    graph_id: str
    total_run_steps: int
    parameter_assignments: dict[str, str] = Field(default_factory=dict)
    data_path_assignments: dict[str, StoredPath] = Field(default_factory=dict)
    data_set_definition_value_assignments: dict[str, Any] = Field(
        default_factory=dict, alias="DataSetDefinitionValueAssignments"
    )
    url: str
    entity_status: str
    continue_run_on_step_failure: bool
    tags: dict[str, str] = Field(default_factory=dict, alias="tags")
    properties: dict[str, str] = Field(default_factory=dict)
    created_date: str
    last_modified_date: str


class EndpointVersionEntity(Shape):
    """A version of an endpoint."""

    version: str
    pipeline_id: str


class EndpointEntity(Shape):
    """A pipeline endpoint."""

    id: str
    name: str
    description: str
    default_version: str
    default_pipeline_id: str
    pipeline_version_list: list[EndpointVersionEntity]
    url: str
    entity_status: str
    created_date: str
    last_modified_date: str


class ScheduleEntity(Shape):
    """A schedule."""

    id: str
    name: str
    description: str
    pipeline_id: str | None
    pipeline_endpoint_id: str | None
    experiment_name: str
    entity_status: str
    provisioning_status: str = "Completed"
    schedule_type: str
    recurrence: dict[str, Any] | None = None
    data_store_name: str | None = Field(default=None, alias="DataStoreName")
    path_on_data_store: str | None = Field(default=None, alias="PathOnDataStore")
    polling_interval: int | None = None
    data_path_parameter_name: str | None = None
    next_run_times: list[str]
    created_date: str
    last_modified_date: str


class DraftEntity(Shape):
    """A draft."""

    id: str
    name: str
    description: str
    experiment_name: str
    graph_id: str
    parameter_assignments: dict[str, str] = Field(default_factory=dict)
    continue_run_on_step_failure: bool
    tags: dict[str, str] = Field(default_factory=dict, alias="tags")
    created_date: str
    last_modified_date: str


@router.get("/Pipelines", dependencies=_LOOK)
def list_pipelines(here: V1Here, active_only: ActiveOnly = True) -> list[PipelineEntity]:
    """Published pipelines, newest first."""
    return [_pipeline(here, one) for one in publish.all_published(here.ports.documents, active_only)]


@router.get("/Pipelines/{identity}", dependencies=_LOOK)
def get_pipeline(here: V1Here, identity: str) -> PipelineEntity:
    """A published pipeline."""
    return _pipeline(here, publish.published(here.ports.documents, identity))


@router.put("/Pipelines/{identity}/status", dependencies=_CHANGE)
def set_pipeline_status(here: V1Here, identity: str, status: StatusBody) -> PipelineEntity:
    """Enable or disable a published pipeline."""
    return _pipeline(here, publish.change(here.ports, identity, PublishedChange(status=status)))


@router.get("/PipelineEndpoints", dependencies=_LOOK)
def list_endpoints(here: V1Here, active_only: ActiveOnly = True) -> list[EndpointEntity]:
    """Pipeline endpoints, newest first."""
    return [_endpoint(here, one) for one in endpoints.all_endpoints(here.ports.documents, active_only)]


@router.get("/PipelineEndpoints/Name", dependencies=_LOOK)
def get_named_endpoint(here: V1Here, name: Annotated[str, Query(max_length=255)]) -> EndpointEntity:
    """The pipeline endpoint of that name."""
    return _endpoint(here, endpoints.endpoint_named(here.ports.documents, name))


@router.get("/PipelineEndpoints/{identity}", dependencies=_LOOK)
def get_endpoint(here: V1Here, identity: str) -> EndpointEntity:
    """A pipeline endpoint."""
    return _endpoint(here, endpoints.endpoint(here.ports.documents, identity))


@router.put("/PipelineEndpoints/{identity}/status", dependencies=_CHANGE)
def set_endpoint_status(here: V1Here, identity: str, status: StatusBody) -> EndpointEntity:
    """Enable or disable a pipeline endpoint."""
    return _endpoint(here, endpoints.change(here.ports, identity, EndpointChange(status=status)))


@router.get("/Schedules", dependencies=[needs(Role.READER)])
def list_schedules(here: V1Here, active_only: ActiveOnly = True) -> list[ScheduleEntity]:
    """Schedules, newest first."""
    return [_schedule(here, one) for one in schedules.all_schedules(here.ports.documents, active_only)]


@router.get("/Schedules/{identity}", dependencies=[needs(Role.READER)])
def get_schedule(here: V1Here, identity: str) -> ScheduleEntity:
    """A schedule."""
    return _schedule(here, schedules.schedule(here.ports.documents, identity))


@router.put("/Schedules/{identity}/status", dependencies=_CHANGE)
def set_schedule_status(here: V1Here, identity: str, status: StatusBody) -> ScheduleEntity:
    """Enable or disable a schedule."""
    changed = schedules.change(here.ports, identity, ScheduleChange(status=status))
    here.call()
    return _schedule(here, changed)


@router.get("/PipelineDrafts", dependencies=[needs(Role.READER)])
def list_drafts(here: V1Here) -> list[DraftEntity]:
    """Drafts, newest first."""
    return [_draft(one) for one in drafts.all_drafts(here.ports.documents, {})]


@router.get("/PipelineDrafts/{identity}", dependencies=[needs(Role.READER)])
def get_draft(here: V1Here, identity: str) -> DraftEntity:
    """A draft."""
    return _draft(drafts.draft(here.ports.documents, identity))


@router.get("/Graphs/{identity}", dependencies=[needs(Role.READER)])
def get_graph(here: V1Here, identity: str) -> Graph:
    """What a pipeline runs, in our own form: v1's is not public."""
    if not _GRAPH_ID.fullmatch(identity):
        raise NotFound(f"There is no graph '{identity[:80]}'", kind="graph", name=identity[:80])
    return stored_graph(here.ports.blobs, identity)


def _pipeline(here: Service, found: Published) -> PipelineEntity:
    values = publish.defaults_of(found, publish.graph_of(here.ports, found))
    return PipelineEntity(
        id=found.id,
        name=found.name,
        description=found.description,
        version=found.version,
        graph_id=found.graph,
        total_run_steps=found.steps,
        **shown(values),
        url=f"{here.v1_url}/PipelineRuns/PipelineSubmit/{found.id}",
        entity_status=found.status,
        continue_run_on_step_failure=found.continue_on_step_failure,
        tags=found.tags,
        properties=found.properties,
        created_date=moment(found.created_at) or "",
        last_modified_date=moment(found.updated_at) or "",
    )


def _endpoint(here: Service, found: Endpoint) -> EndpointEntity:
    return EndpointEntity(
        id=found.id,
        name=found.name,
        description=found.description,
        default_version=found.default_version,
        default_pipeline_id=endpoints.version_of(found, None).pipeline,
        pipeline_version_list=[
            EndpointVersionEntity(version=one.version, pipeline_id=one.pipeline) for one in found.versions
        ],
        url=f"{here.v1_url}/PipelineRuns/PipelineEndpointSubmit/Id/{found.id}",
        entity_status=found.status,
        created_date=moment(found.created_at) or "",
        last_modified_date=moment(found.updated_at) or "",
    )


def _schedule(here: Service, found: Schedule) -> ScheduleEntity:
    view, trigger = schedules.view(here.ports, found, with_last=False), found.trigger
    watch = trigger if isinstance(trigger, DataChanges) else None
    return ScheduleEntity(
        id=found.id,
        name=found.name,
        description=found.description,
        pipeline_id=found.pipeline,
        pipeline_endpoint_id=found.endpoint,
        experiment_name=found.experiment,
        entity_status=found.status,
        schedule_type="DataStore" if watch else "Recurrence",
        recurrence=None if watch else trigger.model_dump(mode="json", exclude={"kind"}, exclude_none=True),
        data_store_name=watch.datastore if watch else None,
        path_on_data_store=watch.path if watch else None,
        polling_interval=watch.polling_minutes if watch else None,
        data_path_parameter_name=watch.parameter if watch else None,
        next_run_times=[text for at in view.next if (text := moment(at))],
        created_date=moment(found.created_at) or "",
        last_modified_date=moment(found.updated_at) or "",
    )


def _draft(found: Draft) -> DraftEntity:
    return DraftEntity(
        id=found.id,
        name=found.name,
        description=found.description,
        experiment_name=found.experiment,
        graph_id=found.graph,
        parameter_assignments={name: text_of(value) for name, value in found.parameters.items()},
        continue_run_on_step_failure=found.continue_on_step_failure,
        tags=found.tags,
        created_date=moment(found.created_at) or "",
        last_modified_date=moment(found.updated_at) or "",
    )
