"""The runs of pipelines and of their steps.

Source   reference section 13
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from canalis.child_run import Parent, children_of
from canalis.contract.layout import STEP_LOG
from canalis.contract.run import new_run_id
from canalis.exceptions import ExperimentExecutionException, UserErrorException
from canalis.outputs import PortDataReference, StepRunOutput
from canalis.run import Run, listed
from canalis.within import Within


class PipelineRun(Run):
    """A run of a pipeline."""

    @staticmethod
    def get(workspace: Within, run_id: str) -> PipelineRun:
        """The pipeline run of that id. ExperimentExecutionException when there is none."""
        found = Run.get(workspace, run_id)
        if not isinstance(found, PipelineRun):
            raise ExperimentExecutionException(f"{run_id} is a step's run, not a pipeline's")
        return found

    def get_status(self) -> str:
        """How it stands, in the words of pipeline runs: NotStarted, Running, Failed, Finished, Canceled."""
        return str(self._view()["status_v1"])

    def wait_for_completion(
        self, show_output: bool = True, timeout_seconds: float = sys.maxsize, raise_on_error: bool = True
    ) -> str:
        """Wait until it has ended, showing what its steps print; how it stands then.

        A time-out is printed, and is no error. Raises ActivityFailedException when it failed.
        """
        return str(self._wait(show_output, timeout_seconds, raise_on_error)["status_v1"])

    @staticmethod
    def get_pipeline_runs(workspace: Within, pipeline_id: str, **ignored: Any) -> Iterator[PipelineRun]:
        """The runs of a published pipeline, newest first."""
        yield from listed(workspace, pipeline=pipeline_id)

    def publish_pipeline(
        self,
        name: str,
        description: str,
        version: str,
        continue_on_step_failure: bool | None = None,
        **ignored: Any,
    ) -> Any:
        """Publish what this run has run: its graph and its source files, with the values its parameters had.

        Returns a PublishedPipeline.
        """
        body = {
            "id": new_run_id(),
            "run": self.id,
            "name": name,
            "description": description or "",
            "version": version or "",
            "continue_on_step_failure": continue_on_step_failure,
        }
        return self.experiment.workspace._publish(body)

    def save(self, path: str | None = None, overwrite: bool = False) -> str:
        """Write what this run has run as YAML that Pipeline.load_yaml reads, with its source files beside it.

        The parameters' defaults are the values that they had here. Returns the file's path.

        path      a file, or a folder, where it is called pipeline.yml; None is the current folder
        Raises    UserErrorException when something is there already, unless `overwrite`
        """
        from canalis.pipeline_yaml_saving import save_pipeline
        from canalis.submission import values_in

        values = values_in(self._view()["parameters"])
        return save_pipeline(
            self.experiment.workspace, self.get_graph(), values, path, said=f"Run {self.id}", overwrite=overwrite
        )

    def resubmit(
        self,
        from_steps: str | Iterable[str] = (),
        only_failed: bool = False,
        pipeline_parameters: dict[str, Any] | None = None,
    ) -> PipelineRun:
        """Start a new run that keeps what has succeeded here and is still valid, and runs the rest. Not in v1.

        from_steps    steps (names, or ids of step runs) that run again with all that comes after them
        only_failed   keeps what succeeded even when it comes after a step that runs again
        pipeline_parameters   other values than here; the steps that use them run again
        Raises   NotResumable when this run has not ended, or when nothing would run
        """
        from canalis.submission import resume_run

        run: PipelineRun = resume_run(self.experiment.workspace, self.id, from_steps, only_failed, pipeline_parameters)
        return run

    def delete(self) -> None:
        """Delete it, with all that belongs to it and the runs that its steps have submitted. Not in v1.

        Raises   NotOver while one goes on, StillUsed while something else needs one
        """
        self._client.delete(f"/runs/{quote(self.id)}")

    def get_steps(self) -> Iterator[StepRun]:
        """Its steps' runs."""
        for view in self._client.get(f"{self._path}/steps"):
            yield StepRun(self.experiment, view["id"], _view=view)

    def get_children(
        self,
        recursive: bool = False,
        tags: Any = None,
        properties: Any = None,
        type: str | None = None,
        status: str | None = None,
        **ignored: Any,
    ) -> Iterator[Any]:
        """Its steps' runs, those that fit: for tags and properties a name, or {name: value}.

        recursive   gives the runs as well that scripts have begun below these
        """
        below = children_of(self, f"{self._path}/children") if recursive else ()
        for run in itertools.chain[Run](self.get_steps(), below):
            if run._fits(tags, properties, type, status):
                yield run

    def find_step_run(self, name: str) -> list[StepRun]:
        """The runs of its steps of that name, blanks and all."""
        return [step for step in self.get_steps() if step.name == name]

    def get_pipeline_output(self, pipeline_output_name: str) -> PortDataReference:
        """The output that was given that name."""
        for view in self._client.get(f"{self._path}/outputs"):
            if view["pipeline_output"] == pipeline_output_name:
                return PortDataReference(self.experiment.workspace, view)
        raise UserErrorException(f"Run {self.id} has no pipeline output '{pipeline_output_name}'")

    def get_details_with_logs(self) -> dict[str, Any]:
        """Its details, with the text of its steps' logs under logFiles, by step."""
        logs = {f"{step._node_id}/{STEP_LOG}": step._log_text() for step in self.get_steps()}
        return {**self.get_details(), "logFiles": logs}

    def get_graph(self) -> Any:
        """The graph that it walks, as a document."""
        from canalis.contract.graph import Graph

        return Graph.model_validate(self._client.get(f"{self._path}/graph"))

    def complete(self, _set_status: bool = True) -> None:
        """A pipeline run ends by itself."""
        raise NotImplementedError("A pipeline run is completed by its steps")

    def fail(self, error_details: Any = None, error_code: Any = None, _set_status: bool = True) -> None:
        """A pipeline run ends by itself."""
        raise NotImplementedError("A pipeline run fails by its steps")

    def child_run(self, *ignored: Any, **also: Any) -> Any:
        """A pipeline run has steps, not children of one's own making."""
        raise NotImplementedError("A pipeline run has no children but its steps")


