"""Drafts: pipelines that somebody still works on, with how they shall be run.

Source   reference section 12
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from canalis.absent import V1
from canalis.answers import answered, is_there
from canalis.contract.run import new_run_id
from canalis.pipeline import Pipeline
from canalis.pipeline_run import PipelineRun
from canalis.planning import stop_before
from canalis.published import PublishedPipeline
from canalis.submission import as_json, as_texts, send_sources, tell_submitted, values_in, values_of
from canalis.within import Within

if TYPE_CHECKING:
    from canalis.contract.graph import Graph


class PipelineDraft(V1):
    """A pipeline that changes until it is run or published; those runs and publications stay as they were then."""

    def __init__(self, workspace: Within, view: dict[str, Any]) -> None:
        self.workspace = workspace
        self._view = view

    @classmethod
    def create(
        cls,
        workspace: Within,
        pipeline: Any,
        name: str | None = None,
        description: str | None = None,
        experiment_name: str | None = None,
        pipeline_parameters: dict[str, Any] | None = None,
        continue_on_step_failure: bool | None = None,
        tags: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        **ignored: Any,
    ) -> PipelineDraft:
        """A new draft of a Pipeline, a PublishedPipeline, a PipelineRun or another draft.

        Raises   ValueError for a Pipeline without a name and an experiment's name, and for anything else
        """
        if isinstance(pipeline, Pipeline) and not (name and experiment_name):
            raise ValueError("A draft of a Pipeline needs a name and an experiment_name")
        body = _content(
            pipeline,
            name,
            description,
            experiment_name,
            pipeline_parameters,
            continue_on_step_failure,
            tags,
            properties,
        )
        return cls(workspace, answered(lambda: workspace._client.post("/drafts", body | {"id": new_run_id()})))

    @classmethod
    def get(cls, workspace: Within, id: str, **ignored: Any) -> PipelineDraft:
        """The draft of that id. ErrorResponseException when there is none."""
        return cls(workspace, answered(lambda: workspace._client.get(f"/drafts/{quote(id, safe='')}")))

    @classmethod
    def exists(cls, workspace: Within, id: str) -> bool:
        """Whether there is a draft of that id. Not in v1."""
        return is_there(lambda: workspace._client.get(f"/drafts/{quote(id, safe='')}"))

    @classmethod
    def list(cls, workspace: Within, tags: Any = None, **ignored: Any) -> builtins.list[PipelineDraft]:
        """The drafts of the workspace, newest first.

        tags   a name that must be there, or {name: value} that must fit
        """
        wanted = [tags] if isinstance(tags, str) else [f"{key}={value}" for key, value in (tags or {}).items()]
        return [cls(workspace, view) for view in workspace._client.get("/drafts", tag=wanted or None)]

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._view["id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._view["name"])

    @property
    def description(self) -> str:
        """What it is for."""
        return str(self._view["description"])

    @property
    def experiment_name(self) -> str:
        """The experiment that its runs belong to."""
        return str(self._view["experiment"])

    @property
    def continue_on_step_failure(self) -> bool:
        """Whether steps that do not depend on one that failed still run."""
        return bool(self._view["continue_on_step_failure"])

    @property
    def tags(self) -> dict[str, str]:
        """What its runs are tagged with."""
        return dict(self._view["tags"])

    @property
    def properties(self) -> dict[str, str]:
        """What is written down about its runs for ever."""
        return dict(self._view["properties"])

    def update(
        self,
        name: str | None = None,
        description: str | None = None,
        experiment_name: str | None = None,
        tags: dict[str, Any] | None = None,
        pipeline: Any = None,
        pipeline_parameters: dict[str, Any] | None = None,
        continue_on_step_failure: bool | None = None,
    ) -> None:
        """Change it. What is not given stays; another pipeline takes the place of its own, with its own parameters."""
        body = _content(
            pipeline, name, description, experiment_name, pipeline_parameters, continue_on_step_failure, tags, None
        )
        self._view = answered(lambda: self.workspace._client.patch(self._path, body))

    def submit_run(self, idempotency_key: str | None = None, **ignored: Any) -> PipelineRun:
        """Start a run of it as it is now; under an idempotency key, which is not in v1, the same one each time."""
        body = {"id": new_run_id()} if idempotency_key is None else None
        stop_before("starts a draft")
        view = answered(lambda: self.workspace._client.post(f"{self._path}/runs", body, idempotency_key))
        run: PipelineRun = tell_submitted(self.workspace._run(view))
        return run

    def publish(self, **ignored: Any) -> PublishedPipeline:
        """Publish it as it is now."""
        view = answered(lambda: self.workspace._client.post(f"{self._path}/publish", {"id": new_run_id()}))
        return PublishedPipeline(self.workspace, view)

    def delete(self, **ignored: Any) -> None:
        """Delete it. Its runs and publications stay."""
        answered(lambda: self.workspace._client.delete(self._path))

    def get_graph(self, **ignored: Any) -> Graph:
        """What it would run, as a document."""
        from canalis.contract.graph import Graph

        return Graph.model_validate(self.workspace._client.get(f"{self._path}/graph"))

    def save(self, path: str | None = None, overwrite: bool = False, **ignored: Any) -> str:
        """Write it as YAML that Pipeline.load_yaml reads, with its source files beside it; the file's path.

        path      a file, or a folder, where it gets the draft's name; None is the current folder
        Raises    UserErrorException when something is there already, unless `overwrite`
        """
        from canalis.pipeline_yaml_saving import save_pipeline

        values, said = values_in(self._view["parameters"]), f"Draft {self.id}"
        return save_pipeline(
            self.workspace, self.get_graph(), values, path, self.name, self.description, said, overwrite
        )

    @property
    def _path(self) -> str:
        return f"/drafts/{self.id}"

    def __repr__(self) -> str:
        return f"PipelineDraft(Name: {self.name}, Id: {self.id}, Experiment: {self.experiment_name})"


def _content(
    pipeline: Any,
    name: str | None,
    description: str | None,
    experiment: str | None,
    parameters: dict[str, Any] | None,
    continues: bool | None,
    tags: dict[str, Any] | None,
    properties: dict[str, Any] | None,
) -> dict[str, Any]:
    """What is said of a draft; nothing of what is None."""
    said = {
        "name": name,
        "description": description,
        "experiment": experiment,
        "parameters": None if parameters is None else as_json(values_of(parameters)),
        "continue_on_step_failure": continues,
        "tags": None if tags is None else as_texts(tags),
        "properties": None if properties is None else as_texts(properties),
    }
    return {**_source(pipeline), **{key: value for key, value in said.items() if value is not None}}


def _source(pipeline: Any) -> dict[str, Any]:
    """Where a draft's pipeline comes from. A Pipeline's source files are sent."""
    if pipeline is None:
        return {}
    if isinstance(pipeline, Pipeline):
        return send_sources(pipeline._draft).as_json()
    for kind, word in ((PublishedPipeline, "pipeline"), (PipelineRun, "run"), (PipelineDraft, "draft")):
        if isinstance(pipeline, kind):
            return {word: pipeline.id}
    raise ValueError(
        f"{pipeline!r} cannot become a draft: use a Pipeline, a PublishedPipeline, a PipelineRun or a PipelineDraft"
    )
