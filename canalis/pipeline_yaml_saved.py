"""A graph becomes the text of a pipeline's YAML file, which is read back as an equal graph or not written at all.

v1's keys are used for what v1 could say, keys of ours for the rest (see canalis.pipeline_yaml and what it names).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from canalis.contract.errors import NotSupported, YamlInvalid
from canalis.contract.graph import (
    Argument,
    CommandWork,
    DataPathValue,
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
    PythonWork,
    ServiceWork,
    Style,
)
from canalis.contract.parameters import assign
from canalis.pipeline_yaml import ROOT, read_saved
from canalis.pipeline_yaml_texts import Names, names_of, words_of, written
from canalis.yaml_reading import BYTES_MAX
from canalis.yaml_writing import as_yaml

_DIFFERENCES_MAX = 5
_HEAD_BYTES_MAX = 2**10  # of what is said for people before it


def as_saved(graph: Graph, name: str | None, description: str | None, folder_of: Callable[[Node], str]) -> str:
    """The text of a file.

    name          that the pipeline is published under; None for none
    description   of what was published, which may be another one than the graph's; None for the graph's
    folder_of     the source directory of each node, as the text names it
    Raises   NotSupported for a graph that a file cannot say, telling what of it
    """
    data = [f"'{one.name}'" for one in graph.parameters if one.type == "dataset"]
    if data:
        raise NotSupported(
            f"This pipeline cannot be said in YAML, which has no parameters that are datasets: {', '.join(data)}. "
            "A DataPath can be one"
        )
    text = as_yaml({ROOT: _Saved(graph, folder_of).pipeline(name, description)})
    if len(text.encode()) > BYTES_MAX - _HEAD_BYTES_MAX:
        has, may = (size // 2**10 for size in (len(text.encode()), BYTES_MAX))
        raise NotSupported(f"As YAML the pipeline has {has} KiB; a file that is read again has {may} at most")
    try:
        again = read_saved(text, "the pipeline as YAML").graph
    except YamlInvalid as error:
        raise NotSupported(f"This pipeline cannot be said in YAML:\n{error.message}") from error
    lost = list(differences(without_snapshots(graph), again))
    if lost:
        raise NotSupported(f"This pipeline cannot be said in YAML, which would lose {', '.join(lost)}")
    return text


def with_defaults(graph: Graph, values: Mapping[str, ParameterValue]) -> Graph:
    """The same graph, whose parameters have other defaults."""
    if not graph.parameters:
        return graph
    chosen = assign(graph.parameters, values)
    parameters = tuple(one.model_copy(update={"default": chosen[one.name]}) for one in graph.parameters)
    return graph.model_copy(update={"parameters": parameters})


def without_snapshots(graph: Graph) -> Graph:
    """The same graph, as a file says it: which files a step has is known when they are sent."""
    nodes = tuple(node.model_copy(update={"snapshot": None}) for node in graph.nodes)
    return graph.model_copy(update={"nodes": nodes})


def differences(graph: Graph, other: Graph) -> Iterable[str]:
    """What two graphs differ in, in words; at most a few."""
    fields = [name for name in type(graph).model_fields if name != "nodes"]
    found = [name for name in fields if getattr(graph, name) != getattr(other, name)]
    if [node.key for node in graph.nodes] != [node.key for node in other.nodes]:
        found.append("steps")
    else:
        found += [
            f"{part} of step '{one.name}'"
            for one, again in zip(graph.nodes, other.nodes, strict=True)
            if one != again
            for part in type(one).model_fields
            if getattr(one, part) != getattr(again, part)
        ]
    yield from found[:_DIFFERENCES_MAX]
    if len(found) > _DIFFERENCES_MAX:
        yield f"{len(found) - _DIFFERENCES_MAX} things more"


class _Saved:
    """What a file says of a graph. Data references and destinations get names as they come up."""

    def __init__(self, graph: Graph, folder_of: Callable[[Node], str]) -> None:
        self._graph = graph
        self._folder_of = folder_of
        self._parameters = [one.name for one in graph.parameters if one.type != "datapath"]
        self._words = words_of(self._parameters)
        self._taken = {one.name for one in graph.parameters}
        self._references: dict[FromStore | FromFiles, str] = {}
        self._destinations: dict[tuple[str, str], str] = {}
        self._styles: dict[tuple[str, str], Style] = {}
        for node in graph.nodes:
            for output in node.outputs:
                self._destinations[node.key, output.name] = self._named(output.name, node.key)
                self._styles[node.key, output.name] = output.style

    def pipeline(self, name: str | None, description: str | None) -> dict[str, Any]:
        """All of it."""
        graph = self._graph
        steps = {node.key: self._step(node) for node in graph.nodes}
        shown = graph.description if description is None else description
        said = {
            "name": name or None,
            "description": shown if shown or name else None,
            "graph_description": graph.description if graph.description != shown else None,
            "default_datastore": graph.default_datastore,
            "parameters": {one.name: _parameter(one) for one in graph.parameters} or None,
            "data_references": {known: _reference(one) for one, known in self._references.items()} or None,
            "environments": graph.environments or None,
            "steps": steps,
        }
        return {key: value for key, value in said.items() if value is not None}

    def _step(self, node: Node) -> dict[str, Any]:
        names = names_of(node, self._parameters, self._words)
        said: dict[str, Any] = {"type": "PythonScriptStep", "name": node.name}
        if isinstance(node.work, PythonWork):
            said["script_name"] = node.work.script
        elif isinstance(node.work, ServiceWork):
            raise NotSupported(
                f"Step '{node.name}' asks {node.work.service} for something, and YAML has steps that run scripts and "
                "commands: keep this pipeline as Python"
            )
        else:
            said |= {"type": "CommandStep", "command": _command(node.work, names)}
        said["source_directory"] = self._folder_of(node)
        if node.compute is not None:
            said["compute"] = node.compute
        said["environment"] = node.environment
        if node.version is not None:
            said["version"] = node.version
        parts: dict[str, Any] = {
            "environment_variables": self._variables(node, names),
            "parameters": {key: _value(value, names) for key, value in node.parameters.items()},
            "arguments": [written(one, names) for one in node.arguments],
            "inputs": {port.name: self._input(port) for port in node.inputs},
            "outputs": {port.name: self._output(node, port) for port in node.outputs},
            "run_after": list(node.after),
        }
        said |= {key: part for key, part in parts.items() if part}
        settings = node.settings.model_dump(exclude_defaults=True)
        if "reuse" in settings:
            said["allow_reuse"] = settings.pop("reuse")
        return said | settings

    def _variables(self, node: Node, names: Names) -> dict[str, Any]:
        """Its environment variables, less those that its environment says already."""
        environment = self._graph.environments.get(node.environment or "", {})
        known = environment.get("environment_variables")
        texts = known if isinstance(known, dict) else {}
        return {
            key: _value(value, names)
            for key, value in node.environment_variables.items()
            if key not in texts or names.in_text(str(texts[key])) != value
        }

    def _input(self, port: Input) -> dict[str, Any]:
        source, usual = port.source, "reference"
        if isinstance(source, FromStep):
            place = (source.node, source.output)
            named = self._destinations.get(place, source.output)
            usual = self._styles.get(place, "reference")
        elif isinstance(source, FromParameter):
            named = source.parameter
        else:
            usual = "dataset" if isinstance(source, FromFiles) else "reference"
            if source not in self._references:
                self._references[source] = self._named(port.name, "data")
            named = self._references[source]
        said = {
            "source": named,
            "bind_mode": port.mode,
            "style": port.style if port.style != usual else None,
            "path_on_compute": port.path_on_compute,
            "overwrite": port.overwrite or None,
        }
        return {key: value for key, value in said.items() if value is not None}

    def _output(self, node: Node, port: Output) -> dict[str, Any]:
        said = {
            "destination": self._destinations[node.key, port.name],
            "datastore": port.datastore,
            "path_on_datastore": port.path,
            "bind_mode": port.mode,
            "style": port.style if port.style != "reference" else None,
            "path_on_compute": port.path_on_compute,
            "overwrite": port.overwrite or None,
            "source_globs": list(port.source_globs) or None,
            "pipeline_output_name": port.pipeline_output,
        }
        return {key: value for key, value in said.items() if value is not None}

    def _named(self, wanted: str, by: str) -> str:
        """A name that nothing in the file has yet."""
        found, number = wanted, 1
        while found in self._taken:
            found = f"{by}_{wanted}" if number == 1 else f"{by}_{wanted}_{number}"
            number += 1
        self._taken.add(found)
        return found


def _parameter(parameter: Parameter) -> dict[str, Any]:
    default: Any = parameter.default
    if isinstance(default, DataPathValue):
        default = {"datastore": default.datastore, "path_on_datastore": default.path}
    elif parameter.type in ("int", "float"):  # a bool may stand for an int, and a whole number for any
        default = {"int": int, "float": float}[parameter.type](default)
    return {"type": parameter.type, "default": default}


def _reference(source: FromStore | FromFiles) -> dict[str, Any]:
    if isinstance(source, FromFiles):
        return {"files": [_reference(place) for place in source.places]}
    return {"datastore": source.datastore, "path_on_datastore": source.path}


def _command(work: CommandWork, names: Names) -> Any:
    return written(work.line, names, allow_words=False)


def _value(value: Argument, names: Names) -> Any:
    if len(value) == 1 and isinstance(value[0], ParameterText):
        return {"source": value[0].name}
    return written(value, names, allow_words=False)
