"""Errors of the service with what one does next: which there are of what was not found, and the command for it."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from canalis.contract.errors import CanalisError, Disabled, NotFound
from canalis.exceptions import AzureMLException, ErrorResponseException, RunNotFound
from canalis.workspace import Workspace

_NAMED_MAX = 3


class _Kind(NamedTuple):
    """A kind of things: the route that lists them, the command that does, and the one that makes the first."""

    route: str
    lists: str
    makes: str


_KINDS = {
    "pipeline": _Kind("/pipelines", "canalis pipeline list --all", "canalis pipeline create -n NAME -y FILE"),
    "draft": _Kind("/drafts", "canalis pipeline list-drafts", "canalis pipeline create-draft"),
    "schedule": _Kind("/schedules", "canalis pipeline list-schedules --all", "canalis pipeline create-schedule"),
    "endpoint": _Kind("/endpoints", "canalis pipeline endpoint list --all", "canalis pipeline endpoint create"),
}
_CALLED = {"published pipeline": "pipeline", "pipeline endpoint": "endpoint"}


def explained(error: CanalisError | AzureMLException, workspace: Workspace | None) -> CanalisError | AzureMLException:
    """The error, with what its reader can do about it where that is known."""
    found = error.inner_exception if isinstance(error, ErrorResponseException) else error
    more = ""
    if isinstance(found, NotFound):
        kind = "run" if isinstance(found, RunNotFound) else str(found.details.get("kind", ""))
        more = _what_there_is(_CALLED.get(kind, kind), workspace)
    elif isinstance(found, Disabled):
        named = "endpoint " if found.details.get("kind") == "endpoint" else ""
        option = "" if named else "-i "
        more = f"`canalis pipeline {named}enable {option}{found.details.get('name')}` does"
    if not more:
        return error
    assert isinstance(found, CanalisError), found
    plain = NotFound if isinstance(found, NotFound) else Disabled
    return plain(f"{found.message}. {more}", **found.details)


def _what_there_is(kind: str, workspace: Workspace | None) -> str:
    if kind == "run":
        return "`canalis runs` lists them"
    known = _KINDS.get(kind)
    views: list[dict[str, Any]] = []
    if known is None or workspace is None:
        return ""
    with contextlib.suppress(CanalisError, AzureMLException):
        views = workspace._client.get(known.route)
        if not views:
            return f"There is none yet: `{known.makes}` makes one"
    return f"{_named(views)}`{known.lists}` lists them"


def _named(views: list[dict[str, Any]]) -> str:
    if not views:
        return ""
    shown = ", ".join(f"{view['id']} ({view['name']})" if view["name"] else view["id"] for view in views[:_NAMED_MAX])
    more = f" and {len(views) - _NAMED_MAX} more" if len(views) > _NAMED_MAX else ""
    return f"There {'is' if len(views) == 1 else 'are'} {shown}{more}; "
