"""What keeps a graph from running, all of it at once and in the author's words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from canalis.contract.graph import (
    NODE_KEY,
    PORT_NAME,
    CommandWork,
    FromParameter,
    FromStep,
    Graph,
    Input,
    InputPath,
    Node,
    Output,
    OutputPath,
    ParameterText,
    ParameterType,
    PythonWork,
    ServiceWork,
)
from canalis.contract.parameters import fits, is_outside, place_fault, said
from canalis.contract.patterns import leaves
from canalis.contract.places import is_copied

NODES_MAX = 50_000  # a run's packed state is 6 bytes a step, and a table row holds 1 MiB
PREDECESSORS_MAX = 65_535  # the waiting count of a step is packed in two bytes

# What a parameter must be for a use, in words, with the types that it may have.
_Wanted = tuple[str, tuple[ParameterType, ...]]
_TEXT: _Wanted = ("text", ("string",))
_IN_A_PATH: _Wanted = ("text or number", ("string", "int", "float", "bool"))
_DATA_PATH: _Wanted = ("data path", ("datapath",))
_DATASET: _Wanted = ("dataset", ("dataset", "datapath"))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a graph.

    code   stable, for searching
    node   name of the step it is about; "" when it is about the whole graph
    """

    code: str
    message: str
    node: str = ""

    def __str__(self) -> str:
        return self.message


def faults(graph: Graph, computes: Collection[str] | None = None, snapshots_needed: bool = False) -> list[Fault]:
    """Every reason why the graph cannot run; empty when it can.

    computes           the compute targets that exist; None leaves them unchecked (they are not known yet)
    snapshots_needed   whether each script must have a snapshot by now, as it must at submission
    """
    found = [*_whole_graph(graph), *_parameters(graph)]
    nodes = {node.key: node for node in graph.nodes}
    parameters = {parameter.name: parameter.type for parameter in graph.parameters}
    for node in graph.nodes:
        found += _node(node)
        found += _edges(node, nodes)
        found += _placeholders(node, parameters)
        found += _uses(node, parameters)
        if computes is not None and isinstance(node.compute, str) and node.compute not in computes:
            found.append(no_compute(node, node.compute, computes))
        if snapshots_needed and _script(node) is not None and node.snapshot is None:
            found.append(Fault("snapshot_missing", f"Step '{node.name}' came without its source files", node.name))
    return found or cycle(graph)


def no_compute(node: Node, name: str, computes: Collection[str]) -> Fault:
    """That a step names a compute target which is not among those that exist."""
    named = f", which parameter '{node.compute.name}' names," if isinstance(node.compute, ParameterText) else ""
    known = ", ".join(sorted(filter(None, computes))) or "none"
    return Fault(
        "compute_unknown",
        f"Compute target '{name}' of step '{node.name}'{named} is not in this workspace (there: {known}). "
        f"{how_to_make(name)}",
        node.name,
    )


def how_to_make(compute: str) -> str:
    """What the author of a script that names a missing compute target can do."""
    return f"`canalis compute create {compute} --max-nodes N` makes one that runs N steps at once"


def _whole_graph(graph: Graph) -> Iterator[Fault]:
    if not graph.nodes:
        yield Fault("graph_empty", "The pipeline has no steps")
    if len(graph.nodes) > NODES_MAX:
        yield Fault("graph_too_large", f"The pipeline has {len(graph.nodes)} steps; at most {NODES_MAX} can run")
    for key in _repeated(node.key for node in graph.nodes):
        yield Fault("node_repeated", f"Two steps have the key '{key}'")
    named = (output.pipeline_output for node in graph.nodes for output in node.outputs if output.pipeline_output)
    for name in _repeated(named):
        yield Fault("pipeline_output_repeated", f"Two outputs have the pipeline output name '{name}'")


def _parameters(graph: Graph) -> Iterator[Fault]:
    for name in _repeated(parameter.name for parameter in graph.parameters):
        yield Fault("parameter_repeated", f"Two different pipeline parameters have the name '{name}'")
    for parameter in graph.parameters:
        if not fits(parameter.type, parameter.default):
            yield Fault(
                "parameter_default",
                f"The default of parameter '{parameter.name}' is {said(parameter.default)}, "
                f"which is no {parameter.type}",
            )
        wrong = place_fault(parameter.name, parameter.default)
        if wrong:
            yield Fault("path_outside", wrong)


def _node(node: Node) -> Iterator[Fault]:
    if not NODE_KEY.fullmatch(node.key):
        yield Fault("node_key", f"'{node.key}' cannot be a step's key: letters, digits, - and _ only", node.name)
    for what, ports in (("inputs", node.inputs), ("outputs", node.outputs)):
        for name in _repeated(port.name for port in ports):
            yield Fault("port_repeated", f"Step '{node.name}' has two {what} named '{name}'", node.name)
        for port in ports:
            if not PORT_NAME.fullmatch(port.name):
                yield Fault(
                    "port_name",
                    f"'{port.name}' among the {what} of step '{node.name}' is no name: "
                    "letters, digits and underscore only",
                    node.name,
                )
    yield from _work(node)
    for _, path in node.paths():
        # What values make of it is looked at when they are known.
        place = path if isinstance(path, str) else "".join(piece if isinstance(piece, str) else "_" for piece in path)
        if is_outside(place):
            yield Fault("path_outside", f"Step '{node.name}' names '{place}', which leaves its datastore", node.name)
    for output in node.outputs:
        if output.parameter is not None and (output.datastore is not None or output.path is not None):
            yield Fault(
                "place_twice",
                f"Output '{output.name}' of step '{node.name}' is to lie where parameter '{output.parameter}' says, "
                "and at a place of its own",
                node.name,
            )
    yield from _compute_paths(node)


