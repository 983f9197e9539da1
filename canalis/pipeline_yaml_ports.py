"""What the steps of a YAML file read and write: data references, parameters, and each other's outputs.

Source   reference section 16; `style`, `files`, and `path_on_datastore`, `source_globs`, `pipeline_output_name`
         of an output are ours
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

from canalis.contract.graph import (
    PORT_NAME,
    FromFiles,
    FromParameter,
    FromStep,
    FromStore,
    Input,
    Output,
    Parameter,
    Source,
    Style,
)
from canalis.contract.patterns import leaves
from canalis.yaml_reading import Faults, Item
from canalis.yaml_sections import Section, as_section, near

STYLES = get_args(Style)
_OUTSIDE = "'{}' must be a place below the datastore, with / between its parts and no .. among them"


class View(NamedTuple):
    """How data is to be seen by a step; None for what is not said."""

    mode: str | None = None
    path_on_compute: str | None = None
    overwrite: bool = False


_AS_USUAL = View()


@dataclass(frozen=True)
class Data:
    """What an input may name as its source.

    style   how it is spoken of where the input does not say
    view    how it is seen where the input does not say
    """

    source: Source
    style: Style = "reference"
    view: View = _AS_USUAL


@dataclass
class Shared:
    """What the steps of a file may name. A value of None could not be read, which has been told.

    references   data references, by name
    made         what steps write, by its destination
    parameters   of the pipeline, by name
    in_texts     those that may stand in texts: all but data paths
    words        the same by their word there
    keys         the node's key, by the step's in the file
    stores, computes   each datastore and compute target that is named, and where
    """

    faults: Faults
    references: dict[str, Data | None] = field(default_factory=dict)
    made: dict[str, Data | None] = field(default_factory=dict)
    parameters: dict[str, Parameter | None] = field(default_factory=dict)
    in_texts: list[str] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    environments: dict[str, dict[str, object]] = field(default_factory=dict)
    stores: list[tuple[str, Item]] = field(default_factory=list)
    computes: list[tuple[str, Item]] = field(default_factory=list)

    def store(self, section: Section, key: str = "datastore") -> str | None:
        """The datastore that a section names."""
        found = section.text(key)
        if found:
            self.stores.append((found, section.at(key)))
        return found or None


# Data references -----------------------------------------------------------------------------------------------


def read_reference(section: Section, shared: Shared) -> Data | None:
    """What a data reference stands for."""
    view = _view(section, ("mount", "download", "upload"))
    view = view._replace(mode="mount" if view.mode == "upload" else view.mode)  # a place to be read all the same
    if _tell_what_is_not_there_yet(section):
        return None
    files = section.listed("files")
    if files:
        places = [place(inner, shared) for item in files if (inner := as_section(item, shared.faults))]
        section.end()
        known = tuple(one for one in places if one is not None)
        return Data(FromFiles(places=known), "dataset", view) if len(known) == len(files) else None
    found = place(section, shared)
    return Data(found, "reference", view) if found is not None else None


def place(section: Section, shared: Shared) -> FromStore | None:
    """The place in a datastore that a section names."""
    if section.needed_text("datastore", "where the data lies") is None:
        section.text("path_on_datastore")
        section.end()
        return None
    store, path = shared.store(section), section.text("path_on_datastore") or ""
    section.end()
    if _leaves(path):
        section.fault("path_on_datastore", _OUTSIDE.format(path))
        return None
    return FromStore(datastore=store, path=path.strip("/"))


def _tell_what_is_not_there_yet(section: Section) -> bool:
    from canalis.absent import said_of

    sql = ("sql_table", "sql_query", "sql_stored_procedure", "sql_stored_procedure_params")
    kinds = {
        ("dataset_name", "dataset_id"): (
            "registered datasets are not read yet. Name the files themselves, by `datastore` and `path_on_datastore`, "
            "or several places under `files`"
        ),
        sql: f"data of a database is not read yet: {said_of('SqlDataReference')}",
    }
    for keys, said in kinds.items():
        named = [key for key in keys if section.take(key) is not None]
        if named:
            section.fault(named[0], said)
            return True
    return False


# Outputs -------------------------------------------------------------------------------------------------------


class Made(NamedTuple):
    """An output, under the name by which other steps of the file read it, and how they speak of it then."""

    destination: str
    at: Item
    output: Output
    style: Style


def read_outputs(section: Section, shared: Shared) -> list[Made]:
    """The outputs of a step."""
    return [
        _output(name, inner, shared) for name, inner in section.sections("outputs") if _is_name(name, inner, shared)
    ]


def _output(name: str, section: Section, shared: Shared) -> Made:
    destination = section.text("destination") or name
    view = _view(section, ("mount", "upload"))
    style: Any = section.choice("style", STYLES) or "reference"
    is_read_as_dataset = section.flag("as_dataset", style == "dataset")
    path = section.text("path_on_datastore")
    parts: dict[str, Any] = {"datastore": shared.store(section)}
    if style == "dataset":
        parts["style"] = style
    if path and _leaves(path):
        section.fault("path_on_datastore", _OUTSIDE.format(path))
    elif path:
        parts["path"] = path.strip("/")
    if view.mode == "upload":
        parts["mode"] = view.mode
        if style == "reference" and not view.path_on_compute:
            section.fault("path_on_compute", "what is uploaded needs `path_on_compute`: where the script writes it")
    parts["path_on_compute"] = view.path_on_compute
    parts["overwrite"] = view.overwrite
    parts["source_globs"] = tuple(_texts(section, "source_globs", shared))
    parts["pipeline_output"] = section.text("pipeline_output_name")
    section.end()
    output = Output(name=name, **{key: value for key, value in parts.items() if value})
    return Made(destination, section.at("destination"), output, "dataset" if is_read_as_dataset else "reference")


# Inputs --------------------------------------------------------------------------------------------------------


class Inputs(NamedTuple):
    """The inputs of a step, and the name that each has in the graph by its name in the file.

    all_named   also those that could not be read, so that whoever names one is not told of it again
    """

    ports: list[Input]
    names: dict[str, str]
    side_names: dict[str, str]


def read_inputs(section: Section, outputs: Collection[str], shared: Shared) -> Inputs:
    """The inputs of a step. One that is named like an output is INPUT_<name>, as scripts of v1 know it."""
    found = Inputs([], {}, {})
    for key, names in (("inputs", found.names), ("side_inputs", found.side_names)):
        for name, inner in section.sections(key):
            if not _is_name(name, inner, shared):
                continue
            port = f"INPUT_{name}" if name in outputs else name
            if port in (*found.names.values(), *found.side_names.values()):
                shared.faults.add(inner.item, f"the step has another input that its script knows as '{port}'")
            names[name] = port
            made = _input(port, inner, shared)
            if made is not None:
                found.ports.append(made)
    return found


def _input(port: str, section: Section, shared: Shared) -> Input | None:
    view = _view(section, ("mount", "download", "direct"))
    style: Any = section.choice("style", STYLES)
    named = section.needed_text("source", "a data reference, a data path parameter or a destination of an output")
    section.end()
    data = _source(named, section, shared) if named is not None else None
    if data is None:
        return None
    parts: dict[str, Any] = {}
    mode = view.mode or data.view.mode
    if mode is not None and mode != "mount":
        parts["mode"] = mode
    if (style or data.style) != "reference":
        parts["style"] = style or data.style
    if path := view.path_on_compute or data.view.path_on_compute:
        parts["path_on_compute"] = path
    if view.overwrite or data.view.overwrite:
        parts["overwrite"] = True
    return Input(name=port, source=data.source, **parts)


def _source(name: str, section: Section, shared: Shared) -> Data | None:
    """What a name stands for. A name of nothing is PipelineData, as in v1, which no step writes."""
    kinds: dict[str, Collection[str]] = {
        "a data reference": shared.references,
        "a parameter": shared.parameters,
        "a destination of an output": shared.made,
    }
    fitting = [kind for kind, known in kinds.items() if name in known]
    if len(fitting) > 1:
        section.fault("source", f"'{name}' is {' and '.join(fitting)}: it could mean either, so give one another name")
    elif not fitting:
        hint = near(name, [known for names in kinds.values() for known in names])
        section.fault("source", f"no step writes '{name}', and it is no data reference and no parameter{hint}")
    elif name in shared.parameters:
        parameter = shared.parameters[name]
        if parameter is not None and parameter.type != "datapath":
            section.fault("source", f"parameter '{name}' is of type {parameter.type}; what is read is a datapath")
        elif parameter is not None:
            return Data(FromParameter(parameter=name))
    else:
        return shared.references.get(name) or shared.made.get(name)
    return None


# Both ----------------------------------------------------------------------------------------------------------


def source_of(made: Made, node: str) -> Data:
    """What reads an output of a node."""
    return Data(FromStep(node=node, output=made.output.name), made.style)


def _view(section: Section, modes: Collection[str]) -> View:
    mode = section.choice("bind_mode", modes)
    other = section.choice("type", modes)
    if mode is not None and other is not None and mode != other:
        section.fault("type", f"'{other}' is not what bind_mode says, '{mode}'; they mean the same")
    return View(mode or other, section.text("path_on_compute") or None, section.flag("overwrite", False))


def _texts(section: Section, key: str, shared: Shared) -> Iterator[str]:
    for item in section.listed(key):
        if isinstance(item.value, str) and item.value:
            yield item.value
        else:
            shared.faults.add(item, f"this must be a text, not {item.shown}")


def _is_name(name: str, section: Section, shared: Shared) -> bool:
    if PORT_NAME.fullmatch(name):
        return True
    shared.faults.add(section.item, f"'{name[:80]}' cannot be such a name: letters, digits and underscore only")
    return False


def _leaves(path: str) -> bool:
    return "\\" in path or leaves(path.strip("/"))
