"""What a page needs to draw a run and to keep the drawing up to date, in few bytes."""

from __future__ import annotations

from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from api.access import GuardedRoute, Role, needs
from api.reach import Reach
from api.service import Here
from canalis.contract.views import PictureView, StandingView
from orchestrator import views
from orchestrator.pipelines import publish
from orchestrator.standing import picture_of, standing

router = APIRouter(route_class=GuardedRoute, tags=["runs"])

WAIT_S_MAX = 25.0  # front ends cut off an answer that takes much longer
_LOOK_S = 0.4  # between two looks of one who waits


@router.get("/runs/{name}/picture", dependencies=[needs(Role.READER, step=Reach.RUNS)])
def get_picture(here: Here, name: str, response: Response) -> PictureView:
    """Where each step of a run stands in a drawing of its graph. It never changes."""
    response.headers["Cache-Control"] = "private, max-age=3600"
    return picture_of(here.ports, views.find_run(here.ports, name).request.graph)


@router.get("/pipelines/{identity}/picture", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def get_pipeline_picture(here: Here, identity: str) -> PictureView:
    """Where each step of a published pipeline stands in a drawing of its graph."""
    return picture_of(here.ports, publish.published(here.ports.documents, identity).graph)


@router.get("/runs/{name}/standing", dependencies=[needs(Role.READER, step=Reach.RUNS)])
async def get_standing(
    here: Here,
    name: str,
    seen: str = "",
    wait_s: Annotated[float, Query(ge=0.0, le=WAIT_S_MAX)] = 0.0,
) -> StandingView:
    """How all steps of a run stand, in a byte or two each. With the `mark` that was `seen` last, the answer comes when
    there is another one, or after `wait_s`; in Azure at once, since who waits there is paid for.
    """
    run = await run_in_threadpool(views.find_run, here.ports, name)
    # Not on a thread: there are few, and many may wait.
    give_up = anyio.current_time() + (wait_s if here.is_local else 0.0)
    while True:
        found = await run_in_threadpool(standing, here.ports, run.run_id, seen)
        if found.mark != seen or anyio.current_time() >= give_up or here.is_leaving():
            return found
        await anyio.sleep(_LOOK_S)
