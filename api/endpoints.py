"""Pipeline endpoints: a name and an address that stay while the pipelines behind them change."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.access import GuardedRoute, Role, needs
from api.computes import choices
from api.pipelines import shown_difference
from api.reach import Reach
from api.service import PREFIX, Asking, Here, Service
from api.starting import OnlyOnce, made, prepared
from canalis.contract.differences import Difference
from canalis.contract.endpoints import Endpoint, EndpointChange, EndpointRequest, EndpointView
from canalis.contract.run import Origin
from canalis.contract.views import RunView
from orchestrator.pipelines import endpoints as kept
from orchestrator.pipelines.launch import Launch, launch
from orchestrator.schedules.kept import all_schedules

router = APIRouter(prefix="/endpoints", route_class=GuardedRoute, tags=["endpoints"])

Version = Annotated[str | None, Query(max_length=20, description="The default one when none is named.")]


@router.post("", dependencies=[needs(Role.SUBMITTER)], status_code=201)
def create_endpoint(here: Here, who: Asking, asked: EndpointRequest, response: Response) -> EndpointView:
    """Make an endpoint, whose version 0 is a published pipeline."""
    found = kept.create(here.ports, asked, by=who.name)
    response.headers["Location"] = f"{PREFIX}/endpoints/{found.id}"
    return shown(here, found)


@router.get("", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def list_endpoints(here: Here, active_only: bool = False, name: str | None = None) -> list[EndpointView]:
    """Endpoints, newest first; of a `name` there is one at the most."""
    found = kept.all_endpoints(here.ports.documents, active_only)
    return [shown(here, one) for one in found if name in (None, one.name)]


@router.get("/{identity}", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def get_endpoint(here: Here, identity: str) -> EndpointView:
    """One endpoint with its versions."""
    return shown(here, kept.endpoint(here.ports.documents, identity))


@router.patch("/{identity}", dependencies=[needs(Role.SUBMITTER)])
def change_endpoint(here: Here, identity: str, said: EndpointChange) -> EndpointView:
    """Rename, describe, enable or disable an endpoint, or choose its default version."""
    return shown(here, kept.change(here.ports, identity, said))


@router.delete("/{identity}", dependencies=[needs(Role.OPERATOR)], status_code=204)
def delete_endpoint(here: Here, identity: str) -> None:
    """Delete an endpoint, or find that it is gone. Refused while a schedule starts it. Pipelines and runs stay."""
    named = [f"'{one.name or one.id}'" for one in all_schedules(here.ports.documents, endpoint_id=identity)]
    kept.delete(here.ports.documents, identity, named)


@router.put("/{identity}/versions/{pipeline}", dependencies=[needs(Role.SUBMITTER)])
def add_version(here: Here, who: Asking, identity: str, pipeline: str, default: bool = False) -> EndpointView:
    """Put a published pipeline behind an endpoint, as its next version; as its default if so said.

    One that is there already stays the version that it is.
    """
    return shown(here, kept.add_version(here.ports, identity, pipeline, default, by=who.name))


@router.get("/{identity}/diff", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def compare_versions(here: Here, identity: str, before: Version = None, after: Version = None) -> Difference:
    """All that is other in what the version `after` runs than in what the version `before` does."""
    found = kept.endpoint(here.ports.documents, identity)
    pipelines = (kept.version_of(found, version).pipeline for version in (before, after))
    return shown_difference(here, *pipelines)


@router.post("/{identity}/runs", dependencies=[needs(Role.SUBMITTER, step=Reach.CHOSEN)], status_code=201)
def start_endpoint(
    here: Here,
    who: Asking,
    once: OnlyOnce,
    identity: str,
    asked: Launch,
    response: Response,
    version: Version = None,
) -> RunView:
    """Start a run of what is behind an endpoint. Its first steps have been ordered when this returns."""
    found = kept.endpoint(here.ports.documents, identity)
    pipeline, chosen = kept.behind(here.ports.documents, found, version)
    origin = Origin(endpoint=found.id, version=chosen.version)
    asked = prepared(here, asked, who, once)
    run = launch(here.engine, pipeline, asked, choices(here), who.name, origin, once.fingerprint)
    return made(here, run, response)


def shown(here: Service, found: Endpoint) -> EndpointView:
    """An endpoint with its address."""
    return EndpointView(**dict(found), url=f"{here.v1_url}/PipelineRuns/PipelineEndpointSubmit/Id/{found.id}")
