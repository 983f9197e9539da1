"""An author's steps become a graph."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from canalis.contract.errors import GraphError
from canalis.contract.graph import (
    FromFiles,
    FromParameter,
    FromStep,
    FromStore,
    Graph,
    Input,
    Node,
    Output,
    Parameter,
    ParameterText,
    ParameterValue,
    Source,
)
from canalis.contract.memory import collection_paused
from canalis.contract.parameters import type_of
from canalis.data import DataReference, PipelineData
from canalis.dataset import AbstractDataset, OutputFileDatasetConfig
from canalis.environment import Environment
from canalis.parameter import Choice, PipelineParameter, as_text, pieces_of
from canalis.steps import PipelineStep
from canalis.wiring import InputPort, OutputPort
from canalis.within import Within

_KEY_MAX = 60
_NO_WRITER = "?"  # no node has this key


class Drawn(Protocol):
    """A pipeline that can be sent to a service."""

    @property
    def workspace(self) -> Within:
        """The workspace that it is for."""
        ...

    def graph(self, snapshot_of: Callable[[str], str] | None = None) -> Graph:
        """What it is as a document.

        snapshot_of   gives the id of a source directory's snapshot; None leaves snapshots out
        """
        ...


@dataclass(frozen=True)
class Sketch:
    """A pipeline whose graph is there, all but its snapshots.

    drawn     the graph
    folders   the source directory of each step, by its key
    """

    workspace: Within
    drawn: Graph
    folders: Mapping[str, str]

    def graph(self, snapshot_of: Callable[[str], str] | None = None) -> Graph:
        """What it is as a document; see Drawn."""
        if snapshot_of is None:
            return self.drawn
        found = {key: snapshot_of(folder) for key, folder in self.folders.items()}
        nodes = tuple(node.model_copy(update={"snapshot": found[node.key]}) for node in self.drawn.nodes)
        return self.drawn.model_copy(update={"nodes": nodes})


@dataclass(frozen=True)
class Draft:
    """A pipeline as its author gave it, all steps found.

    order   steps that must follow others because of a StepSequence
    """

    workspace: Within
    steps: Sequence[PipelineStep]
    order: dict[PipelineStep, list[PipelineStep]]
    description: str
    default_datastore: str | None
    default_source_directory: str

    @cached_property
    def keys(self) -> dict[PipelineStep, str]:
        """A key for each step: its name made safe, and told from others of the same name."""
        taken: set[str] = set()
        return {step: safe_key(step.name, taken) for step in self.steps}

    def graph(self, snapshot_of: Callable[[str], str] | None = None) -> Graph:
        """What it is as a document; see Drawn."""
        return build(self, snapshot_of)

    def source_directory(self, step: PipelineStep) -> str:
        """Where a step's files are."""
        return step._source_directory or self.default_source_directory

    def faults(self) -> list[str]:
        """What is wrong with the steps' files and parameters, which the graph does not show."""
        found = []
        for step in self.steps:
            if not step._has_files():
                continue
            folder = Path(self.source_directory(step))
            script = step._script()
            if not folder.is_dir():
                found.append(f"The source directory '{folder}' of step '{step.name}' is not there")
            elif script is not None and not (folder / script).is_file():
                found.append(f"Script '{script}' of step '{step.name}' is not in its source directory '{folder}'")
            elif script is not None:
                found += step._script_faults(folder / script)
        return found + self._parameter_faults()

    def parameters(self) -> dict[str, PipelineParameter]:
        """Every parameter that a step uses, by name."""
        found: dict[str, PipelineParameter] = {}
        for step in self.steps:
            for parameter in _parameters_of(step):
                found.setdefault(parameter.name, parameter)
        return found

    def _parameter_faults(self) -> list[str]:
        known = self.parameters()
        wrong = {
            parameter.name
            for step in self.steps
            for parameter in _parameters_of(step)
            if _default(parameter) != _default(known[parameter.name])
        }
        return [f"Two different pipeline parameters have the name '{name}'" for name in sorted(wrong)]


