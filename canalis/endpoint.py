"""Pipeline endpoints: a name and an address that stay while the pipelines behind them change.

Source   reference section 12
"""

from __future__ import annotations

import builtins
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from canalis.absent import V1
from canalis.answers import answered, is_there
from canalis.contract.errors import AlreadyExists, NotFound
from canalis.contract.run import new_run_id
from canalis.differing import Change, changes_of
from canalis.exceptions import ErrorResponseException
from canalis.pipeline import Pipeline
from canalis.pipeline_run import PipelineRun
from canalis.published import PublishedPipeline, start
from canalis.within import Within


class PipelineEndpointVersion(V1):
    """A version of an endpoint: "0", "1", and so on, each a published pipeline."""

    def __init__(self, workspace: Within, view: dict[str, Any]) -> None:
        self.version = str(view["version"])
        self._workspace = workspace
        self._pipeline_id = str(view["pipeline"])

    @property
    def pipeline(self) -> PublishedPipeline:
        """The published pipeline."""
        return PublishedPipeline.get(self._workspace, self._pipeline_id)

    def __repr__(self) -> str:
        return f"PipelineEndpointVersion(version={self.version!r}, pipeline={self._pipeline_id!r})"


class PipelineEndpoint(V1):
    """Published pipelines behind one name and one address, of which the default version runs when none is named."""

    def __init__(self, workspace: Within, view: dict[str, Any]) -> None:
        self.workspace = workspace
        self._view = view

    @classmethod
    def publish(
        cls,
        workspace: Within,
        name: str,
        description: str = "",
        pipeline: Pipeline | PublishedPipeline | None = None,
        **ignored: Any,
    ) -> PipelineEndpoint:
        """A new endpoint, whose version 0 is the pipeline. One that is not published yet is published first.

        Raises   ValueError for a name that an endpoint has already; then nothing is published either
        """
        if cls.exists(workspace, name):
            raise ValueError(f"There is a pipeline endpoint '{name}' already")
        body = {
            "id": new_run_id(),
            "name": name,
            "description": description or "",
            "pipeline": _published(pipeline, name, description).id,
        }
        try:
            made = cls(workspace, workspace._client.post("/endpoints", body))
        except AlreadyExists as error:
            raise ValueError(error.message) from error
        print(f"Endpoint '{made.name}' ({made.id}): POST to {made.endpoint} starts it")
        return made

    @classmethod
    def get(cls, workspace: Within, id: str | None = None, name: str | None = None, **ignored: Any) -> PipelineEndpoint:
        """The endpoint of that id or name. ErrorResponseException ("... not found in workspace") without one."""
        if id is None and name is None:
            raise ValueError("A pipeline endpoint is got by its id or by its name")
        view = _found(workspace, id, name)
        if view is None:
            what = f"id '{id}'" if id is not None else f"name '{name}'"
            raise ErrorResponseException(
                f"Pipeline endpoint with {what} not found in workspace {workspace.name}", 404, NotFound.code
            )
        return cls(workspace, view)

    @classmethod
    def exists(cls, workspace: Within, name: str | None = None, id: str | None = None) -> bool:
        """Whether there is an endpoint of that name or id. Not in v1."""
        return _found(workspace, id, name) is not None

    @classmethod
    def list(
        cls, workspace: Within, active_only: bool = True, max_results: int = 100, **ignored: Any
    ) -> builtins.list[PipelineEndpoint]:
        """The endpoints of the workspace, newest first."""
        views = workspace._client.get("/endpoints", active_only=active_only)
        return [cls(workspace, view) for view in views[:max_results]]

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._view["id"])

    @property
    def name(self) -> str:
        """Its name, which no other endpoint has."""
        return str(self._view["name"])

    @property
    def description(self) -> str:
        """What it is for."""
        return str(self._view["description"])

    @property
    def status(self) -> str:
        """Active or Disabled."""
        return str(self._view["status"])

    @property
    def default_version(self) -> str:
        """The version that runs when none is named."""
        return str(self._view["default_version"])

    @property
    def endpoint(self) -> str:
        """Where to POST {"ExperimentName": ...} to start it; with /<version> behind it, that version."""
        return str(self._view["url"])

    @property
    def swaggerurl(self) -> str:
        """Where its service describes itself."""
        return f"{self.workspace._client.endpoint.url}/api/v1/openapi.json"

    def get_default_version(self) -> str:
        """The version that runs when none is named."""
        return self.default_version

    def set_default_version(self, version: str) -> None:
        """Let that version run when none is named. ErrorResponseException when there is none such."""
        self._change(default_version=str(version))

    def set_default(self, pipeline: PublishedPipeline) -> None:
        """Let that pipeline, which is a version already, run when none is named. ValueError when it is none."""
        version = next((one["version"] for one in self._view["versions"] if one["pipeline"] == pipeline.id), None)
        if version is None:
            raise ValueError(f"Pipeline {pipeline.id} is no version of endpoint '{self.name}': add it first")
        self.set_default_version(version)

    def add(self, pipeline: Pipeline | PublishedPipeline) -> None:
        """Put a pipeline behind the endpoint, as its next version. ValueError for one that is a version already."""
        self._add(pipeline, default=False)

    def add_default(self, pipeline: Pipeline | PublishedPipeline) -> None:
        """Put a pipeline behind the endpoint, as the version that runs when none is named."""
        self._add(pipeline, default=True)

    def get_pipeline(self, version: str | None = None) -> PublishedPipeline:
        """The published pipeline behind a version, by default behind the default one."""
        wanted = str(version) if version is not None else self.default_version
        for one in self.list_versions():
            if one.version == wanted:
                return one.pipeline
        known = ", ".join(one["version"] for one in self._view["versions"])
        raise ErrorResponseException(
            f"Version {wanted} of pipeline endpoint '{self.name}' not found in workspace {self.workspace.name} "
            f"(it has {known})",
            404,
            NotFound.code,
        )

    def list_versions(self) -> builtins.list[PipelineEndpointVersion]:
        """Its versions, in the order in which they were added."""
        return [PipelineEndpointVersion(self.workspace, view) for view in self._view["versions"]]

    def get_all_versions(self) -> builtins.list[PipelineEndpointVersion]:
        """The same as `list_versions`."""
        return self.list_versions()

    def list_pipelines(self, active_only: bool = True) -> builtins.list[PublishedPipeline]:
        """The published pipelines behind it."""
        found = [one.pipeline for one in self.list_versions()]
        return [one for one in found if not active_only or one.status != "Disabled"]

    def diff(self, before: str, after: str | None = None) -> builtins.list[Change]:
        """All that is other in one version (the default one when none is named) than in the one before. Not in v1."""
        return changes_of(self.workspace, f"{self._path}/diff", before=before, after=after)

    def set_name(self, name: str) -> None:
        """Give it another name. ErrorResponseException for one that another endpoint has."""
        self._change(name=name)

    def set_description(self, description: str) -> None:
        """Say what it is for."""
        self._change(description=description)

    def enable(self) -> None:
        """Let it be started."""
        self._change(status="Active")

    def disable(self) -> None:
        """Let it not be started until it is enabled again. Runs under way go on."""
        self._change(status="Disabled")

    def archive(self) -> None:
        """Disable it, and set its name free."""
        self._change(status="Disabled", name=str(uuid.uuid4()))

    def reactivate(self, name: str) -> None:
        """Enable one that was archived, under a name."""
        self._change(status="Active", name=name)

    def delete(self) -> None:
        """Delete it; the pipelines behind it stay, and their runs. Not in v1."""
        answered(lambda: self.workspace._client.delete(self._path))

    def submit(
        self,
        experiment_name: str,
        pipeline_parameters: dict[str, Any] | None = None,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
        parent_run_id: str | None = None,
        pipeline_version: str | None = None,
        **options: Any,
    ) -> PipelineRun:
        """Start a run of what is behind it. ValueError when it is not active, or for a wrong parameter."""
        if self.status != "Active":
            raise ValueError(f"Pipeline endpoint '{self.name}' is {self.status.lower()}: enable() it first")
        version = None if pipeline_version is None else str(pipeline_version)
        path = f"{self._path}/runs"
        return start(
            self.workspace, path, experiment_name, pipeline_parameters, parent_run_id, version=version, **options
        )

    def _submit_in(self, workspace: Within, experiment_name: str, **options: Any) -> PipelineRun:
        return self.submit(experiment_name, **options)

    def get_runs(self) -> Iterator[PipelineRun]:
        """The runs of the pipelines behind it, newest first within each. Not in v1."""
        for one in self._view["versions"]:
            yield from PipelineRun.get_pipeline_runs(self.workspace, one["pipeline"])

    def _add(self, pipeline: Pipeline | PublishedPipeline, default: bool) -> None:
        self._view = answered(lambda: self.workspace._client.get(self._path))
        added = _published(pipeline, self.name, self.description)
        there = next((one["version"] for one in self._view["versions"] if one["pipeline"] == added.id), None)
        if there is not None:
            raise ValueError(f"Published pipeline {added.id} is version {there} of endpoint '{self.name}' already")
        path = f"{self._path}/versions/{added.id}"
        self._view = answered(lambda: self.workspace._client.put(path, default=default))

    def _change(self, **said: Any) -> None:
        self._view = answered(lambda: self.workspace._client.patch(self._path, said))

    @property
    def _path(self) -> str:
        return f"/endpoints/{self.id}"

    def __repr__(self) -> str:
        return (
            f"PipelineEndpoint(Name: {self.name}, Id: {self.id}, Status: {self.status}, "
            f"Default version: {self.default_version}, Endpoint: {self.endpoint})"
        )


def _found(workspace: Within, identity: str | None, name: str | None) -> dict[str, Any] | None:
    """The view of an endpoint; None when there is none of that id or name."""
    client = workspace._client
    if identity is None:
        views = client.get("/endpoints", name=name)
        return views[0] if views else None
    path = f"/endpoints/{quote(identity, safe='')}"
    return client.get(path) if is_there(lambda: client.get(path)) else None


def _published(pipeline: Any, name: str, description: str) -> PublishedPipeline:
    """The published pipeline that is meant; one that is not published yet is, under a name with the minute in it."""
    if isinstance(pipeline, Pipeline):
        minute = time.strftime("%m-%d-%Y-%H-%M", time.gmtime())
        return pipeline.publish(name=f"{name}-{minute}-Pipeline", description=description)
    if not isinstance(pipeline, PublishedPipeline):
        raise ValueError(f"{pipeline!r} cannot be put behind an endpoint: use a Pipeline or a PublishedPipeline")
    return pipeline
