"""A run configuration as a file: v1's .runconfig, which is YAML with keys in camelCase.

Read and written is what a RunConfiguration keeps. What v1 kept besides is left out when it is read; a key that is
nearly one of the kept ones is a fault.

Source   reference section 7
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from canalis.conda import CondaDependencies
from canalis.yaml_reading import Faults, Item, is_there, plain, read_file
from canalis.yaml_sections import Section, as_section, near, text_of

# By section: the key in the file, the attribute, and what it is.
_FIELDS: dict[str, dict[str, tuple[str, str]]] = {
    "": {
        "script": ("script", "text"),
        "arguments": ("arguments", "list"),
        "command": ("command", "list"),
        "target": ("target", "text"),
        "framework": ("framework", "text"),
        "communicator": ("communicator", "text"),
        "autoPrepareEnvironment": ("auto_prepare_environment", "flag"),
        "maxRunDurationSeconds": ("max_run_duration_seconds", "whole"),
        "nodeCount": ("node_count", "whole"),
        "priority": ("priority", "any whole"),
        "credentialPassthrough": ("credential_passthrough", "flag"),
        "environmentVariables": ("environment_variables", "texts"),
    },
    "history": {
        "outputCollection": ("output_collection", "flag"),
        "snapshotProject": ("snapshot_project", "flag"),
        "directoriesToWatch": ("directories_to_watch", "list"),
    },
    "docker": {
        "useDocker": ("use_docker", "flag"),
        "sharedVolumes": ("shared_volumes", "flag"),
        "arguments": ("arguments", "list"),
        "shmSize": ("shm_size", "text"),
    },
    "spark": {"configuration": ("configuration", "data")},
    "hdi": {"yarnDeployMode": ("yarn_deploy_mode", "text")},
    "mpi": {"processCountPerNode": ("process_count_per_node", "whole"), "nodeCount": ("node_count", "whole")},
    "pytorch": {
        "processCount": ("process_count", "whole"),
        "nodeCount": ("node_count", "whole"),
        "communicationBackend": ("communication_backend", "text"),
    },
    "tensorflow": {
        "workerCount": ("worker_count", "whole"),
        "parameterServerCount": ("parameter_server_count", "whole"),
    },
    "environment": {
        "name": ("name", "text"),
        "version": ("version", "text"),
        "environmentVariables": ("environment_variables", "texts"),
    },
    "environment.python": {
        "interpreterPath": ("interpreter_path", "text"),
        "userManagedDependencies": ("user_managed_dependencies", "flag"),
        "baseCondaEnvironment": ("base_conda_environment", "text"),
    },
    "environment.docker": {
        "enabled": ("enabled", "flag"),
        "baseImage": ("base_image", "text or nothing"),
        "baseDockerfile": ("base_dockerfile", "text"),
        "sharedVolumes": ("shared_volumes", "flag"),
        "gpuSupport": ("gpu_support", "flag"),
        "arguments": ("arguments", "list"),
        "shmSize": ("shm_size", "text"),
    },
    "environment.docker.baseImageRegistry": {"address": ("address", "text"), "username": ("username", "text")},
    "environment.spark": {"repositories": ("repositories", "list"), "precachePackages": ("precache_packages", "flag")},
}
_ATTRIBUTES = {"baseImageRegistry": "base_image_registry"}  # of sections that are called otherwise here
_CONDA, _CONDA_FILE = "condaDependencies", "condaDependenciesFile"
_CONDA_KEYS = ("name", "channels", "dependencies", "prefix", "variables")
_NEARLY = 0.85  # v1 has many keys besides, some of them not unlike ours


# Reading -------------------------------------------------------------------------------------------------------


def fill(configuration: Any, file: Path, faults: Faults) -> None:
    """Give a run configuration what a file says."""
    root = read_file(file, faults)
    top = as_section(root, faults) if root is not None else None
    if top is None:
        return
    sections = _sections(top)
    for where, fields in _FIELDS.items():
        section = sections.get(where)
        if section is None:
            continue
        target = _object(configuration, where)
        for key, (attribute, kind) in fields.items():
            value = _value(section, key, kind, faults)
            if value is not None or (kind == "text or nothing" and key in section.entries):
                setattr(target, attribute, value)
        inner = [one.rpartition(".")[2] for one in _FIELDS if one and one.rpartition(".")[0] == where]
        _tell_misspelt(section, [*fields, *inner, _CONDA, _CONDA_FILE], faults)
    if python := sections.get("environment.python"):
        _fill_conda(configuration.environment.python, python, file, faults)


def _sections(top: Section) -> dict[str, Section | None]:
    """The sections of a file that are read, by the keys that lead to them."""
    found: dict[str, Section | None] = {"": top}
    for where in _FIELDS:
        if where:
            outer, _, last = where.rpartition(".")
            above = found[outer]
            found[where] = above.section(last) if above is not None else None
    return found


def _object(configuration: Any, where: str) -> Any:
    for part in where.split(".") if where else ():
        configuration = getattr(configuration, _ATTRIBUTES.get(part, part))
    return configuration


def _value(section: Section, key: str, kind: str, faults: Faults) -> Any:
    if key not in section:
        return None
    if kind in ("text", "text or nothing"):
        return section.text(key)
    if kind == "flag":
        found = section.take(key)
        return section.flag(key, False) if found is not None and _is_flag(found, faults) else None
    if kind == "whole":
        return section.whole(key, 1)
    if kind == "any whole":
        return section.whole(key)
    if kind == "list":
        return [said for item in section.listed(key) if (said := text_of(item, faults)) is not None]
    inner = section.section(key)
    if inner is None:
        return None
    if kind == "data":
        return plain(inner.item)
    return {name: said for name, item in inner.entries.items() if (said := text_of(item, faults)) is not None}


def _is_flag(item: Item, faults: Faults) -> bool:
    if not isinstance(item.value, bool):
        faults.add(item, f"this must be true or false, not {item.shown}")
    return isinstance(item.value, bool)


def _fill_conda(target: Any, section: Section, file: Path, faults: Faults) -> None:
    """The conda specification: written there, or in a file that is named."""
    said = section.text(_CONDA_FILE)
    if said:
        target.conda_dependencies_file = said
        found = _conda_file(said, file)
        if found is None:
            section.fault(_CONDA_FILE, f"there is no file '{said}', neither below the project nor beside this file")
            return
        item = read_file(found, faults)
    else:
        item = section.take(_CONDA)
        if item is None:
            if _CONDA in section.entries:
                target.conda_dependencies = None
            return
    specification = as_section(item, faults) if item is not None else None
    if specification is not None:
        for key in _CONDA_KEYS:
            specification.take(key)
        specification.end()
        for key in ("channels", "dependencies"):
            specification.listed(key)
        target.conda_dependencies = CondaDependencies(_underlying_structure=plain(specification.item))


def _conda_file(said: str, file: Path) -> Path | None:
    """The file of a conda specification: below the project, as in v1, or beside the run configuration."""
    folder = file.resolve().parent
    project = folder.parent if folder.name in (".azureml", "aml_config") else Path.cwd()
    given = said.replace("\\", "/")
    return next((base / given for base in (project, folder) if is_there(base / given, Path.is_file)), None)


def _tell_misspelt(section: Section, known: list[str], faults: Faults) -> None:
    for key, item in section.entries.items():
        if key not in known and (hint := near(key, known, _NEARLY)):
            faults.add(item, f"there is no key '{key}' here{hint}")


# Writing -------------------------------------------------------------------------------------------------------


def as_dict(configuration: Any) -> dict[str, Any]:
    """What a file says of a run configuration. A password is never written."""
    found: dict[str, Any] = {}
    sections = {"": found}
    for where, fields in _FIELDS.items():
        outer, _, last = where.rpartition(".")
        section = sections[where] = sections[outer].setdefault(last, {}) if where else found
        target = _object(configuration, where)
        for key, (attribute, kind) in fields.items():
            section[key] = _said(getattr(target, attribute), kind)
    python = configuration.environment.python
    conda = python.conda_dependencies
    sections["environment.python"][_CONDA] = conda.as_dict() if conda is not None else None
    return found


def _said(value: Any, kind: str) -> Any:
    if kind == "list":
        return [str(one) for one in (value if isinstance(value, (list, tuple)) else [value] if value else ())]
    if kind == "texts":
        return {str(name): str(one) for name, one in value.items()}
    return value if kind in ("flag", "whole", "any whole", "data") or value is None else str(value)
