"""Schedules: published pipelines that the clock starts, or data that changes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.access import GuardedRoute, Role, needs
from api.service import PREFIX, Asking, Here
from canalis.contract.schedules import Firing, Preview, ScheduleChange, ScheduleRequest, ScheduleView
from orchestrator.schedules import kept

router = APIRouter(prefix="/schedules", route_class=GuardedRoute, tags=["schedules"])

_NEXT_MAX = 500
Count = Annotated[int, Query(ge=0, le=_NEXT_MAX, description="How many of its next firings are told.")]


@router.post("", dependencies=[needs(Role.SUBMITTER)], status_code=201)
def create_schedule(here: Here, who: Asking, asked: ScheduleRequest, response: Response) -> ScheduleView:
    """Make a schedule. A recurrence without a start time fires at once, as in v1."""
    found = kept.create(here.ports, asked, by=who.name)
    response.headers["Location"] = f"{PREFIX}/schedules/{found.id}"
    here.call()
    return kept.view(here.ports, found, kept.NEXT_SHOWN)


@router.post("/preview", dependencies=[needs(Role.READER)])
def preview_schedule(here: Here, asked: ScheduleRequest, count: Count = kept.NEXT_SHOWN) -> Preview:
    """When a schedule would fire if it were made now, and what may not be as its author thinks. Makes nothing."""
    return kept.preview(here.ports, asked, count)


@router.get("", dependencies=[needs(Role.READER)])
def list_schedules(
    here: Here, active_only: bool = False, pipeline: str | None = None, endpoint: str | None = None, count: Count = 1
) -> list[ScheduleView]:
    """Schedules, newest first; those that start a published pipeline, or an endpoint."""
    found = kept.all_schedules(here.ports.documents, active_only, pipeline, endpoint)
    return [kept.view(here.ports, one, count, with_last=False) for one in found]


@router.get("/{identity}", dependencies=[needs(Role.READER)])
def get_schedule(here: Here, identity: str, count: Count = kept.NEXT_SHOWN) -> ScheduleView:
    """One schedule, with its next firings and what became of its last tick."""
    return kept.view(here.ports, kept.schedule(here.ports.documents, identity), count)


@router.patch("/{identity}", dependencies=[needs(Role.SUBMITTER)])
def change_schedule(here: Here, identity: str, said: ScheduleChange) -> ScheduleView:
    """Change, enable or disable a schedule. With another trigger it counts from now on, and starts nothing at once."""
    found = kept.change(here.ports, identity, said)
    here.call()
    return kept.view(here.ports, found, kept.NEXT_SHOWN)


@router.delete("/{identity}", dependencies=[needs(Role.OPERATOR)], status_code=204)
def delete_schedule(here: Here, identity: str) -> None:
    """Delete a schedule, or find that it is gone. Its runs stay."""
    kept.delete(here.ports, identity)


@router.get("/{identity}/firings", dependencies=[needs(Role.READER)])
def list_firings(here: Here, identity: str, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[Firing]:
    """What became of a schedule's last ticks, newest first: runs that it started, and what was missed, and why."""
    kept.schedule(here.ports.documents, identity)
    return kept.firings_of(here.ports.documents, identity, limit)
