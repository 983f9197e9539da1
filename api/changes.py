"""The changes that were made: who, what, when, from where."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.access import GuardedRoute, Role, needs
from api.service import Here
from orchestrator.audit import latest

router = APIRouter(prefix="/audit", route_class=GuardedRoute, tags=["workspace"])


@router.get("", dependencies=[needs(Role.OPERATOR)])
def list_changes(
    here: Here, limit: Annotated[int, Query(ge=1, le=1000)] = 100, before: float | None = None
) -> list[dict[str, Any]]:
    """Who changed what, when and from where, newest first. `before` is the `at` of the last one on the page before."""
    return latest(here.ports.blobs, limit, before)
