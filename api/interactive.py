"""Runs of which their author says himself how they end."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from api.access import GuardedRoute, Role, needs
from api.computes import choices
from api.service import Asking, Here
from api.starting import OnlyOnce, made, prepared
from canalis.contract.graph import Part
from canalis.contract.status import Outcome
from canalis.contract.views import RunView
from orchestrator import interactive, views
from orchestrator.submit import Asked

router = APIRouter(route_class=GuardedRoute, tags=["runs"])

_OUTCOMES = {"completed": Outcome.SUCCEEDED, "failed": Outcome.FAILED, "canceled": Outcome.CANCELLED}


class Ending(Part):
    """How such a run has ended.

    error   why it has failed, and `error_code` a word of the author's own for that
    """

    how: Literal["completed", "failed", "canceled"]
    error: Annotated[str, Field(max_length=5_000)] = ""
    error_code: Annotated[str, Field(max_length=80)] = ""


@router.post("/interactive", dependencies=[needs(Role.SUBMITTER)], status_code=201)
def post_interactive(here: Here, who: Asking, once: OnlyOnce, asked: Asked, response: Response) -> RunView:
    """Begin a run that its author logs on, and ends."""
    asked = prepared(here, asked, who, once)
    return made(here, interactive.begin(here.engine, asked, choices(here), by=who.name), response)


@router.post("/runs/{name}/end", dependencies=[needs(Role.SUBMITTER)])
def end_run(here: Here, who: Asking, name: str, said: Ending) -> RunView:
    """Say how an interactive run has ended. One that has ended already stays as it is."""
    run = views.find_run(here.ports, name)
    news = here.ports.vault.mask().hidden_in({"error": said.error, "error_code": said.error_code})
    ended = interactive.end(here.engine, run, _OUTCOMES[said.how], news["error"], news["error_code"], by=who.name)
    return views.run_view(here.ports, ended)