def build(draft: Draft, snapshot_of: Callable[[str], str] | None = None) -> Graph:
    """The graph of a pipeline.

    snapshot_of   gives the id of a source directory's snapshot; None leaves snapshots out
    """
    environments: dict[str, dict[str, object]] = {}
    with collection_paused():
        nodes = [_node(draft, step, environments, snapshot_of) for step in draft.steps]
    parts: dict[str, Any] = {"nodes": tuple(nodes)}
    if draft.description:
        parts["description"] = draft.description
    if draft.default_datastore:
        parts["default_datastore"] = draft.default_datastore
    parameters = _parameters(draft)
    if parameters:
        parts["parameters"] = parameters
    if environments:
        parts["environments"] = environments
    return Graph(**parts)


def compute_names(workspace: Within, graph: Graph) -> list[str]:
    """The compute targets that the workspace has; not asked for when the graph names none."""
    return list(workspace.compute_targets) if any(node.compute for node in graph.nodes) else []


def safe_key(name: str, taken: set[str]) -> str:
    """A step's key, made of its name, that is not among those `taken`; it is then."""
    base = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")[:_KEY_MAX] or "step"
    key, number = base, 1
    while key in taken:
        number += 1
        key = f"{base}_{number}"
    taken.add(key)
    return key


def raise_faults(found: Sequence[str]) -> None:
    """Raise them all as one GraphError, which is a ValueError as in v1; nothing when there is none."""
    if found:
        raise GraphError("\n".join(dict.fromkeys(found)))


def value_of(given: Any) -> ParameterValue:
    """A parameter's value as the graph and a run know it."""
    if isinstance(given, Choice):
        return given._as_value()
    if isinstance(given, (str, bool, int, float)):
        return given
    raise GraphError(
        f"{given!r} cannot be the value of a parameter: use text, a number, a bool, a DataPath or a dataset"
    )


def _parameters(draft: Draft) -> tuple[Parameter, ...]:
    """The parameters that steps use. One that is text and stands for a dataset names a registered one."""
    inputs = [port for step in draft.steps for port in step._wiring.inputs if port.style == "dataset"]
    datasets = {port.what.name for port in inputs if isinstance(port.what, PipelineParameter)}
    return tuple(
        Parameter(
            name=made.name,
            type="dataset" if made.name in datasets else type_of(_default(made)),
            default=_default(made),
        )
        for made in draft.parameters().values()
    )


def _node(
    draft: Draft,
    step: PipelineStep,
    environments: dict[str, dict[str, object]],
    snapshot_of: Callable[[str], str] | None,
) -> Node:
    wiring, target = step._wiring, step._target()
    parts: dict[str, Any] = {
        "compute": ParameterText(name=target.name) if isinstance(target, PipelineParameter) else target,
        "snapshot": snapshot_of(draft.source_directory(step)) if snapshot_of and step._has_files() else None,
        "arguments": tuple(step._arguments),
        "inputs": tuple(_input(draft, port) for port in wiring.inputs),
        "outputs": tuple(_output(port) for port in wiring.outputs),
        "after": _after(draft, step),
        "parameters": step._params,
        "environment": recorded(step._runconfig.environment, environments) if step._runs_here() else None,
        "version": None if step.version is None else str(step.version),
        "environment_variables": step._variables,
        "sizing": step._sizing,
    }
    given = {name: part for name, part in parts.items() if part}
    if step._settings.model_fields_set and step._settings != type(step._settings)():
        given["settings"] = type(step._settings)(**step._settings.model_dump(exclude_defaults=True))
    return Node(key=draft.keys[step], name=step.name, work=step._work(), **given)


def _after(draft: Draft, step: PipelineStep) -> tuple[str, ...]:
    before = (*step._after, *draft.order.get(step, ()))
    return tuple(dict.fromkeys(draft.keys[other] for other in before if other in draft.keys))


