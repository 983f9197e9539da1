"""What is to be said of environments when a pipeline is submitted: what cannot be built, and what will not be there.

Where nothing is built, steps run in the author's interpreter; an author must not find that out from a step that
cannot import something.
"""

from __future__ import annotations

import platform
import re
import shutil
import sys
from importlib import metadata
from typing import Any

from canalis.conda import CondaDependencies, project_name
from canalis.contract.environments import BUILD, DEFAULT_PYTHON, Wanted, faults_of, wanted
from canalis.contract.graph import Graph
from canalis.within import Within

_NAMED_MAX = 8
# Images that hold an operating system and Python, and nothing that a script could miss.
_PLAIN_IMAGE = re.compile(r"mcr\.microsoft\.com/azureml/(base|minimal|intelmpi|openmpi)")
_NOT_PACKAGES = ("python", "pip", "setuptools", "wheel")


def look_at_environments(workspace: Within, graph: Graph) -> list[str]:
    """What of a graph's environments cannot be built. Prints a note for what steps ask for and do not get."""
    read = {key: wanted(definition) for key, definition in graph.environments.items()}
    if not read:
        return []
    is_asked = any(one.is_built for one in read.values())
    mode = workspace._client.get("/workspace/environments")["mode"] if is_asked else BUILD
    built = {key: one for key, one in read.items() if mode == BUILD and one.is_built}
    _tell_what_is_missing([graph.environments[key] for key in read if key not in built], mode)
    for one in built.values():
        _tell_of_python(one)
    for key, definition in graph.environments.items():
        _tell_of_image(definition, key in built)
    return faults_of(graph.environments, [(node.name, node.environment or "") for node in graph.nodes]) if built else []


def _tell_what_is_missing(environments: list[dict[str, Any]], mode: str) -> None:
    """Print, in one line, the packages that steps ask for and that are not there in that version."""
    found = list(dict.fromkeys(missing for one in environments for missing in missing_packages(one)))
    if found:
        more = f" and {len(found) - _NAMED_MAX} more" if len(found) > _NAMED_MAX else ""
        why = "" if mode == BUILD else " (Environments are recorded here: `canalis environments build` has them built)"
        print(
            f"Note: steps run in {sys.executable}, which does not have what their environments ask for: "
            f"{', '.join(found[:_NAMED_MAX])}{more}.{why}",
            file=sys.stderr,
        )


def _tell_of_python(asked: Wanted) -> None:
    have = platform.python_version()
    want = asked.python.split(".")[:2]
    if asked.python and have.split(".")[: len(want)] != want:
        print(
            f"Note: environment '{asked.name}' asks for Python {asked.python}. Where that is not on this machine, or "
            f"older than 3.11, it is built with {have}",
            file=sys.stderr,
        )


def _tell_of_image(environment: dict[str, Any], is_built: bool) -> None:
    """Print what of an environment only a container could give: there are none on this machine."""
    docker, python = environment.get("docker") or {}, environment.get("python") or {}
    image = str(docker.get("base_image") or "")
    if docker.get("base_dockerfile"):
        asked = "a Dockerfile of its own"
    elif image and not _PLAIN_IMAGE.match(image):
        asked = f"the image {image}"
    else:
        interpreter = str(python.get("interpreter_path") or "python")
        if interpreter == "python" or shutil.which(interpreter):
            return
        asked = f"the interpreter {interpreter}, which is not on this machine"
    where = "an environment built of its packages alone" if is_built else sys.executable
    print(
        f"Note: environment '{environment.get('name', '')}' asks for {asked}. On this machine no image is used: its "
        f"steps run in {where}, and what only the image has is not there",
        file=sys.stderr,
    )


def missing_packages(environment: dict[str, Any]) -> list[str]:
    """Requirements of a recorded environment that this interpreter does not meet, in the author's words."""
    python = environment.get("python", {})
    if python.get("user_managed_dependencies") or not python.get("conda_dependencies"):
        return []
    conda = CondaDependencies(_underlying_structure=python["conda_dependencies"])
    found = []
    version = conda.python_version
    if version not in (None, DEFAULT_PYTHON) and not platform.python_version().startswith(str(version)):
        found.append(f"python {version} (it is {platform.python_version()})")
    for package in (*conda.pip_packages, *conda.conda_packages):
        name = project_name(package)
        if name in _NOT_PACKAGES or name.startswith("azureml"):
            continue
        try:
            there = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(package)
            continue
        pinned = package.partition("==")[2].strip()
        if pinned and pinned != there:
            found.append(f"{package} (it has {there})")
    return found
