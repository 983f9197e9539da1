"""What a step is made of, ingredient by ingredient. Steps of equal ingredients leave the same behind. Pure.

    ingredients(graph, node, request, made_by)  ->  {"script": "train.py", "parameter lr": "0.1", ...}
    fingerprint({...})                          ->  one name for all of them
    changes({...}, {...})                       ->  exactly those that differ, with both values

Source   reference section 11. Beyond it: the environment and its variables count, and so does the step run that made
         each input, a step that is only waited for, and whether a source file may be executed. The compute target,
         time-outs and retries do not: they decide where and how often a step is tried, not what it makes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from canalis.contract.graph import (
    Argument,
    FromFiles,
    FromParameter,
    FromStep,
    FromStore,
    Graph,
    Input,
    InputPath,
    Node,
    Output,
    OutputPath,
    ParameterText,
    Piece,
    PythonWork,
    ServiceWork,
    Source,
    Text,
    content_id,
)
from canalis.contract.parameters import text_of
from canalis.contract.run import RunRequest

Ingredients = Mapping[str, str]

MADE = "made"  # kind of documents: by fingerprint, the steps that make it, the newest first

NOT_LOOKED_AT: Mapping[str, str] = {}
SOURCE = "source files"  # the id of a snapshot: whoever tells of a change says which files


@dataclass(frozen=True, slots=True)
class Change:
    """An ingredient that is another one. `before` or `now` is None where there is none of that name."""

    name: str
    before: str | None
    now: str | None


def ingredients(
    graph: Graph,
    node: Node,
    request: RunRequest,
    made_by: Mapping[str, str],
    contents: Mapping[str, str] = NOT_LOOKED_AT,
) -> dict[str, str]:
    """Everything that decides what a step makes, by names that its author knows.

    request   with the values of all parameters
    made_by   by key, the step that makes the outputs of each step before this one: <run>.<node>, of whatever run
    contents  by input, the imprint of what lies there, for a step whose data counts
    """
    found = {"name": node.name, **dict(_of_work(node))}
    if node.version is not None:
        found["version"] = node.version
    if node.snapshot is not None:
        found[SOURCE] = node.snapshot
    if request.interpreter is not None:
        found["interpreter"] = request.interpreter
    found |= {f"argument {place}": _said(argument) for place, argument in enumerate(node.arguments, start=1)}
    found |= {f"step parameter {name}": _said(value) for name, value in node.parameters.items()}
    found |= {f"variable {name}": _said(value) for name, value in node.environment_variables.items()}
    found |= {f"sizing {name}": _said(value) for name, value in node.sizing.items()}
    found |= {f"parameter {name}": text_of(request.parameters[name]) for name in _read_by(node)}
    store = request.default_datastore
    found |= {f"input {port.name}": _of_input(port, graph, store, made_by) for port in node.inputs}
    found |= {f"content of input {name}": imprint for name, imprint in contents.items()}
    found |= {f"output {port.name}": _of_output(port, store) for port in node.outputs}
    found |= {f"after {graph.node(key).name}": made_by[key] for key in node.after}
    if node.environment is not None:
        found |= dict(_leaves("environment", graph.environments[node.environment]))
    return found


def fingerprint(made_of: Ingredients) -> str:
    """The name of these ingredients: SHA-256 in hex."""
    return content_id(to_json(dict(sorted(made_of.items()))))


def changes(before: Ingredients, now: Ingredients) -> list[Change]:
    """The ingredients that differ, by name.

    >>> changes({"script": "a.py", "argument 1": "x"}, {"script": "b.py"})
    [Change(name='argument 1', before='x', now=None), Change(name='script', before='a.py', now='b.py')]
    """
    names = sorted({*before, *now})
    return [Change(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


def _of_work(node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(node.work, PythonWork):
        yield "script", node.work.script
    elif isinstance(node.work, ServiceWork):
        yield "service", node.work.service
        yield "asked", to_json(node.work.asked).decode()
        yield "script", node.work.script or ""
    else:
        yield "command", _said(node.work.line)


def _read_by(node: Node) -> set[str]:
    """Parameters whose values the step sees: not the one that names where it runs."""
    return node.model_copy(update={"compute": None}).used_parameters()


def _of_input(port: Input, graph: Graph, store: str, made_by: Mapping[str, str]) -> str:
    said = [_of_source(port.source, store, made_by), port.mode]
    said += [f"at {port.path_on_compute}"] if port.path_on_compute else []
    said += [f"rows {port.table.model_dump_json()}"] if port.table else []
    return ", ".join(said)


def _of_source(source: Source, store: str, made_by: Mapping[str, str]) -> str:
    if isinstance(source, FromStep):
        return f"{source.output} of {made_by[source.node]}"
    if isinstance(source, FromStore):
        return f"{source.datastore or store}: {_path(source.path)}"
    if isinstance(source, FromParameter):
        return f"parameter {source.parameter}"
    assert isinstance(source, FromFiles), source
    if source.registered is not None:
        return f"{source.registered.name}:{source.registered.version} ({source.registered.id})"
    return "; ".join(f"{place.datastore or store}: {_path(place.path)}" for place in source.places)


def _of_output(port: Output, store: str) -> str:
    place = f"parameter {port.parameter}" if port.parameter else f"{port.datastore or store}: {_path(port.path or '')}"
    said = [place, port.mode]
    said += [f"at {port.path_on_compute}"] if port.path_on_compute else []
    said += [f"files {' '.join(port.source_globs)}"] if port.source_globs else []
    said += [f"registered as {port.registered_as.model_dump_json()}"] if port.registered_as else []
    return ", ".join(said)


def _path(text: Text) -> str:
    return text if isinstance(text, str) else _said(text)


def _said(text: Argument | tuple[str | ParameterText, ...]) -> str:
    return "".join(map(_piece, text))


def _piece(piece: Piece) -> str:
    if isinstance(piece, InputPath):
        return f"{{input {piece.name}}}"
    if isinstance(piece, OutputPath):
        return f"{{output {piece.name}}}"
    return f"{{parameter {piece.name}}}" if isinstance(piece, ParameterText) else piece


def _leaves(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Every value of a document, by the keys that lead to it."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{name} {key}", inner)
    elif isinstance(value, (list, tuple)) and any(isinstance(inner, (dict, list, tuple)) for inner in value):
        for place, inner in enumerate(value, start=1):
            yield from _leaves(f"{name} {place}", inner)
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)
