"""What a step's run has written, and where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from canalis.absent import V1
from canalis.contract.patterns import escaped
from canalis.data import DataReference
from canalis.datastore_kinds import FilesDatastore
from canalis.within import Within


class StepRunOutput(V1):
    """An output of a step's run."""

    def __init__(self, step_run: Any, view: dict[str, Any]) -> None:
        self.step_run = step_run
        self.name = str(view["name"])
        self._view = view

    def __repr__(self) -> str:
        return f"StepRunOutput({self.name!r}, step={self.step_run.name!r})"

    def get_port_data_reference(self) -> PortDataReference:
        """Where it lies."""
        return PortDataReference(self.step_run.experiment.workspace, self._view)


class PortDataReference(V1):
    """Where an output of a run lies. It may be an input of another pipeline."""

    def __init__(self, workspace: Within, view: dict[str, Any]) -> None:
        self._workspace = workspace
        self.name = str(view["name"])
        self.datastore_name = str(view["datastore"])
        self.path_on_datastore = str(view["path"])

    @property
    def _path_on_datastore(self) -> str:
        return self.path_on_datastore

    @property
    def datastore(self) -> FilesDatastore:
        """The datastore that it lies in."""
        found: FilesDatastore = self._workspace.datastores[self.datastore_name]
        return found

    def download(self, local_path: str | Path, overwrite: bool | None = None, show_progress: bool | None = None) -> int:
        """Copy it to local_path/<its whole path on the datastore>; how many files."""
        return self.datastore.download(
            local_path, self.path_on_datastore, bool(overwrite), True if show_progress is None else show_progress
        )

    def _reference(self) -> DataReference:
        return self.as_input(self.name)

    def as_mount(self) -> DataReference:
        """A reference to it, used in place."""
        return self._reference().as_mount()

    def as_download(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        """A reference to it, copied."""
        return self._reference().as_download(path_on_compute, overwrite)

    def as_input(self, input_name: str | None = None) -> DataReference:
        """A reference to it, under another name."""
        # This place alone, should its name look like a pattern.
        return DataReference(self.datastore, input_name or self.name, escaped(self.path_on_datastore))

    def __repr__(self) -> str:
        return f"PortDataReference({self.datastore_name}/{self.path_on_datastore})"
