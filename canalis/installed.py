"""What an environment asks for and the interpreter does not have: told when a pipeline is submitted.

Environments are recorded, and steps run in the author's interpreter; an author must not find that out from a step
that cannot import something.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from importlib import metadata
from typing import Any

from canalis.conda import DEFAULT_PYTHON, CondaDependencies, project_name

_NAMED_MAX = 8
_NOT_PACKAGES = ("python", "pip", "setuptools", "wheel")


def tell_what_is_missing(environments: Iterable[dict[str, Any]]) -> None:
    """Print, in one line, the packages that steps ask for and that are not there in that version."""
    found = list(dict.fromkeys(missing for one in environments for missing in missing_packages(one)))
    if found:
        more = f" and {len(found) - _NAMED_MAX} more" if len(found) > _NAMED_MAX else ""
        print(
            f"Note: steps run in {sys.executable}, which does not have what their environments ask for: "
            f"{', '.join(found[:_NAMED_MAX])}{more}. (Environments are recorded, not built yet)",
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
