"""Pipelines that others start: published ones, endpoints with versions of them, drafts. As they are kept and shown."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, model_validator

from canalis.contract.errors import NotFound
from canalis.contract.graph import Graph, ParameterValue, Part

PUBLISHED = "published"  # kind of the documents with published pipelines
NAME_MAX = 255
DESCRIPTION_MAX = 5_000
VERSION_MAX = 128
TAGS_MAX = 50
_ID = re.compile(r"[0-9a-z][0-9a-z-]{2,62}")

# v1's words for whether a thing can be used; Deprecated ones can, and say that they should not be.
EntityStatus = Literal["Active", "Deprecated", "Disabled"]

Id = Annotated[str, Field(pattern=f"^{_ID.pattern}$")]
Name = Annotated[str, Field(max_length=NAME_MAX)]
Description = Annotated[str, Field(max_length=DESCRIPTION_MAX)]
Tags = Annotated[dict[str, str], Field(max_length=TAGS_MAX)]


def check_id(kind: str, identity: str) -> str:
    """The id itself. Raises NotFound when it has not the form of one, before it becomes a key or a path."""
    if not _ID.fullmatch(identity):
        raise NotFound(f"There is no {kind} '{identity[:80]}'", kind=kind, name=identity[:80])
    return identity


class Publication(Part):
    """What a caller wants published: a graph, or what a run ran, with the values that its parameters had.

    id            chosen by the caller to make a repeated request the same publication; else a new one
    parameters    values that become the defaults in the place of the graph's, or of the run's
    interpreter   path of the Python that command steps run in; None takes the run's, or the service's own
    """

    id: Id | None = None
    graph: Graph | None = None
    run: str | None = None
    name: Name = ""
    description: Description = ""
    version: Annotated[str, Field(max_length=VERSION_MAX)] = ""
    continue_on_step_failure: StrictBool | None = None
    parameters: dict[str, ParameterValue] = Field(default_factory=dict)
    interpreter: str | None = None
    tags: Tags = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.graph is None) == (self.run is None):
            raise ValueError("either a graph or a run is published, and not both")
        return self


class Published(Part):
    """A published pipeline. What it runs never changes; whether it can be started does.

    graph            id of the graph document
    parameters       values that take the place of the graph's defaults
    step_names       of its steps, in the order of the graph, at most 1,000 of them; steps counts all
    from_run         id of the run that it was published from
    """

    id: str
    name: str = ""
    description: str = ""
    version: str = ""
    status: EntityStatus = "Active"
    graph: str
    parameters: dict[str, ParameterValue] = Field(default_factory=dict)
    steps: int
    step_names: tuple[str, ...] = ()
    continue_on_step_failure: bool = False
    interpreter: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)
    from_run: str | None = None
    created_at: float
    created_by: str = ""
    updated_at: float


class PublishedView(Published):
    """A published pipeline as it is shown.

    url           where it is started by v1's REST contract
    defaults      the value that each parameter has in a run that names none
    endpoints, schedules   names of what starts it, for a single one that is looked at
    """

    url: str
    defaults: dict[str, ParameterValue] = Field(default_factory=dict)
    endpoints: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()


class PublishedChange(Part):
    """What shall be other than it is; what is not given stays."""

    name: Name | None = None
    description: Description | None = None
    status: EntityStatus | None = None
    tags: Tags | None = None
