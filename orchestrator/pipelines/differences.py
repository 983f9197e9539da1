"""What is other in one graph than in another, thing by thing and in words that authors use. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from canalis.contract.differences import Change
from canalis.contract.graph import Argument, Graph, InputPath, Node, OutputPath, ParameterValue
from canalis.contract.parameters import words_of

Files = Callable[[str], Mapping[str, str]]  # of a snapshot: the hash of each file, by path


def compare(
    before: Graph,
    after: Graph,
    defaults: tuple[Mapping[str, ParameterValue], Mapping[str, ParameterValue]],
    files: Files,
) -> Iterator[Change]:
    """Every change from one graph to the other: of the pipeline, then of parameters, then of steps in their order.

    defaults   the values that parameters have in a run that names none, before and after
    files      asked only for snapshots that are not the same
    """
    for what in ("description", "default_datastore"):
        yield from _if_other("pipeline", what, getattr(before, what) or None, getattr(after, what) or None)
    yield from _parameters(before, after, *defaults)
    old, new = ({node.key: node for node in graph.nodes} for graph in (before, after))
    for key in [*old, *(key for key in new if key not in old)]:
        where = f"step {key}"
        if key not in new:
            yield Change(where=where, what="removed", before=_brief(old[key]))
        elif key not in old:
            yield Change(where=where, what="added", after=_brief(new[key]))
        elif old[key] != new[key]:
            yield from _step(where, (before, old[key]), (after, new[key]), files)


def _parameters(
    before: Graph, after: Graph, old: Mapping[str, ParameterValue], new: Mapping[str, ParameterValue]
) -> Iterator[Change]:
    types = [{parameter.name: parameter.type for parameter in graph.parameters} for graph in (before, after)]
    for name in dict.fromkeys((*old, *new)):
        where = f"parameter {name}"
        if name not in new:
            yield Change(where=where, what="removed", before=words_of(old[name]))
        elif name not in old:
            yield Change(where=where, what="added", after=words_of(new[name]))
        else:
            yield from _if_other(where, "type", types[0][name], types[1][name])
            yield from _if_other(where, "default", words_of(old[name]), words_of(new[name]))


def _step(where: str, before: tuple[Graph, Node], after: tuple[Graph, Node], files: Files) -> Iterator[Change]:
    old, new = _parts(*before), _parts(*after)
    for what in old:
        yield from _if_other(where, what, old[what], new[what])
    snapshots = before[1].snapshot, after[1].snapshot
    if snapshots[0] != snapshots[1]:
        yield from _sources(where, *(files(snapshot) if snapshot else {} for snapshot in snapshots))


def _sources(where: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """The source files that are other, by path."""
    for path in sorted({*old, *new}):
        if old.get(path) != new.get(path):
            yield Change(where=where, what=f"source {path}", before=old.get(path), after=new.get(path))


def _parts(graph: Graph, node: Node) -> dict[str, Any]:
    """What a step is made of, without its source files, each part as text or JSON."""
    environment = graph.environments.get(node.environment or "")
    return {
        "name": node.name,
        "work": node.work.model_dump(mode="json", exclude={"line"}),
        "command": _text(getattr(node.work, "line", ())) or None,
        "arguments": [_text(argument) for argument in node.arguments],
        "compute": node.compute and _text((node.compute,)),
        "sizing": {name: _text(argument) for name, argument in node.sizing.items()},
        "inputs": [port.model_dump(mode="json", exclude_defaults=True) for port in node.inputs],
        "outputs": [port.model_dump(mode="json", exclude_defaults=True) for port in node.outputs],
        "order": list(node.after),
        "params": {name: _text(argument) for name, argument in node.parameters.items()},
        "environment": environment,
        "environment variables": {name: _text(argument) for name, argument in node.environment_variables.items()},
        "settings": node.settings.model_dump(mode="json", exclude_defaults=True),
    }


def _brief(node: Node) -> str:
    return getattr(node.work, "script", None) or _text(getattr(node.work, "line", ())) or node.name


def _text(argument: Argument) -> str:
    """An argument as its author would write it."""
    return "".join(piece if isinstance(piece, str) else _placeholder(piece) for piece in argument)


def _placeholder(piece: object) -> str:
    if isinstance(piece, (InputPath, OutputPath)):
        return f"$AZUREML_DATAREFERENCE_{piece.name}"
    return f"$AML_PARAMETER_{piece.name}"  # type: ignore[attr-defined]


def _if_other(where: str, what: str, before: Any, after: Any) -> Iterator[Change]:
    if before != after:
        yield Change(where=where, what=what, before=before, after=after)
