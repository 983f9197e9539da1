"""The workspace itself, and whether the service is well."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel

from api.access import Guard, GuardedRoute, Role, needs
from api.reach import Reach
from api.service import Here, Service, WorkspaceView
from canalis.contract.environments import BUILD, RECORD, SETTING
from canalis.contract.errors import NotSupported

router = APIRouter(route_class=GuardedRoute, tags=["workspace"])


class Health(BaseModel):
    """Which service this is. Tells nothing of anybody's work.

    audience, authority   for which application a caller's access token must be, and where to sign in for it; "" where
              a token in a file opens the service
    proof     that it knows the workspace's token: HMAC-SHA256, with the token as key, of `canalis <endpoint> <nonce>`;
              "" where a certificate says which service it is
    """

    status: str
    workspace: str
    instance: str
    version: str
    audience: str = ""
    authority: str = ""
    proof: str = ""


class EnvironmentsView(BaseModel):
    """What becomes of environments that ask for packages.

    mode   build: one is built for the steps that ask for it; record: steps run in their author's interpreter
    """

    mode: Literal["build", "record"]


@router.get("/health", dependencies=[needs(Role.NOBODY)])
def health(here: Here, request: Request, nonce: Annotated[str, Query(max_length=100)] = "") -> Health:
    """Answers when the service can be used; to a `nonce` with a proof that it knows the workspace's token."""
    guard: Guard = request.app.state.guard
    # Where the request has arrived, not where it says that it wanted to go: that may be somebody who passes it on.
    host, port = request.scope["server"] or ("", 0)
    return Health(
        status="ready",
        workspace=here.workspace.name,
        instance=here.instance,
        version=here.version,
        audience=here.audience,
        authority=here.authority,
        proof=guard.prove(f"http://{host}:{port}", nonce) if nonce else "",
    )


@router.get("/openapi.json", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def description(request: Request) -> dict[str, Any]:
    """The description of this API, as OpenAPI."""
    return cast(FastAPI, request.app).openapi()


@router.get("/workspace", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def get_workspace(here: Here) -> WorkspaceView:
    """The workspace that this service serves."""
    return here.workspace


@router.get("/workspace/environments", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def environments_mode(here: Here) -> EnvironmentsView:
    """Whether environments are built here, or only recorded; in Azure they are recorded."""
    return EnvironmentsView(mode=_mode(here))


@router.put("/workspace/environments/{mode}", dependencies=[needs(Role.OPERATOR)])
def set_environments_mode(here: Here, mode: Literal["build", "record"]) -> EnvironmentsView:
    """Have environments built from now on, or only recorded. What has begun goes on as it was."""
    if mode == BUILD and not here.is_local:
        raise NotSupported("Environments are built on this machine only; in Azure they are recorded")
    here.ports.documents.put("settings", SETTING, {"mode": mode})
    return EnvironmentsView(mode=_mode(here))


def _mode(here: Service) -> Literal["build", "record"]:
    stored = here.ports.documents.get("settings", SETTING)
    return "record" if not here.is_local or (stored is not None and stored.body.get("mode") == RECORD) else "build"
