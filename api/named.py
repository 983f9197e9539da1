"""Things that only have a name and a body: experiments and registered environments."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field, StrictBool

from api.access import GuardedRoute, Role, needs
from api.bodies import AnyDocument
from api.reach import Reach
from api.service import Here, Service
from canalis.contract.errors import Conflict, NotFound
from canalis.contract.experiments import ARCHIVED, DELETED, EMPTIED, EXPERIMENTS, next_use
from canalis.contract.ports import Stored
from canalis.contract.retention import Deleted
from canalis.contract.run import check_experiment_name
from orchestrator.retention import delete

router = APIRouter(route_class=GuardedRoute)


class ExperimentChange(BaseModel):
    """What is to be changed of an experiment. A tag that is null is taken off."""

    archived: StrictBool | None = None
    tags: Annotated[dict[str, str | None], Field(max_length=50)] = Field(default_factory=dict)


@router.get("/experiments", dependencies=[needs(Role.READER)], tags=["experiments"])
def list_experiments(here: Here) -> list[dict[str, Any]]:
    """All experiments, by name."""
    found = here.ports.documents.list(EXPERIMENTS)
    return [_view(stored) for stored in found if DELETED not in stored.body]


@router.put("/experiments/{name}", dependencies=[needs(Role.SUBMITTER, step=Reach.WORKSPACE)], tags=["experiments"])
def put_experiment(here: Here, name: str) -> dict[str, Any]:
    """Create an experiment, or find that it is there."""
    check_experiment_name(name)
    known = here.ports.documents.get(EXPERIMENTS, name)
    while known is None or DELETED in known.body:
        body = next_use(known.body if known else None, here.ports.clock.now())
        # A submission may make it at the same moment, and count its runs in it.
        with suppress(Conflict):
            etag = known.etag if known else None
            here.ports.documents.put(EXPERIMENTS, name, body, etag=etag, if_absent=known is None)
        known = here.ports.documents.get(EXPERIMENTS, name)
    return _view(known)


@router.get("/experiments/{name}", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)], tags=["experiments"])
def get_experiment(here: Here, name: str) -> dict[str, Any]:
    """One experiment."""
    return _view(_experiment(here, name))


@router.patch("/experiments/{name}", dependencies=[needs(Role.SUBMITTER)], tags=["experiments"])
def change_experiment(here: Here, name: str, said: ExperimentChange) -> dict[str, Any]:
    """Tag an experiment, archive it, or make it active again, as a run that is submitted to it does."""
    while True:
        known = _experiment(here, name)
        body = dict(known.body)
        if said.archived is not None:
            since = body.pop(ARCHIVED, None)
            body |= {ARCHIVED: since or here.ports.clock.now()} if said.archived else {}
        tags = {**body.get("tags", {}), **said.tags}
        body["tags"] = {tag: value for tag, value in tags.items() if value is not None}
        with suppress(Conflict):  # a run was submitted to it at the same moment, or somebody else has changed it
            return _view(here.ports.documents.put(EXPERIMENTS, name, body, etag=known.etag))


@router.delete("/experiments/{name}", dependencies=[needs(Role.OPERATOR)], tags=["experiments"])
def delete_experiment(here: Here, name: str) -> Deleted:
    """Delete an experiment with all its runs, or find that it is gone. Refused while one goes on, or something else
    needs one.
    """
    return Deleted(runs=tuple(delete.delete_experiment(here.ports, name)))


@router.get("/environments", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)], tags=["environments"])
def list_environments(here: Here) -> list[dict[str, Any]]:
    """The newest version of each registered environment."""
    newest = {stored.name.rpartition(":")[0]: stored.body for stored in here.ports.documents.list("environments")}
    return list(newest.values())


@router.get("/environments/{name}", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)], tags=["environments"])
def get_environment(here: Here, name: str, version: int | None = None) -> dict[str, Any]:
    """A registered environment; its newest version when none is named."""
    for stored in reversed(here.ports.documents.list("environments", f"{name}:")):
        if version is None or stored.body["version"] == version:
            return stored.body
    which = f"version {version} of " if version is not None else ""
    raise NotFound(f"There is no {which}environment '{name}'", kind="environment", name=name)


@router.post("/environments/{name}", dependencies=[needs(Role.SUBMITTER)], tags=["environments"])
def register_environment(here: Here, name: str, definition: AnyDocument) -> dict[str, Any]:
    """Register an environment. The same definition again keeps its version; another one gets the next."""
    while True:
        known = here.ports.documents.list("environments", f"{name}:")
        if known and known[-1].body["definition"] == definition:
            return known[-1].body
        version = known[-1].body["version"] + 1 if known else 1
        body = {"name": name, "version": version, "definition": definition}
        try:
            # Zeros, so that versions sort as numbers do.
            return here.ports.documents.put("environments", f"{name}:{version:06d}", body, if_absent=True).body
        except Conflict:
            continue  # somebody registered the same version at the same moment


def _view(stored: Stored) -> dict[str, Any]:
    return {"name": stored.name} | {key: value for key, value in stored.body.items() if key != EMPTIED}


def _experiment(here: Service, name: str) -> Stored:
    found = here.ports.documents.get(EXPERIMENTS, name)
    if found is None or DELETED in found.body:
        raise NotFound(f"There is no experiment '{name[:80]}'", kind="experiment", name=name[:80])
    return found
