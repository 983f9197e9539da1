"""One step of a pipeline's YAML file becomes a node of the graph.

Source   reference section 16; `type: CommandStep`, `run_after`, `environment`, `environment_variables`, `retries`,
         `retry_rest_s` and `timeout_s` are ours
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from canalis.adla_step import LINE, usql_arguments
from canalis.building import recorded
from canalis.contract.graph import REST_S_MAX, Argument, CommandWork, Node, ParameterText, PythonWork, Settings
from canalis.pipeline_yaml_ports import Made, Shared, read_inputs
from canalis.pipeline_yaml_texts import Names, argument
from canalis.runconfig import RunConfiguration
from canalis.steps import RUNCONFIG_PARAMETERS
from canalis.yaml_reading import Faults, Item
from canalis.yaml_sections import Section, as_section, near, text_of

HERE = ("PythonScriptStep", "CommandStep", "AdlaStep")
ONLY_IN_PYTHON = ("DatabricksStep", "DataTransferStep")
RETRIES_MAX = 100
_THREADS_MAX = 1000
_SCRIPT = "the script, as a path below source_directory"
# v1's older form: a block of that name within the step, in the place of a `type`.
BLOCKS = {
    "python_script_step": "PythonScriptStep",
    "parallel_run_step": "ParallelRunStep",
    "data_transfer_step": "DataTransferStep",
    "databricks_step": "DatabricksStep",
    "adla_step": "AdlaStep",
    "azurebatch_step": "AzureBatchStep",
    "module": "ModuleStep",
}


class Files(Protocol):
    """The files that a pipeline's YAML names."""

    def runconfig(self, at: Item, said: str) -> RunConfiguration | None:
        """The run configuration in a file; None, and told, when there is none."""
        ...

    def source(self, section: Section, script: str | None) -> str:
        """The source directory that a step names, and that holds its script; told when there is none."""
        ...


class Step(NamedTuple):
    """A step as the file has it.

    section   all its keys, those of its block among them
    outputs   what it writes, which other steps may name
    """

    key: str
    kind: str
    section: Section
    outputs: list[Made]


def kind_of(section: Section, faults: Faults) -> tuple[str | None, Section]:
    """What kind of step a section is, and all its keys; None, and told, when it does not say."""
    blocks = [name for name in section.entries if name in BLOCKS]
    kind = section.text("type")
    if not blocks:
        if "type" not in section:
            known = f"{' or '.join(HERE)}, or a block `{next(iter(BLOCKS))}:`"
            section.fault("type", f"the key 'type' is missing: what the step is, {known}")
            kind = HERE[0] if "script_name" in section else None  # so that the rest of it is told as well
        return kind, section
    for name in blocks[1:]:
        section.fault(name, f"the step has a block `{blocks[0]}:` already")
    found = BLOCKS[blocks[0]]
    if kind not in (None, found):
        section.fault("type", f"'{kind}' is not what the block `{blocks[0]}:` says, {found}")
    inner = section.section(blocks[0])
    entries = {key: item for key, item in section.entries.items() if key not in BLOCKS}
    for key, item in inner.entries.items() if inner is not None else ():
        if key in entries:
            faults.add(item, f"the key stands beside the block as well, in line {entries[key].line}")
        else:
            entries[key] = item
    whole = section.item
    return found, Section(Item(whole.file, whole.line, whole.path, entries), faults)


def is_absent(kind: str, section: Section) -> bool:
    """Whether steps of that kind cannot be read, which is told with what will become of them."""
    from canalis.absent import said_of
    from canalis.planned import fate

    if kind in HERE:
        return False
    if fate(kind):
        section.fault("type", said_of(kind))
    elif kind in ONLY_IN_PYTHON:
        section.fault("type", f"a {kind} cannot be said in YAML: make it in Python, with azureml.pipeline.steps.{kind}")
    else:
        hint = near(kind, (*HERE, *BLOCKS.values())) or f" (there are: {', '.join(HERE)})"
        section.fault("type", f"'{kind[:80]}' is no kind of step{hint}")
    return True


