"""The run that this script is, when it is a step: known from what its runner wrote down beside it."""

from __future__ import annotations

import json
import os
import sys
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from canalis.abstract_dataset import AbstractDataset
from canalis.contract.layout import KEPT_FOLDERS
from canalis.exceptions import RunEnvironmentException
from canalis.experiment import Experiment
from canalis.host import of_context
from canalis.logged import _OfflineRun
from canalis.model import Model
from canalis.model_files import files_of_script, sent
from canalis.named import NotThere
from canalis.pipeline_run import PipelineRun, StepRun
from canalis.recording import Recorder, Remote, Spool
from canalis.run import Run
from canalis.workspace import Workspace

VARIABLE = "CANALIS_CONTEXT"


def current(allow_offline: bool = True) -> Any:
    """The run that this script is, always the same object; an offline run outside of one."""
    path = os.environ.get(VARIABLE)
    if path:
        return _submitted(path)
    if not allow_offline:
        raise RunEnvironmentException(
            "This script is no step of a run: start it in a pipeline, or allow an offline run with allow_offline=True"
        )
    return _offline()


class _Ports(dict[str, Any]):
    """The inputs or outputs of a step by name, which says what is there when another is asked for."""

    def __init__(self, kind: str, step: str) -> None:
        super().__init__()
        self._said = kind, step

    def __missing__(self, name: str) -> Any:
        kind, step = self._said
        raise NotThere(f"Step '{step}' has no {kind} '{name}' (there: {', '.join(self) or 'none'})")


class SubmittedRun(StepRun):
    """The run of the step that this script is. Nothing is asked of the service before it is needed."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self._id = facts["run_id"]
        self._known = None

    @cached_property
    def _experiment(self) -> Experiment:  # type: ignore[override]
        return Experiment._known(Workspace._at(of_context(self._facts)), self._facts["experiment"])

    @property
    def name(self) -> str:
        """The step's name."""
        return str(self._facts["name"])

    @property
    def pipeline_run_id(self) -> str:
        """Id of the pipeline run that it belongs to."""
        return str(self._facts["pipeline_run_id"])

    @property
    def parent(self) -> PipelineRun:
        """The pipeline run that it belongs to."""
        return PipelineRun(self.experiment, self.pipeline_run_id)

    @cached_property
    def input_datasets(self) -> dict[str, Any]:
        """Its dataset inputs by name: a local path, or the dataset itself for one that is read directly."""
        found = _Ports("input dataset", self.name)
        for name, port in self._facts["inputs"].items():
            if port["style"] == "dataset":
                found[name] = self._dataset(port) if port["mode"] == "direct" else port["path"]
        return found

    @cached_property
    def output_datasets(self) -> dict[str, str]:
        """Local paths of its dataset outputs, by name."""
        found = _Ports("output dataset", self.name)
        found.update(
            (name, port["path"]) for name, port in self._facts["outputs"].items() if port["style"] == "dataset"
        )
        return found

    def cancel(self) -> None:
        """A step cannot cancel itself; it can cancel its pipeline, or exit."""
        print("A step ends by exiting; run.parent.cancel() stops the whole pipeline", file=sys.stderr)

    def _view(self, allow_old: bool = False) -> dict[str, Any]:
        """What the service says of it, which may not have heard yet that this script is at work: it is."""
        view = super()._view(allow_old)
        if view["attempt"] == view["attempt_now"] and view["phase"] in ("queued", "preparing"):
            view |= {"phase": "running", "status_v1": "Running", "run_status_v1": "Running"}
        return view

    def _dataset(self, port: dict[str, Any]) -> Any:
        places = [{"datastore": datastore, "path": path} for datastore, path in port["places"]]
        facts = {**port.get("dataset", {}), "places": places, "table": port.get("table")}
        return AbstractDataset._of_view(self.experiment.workspace, facts)

    def _model_source(self, path: str) -> dict[str, Any]:
        """The files themselves: what a script leaves in outputs/ reaches its run only when it has ended."""
        folders = {Path(self._facts["folder"]): KEPT_FOLDERS, Path(self._facts["artifacts"]): None}
        return {"run": self.id, "snapshot": sent(self._client, files_of_script(folders, path, self.id))}

    def _recorder(self) -> Recorder:
        return Spool(
            Path(self._facts["metrics"]), Path(self._facts["artifacts"]), lambda: Remote(self._client, self.id)
        )


@lru_cache(1)
def _submitted(path: str) -> SubmittedRun:
    return SubmittedRun(json.loads(Path(path).read_text()))


@lru_cache(1)
def _offline() -> _OfflineRun:
    return _OfflineRun()


Run._find_current = staticmethod(current)
Model._find_workspace = staticmethod(lambda: current(allow_offline=False).experiment.workspace)
