"""A pipeline's YAML file becomes a graph, or everything that is wrong with it is told at once.

Reading touches nothing but the file and those that it names; what the workspace has is looked at last.

Source   reference section 16; `default_datastore`, `environments` and `graph_description` are ours
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canalis.building import safe_key
from canalis.contract.faults import cycle, faults, how_to_make
from canalis.contract.graph import NODE_KEY, DataPathValue, Graph, Parameter, ParameterValue
from canalis.contract.parameters import place_fault
from canalis.pipeline_yaml_places import Places
from canalis.pipeline_yaml_ports import Shared, read_outputs, read_reference, source_of
from canalis.pipeline_yaml_steps import Files, Step, is_absent, kind_of, read_node
from canalis.pipeline_yaml_texts import words_of
from canalis.runconfig import RunConfiguration
from canalis.within import Within
from canalis.yaml_reading import Faults, Item, plain, read_file, read_text
from canalis.yaml_sections import Section, as_section, near, number_of, whole_of

ROOT = "pipeline"
_TYPES = ("string", "int", "float", "bool", "datapath")
# What the graph's own check finds and nothing here does.
_OF_THE_GRAPH = (
    "command_empty",
    "graph_too_large",
    "path_outside",
    "pipeline_output_repeated",
    "script_outside",
    "too_many_inputs",
)


@dataclass(frozen=True)
class Read:
    """What a file says.

    graph     without snapshots
    folders   the source directory of each step, by its key
    name      that it is published under when it is given no other
    """

    graph: Graph
    folders: dict[str, str]
    name: str | None
    description: str


def load(workspace: Within, file: Path) -> Read:
    """What a file says, when it can run in a workspace. Raises YamlInvalid naming everything that is wrong."""
    told = Faults()
    shared = Shared(told)
    root = read_file(file, told, ROOT)
    read = _read(root, shared, Places(file.parent, told)) if root is not None else None
    _check_workspace(workspace, shared)
    told.raise_all()
    assert read is not None, file
    return read


def read_saved(text: str, name: str) -> Read:
    """What a text of ours says, whose paths are not followed. Raises YamlInvalid."""
    told = Faults()
    root = read_text(text, name, told, ROOT)
    read = _read(root, Shared(told), _AsWritten()) if root is not None else None
    told.raise_all()
    assert read is not None, name
    return read


class _AsWritten:
    """Stands for files that are not there yet."""

    def runconfig(self, at: Item, said: str) -> RunConfiguration | None:
        """None: no text of ours names one."""
        return None

    def source(self, section: Section, script: str | None) -> str:
        """The path as it is written."""
        return section.text("source_directory") or "."


def _read(root: Item, shared: Shared, files: Files) -> Read | None:
    top = as_section(root, shared.faults)
    if top is None:
        return None
    section = top.section(ROOT)
    if ROOT not in top:
        top.fault(ROOT, f"the section '{ROOT}' is missing, which all the rest belongs in")
    top.end()
    return _pipeline(section, shared, files) if section is not None else None


def _pipeline(section: Section, shared: Shared, files: Files) -> Read:
    name, said = section.text("name"), section.text("description")
    description = said if said is not None else name or ""
    parts: dict[str, Any] = {
        "description": section.text("graph_description") if "graph_description" in section else description,
        "default_datastore": shared.store(section, "default_datastore"),
        "parameters": tuple(_parameters(section, shared)),
    }
    for key, inner in section.sections("data_references"):
        shared.references[key] = read_reference(inner, shared)
    environments = section.section("environments")
    for key, item in environments.entries.items() if environments is not None else ():
        if as_section(item, shared.faults) is not None:
            shared.environments[key] = plain(item)
    default_compute = section.text("default_compute")
    if default_compute and default_compute != "local":
        shared.computes.append((default_compute, section.at("default_compute")))
    steps = _steps(section, shared)
    nodes, folders = [], {}
    for step in steps:
        node, folder = read_node(step, shared, files, default_compute)
        if node is not None:
            nodes.append(node)
            folders[node.key] = folder
    section.end()
    parts["environments"] = shared.environments
    graph = Graph(nodes=tuple(nodes), **{key: part for key, part in parts.items() if part})
    _check_graph(graph, section, [step.section.item for step in steps], shared)
    return Read(graph, folders, name, description)


# Parameters ----------------------------------------------------------------------------------------------------


def _parameters(section: Section, shared: Shared) -> list[Parameter]:
    for name, inner in section.sections("parameters"):
        shared.parameters[name] = _parameter(name, inner, shared)
    named = shared.parameters.items()
    shared.in_texts = [name for name, known in named if known is None or known.type != "datapath"]
    shared.words = words_of(shared.in_texts)
    return [known for known in shared.parameters.values() if known is not None]


def _parameter(name: str, section: Section, shared: Shared) -> Parameter | None:
    said = section.needed_text("type", f"one of {', '.join(_TYPES)}")
    kind: Any = said.lower() if said is not None else None
    item = section.entries.get("default")
    section.take("default")
    section.end()
    if kind is not None and kind not in _TYPES:
        section.fault("type", f"'{said}' is no type of a parameter: {', '.join(_TYPES)}{near(kind, _TYPES)}")
    if kind not in _TYPES or (item is not None and item.is_broken):
        return None
    default = _data_path(name, section, shared) if kind == "datapath" else _default(kind, item, shared.faults)
    return Parameter(name=name, type=kind, default=default) if default is not None else None


def _default(kind: str, item: Item | None, faults: Faults) -> ParameterValue | None:
    """A default of that type; None, and told, when it is none. Where none is given, v1 took one that is nothing."""
    if item is None or item.value is None:
        # v1 had None for a text; a parameter of ours always has a value.
        nothing: dict[str, ParameterValue] = {"string": "", "int": 0, "float": 0.0, "bool": False}
        return nothing[kind]
    if isinstance(item.value, (dict, list)):
        faults.add(item, f"a {kind} must be here, not {item.shown}")
    elif kind == "string":
        return item.written
    elif kind == "int":
        return whole_of(item, faults)
    elif kind == "float" and (found := number_of(item)) is not None:
        return found
    elif kind == "bool" and isinstance(item.value, bool):
        return item.value
    else:
        faults.add(item, f"this must be {'a number' if kind == 'float' else 'true or false'}, not {item.shown}")
    return None


def _data_path(name: str, section: Section, shared: Shared) -> DataPathValue | None:
    if "default" not in section:
        section.fault("default", "the default of a datapath cannot be left out: its datastore and path_on_datastore")
        return None
    inner = section.section("default")
    if inner is None:
        return None
    inner.text("name")  # v1's own word for it, which nothing depends on
    inner.needed_text("datastore", "where the data lies")
    store, path = shared.store(inner), inner.text("path_on_datastore") or ""
    inner.end()
    if store is None:
        return None
    found = DataPathValue(datastore=store, path=path)
    if wrong := place_fault(name, found):
        inner.fault("path_on_datastore", wrong)
        return None
    return found


# Steps ---------------------------------------------------------------------------------------------------------


def _steps(section: Section, shared: Shared) -> list[Step]:
    """The steps of the file that can be read. All of them are known by then, and what they write."""
    inner = section.section("steps")
    if "steps" not in section or (inner is not None and not inner.entries):
        section.fault("steps", "there are no steps; a pipeline has one at least, below `steps`")
    if inner is None:
        return []
    shared.keys.update(_keys(inner.entries))
    found = []
    for key, given in section.sections("steps"):
        kind, whole = kind_of(given, shared.faults)
        if kind is None or is_absent(kind, whole):
            shared.made.update(dict.fromkeys(_destinations(whole)))
            continue
        step = Step(key, kind, whole, read_outputs(whole, shared))
        for made in step.outputs:
            if made.destination in shared.made:
                shared.faults.add(made.at, f"another output has the destination '{made.destination}' already")
            shared.made[made.destination] = source_of(made, shared.keys[key])
        found.append(step)
    return found


def _keys(named: Any) -> dict[str, str]:
    """The node's key for each step. What can be one is kept as it is."""
    taken = {name for name in named if NODE_KEY.fullmatch(name)}
    return {name: name if name in taken else safe_key(name, taken) for name in named}


