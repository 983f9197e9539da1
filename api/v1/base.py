"""Where v1's routes are, in whatever letter case a caller writes them, and whether it means this workspace."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path

from api.service import Here, Service
from canalis.contract.errors import NotFound

V1_PREFIX = (
    "/pipelines/v1.0/subscriptions/{subscription}/resourceGroups/{group}"
    "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
)
_BEGINS = "/pipelines/v1.0/subscriptions/"
_WORDS = (
    "resourceGroups providers Microsoft.MachineLearningServices workspaces PipelineRuns PipelineSubmit "
    "PipelineEndpointSubmit Id Name Execution Graph Node StatusCode AllNodes status Outputs Shareable STDOUT STDERR "
    "JobLog PipelineRunOutputs Pipelines Pipeline PipelineEndpoints Schedules Schedule Last PipelineDrafts Graphs"
)
_SPELT = {word.lower(): word for word in _WORDS.split()}
_BEFORE_A_NAME = ("PipelineRunOutputs",)


def is_v1(path: str) -> bool:
    """Whether a path is one of v1's."""
    return path[: len(_BEGINS)].lower() == _BEGINS


def spelt(path: str) -> str:
    """A path of v1's as its routes are declared: v1's service took every letter case.

    >>> spelt("/Pipelines/V1.0/Subscriptions/S/resourcegroups/G/x")
    '/pipelines/v1.0/subscriptions/S/resourceGroups/G/x'
    """
    parts = path.split("/")
    parts[1:4] = _BEGINS.strip("/").split("/")
    for place, part in enumerate(parts[4:], start=4):
        if place not in {4, 6, 10} and parts[place - 1] not in _BEFORE_A_NAME:
            parts[place] = _SPELT.get(part.lower(), part)
        if parts[place - 1 : place + 1] == ["AllNodes", "status"]:
            parts[place] = "Status"  # the one place where v1 wrote it so
    return "/".join(parts)


class V1Paths:
    """An app that takes v1's paths in whatever letter case they come."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] == "http" and is_v1(scope["path"]):
            scope = scope | {"path": spelt(scope["path"])}
        await self._app(scope, receive, send)


_Part = Annotated[str, Path()]  # its value is compared and nothing else


def _meant(here: Here, subscription: _Part, group: _Part, workspace: _Part) -> Service:
    """The service, for who means the workspace that it serves. Raises NotFound for another one.

    A caller that was made for another workspace must not start its pipelines in this one.
    """
    w = here.workspace
    said = (subscription.lower(), group.lower(), workspace.lower())
    if said != (w.subscription_id.lower(), w.resource_group.lower(), w.name.lower()):
        raise NotFound(
            f"This service serves workspace '{w.name}' of resource group '{w.resource_group}' in subscription "
            f"{w.subscription_id}: use that in the address",
            kind="workspace",
            name=workspace[:80],
        )
    return here


V1Here = Annotated[Service, Depends(_meant)]