def _compute_paths(node: Node) -> Iterator[Fault]:
    ports: tuple[Input | Output, ...] = (*node.inputs, *node.outputs)
    for port in ports:
        path = port.path_on_compute or ""
        # An input may be shown at any path; what is uploaded lies below the working folder (reference section 4).
        is_upload = isinstance(port, Output) and is_copied(port)
        if leaves(path if is_upload else path.lstrip("/")):
            called = "source" if is_upload and port.style == "dataset" else "path_on_compute"
            yield Fault(
                "path_outside",
                f"'{port.name}' of step '{node.name}' has the {called} '{path}': it must be "
                + ("below the script's working folder" if is_upload else "without '..'"),
                node.name,
            )


def _work(node: Node) -> Iterator[Fault]:
    script = _script(node)
    if script is not None and (not script or is_outside(script)):
        yield Fault(
            "script_outside",
            f"Script '{script}' of step '{node.name}' is not below its source directory",
            node.name,
        )
    if isinstance(node.work, CommandWork) and not any(piece for piece in node.work.line):
        yield Fault("command_empty", f"Step '{node.name}' has an empty command", node.name)


def _script(node: Node) -> str | None:
    """The file of the snapshot that it names, if it names one."""
    return node.work.script if isinstance(node.work, PythonWork | ServiceWork) else None


def _edges(node: Node, nodes: dict[str, Node]) -> Iterator[Fault]:
    if len(node.inputs) + len(node.after) > PREDECESSORS_MAX:
        yield Fault("too_many_inputs", f"Step '{node.name}' waits for more than {PREDECESSORS_MAX} steps", node.name)
    for port in node.inputs:
        source = port.source
        if not isinstance(source, FromStep):
            continue
        writer = nodes.get(source.node)
        if writer is None or not any(output.name == source.output for output in writer.outputs):
            yield Fault("input_dangling", f"{node.name} reads {source.output}, which no step writes", node.name)
    for key in node.after:
        if key not in nodes:
            yield Fault("order_unknown", f"{node.name} shall run after '{key}', which is no step", node.name)


def _placeholders(node: Node, parameters: Mapping[str, ParameterType]) -> Iterator[Fault]:
    inputs = {port.name for port in node.inputs}
    outputs = {port.name for port in node.outputs}
    for argument in node.texts():
        for piece in argument:
            if isinstance(piece, InputPath) and piece.name not in inputs:
                yield Fault(
                    "argument_unknown",
                    f"An argument of step '{node.name}' uses input '{piece.name}', which is not among its inputs",
                    node.name,
                )
            if isinstance(piece, OutputPath) and piece.name not in outputs:
                yield Fault(
                    "argument_unknown",
                    f"An argument of step '{node.name}' uses output '{piece.name}', which is not among its outputs",
                    node.name,
                )
            if isinstance(piece, ParameterText) and piece.name not in parameters:
                yield Fault(
                    "parameter_unknown",
                    f"Step '{node.name}' uses parameter '{piece.name}', which the pipeline does not have",
                    node.name,
                )


def _uses(node: Node, parameters: Mapping[str, ParameterType]) -> Iterator[Fault]:
    """Parameters that stand where only some types make sense, and are not of these."""
    step = f"step '{node.name}'"
    uses = [
        (f"The path of '{port.name}' of {step}", piece.name, _IN_A_PATH)
        for port, path in node.paths()
        if not isinstance(path, str)
        for piece in path
        if isinstance(piece, ParameterText)
    ]
    if isinstance(node.compute, ParameterText):
        uses.append((f"The compute target of {step}", node.compute.name, _TEXT))
    for port in node.inputs:
        if isinstance(port.source, FromParameter):
            wanted = _DATA_PATH if port.style == "reference" else _DATASET
            uses.append((f"Input '{port.name}' of {step}", port.source.parameter, wanted))
    for output in node.outputs:
        if output.parameter is not None:
            uses.append((f"Output '{output.name}' of {step}", output.parameter, _DATA_PATH))
    for what, name, (words, types) in uses:
        if parameters.get(name) not in types:
            yield Fault(
                "parameter_unknown",
                f"{what} wants the {words} '{name}', which is not a {words} parameter of the pipeline",
                node.name,
            )


def cycle(graph: Graph) -> list[Fault]:
    """The steps that wait for each other, if there are such."""
    nodes = {node.key: node for node in graph.nodes}
    try:
        TopologicalSorter({node.key: node.predecessors() for node in graph.nodes}).prepare()
    except CycleError as error:
        ring = [nodes[key].name for key in error.args[1]]
        return [Fault("cycle", f"Steps wait for each other: {' -> '.join(ring)}", ring[0])]
    return []


def _repeated(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)
