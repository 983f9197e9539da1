"""The workspace itself, and whether the service is well."""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel

from api.access import GuardedRoute, Role, needs
from api.service import Here, WorkspaceView

router = APIRouter(route_class=GuardedRoute, tags=["workspace"])


class Health(BaseModel):
    """Which service this is. Tells nothing of anybody's work."""

    status: str
    workspace: str
    instance: str
    version: str


@router.get("/health", dependencies=[needs(Role.NOBODY)])
def health(here: Here) -> Health:
    """Answers when the service can be used."""
    return Health(status="ready", workspace=here.workspace.name, instance=here.instance, version=here.version)


@router.get("/openapi.json", dependencies=[needs(Role.NOBODY)])
def description(request: Request) -> dict[str, Any]:
    """The description of this API, as OpenAPI."""
    return cast(FastAPI, request.app).openapi()


@router.get("/workspace", dependencies=[needs(Role.READER)])
def get_workspace(here: Here) -> WorkspaceView:
    """The workspace that this service serves."""
    return here.workspace
