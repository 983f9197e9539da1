"""What the routes work with, and how they come by it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request
from pydantic import BaseModel

from api.access import Caller, caller_of
from canalis.contract.costs import Counts
from canalis.contract.health import Check
from canalis.contract.ports import Ports
from canalis.contract.run import ComputeChoice
from canalis.contract.submissions import ForOthers, SetAside

PREFIX = "/api/v1"  # of every path but the front page's


class WorkspaceView(BaseModel):
    """The workspace that this service serves."""

    name: str
    subscription_id: str
    resource_group: str
    location: str
    friendly_name: str = ""
    tags: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Service:
    """The ports, and what a door knows of itself.

    ports        for what people look at
    counted      the same for what works for runs, every call counted; None counts nothing
    counts       what was counted for a run
    audience     for which application access tokens must be: its id, or api://...; "" where there are none
    authority    where callers sign in for them: https://login.microsoftonline.com/<tenant>, or only the tenant; ""
                 where nobody does
    trouble      what keeps the service from going on just now that somebody has to mend; "" when nothing does
    checks       looks at each thing that the service needs; None looks at `trouble` alone
    url          where callers reach the service, without a closing slash
    instance     tells one start of the service from the next
    call         has schedules looked after soon, since there may be something due
    is_local     whether compute targets are served by this machine
    default_slots   steps at once for steps that name no compute target
    machines     what the machines of this service can do for a step
    receive      takes so many messages of a queue or topic of others; None where they take them themselves
    backends     names of the backends that a compute target may name
    is_leaving   whether the service is about to end, so that nobody should be kept waiting for news
    set_aside    submissions that started nothing; None where they lie on a queue of the bus
    """

    ports: Ports
    workspace: WorkspaceView
    instance: str
    is_local: bool
    default_slots: int
    version: str
    url: str = ""
    counted: Ports | None = None
    counts: Callable[[str], Counts] = lambda run_id: {}
    trouble: Callable[[], str] = lambda: ""
    machines: ComputeChoice = field(default_factory=lambda: ComputeChoice(backend="process"))
    audience: str = ""
    authority: str = ""
    checks: Callable[[], list[Check]] | None = None
    call: Callable[[], None] = lambda: None
    receive: Callable[[str, int], list[ForOthers]] | None = None
    set_aside: Callable[[], list[SetAside]] | None = None
    backends: Collection[str] = ("process",)
    is_leaving: Callable[[], bool] = lambda: False

    @property
    def v1_url(self) -> str:
        """Where v1's REST contract of this workspace begins. Source   reference section 15"""
        w = self.workspace
        return (
            f"{self.url}/pipelines/v1.0/subscriptions/{quote(w.subscription_id)}/resourceGroups/"
            f"{quote(w.resource_group)}/providers/Microsoft.MachineLearningServices/workspaces/{quote(w.name)}"
        )

    @property
    def engine(self) -> Ports:
        """The ports of whatever works for a run."""
        return self.counted or self.ports

    def look(self) -> list[Check]:
        """What is known without a door's own checks."""
        return [Check("service", self.trouble())]


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Here = Annotated[Service, Depends(_service)]
Asking = Annotated[Caller, Depends(caller_of)]  # who sent the request
