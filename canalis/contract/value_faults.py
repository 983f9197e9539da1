"""What the values of parameters make of a graph and cannot, all of it at once and in the author's words. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from canalis.contract.faults import Fault, no_compute
from canalis.contract.graph import DatasetValue, FromParameter, Graph, Node, Output, ParameterText, Text
from canalis.contract.parameters import Values, compute_in, is_outside, said, text_in, words_of


def value_faults(graph: Graph, values: Values, computes: Collection[str] | None = None) -> list[Fault]:
    """Every reason why the graph cannot run with these values; empty when it can.

    values     of its parameters; where another one stands is not looked at, since `faults` tells that
    computes   the compute targets that exist; None leaves them unchecked
    """
    found = list[Fault]()
    for node in graph.nodes if values else ():
        found += _places(node, values)
        found += _kinds(node, values)
        if computes is not None and isinstance(node.compute, ParameterText) and node.compute.name in values:
            name = compute_in(node, values)
            if name and name not in computes:
                found.append(no_compute(node, name, computes))
    return found


def _places(node: Node, values: Values) -> Iterator[Fault]:
    for port, path in node.paths():
        if isinstance(path, str):
            continue
        names = dict.fromkeys(piece.name for piece in path if isinstance(piece, ParameterText))
        if names.keys() <= values.keys() and _leaves(path, values):
            kind = "Output" if isinstance(port, Output) else "Input"
            since = " and ".join(f"parameter '{name}' is {said(values[name])}" for name in names)
            yield Fault(
                "path_outside",
                f"{kind} '{port.name}' of step '{node.name}' would be at {said(text_in(path, values))}, "
                f"which leaves its datastore: {since}",
                node.name,
            )


def _kinds(node: Node, values: Values) -> Iterator[Fault]:
    """Datasets of rows where a step wants to see files."""
    for port in node.inputs:
        if port.mode == "direct" or not isinstance(port.source, FromParameter):
            continue
        value = values.get(port.source.parameter)
        if isinstance(value, DatasetValue) and value.table is not None:
            how = "mounted" if port.mode == "mount" else "downloaded"
            yield Fault(
                "dataset_kind",
                f"Input '{port.name}' of step '{node.name}' is {how}, and parameter '{port.source.parameter}' is a "
                f"dataset of rows, {words_of(value)}: give a dataset of files (Dataset.File), or have the step read it "
                "in mode direct",
                node.name,
            )


def _leaves(path: Text, values: Values) -> bool:
    """Whether a path leaves its datastore; an empty value may leave a slash at its beginning, which is none's fault."""
    begins = next((piece for piece in path if text_in((piece,), values)), "")
    whole = text_in(path, values)
    is_absolute = isinstance(begins, ParameterText) and whole.startswith("/")
    return is_absolute or is_outside(whole.lstrip("/"))
