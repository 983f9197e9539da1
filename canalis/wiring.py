"""What an author gives a step as inputs, outputs and arguments becomes ports and placeholders.

Everything v1 accepted in those lists is taken here, and nowhere else.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from canalis.contract.graph import Argument, InputPath, OutputPath, ParameterText, Piece, Style
from canalis.contract.tables import Table
from canalis.data import (
    DataPath,
    DataPathComputeBinding,
    DataReference,
    InputPortBinding,
    OutputPortBinding,
    PipelineData,
)
from canalis.dataset import AbstractDataset, DatasetConsumptionConfig, OutputFileDatasetConfig
from canalis.outputs import PortDataReference
from canalis.parameter import PARAMETER, PipelineParameter
from canalis.pipeline_output_dataset import PipelineOutputFileDataset, PipelineOutputTabularDataset

# Placeholders as they stand in text. Their names are words, so the longest match is the whole name.
_IN_TEXT = re.compile(
    r"\$AZUREML_DATAREFERENCE_(?P<reference>\w+)"
    r"|DatasetConsumptionConfig:(?P<dataset>\w+)"
    r"|DatasetOutputConfig:(?P<made>\w+)"
    rf"|{PARAMETER}"
)


@dataclass(frozen=True)
class InputPort:
    """An input of a step.

    what    the data: PipelineData, OutputFileDatasetConfig, a dataset, DataReference, DataPath or a
            PipelineParameter that names a place or a dataset
    given   the object in the author's list, which stands for this input in arguments
    table   how rows are read from it
    """

    name: str
    what: Any
    given: Any
    mode: str = "mount"
    style: Style = "reference"
    path_on_compute: str | None = None
    overwrite: bool = False
    table: Table | None = None


@dataclass(frozen=True)
class OutputPort:
    """An output of a step: what is a PipelineData or an OutputFileDatasetConfig."""

    name: str
    what: Any


class Wiring:
    """The ports and parameters of one step while its lists are being read.

    Raises ValueError at the first thing that is not data, as v1 did when a step was made.
    """

    def __init__(self, step: str, inputs: Iterable[Any] | None, outputs: Iterable[Any] | None) -> None:
        self.step = step
        self.outputs = [self._output(given) for given in outputs or []]
        self.inputs: list[InputPort] = []
        self.parameters: list[PipelineParameter] = []
        for given in inputs or []:
            self._add(self._input(given))

    def argument(self, given: Any, step_parameters: dict[str, Any] | None = None) -> Argument:
        """One argument as pieces of text and placeholders."""
        if isinstance(given, str):
            name = given.removeprefix("parameter:")
            if name != given:
                if not step_parameters or name not in step_parameters:
                    raise ValueError(
                        f"'{given}' is in the arguments of step '{self.step}', whose params have no '{name}'"
                    )
                return self.argument(step_parameters[name])
            return self._text(given)
        return (self._placeholder(given),)

    def _placeholder(self, given: Any) -> Piece:
        if isinstance(given, PipelineParameter):
            if isinstance(given.default_value, DataPath):
                raise ValueError(
                    f"Parameter '{given.name}' of step '{self.step}' is a data path: give it as "
                    "(parameter, DataPathComputeBinding()) among the inputs and in the arguments"
                )
            if isinstance(given.default_value, AbstractDataset):
                raise ValueError(
                    f"Parameter '{given.name}' of step '{self.step}' is a dataset: give it as "
                    "DatasetConsumptionConfig('name', parameter)"
                )
            self.parameters.append(given)
            return ParameterText(name=given.name)
        if isinstance(given, OutputFileDatasetConfig):
            return self._dataset_output(given)
        if isinstance(given, DatasetConsumptionConfig):
            return InputPath(name=self._dataset_input(given).name)
        if isinstance(given, _PIPELINE_OUTPUTS):
            return self._pipeline_output(given)
        if _is_data(given):
            for port in self.outputs:
                if port.what is given:
                    return OutputPath(name=port.name)
            found = self._find(given)
            if found is None:
                raise ValueError(
                    f"{_name(given)} is in the arguments of step '{self.step}', but neither in its inputs nor in "
                    "its outputs"
                )
            return InputPath(name=found.name)
        if isinstance(given, AbstractDataset):
            raise ValueError(_UNNAMED.format(step=self.step))
        return str(given)

    def _dataset_input(self, given: DatasetConsumptionConfig) -> InputPort:
        """The input of that name; a dataset may be read under several names, each in a mode of its own."""
        for port in self.inputs:
            if port.given is given or (
                port.name == given.name and _is_same(port.what, given.dataset) and port.table == given._table
            ):
                return port
        return self._add(self._input(given))

    def _pipeline_output(self, given: PipelineOutputFileDataset | PipelineOutputTabularDataset) -> Piece:
        for made in self.outputs:
            if made.what is given.pipeline_data:
                return OutputPath(name=made.name)
        for read in self.inputs:
            if read.given is given:
                return InputPath(name=read.name)
        return InputPath(name=self._add(self._input(given)).name)

    def _dataset_output(self, given: OutputFileDatasetConfig) -> Piece:
        for read in self.inputs:
            if given._is_same(read.what):
                return InputPath(name=read.name)
        for at, made in enumerate(self.outputs):
            if given._is_same(made.what):
                if given._registered_as is not None:  # said of a copy
                    registered = copy.copy(made.what)
                    registered._registered_as = given._registered_as
                    self.outputs[at] = OutputPort(made.name, registered)
                return OutputPath(name=made.name)
        self.outputs.append(OutputPort(given.name, given))
        return OutputPath(name=given.name)

    def _text(self, text: str) -> Argument:
        return split_at_names(text, self._named)

    def _named(self, match: re.Match[str]) -> Piece | None:
        parameter = match["braced"] or match["parameter"]
        if parameter:
            known = PipelineParameter._made.get(parameter)
            return self._placeholder(known) if known else None
        name = match["reference"] or match["dataset"] or match["made"]
        if not match["dataset"] and any(port.name == name for port in self.outputs):
            return OutputPath(name=name)
        for wanted in (name, f"INPUT_{name}"):
            if any(port.name == wanted for port in self.inputs):
                return InputPath(name=wanted)
        return None

    def _find(self, given: Any) -> InputPort | None:
        for port in self.inputs:
            if port.given is given or (port.what is given and not isinstance(given, InputPortBinding)):
                return port
        wanted = self._input(given)
        for port in self.inputs:  # another object that says the same
            same = _is_same(port.what, wanted.what)
            if same and (port.name == wanted.name or not isinstance(given, (InputPortBinding, DataReference))):
                return port
        return None

    def _add(self, port: InputPort) -> InputPort:
        # Scripts of v1 know such an input by this name.
        if any(made.name == port.name for made in self.outputs):
            port = replace(port, name=f"INPUT_{port.name}")
        if any(known.name == port.name for known in self.inputs):
            raise ValueError(f"Step '{self.step}' has two inputs named '{port.name}'")
        self.inputs.append(port)
        return port

    def _input(self, given: Any) -> InputPort:
        if isinstance(given, InputPortBinding):
            inner = self._input(given.bind_object)
            return replace(
                inner,
                name=given.name,
                given=given,
                mode=given.bind_mode,
                path_on_compute=given.path_on_compute,
                overwrite=given.overwrite,
            )
        if isinstance(given, PipelineData):
            return InputPort(given.name, given, given)
        if isinstance(given, PortDataReference):
            return replace(self._input(given.as_mount()), given=given)
        if isinstance(given, DataReference):
            # An upload reference among the inputs is a place to be read all the same.
            mode = "download" if given.mode == "download" else "mount"
            return InputPort(given.name, given, given, mode, "reference", given.path_on_compute, given.overwrite)
        if isinstance(given, DatasetConsumptionConfig):
            table, what = given._table, getattr(given.dataset, "pipeline_data", given.dataset)
            return InputPort(given.name, what, given, given.mode, "dataset", given.path_on_compute, table=table)
        if isinstance(given, _PIPELINE_OUTPUTS):
            name, what = given.input_name, given.pipeline_data
            return InputPort(name, what, given, given.mode, "dataset", given.path_on_compute, table=given._table)
        if isinstance(given, OutputFileDatasetConfig):
            mode = "mount" if given._table is None else "direct"
            return InputPort(given.name, given, given, mode, "dataset", table=given._table)
        if _is_data_path(given):
            path, binding = given
            mode = "download" if binding.mode == "download" else "mount"
            return InputPort(path.name, path, given, mode, "reference", binding.path_on_compute, binding.overwrite)
        if isinstance(given, AbstractDataset):
            raise ValueError(_UNNAMED.format(step=self.step))
        raise ValueError(f"{given!r} among the inputs of step '{self.step}' is no data that a step can read")

    def _output(self, given: Any) -> OutputPort:
        if isinstance(given, OutputPortBinding):
            return OutputPort(given.name, given.pipeline_data)
        if isinstance(given, _PIPELINE_OUTPUTS):
            return OutputPort(given.name, given.pipeline_data)
        if isinstance(given, (PipelineData, OutputFileDatasetConfig)):
            return OutputPort(given.name, given)
        raise ValueError(f"{given!r} among the outputs of step '{self.step}' is nothing that a step can write")


def split_at_names(text: str, named: Callable[[re.Match[str]], Piece | None]) -> Argument:
    """A text with the placeholders that authors embed in longer ones.

    named   what a placeholder stands for, by the group of its match that has the name; None for the author's own text
    """
    pieces: list[Piece] = []
    end = 0
    for match in _IN_TEXT.finditer(text):
        piece = named(match)
        if piece is None:
            continue
        if match.start() > end:
            pieces.append(text[end : match.start()])
        pieces.append(piece)
        end = match.end()
    if end < len(text) or not pieces:
        pieces.append(text[end:])
    return tuple(pieces)


_PIPELINE_OUTPUTS = (PipelineOutputFileDataset, PipelineOutputTabularDataset)
_UNNAMED = "A dataset needs a name to be an input of step '{step}': use dataset.as_named_input('name')"


def _is_data(given: Any) -> bool:
    return isinstance(given, (PipelineData, DataReference, InputPortBinding, PortDataReference)) or _is_data_path(given)


def _is_data_path(given: Any) -> bool:
    return (
        isinstance(given, tuple)
        and len(given) == 2
        and isinstance(given[1], DataPathComputeBinding)
        and isinstance(given[0], (DataPath, PipelineParameter))
    )


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, OutputFileDatasetConfig):
        return one._is_same(other)
    if isinstance(one, DataReference) and isinstance(other, DataReference):
        return (one.name, one.datastore.name, one._path) == (other.name, other.datastore.name, other._path)
    return one is other


def _name(given: Any) -> str:
    if isinstance(given, tuple):
        return f"'{given[0].name}'"
    return f"'{given.name}'"