def _input(draft: Draft, port: InputPort) -> Input:
    parts: dict[str, Any] = {"name": port.name, "source": _source(draft, port)}
    if port.mode != "mount":
        parts["mode"] = port.mode
    if port.style != "reference":
        parts["style"] = port.style
    if port.path_on_compute:
        parts["path_on_compute"] = port.path_on_compute
    if port.overwrite:
        parts["overwrite"] = True
    if port.table is not None:
        parts["table"] = port.table
    return Input(**parts)


def _source(draft: Draft, port: InputPort) -> Source:
    what = port.what
    if isinstance(what, (PipelineData, OutputFileDatasetConfig)):
        writer = what._producer
        key = draft.keys.get(writer, _NO_WRITER) if isinstance(writer, PipelineStep) else _NO_WRITER
        return FromStep(node=key, output=what.name)
    if isinstance(what, AbstractDataset):
        places = tuple(FromStore(datastore=store.name, path=as_text(path)) for store, path in what._places)
        registered = what._registered
        return FromFiles(places=places, registered=registered) if registered else FromFiles(places=places)
    if isinstance(what, PipelineParameter):
        return FromParameter(parameter=what.name)
    path = what._path if isinstance(what, DataReference) else pieces_of(what.path_on_datastore)
    return FromStore(datastore=what.datastore.name, path=as_text(path))


def _output(port: OutputPort) -> Output:
    what = port.what
    parts: dict[str, Any] = {"name": port.name}
    if isinstance(what, OutputFileDatasetConfig):
        parts["style"] = "dataset"
        if what._parameter is not None:
            parts["parameter"] = what._parameter.name
        elif what.destination is not None:
            parts["datastore"] = what.destination[0].name
            if what._path:
                parts["path"] = as_text(what._path)
        if what.mode != "mount":
            parts["mode"] = what.mode
        if what.overwrite:
            parts["overwrite"] = True
        if what.source:
            parts["path_on_compute"] = what.source
        if what._source_globs:
            parts["source_globs"] = what._source_globs
        if what._registered_as is not None:
            parts["registered_as"] = what._registered_as
        return Output(**parts)
    if what.datastore is not None:
        parts["datastore"] = what.datastore.name
    if what._parameter is not None:
        parts["parameter"] = what._parameter.name
    elif what._path:
        parts["path"] = as_text(what._path)
    if what.output_mode != "mount":
        parts["mode"] = what.output_mode
    if what.output_path_on_compute:
        parts["path_on_compute"] = what.output_path_on_compute
    if what.output_overwrite:
        parts["overwrite"] = True
    if what.pipeline_output_name:
        parts["pipeline_output"] = what.pipeline_output_name
    if what._registered_as is not None:
        parts["registered_as"] = what._registered_as
    return Output(**parts)


def recorded(environment: Environment, environments: dict[str, dict[str, object]]) -> str:
    """The key of an environment among those of a graph, where equal ones are kept once."""
    definition = {"name": environment.name, **environment._to_dict()}
    text = json.dumps(definition, sort_keys=True, default=str)
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    environments.setdefault(key, json.loads(text))
    return key


def _parameters_of(step: PipelineStep) -> list[PipelineParameter]:
    data: list[Any] = [port.what for port in step._wiring.inputs]
    data += [port.what for port in step._wiring.outputs]
    found = (*step._wiring.parameters, *(piece for what in data for piece in _pieces(what)), step._target())
    return [piece for piece in found if isinstance(piece, PipelineParameter)]


def _pieces(what: Any) -> Iterator[Any]:
    """What data is made of, as far as parameters can be among it."""
    if isinstance(what, PipelineParameter):
        yield what
    elif isinstance(what, DataReference):
        yield from what._path
    elif isinstance(what, AbstractDataset):
        yield from (piece for _, path in what._places for piece in path)
    elif isinstance(what, (OutputFileDatasetConfig, PipelineData)):
        yield from (what._parameter, *what._path)


def _default(parameter: PipelineParameter) -> ParameterValue:
    return value_of(parameter.default_value)
