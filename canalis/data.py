"""Data that steps read and write, the way v1 spoke of it before datasets: references, paths, pipeline data."""

from __future__ import annotations

import copy
import re
import uuid
from typing import Any

from canalis.absent import V1
from canalis.contract.errors import GraphError
from canalis.contract.graph import DataPathValue
from canalis.contract.tables import Registration
from canalis.parameter import Choice, PipelineParameter, made_of, pieces_of, written
from canalis.pipeline_output_dataset import PipelineOutputFileDataset
from canalis.within import Store, Writer

_NO_WORD = re.compile(r"\W")
REFERENCE_MODES = ("mount", "download", "upload")


class DataReference(V1):
    """Data that lies in a datastore.

    path_on_datastore   may be a PipelineParameter, or have some written into it: f"data/{year}"
    str() of it is $AZUREML_DATAREFERENCE_<name>, the variable that holds its path in a step.
    """

    def __init__(
        self,
        datastore: Store,
        data_reference_name: str | None = None,
        path_on_datastore: str | PipelineParameter | None = None,
        mode: str = "mount",
        path_on_compute: str | None = None,
        overwrite: bool = False,
    ) -> None:
        if mode not in REFERENCE_MODES:
            raise ValueError(f"'{mode}' is no mode of a data reference: {', '.join(REFERENCE_MODES)}")
        self.datastore = datastore
        self._path = pieces_of(path_on_datastore)
        self.path_on_datastore = None if path_on_datastore is None else written(self._path)
        is_whole = written(self._path).strip() in ("", ".", "/", "./")
        self.data_reference_name = data_reference_name or (datastore.name if is_whole else uuid.uuid4().hex)
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    @property
    def name(self) -> str:
        """Its name."""
        return self.data_reference_name

    def path(
        self, path: str | PipelineParameter | None = None, data_reference_name: str | None = None
    ) -> DataReference:
        """A reference to a place below this one."""
        parts = [part.strip("/") for part in (written(self._path), written(pieces_of(path))) if part]
        return DataReference(self.datastore, data_reference_name, "/".join(parts), self.mode)

    def as_mount(self) -> DataReference:
        """The same, used in place."""
        return self._as("mount", None)

    def as_download(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        """The same, copied before the step begins."""
        return self._as("download", path_on_compute)

    def as_upload(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        """The same, copied to after the step has ended."""
        return self._as("upload", path_on_compute)

    def _as(self, mode: str, path_on_compute: str | None) -> DataReference:
        changed = copy.copy(self)
        changed.mode = mode
        changed.path_on_compute = path_on_compute
        return changed

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.data_reference_name}"

    def __repr__(self) -> str:
        return str(self)


class DataPath(Choice):
    """A place in a datastore that a pipeline parameter can name anew in each run."""

    def __init__(
        self,
        datastore: Store | None = None,
        path_on_datastore: str | None = None,
        name: str | None = None,
    ) -> None:
        if datastore is None:
            raise ValueError("A DataPath needs a datastore")
        self.datastore = datastore
        self.datastore_name = datastore.name
        self.path_on_datastore = path_on_datastore or ""
        self.name = name or f"{datastore.name}_{uuid.uuid4().hex[:8]}"

    def create_data_reference(
        self, data_reference_name: str | None = None, datapath_compute_binding: DataPathComputeBinding | None = None
    ) -> DataReference:
        """A reference to the same place."""
        binding = datapath_compute_binding or DataPathComputeBinding()
        return DataReference(
            self.datastore,
            data_reference_name or self.name,
            self.path_on_datastore,
            binding.mode,
            binding.path_on_compute,
            binding.overwrite,
        )

    def _as_value(self) -> DataPathValue:
        if made_of(pieces_of(self.path_on_datastore)):
            raise GraphError(f"{self!r} cannot be the value of a parameter, since it is made of one itself")
        return DataPathValue(datastore=self.datastore_name, path=self.path_on_datastore)

    def __repr__(self) -> str:
        return f"DataPath({self.datastore_name!r}, {self.path_on_datastore!r})"


class DataPathComputeBinding:
    """How a step wants to see a DataPath: the second half of a (path, binding) pair among its inputs."""

    def __init__(self, mode: str = "mount", path_on_compute: str | None = None, overwrite: bool = False) -> None:
        if mode not in REFERENCE_MODES:
            raise ValueError(f"'{mode}' is no mode of a data path: {', '.join(REFERENCE_MODES)}")
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    def __repr__(self) -> str:
        return f"DataPathComputeBinding(mode={self.mode!r})"


class PipelineData(V1):
    """What one step makes and others read.

    The path is not made for the script, since it may become a folder or a single file; only its parent is.
    It ends up at <datastore>/azureml/<step run id>/<name>.
    """

    def __init__(
        self,
        name: str,
        datastore: Store | None = None,
        output_name: str | None = None,
        output_mode: str = "mount",
        output_path_on_compute: str | None = None,
        output_overwrite: bool | None = None,
        data_type: str | None = None,
        is_directory: bool | None = None,
        pipeline_output_name: str | None = None,
        training_output: Any = None,
    ) -> None:
        for what, text in (("name", name), ("output_name", output_name or name)):
            if not isinstance(text, str) or not text or _NO_WORD.search(text):
                raise ValueError(f"{text!r} cannot be the {what} of a PipelineData: letters, digits and _ only")
        if output_mode not in ("mount", "upload"):
            raise ValueError(f"'{output_mode}' is no output mode of a PipelineData: mount, upload")
        if output_mode == "upload" and not output_path_on_compute:
            raise ValueError(f"PipelineData '{name}' has output mode upload and so needs output_path_on_compute")
        self.name = name
        self.datastore = datastore
        self.output_name = output_name or name
        self.output_mode = output_mode
        self.output_path_on_compute = output_path_on_compute
        self.output_overwrite = bool(output_overwrite)
        self.data_type = data_type
        self.is_directory = is_directory
        self.pipeline_output_name = pipeline_output_name
        self._registered_as: Registration | None = None
        self._producer: Writer | None = None
        # Where it lies, for what is not put into a folder of its own.
        self._path: Any = ()
        self._parameter: PipelineParameter | None = None

    def as_dataset(self) -> PipelineOutputFileDataset:
        """The same as a dataset of files, among the outputs of the step that writes it and the inputs of others."""
        return PipelineOutputFileDataset(self)

    def _set_producer(self, step: Writer) -> None:
        if self._producer is not None and self._producer is not step:
            raise ValueError(
                f"PipelineData '{self.name}' is an output of step '{self._producer.name}' already, "
                f"so it cannot be one of '{step.name}' as well"
            )
        self._producer = step

    def as_download(
        self, input_name: str | None = None, path_on_compute: str | None = None, overwrite: bool | None = None
    ) -> InputPortBinding:
        """To be copied before the reading step begins."""
        return InputPortBinding(input_name or self.name, self, "download", path_on_compute, overwrite)

    def as_mount(self, input_name: str | None = None) -> InputPortBinding:
        """To be used in place by the reading step."""
        return InputPortBinding(input_name or self.name, self, "mount")

    def as_input(self, input_name: str) -> InputPortBinding:
        """To be known to the reading step by another name."""
        return InputPortBinding(input_name, self, "mount")

    def create_input_binding(
        self,
        input_name: str | None = None,
        mode: str | None = None,
        path_on_compute: str | None = None,
        overwrite: bool | None = None,
    ) -> InputPortBinding:
        """How a step reads it."""
        return InputPortBinding(input_name or self.name, self, mode or "mount", path_on_compute, overwrite)

    def get_env_variable_name(self) -> str:
        """The variable that holds its path in a step."""
        return f"AZUREML_DATAREFERENCE_{self.name}"

    def __str__(self) -> str:
        return f"${self.get_env_variable_name()}"

    def __repr__(self) -> str:
        return str(self)


class InputPortBinding:
    """How a step reads something: under which name and in which mode."""

    def __init__(
        self,
        name: str | None = None,
        bind_object: Any = None,
        bind_mode: str = "mount",
        path_on_compute: str | None = None,
        overwrite: bool | None = None,
        **ignored: Any,
    ) -> None:
        if bind_mode not in ("mount", "download", "direct"):
            raise ValueError(f"'{bind_mode}' is no mode of an input: mount, download, direct")
        if bind_object is None:
            raise ValueError("An InputPortBinding needs the data that it binds")
        self.name = name or bind_object.name
        self.bind_object = bind_object
        self.bind_mode = bind_mode
        self.path_on_compute = path_on_compute
        self.overwrite = bool(overwrite)

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.name}"


class OutputPortBinding:
    """How a step writes a PipelineData, or data of its own that nobody reads."""

    def __init__(
        self,
        name: str | None = None,
        datastore: Store | None = None,
        output_name: str | None = None,
        bind_mode: str = "mount",
        path_on_compute: str | None = None,
        overwrite: bool | None = None,
        is_directory: bool | None = None,
        pipeline_output_name: str | None = None,
        bind_object: PipelineData | None = None,
        **ignored: Any,
    ) -> None:
        if bind_object is None and not name:
            raise ValueError("An OutputPortBinding needs a name or the PipelineData that it binds")
        self.pipeline_data = bind_object or PipelineData(
            str(name),
            datastore,
            output_name,
            bind_mode,
            path_on_compute,
            overwrite,
            is_directory=is_directory,
            pipeline_output_name=pipeline_output_name,
        )
        self.name = self.pipeline_data.name
