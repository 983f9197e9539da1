"""Published pipelines: started by whoever has their id or their address, without the script that made them.

Source   reference section 12
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from canalis.absent import V1
from canalis.answers import answered, is_there
from canalis.contract.run import new_run_id
from canalis.differing import Change, changes_of
from canalis.pipeline_run import PipelineRun
from canalis.planning import stop_before
from canalis.submission import as_json, as_texts, surrounding_run, tell_submitted, values_in, values_of
from canalis.within import Within

if TYPE_CHECKING:
    from canalis.contract.graph import Graph


class PublishedPipeline(V1):
    """A pipeline that others start. What it runs never changes; whether it can be started does.

    PublishedPipeline.get(workspace, id) finds one; Pipeline.publish and PipelineRun.publish_pipeline make one.
    """

    def __init__(self, workspace: Within, view: dict[str, Any]) -> None:
        self.workspace = workspace
        self._view = view

    @classmethod
    def get(cls, workspace: Within, id: str) -> PublishedPipeline:
        """The published pipeline of that id. ErrorResponseException when there is none."""
        return cls(workspace, answered(lambda: workspace._client.get(f"/pipelines/{quote(id, safe='')}")))

    @classmethod
    def exists(cls, workspace: Within, id: str) -> bool:
        """Whether there is a published pipeline of that id. Not in v1."""
        return is_there(lambda: workspace._client.get(f"/pipelines/{quote(id, safe='')}"))

    @classmethod
    def list(cls, workspace: Within, active_only: bool = True, **ignored: Any) -> builtins.list[PublishedPipeline]:
        """The published pipelines of the workspace, newest first; those that are disabled too, unless `active_only`."""
        views = workspace._client.get("/pipelines", active_only=active_only)
        return [cls(workspace, view) for view in views]

    @classmethod
    def get_all(cls, workspace: Within, active_only: bool = True, **ignored: Any) -> builtins.list[PublishedPipeline]:
        """The same as `list`, by its name of before."""
        return cls.list(workspace, active_only)

    @classmethod
    def get_published_pipeline(cls, workspace: Within, id: str) -> PublishedPipeline:
        """The same as `get`, by its name of before."""
        return cls.get(workspace, id)

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._view["id"])

    @property
    def name(self) -> str:
        """Its name; several may have the same."""
        return str(self._view["name"])

    @property
    def description(self) -> str:
        """What it is for."""
        return str(self._view["description"])

    @property
    def version(self) -> str:
        """The version that its publisher gave it."""
        return str(self._view["version"])

    @property
    def graph_id(self) -> str:
        """The id of the graph that it runs: pipelines that run the same have the same."""
        return str(self._view["graph"])

    @property
    def status(self) -> str:
        """Active, Deprecated or Disabled."""
        return str(self._view["status"])

    @property
    def endpoint(self) -> str:
        """Where to POST {"ExperimentName": ...} to start it."""
        return str(self._view["url"])

    @property
    def total_run_steps(self) -> int:
        """How many steps it has."""
        return int(self._view["steps"])

    @property
    def continue_on_step_failure(self) -> bool:
        """Whether steps that do not depend on one that failed still run."""
        return bool(self._view["continue_on_step_failure"])

    @property
    def tags(self) -> dict[str, str]:
        """What it is tagged with."""
        return dict(self._view["tags"])

    def submit(
        self,
        workspace: Within,
        experiment_name: str,
        pipeline_parameters: dict[str, Any] | None = None,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
        parent_run_id: str | None = None,
        continue_on_step_failure: bool | None = None,
        regenerate_outputs: bool = False,
        **kwargs: Any,
    ) -> PipelineRun:
        """Start a run of it.

        Raises   ErrorResponseException when it is disabled, UserErrorException (a ValueError too) for a wrong parameter
        """
        options: dict[str, Any] = {
            "continue_on_step_failure": continue_on_step_failure,
            "regenerate_outputs": regenerate_outputs,
        }
        path = f"{self._path}/runs"
        return start(workspace, path, experiment_name, pipeline_parameters, parent_run_id, **options, **kwargs)

    def _submit_in(self, workspace: Within, experiment_name: str, **options: Any) -> PipelineRun:
        return self.submit(workspace, experiment_name, **options)

    def enable(self) -> None:
        """Let it be started."""
        self._change(status="Active")

    def disable(self) -> None:
        """Let it not be started until it is enabled again. Runs under way go on."""
        self._change(status="Disabled")

    def activate(self) -> None:
        """The same as `enable`, by its name of before."""
        self.enable()

    def delete(self) -> None:
        """Delete it; its runs stay. Refused while an endpoint or a schedule starts it. Not in v1."""
        answered(lambda: self.workspace._client.delete(self._path))

    def get_graph(self) -> Graph:
        """What it runs, as a document."""
        from canalis.contract.graph import Graph

        return Graph.model_validate(self.workspace._client.get(f"{self._path}/graph"))

    def save(self, path: str | None = None, overwrite: bool = False) -> str:
        """Write it as YAML that Pipeline.load_yaml reads, with its source files beside it; the file's path.

        path      a file, or a folder, where it gets the pipeline's name; None is the current folder
        Raises    UserErrorException when something is there already, unless `overwrite`
        """
        from canalis.pipeline_yaml_saving import save_pipeline

        view = answered(lambda: self.workspace._client.get(self._path))  # lists leave out the values of its parameters
        said = f"Published pipeline {self.id}" + (f", version {self.version!a}" if self.version else "")
        if self.continue_on_step_failure:
            said += "\nIt was published with continue_on_step_failure=True, which is said when it is published again"
        values = values_in(view["defaults"])
        return save_pipeline(
            self.workspace, self.get_graph(), values, path, self.name, self.description, said, overwrite
        )

    def get_step_names(self) -> builtins.list[str]:
        """The names of its steps."""
        return [node.name for node in self.get_graph().nodes]

    def get_runs(self) -> Iterator[PipelineRun]:
        """Its runs, newest first. Not in v1, which had PipelineRun.get_pipeline_runs."""
        return PipelineRun.get_pipeline_runs(self.workspace, self.id)

    def diff(self, other: PublishedPipeline) -> builtins.list[Change]:
        """All that is other in what `other` runs than in what this one does. Not in v1."""
        return changes_of(self.workspace, f"{self._path}/diff/{other.id}")

    def get_portal_url(self) -> str:
        """Where people look at it in the portal; `canalis open` signs their browser in."""
        return f"{self.workspace._client.endpoint.url}/#{self._path}"

    def _change(self, **said: Any) -> None:
        self._view = answered(lambda: self.workspace._client.patch(self._path, said))

    @property
    def _path(self) -> str:
        return f"/pipelines/{self.id}"

    def __repr__(self) -> str:
        return f"PublishedPipeline(Name: {self.name}, Id: {self.id}, Status: {self.status}, Endpoint: {self.endpoint})"


def start(
    workspace: Within,
    path: str,
    experiment_name: str,
    pipeline_parameters: dict[str, Any] | None = None,
    parent_run_id: str | None = None,
    continue_on_step_failure: bool | None = None,
    regenerate_outputs: bool = False,
    tags: dict[str, Any] | None = None,
    version: str | None = None,
    idempotency_key: str | None = None,
    **unknown: Any,
) -> PipelineRun:
    """The run that the route at a path starts. Raises as PublishedPipeline.submit says.

    idempotency_key   makes a call that comes again the same run; not in v1
    """
    if unknown:
        raise ValueError(f"submit() of a published pipeline or endpoint has no parameter {', '.join(unknown)}")
    workspace._experiment(experiment_name)
    body = {
        "run_id": new_run_id() if idempotency_key is None else None,  # which the key stands for
        "experiment": experiment_name,
        "parameters": as_json(values_of(pipeline_parameters)),
        "continue_on_step_failure": continue_on_step_failure,
        "regenerate_outputs": regenerate_outputs,
        "tags": as_texts(tags),
        "parent": parent_run_id or surrounding_run(),
    }
    stop_before("starts a published pipeline")
    view = answered(lambda: workspace._client.post(path, body, idempotency_key, version=version))
    run: PipelineRun = tell_submitted(workspace._run(view))
    return run


def published_by(workspace: Within, body: dict[str, Any]) -> PublishedPipeline:
    """The published pipeline that the service makes of a publication."""
    view = workspace._client.post_document("/pipelines", json.dumps(body).encode())
    made = PublishedPipeline(workspace, view)
    print(f"Published pipeline {made.id}: POST to {made.endpoint} starts it")
    return made