def read_node(step: Step, shared: Shared, files: Files, default_compute: str | None) -> tuple[Node | None, str]:
    """The node of a step without its snapshot, and its source directory; None for one that cannot be told."""
    section, faults = step.section, shared.faults
    for key in ("type", "outputs"):  # read already
        section.take(key)
    outputs = tuple(made.output for made in step.outputs)
    written = [port.name for port in outputs]
    inputs = read_inputs(section, written, shared)
    styles = {port.name: port.style for port in inputs.ports} | {port.name: port.style for port in outputs}
    names = Names(inputs.names, inputs.side_names, written, shared.in_texts, shared.words, styles)
    names.own.update(_values(section, "parameters", names, shared))
    work = _work(step, names, faults)
    runconfig = _runconfig(section, files)
    environment, variables = _environment(section, runconfig, names, shared)
    parts: dict[str, Any] = {
        "compute": _compute(section, runconfig, default_compute, shared),
        "arguments": _arguments(step, names, faults),
        "inputs": tuple(inputs.ports),
        "outputs": outputs,
        "after": _after(section, shared),
        "parameters": names.own,
        "environment": environment,
        "version": section.text("version"),
        "environment_variables": variables,
    }
    script = work.script if isinstance(work, PythonWork) else None
    if step.kind == "AdlaStep":
        script, parts["arguments"] = _script_of_usql(section, [port.name for port in inputs.ports], written, names)
        parts["parameters"] = {}
    given = {name: part for name, part in parts.items() if part}
    if settings := _settings(section, runconfig):
        given["settings"] = Settings(**settings)
    name = section.text("name")
    _take_what_changes_nothing(section, shared)
    folder = files.source(section, script)
    section.end()
    if work is None:
        return None, folder
    usual = script or _usual_name(work)
    return Node(key=shared.keys[step.key], name=name or usual, work=work, **given), folder


def _work(step: Step, names: Names, faults: Faults) -> PythonWork | CommandWork | None:
    if step.kind == "PythonScriptStep":
        script = step.section.needed_text("script_name", _SCRIPT)
        return PythonWork(script=script.replace("\\", "/").removeprefix("./")) if script else None
    if step.kind == "AdlaStep":
        return CommandWork(line=(LINE,))
    item = step.section.take("command")
    if item is None:
        step.section.fault("command", "the key 'command' is missing: the command line")
        return None
    return CommandWork(line=argument(item, names, faults, allow_words=False))


def _arguments(step: Step, names: Names, faults: Faults) -> tuple[Argument, ...]:
    if step.kind == "AdlaStep":  # which has none of its own
        return ()
    return tuple(argument(item, names, faults) for item in step.section.listed("arguments"))


def _script_of_usql(
    section: Section, inputs: Sequence[str], outputs: Sequence[str], names: Names
) -> tuple[str | None, tuple[Argument, ...]]:
    """The script of an AdlaStep, and what the program that runs it is told."""
    script = section.needed_text("script_name", _SCRIPT)
    threads = section.whole("degree_of_parallelism", 1, _THREADS_MAX)
    for name in ("priority", "runtime_version"):  # which nobody asks for any more
        section.take(name)
    return script, tuple(usql_arguments(script or "", inputs, outputs, names.own, threads))


def _usual_name(work: PythonWork | CommandWork) -> str:
    """What a step without a name is called, as in v1."""
    if isinstance(work, PythonWork):
        return work.script
    head = work.line[0] if work.line else ""
    try:
        words = shlex.split(head) if isinstance(head, str) else []
    except ValueError:  # a quotation mark without its other one
        words = []
    return f"CommandStep_{words[0] if words else 'command'}"


def _values(section: Section, key: str, names: Names, shared: Shared) -> dict[str, Argument]:
    """Values by name: a step's own, or those of the pipeline's parameters by {source: name}."""
    inner = section.section(key)
    found: dict[str, Argument] = {}
    for name, item in inner.entries.items() if inner is not None else ():
        if isinstance(item.value, dict):
            source = _parameter(item, shared)
            found[name] = (ParameterText(name=source),) if source is not None else ()
        else:
            found[name] = argument(item, names, shared.faults, allow_words=False)
    return found


def _parameter(item: Item, shared: Shared) -> str | None:
    """The pipeline parameter that {source: name} names; None, and told, when there is none that a text can hold."""
    entry = as_section(item, shared.faults)
    if entry is None:
        return None
    source = entry.needed_text("source", "the parameter of the pipeline whose value it has")
    entry.end()
    if source is None:
        return None
    if source not in shared.parameters:
        hint = near(source, shared.parameters) or f" (there are: {', '.join(shared.parameters) or 'none'})"
        entry.fault("source", f"the pipeline has no parameter '{source}'{hint}")
        return None
    if source not in shared.in_texts:
        entry.fault("source", f"parameter '{source}' is a data path: name it as the source of an input")
        return None
    return source