def _destinations(section: Section) -> list[str]:
    """What a step would write that cannot be read, so that whoever reads it is not told of it again."""
    outputs = section.entries.get("outputs")
    if outputs is None or not isinstance(outputs.value, dict):
        return []
    found = []
    for name, item in outputs.value.items():
        said = item.value.get("destination") if isinstance(item.value, dict) else None
        found.append(said.written if said is not None else name)
    return found


# What is looked at last ----------------------------------------------------------------------------------------


def _check_graph(graph: Graph, section: Section, steps: list[Item], shared: Shared) -> None:
    """Tell what only the whole shows. What could not be read is not in the graph, and has been told."""
    places = {item.path.partition(".")[2]: item for item in steps}
    by_key = {shared.keys[name]: item for name, item in places.items() if name in shared.keys}
    at: dict[str, Item] = {}
    for node in graph.nodes:
        at.setdefault(node.name, by_key[node.key])
    found = [fault for fault in faults(graph) if fault.code in _OF_THE_GRAPH]
    for fault in (*found, *cycle(graph)):
        shared.faults.add(at.get(fault.node) or section.at("steps"), fault.message)


def _check_workspace(workspace: Within, shared: Shared) -> None:
    """Tell what the workspace does not have. It is asked only when something is named."""
    for what, named in (("compute target", shared.computes), ("datastore", shared.stores)):
        is_compute = what == "compute target"
        known = list(workspace.compute_targets if is_compute else workspace.datastores) if named else []
        for name, at in named:
            if name not in known:
                mend = f". {how_to_make(name)}" if is_compute else near(name, known)
                listed = ", ".join(sorted(known)) or "none"
                shared.faults.add(at, f"there is no {what} '{name}' in this workspace (there: {listed}){mend}")
