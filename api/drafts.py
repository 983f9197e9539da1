"""Drafts: pipelines that somebody still works on, and how they shall be run."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Response

from api.access import GuardedRoute, Role, needs
from api.computes import choices
from api.datastores import with_default_store
from api.pipelines import shown as shown_pipeline
from api.service import PREFIX, Asking, Here, Service
from api.starting import OnlyOnce, made
from canalis.contract.drafts import Draft, DraftContent, DraftRequest
from canalis.contract.graph import Graph, Part
from canalis.contract.graphs import stored_graph
from canalis.contract.published import Id, PublishedView
from canalis.contract.views import RunView
from orchestrator.pipelines import drafts as kept

Content = TypeVar("Content", bound=DraftContent)

router = APIRouter(prefix="/drafts", route_class=GuardedRoute, tags=["drafts"])


class NewId(Part):
    """The id that what is made shall have, so that a repeated request makes it once; else a new one."""

    id: Id | None = None


_NO_ID = NewId()  # what is meant by no body


@router.post("", dependencies=[needs(Role.SUBMITTER)], status_code=201)
def create_draft(here: Here, who: Asking, asked: DraftRequest, response: Response) -> Draft:
    """Keep a draft of a graph, of a published pipeline, of what a run ran, or of another draft."""
    found = kept.create(here.ports, _with_store(here, asked), choices(here), by=who.name)
    response.headers["Location"] = f"{PREFIX}/drafts/{found.id}"
    return found


@router.get("", dependencies=[needs(Role.READER)])
def list_drafts(here: Here, tag: Annotated[list[str] | None, Query()] = None) -> list[Draft]:
    """Drafts, newest first; those with each `tag`, which is a name or `name=value`."""
    pairs = [one.partition("=") for one in tag or ()]
    return kept.all_drafts(here.ports.documents, {name: value if sign else None for name, sign, value in pairs})


@router.get("/{identity}", dependencies=[needs(Role.READER)])
def get_draft(here: Here, identity: str) -> Draft:
    """One draft."""
    return kept.draft(here.ports.documents, identity)


@router.patch("/{identity}", dependencies=[needs(Role.SUBMITTER)])
def change_draft(here: Here, identity: str, said: DraftContent) -> Draft:
    """Change a draft; a pipeline that is given takes the place of its own."""
    return kept.change(here.ports, identity, _with_store(here, said), choices(here))


@router.delete("/{identity}", dependencies=[needs(Role.SUBMITTER)], status_code=204)
def delete_draft(here: Here, identity: str) -> None:
    """Delete a draft, or find that it is gone."""
    kept.delete(here.ports.documents, identity)


@router.get("/{identity}/graph", dependencies=[needs(Role.READER)])
def get_draft_graph(here: Here, identity: str) -> Graph:
    """What a draft would run."""
    return stored_graph(here.ports.blobs, kept.draft(here.ports.documents, identity).graph)


@router.post("/{identity}/runs", dependencies=[needs(Role.SUBMITTER)], status_code=201)
def run_draft(
    here: Here, who: Asking, once: OnlyOnce, identity: str, response: Response, asked: NewId = _NO_ID
) -> RunView:
    """Start a run of a draft as it is now. Its first steps have been ordered when this returns."""
    run_id = once.run_id or asked.id
    run = kept.run_draft(here.engine, identity, run_id, choices(here), who.name, once.fingerprint)
    return made(here, run, response)


@router.post("/{identity}/publish", dependencies=[needs(Role.SUBMITTER)], status_code=201)
def publish_draft(here: Here, who: Asking, identity: str, response: Response, asked: NewId = _NO_ID) -> PublishedView:
    """Publish a draft as it is now."""
    found = kept.publish_draft(here.ports, identity, asked.id, choices(here), by=who.name)
    response.headers["Location"] = f"{PREFIX}/pipelines/{found.id}"
    return shown_pipeline(here, found)


def _with_store(here: Service, asked: Content) -> Content:
    if asked.graph is None:
        return asked
    return asked.model_copy(update={"graph": with_default_store(here, asked.graph)})
