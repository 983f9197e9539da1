"""Published pipelines: what others start without the script that made them."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Response

from api.access import GuardedRoute, Role, needs
from api.computes import choices
from api.datastores import with_default_store
from api.reach import Reach
from api.service import PREFIX, Asking, Here, Service
from api.snapshots import files_of
from api.starting import OnlyOnce, made, prepared
from canalis.contract.differences import Difference
from canalis.contract.graph import Graph
from canalis.contract.published import Publication, Published, PublishedChange, PublishedView
from canalis.contract.views import RunView
from orchestrator.pipelines import publish as publishing
from orchestrator.pipelines.differences import compare
from orchestrator.pipelines.endpoints import endpoints_with
from orchestrator.pipelines.launch import Launch, launch
from orchestrator.schedules.kept import all_schedules

router = APIRouter(prefix="/pipelines", route_class=GuardedRoute, tags=["pipelines"])


@router.post("", dependencies=[needs(Role.SUBMITTER)], status_code=201)
def publish(here: Here, who: Asking, asked: Publication, response: Response) -> PublishedView:
    """Publish a graph, or what a run ran with the values that its parameters had. It never changes afterwards."""
    if asked.graph is not None:
        asked = asked.model_copy(update={"graph": with_default_store(here, asked.graph)})
    found = publishing.publish(here.ports, asked, choices(here), by=who.name)
    response.headers["Location"] = f"{PREFIX}/pipelines/{found.id}"
    return shown(here, found)


@router.get("", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def list_pipelines(here: Here, active_only: bool = False, name: str | None = None) -> list[PublishedView]:
    """Published pipelines, newest first."""
    return [listed(here, found) for found in publishing.all_published(here.ports.documents, active_only, name)]


@router.get("/{identity}", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def get_pipeline(here: Here, identity: str) -> PublishedView:
    """One published pipeline."""
    return shown(here, publishing.published(here.ports.documents, identity))


@router.patch("/{identity}", dependencies=[needs(Role.SUBMITTER)])
def change_pipeline(here: Here, identity: str, said: PublishedChange) -> PublishedView:
    """Rename, describe, enable or disable a published pipeline. What it runs stays as it is."""
    return shown(here, publishing.change(here.ports, identity, said))


@router.delete("/{identity}", dependencies=[needs(Role.OPERATOR)], status_code=204)
def delete_pipeline(here: Here, identity: str) -> None:
    """Delete a published pipeline, or find that it is gone. Refused while an endpoint or a schedule starts it."""
    users = [f"endpoint '{name}'" for name in _endpoints(here, identity)]
    users += [f"schedule '{name}'" for name in _schedules(here, identity)]
    publishing.delete(here.ports.documents, identity, users)


@router.get("/{identity}/graph", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def get_pipeline_graph(here: Here, identity: str) -> Graph:
    """What a published pipeline runs."""
    return publishing.graph_of(here.ports, publishing.published(here.ports.documents, identity))


@router.post("/{identity}/runs", dependencies=[needs(Role.SUBMITTER, step=Reach.CHOSEN)], status_code=201)
def start_pipeline(
    here: Here, who: Asking, once: OnlyOnce, identity: str, asked: Launch, response: Response
) -> RunView:
    """Start a run of a published pipeline. Its first steps have been ordered when this returns."""
    found = publishing.published(here.ports.documents, identity)
    asked = prepared(here, asked, who, once)
    run = launch(here.engine, found, asked, choices(here), by=who.name, fingerprint=once.fingerprint)
    return made(here, run, response)


@router.get("/{identity}/diff/{other}", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def compare_pipelines(here: Here, identity: str, other: str) -> Difference:
    """All that is other in what the `other` published pipeline runs than in what this one does."""
    return shown_difference(here, identity, other)


def shown_difference(here: Service, before: str, after: str) -> Difference:
    """All that is other in one published pipeline than in another."""
    old, new = (publishing.published(here.ports.documents, identity) for identity in (before, after))
    graphs = [publishing.graph_of(here.ports, one) for one in (old, new)]
    defaults = [publishing.defaults_of(one, graph) for one, graph in zip((old, new), graphs, strict=True)]
    changes = compare(graphs[0], graphs[1], (defaults[0], defaults[1]), partial(files_of, here.ports.blobs))
    return Difference(before=old.id, after=new.id, changes=tuple(changes))


def listed(here: Service, found: Published) -> PublishedView:
    """A published pipeline as lists show it: without what it takes its graph to know."""
    return PublishedView(**dict(found), url=f"{here.v1_url}/PipelineRuns/PipelineSubmit/{found.id}")


def shown(here: Service, found: Published) -> PublishedView:
    """A published pipeline with the values of its parameters, and with what starts it."""
    defaults = publishing.defaults_of(found, publishing.graph_of(here.ports, found))
    users = {"endpoints": _endpoints(here, found.id), "schedules": _schedules(here, found.id)}
    return listed(here, found).model_copy(update={"defaults": defaults, **users})


def _endpoints(here: Service, identity: str) -> tuple[str, ...]:
    return tuple(one.name for one in endpoints_with(here.ports.documents, identity))


def _schedules(here: Service, identity: str) -> tuple[str, ...]:
    return tuple(one.name or one.id for one in all_schedules(here.ports.documents, pipeline=identity))