def _runconfig(section: Section, files: Files) -> RunConfiguration | None:
    """The run configuration that a step names; None when it names none, or another environment."""
    item = section.take("runconfig")
    if item is None:
        return None
    if "environment" in section.entries:
        section.fault("environment", "the step has a `runconfig`, which has an environment: one of the two is enough")
    said = section.text("runconfig")
    return files.runconfig(item, said) if said else None


def _environment(
    section: Section, runconfig: RunConfiguration | None, names: Names, shared: Shared
) -> tuple[str | None, dict[str, Argument]]:
    """The key of a step's environment, None for none, and its variables."""
    said, item = section.text("environment"), section.entries.get("environment")
    if item is None or runconfig is not None:
        configuration = runconfig or RunConfiguration()
        key: str | None = recorded(configuration.environment, shared.environments)
        texts = {**configuration.environment.environment_variables, **configuration.environment_variables}
    elif said is None:
        key, texts = None, {}  # `environment: null` says that there is none
    else:
        if said not in shared.environments:
            hint = near(said, shared.environments) or f" (there are: {', '.join(shared.environments) or 'none'})"
            section.fault("environment", f"there is no environment '{said}' among `environments`{hint}")
        texts = shared.environments.get(said, {}).get("environment_variables")  # type: ignore[assignment]
        key, texts = said, texts if isinstance(texts, dict) else {}
    variables = {name: names.in_text(str(text)) for name, text in texts.items()}
    return key, variables | _values(section, "environment_variables", names, shared)


def _compute(section: Section, runconfig: RunConfiguration | None, default: str | None, shared: Shared) -> str | None:
    """Where it runs: its own word, the pipeline's, or its run configuration's. None is this machine."""
    said = section.text("compute")
    target = runconfig.target if runconfig is not None else None  # of a file: text
    found = said or default or (target if isinstance(target, str) else None)
    if found in (None, "local"):
        return None
    at = "compute" if said else "runconfig"
    if said or not default:  # the default is told where it stands
        shared.computes.append((found, section.at(at)))
    return found


def _after(section: Section, shared: Shared) -> tuple[str, ...]:
    found = []
    for item in section.listed("run_after"):
        said = text_of(item, shared.faults)
        if said is not None and said not in shared.keys:
            shared.faults.add(item, f"there is no step '{said}'{near(said, shared.keys)}")
        elif said is not None:
            found.append(shared.keys[said])
    return tuple(dict.fromkeys(found))


def _settings(section: Section, runconfig: RunConfiguration | None) -> dict[str, Any]:
    """How hard it is tried, as far as that is other than usual."""
    limit = runconfig.max_run_duration_seconds if runconfig is not None else None
    timeout_s = section.number("timeout_s", 0.0)
    if timeout_s == 0:
        section.fault("timeout_s", "no step can work in no time; leave it out for no limit")
    said = {
        "retries": section.whole("retries", 0, RETRIES_MAX),
        "retry_rest_s": section.number("retry_rest_s", 0.0, REST_S_MAX),
        "timeout_s": timeout_s or limit,
        "reuse": section.flag("allow_reuse", True),
        "reuse_by_content": section.flag("reuse_by_content", False),
    }
    made = Settings(**{name: value for name, value in said.items() if value is not None})
    return made.model_dump(exclude_defaults=True)


def _take_what_changes_nothing(section: Section, shared: Shared) -> None:
    """Read what v1 knew and the graph does not keep, so that at least it is right."""
    if section.listed("hash_paths"):
        warnings.warn("`hash_paths` has had no effect since v1's release 1.0.48", DeprecationWarning, stacklevel=2)
    inner = section.section("runconfig_parameters")
    for name, item in inner.entries.items() if inner is not None else ():
        if name not in RUNCONFIG_PARAMETERS:
            hint = near(name, RUNCONFIG_PARAMETERS) or f" (it can: {', '.join(RUNCONFIG_PARAMETERS)})"
            shared.faults.add(item, f"runconfig_parameters cannot set '{name}'{hint}")
        _parameter(item, shared)
