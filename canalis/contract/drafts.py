"""Drafts: pipelines that somebody still works on, with how they shall be run. As they are kept and shown."""

from __future__ import annotations

from typing import Self

from pydantic import Field, StrictBool, model_validator

from canalis.contract.graph import Graph, ParameterValue, Part
from canalis.contract.published import Description, Id, Name, Tags

DRAFTS = "drafts"  # kind of the documents with drafts


class DraftContent(Part):
    """What a draft holds, and what of it can be changed: a value that is not given stays, or is that of its source.

    graph, pipeline, run, draft   where its pipeline comes from: one of them at the most
    """

    graph: Graph | None = None
    pipeline: Id | None = None
    run: str | None = None
    draft: Id | None = None
    name: Name | None = None
    description: Description | None = None
    experiment: str | None = None
    parameters: dict[str, ParameterValue] | None = None
    continue_on_step_failure: StrictBool | None = None
    interpreter: str | None = None
    tags: Tags | None = None
    properties: dict[str, str] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.graph, self.pipeline, self.run, self.draft)) > 1:
            raise ValueError(
                "a draft is of a graph, of a published pipeline, of a run or of another draft: one of them"
            )
        return self


class DraftRequest(DraftContent):
    """A new draft.

    id   chosen by the caller to make a repeated request the same draft; else a new one
    """

    id: Id | None = None

    @model_validator(mode="after")
    def _some_source(self) -> Self:
        if all(source is None for source in (self.graph, self.pipeline, self.run, self.draft)):
            raise ValueError("a draft needs a pipeline: a graph, or the id of a published pipeline, a run or a draft")
        return self


class Draft(Part):
    """A pipeline that somebody still works on, and how it is to be run.

    graph       id of the graph document
    source      what it was made of: "pipeline <id>", "run <id>", "draft <id>", or "" for a graph
    """

    id: str
    name: str
    description: str = ""
    experiment: str
    graph: str
    parameters: dict[str, ParameterValue] = Field(default_factory=dict)
    continue_on_step_failure: StrictBool = False
    interpreter: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)
    source: str = ""
    created_at: float
    created_by: str = ""
    updated_at: float