class StepRun(Parent):
    """The run of a step."""

    @property
    def name(self) -> str:
        """The step's name."""
        return str(self._view(allow_old=True)["name"])

    @property
    def pipeline_run_id(self) -> str:
        """Id of the pipeline run that it belongs to."""
        return str(self._view(allow_old=True)["run_id"])

    @property
    def _path(self) -> str:
        known = self._known
        if known is not None and known["attempt"] == known["attempt_now"]:
            return f"/runs/{quote(known['run_id'])}.{quote(known['node'])}"  # the step, should it be tried again
        return f"/runs/{quote(self._id)}"  # the attempt that was asked for

    def _tags_in(self, view: dict[str, Any]) -> dict[str, str]:
        return {"azureml.nodeid": view["node"], "azureml.pipeline": view["run_id"], **view["tags"]}

    @property
    def _node_id(self) -> str:
        return str(self._view(allow_old=True)["node"])

    def __repr__(self) -> str:
        return f"StepRun(Name: {self.name}, Id: {self.id})"

    @property
    def _is_reused(self) -> bool:
        return self._reused_run_id is not None

    @property
    def _reused_run_id(self) -> str | None:
        kept_from: str | None = self._view(allow_old=True)["kept_from"]
        return kept_from

    def get_status(self) -> str:
        """How it stands: NotStarted, Queued, Running, Failed, Finished, Canceled."""
        return str(self._view()["status_v1"])

    def wait_for_completion(
        self, show_output: bool = True, timeout_seconds: float = sys.maxsize, raise_on_error: bool = True
    ) -> str:
        """Wait until it has ended, showing what it prints; how it stands then."""
        return str(self._wait(show_output, timeout_seconds, raise_on_error)["status_v1"])

    def get_outputs(self) -> dict[str, StepRunOutput]:
        """Its outputs by name."""
        views = self._client.get(f"{self._path}/outputs")
        return {view["name"]: StepRunOutput(self, view) for view in views}

    def get_output(self, name: str) -> StepRunOutput:
        """The output of that name."""
        outputs = self.get_outputs()
        if name not in outputs:
            raise UserErrorException(f"Step '{self.name}' has no output '{name}' (it has: {', '.join(outputs)})")
        return outputs[name]

    def get_output_data(self, name: str) -> PortDataReference:
        """Where the output of that name lies."""
        return self.get_output(name).get_port_data_reference()

    def get_stdout_log(self) -> str:
        """What it printed, to stdout and to stderr, in the order of printing."""
        return self._log_text()

    def get_stderr_log(self) -> str:
        """The same as get_stdout_log: both go to one log."""
        return self._log_text()

    def get_job_log(self) -> str:
        """What the service wrote down about the attempt, as JSON."""
        return json.dumps(self._view(), indent=2)

    def get_details(self) -> dict[str, Any]:
        """What is known of it, as v1 shows it: also its definition, and the datasets that it reads and writes."""
        return {**super().get_details(), **self._asked().details()}

    def get_environment(self) -> Any:
        """The environment that it was to run in."""
        from canalis.environment import Environment

        recorded = self._asked().environment() or {}
        return Environment._from_dict(str(recorded.get("name", "")), recorded)

    def get_details_with_logs(self) -> dict[str, Any]:
        """Its details, with the text of its logs under logFiles."""
        details = self.get_details()
        return {**details, "logFiles": {name: self._log_text() for name in details["logFiles"]}}

    def _asked(self) -> Any:
        """What was asked of it."""
        from canalis.contract.graph import Graph
        from canalis.step_details import Asked
        from canalis.submission import values_in

        whole = f"/runs/{quote(self.pipeline_run_id)}"
        graph, view = self._client.get(f"{whole}/graph"), self._view(allow_old=True)
        values = values_in(self._client.get(whole)["parameters"])
        return Asked(self.experiment.workspace, Graph.model_validate(graph), values, view)

    def _log_text(self) -> str:
        found, offset = b"", 0
        while True:
            piece, size, _ = self._client.read_range(f"{self._path}/log", offset)
            found += piece
            offset += len(piece)
            if not piece or offset >= size:
                return str(found.decode("utf-8", "replace"))

    def _log_files(self) -> dict[str, str]:
        return {STEP_LOG: f"{self._client.endpoint.url}/api/v1{self._path}/log"}
