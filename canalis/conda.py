"""Conda specifications, as v1's CondaDependencies describes them.

Source   reference section 7
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from canalis.absent import V1
from canalis.exceptions import UserErrorException

DEFAULT_PYTHON = "3.10.18"
_KEYS = ("name", "channels", "dependencies", "prefix", "variables")


class CondaDependencies(V1):
    """A conda specification.

    conda_dependencies_file_path   a YAML file to begin from; UserErrorException for a key that conda does not know
    """

    DEFAULT_NUMBER_OF_CONDA_PACKAGES = 0

    def __init__(
        self, conda_dependencies_file_path: str | None = None, _underlying_structure: dict[str, Any] | None = None
    ) -> None:
        if conda_dependencies_file_path is not None:
            self._spec = _read_conda(Path(conda_dependencies_file_path))
        elif _underlying_structure is not None:
            self._spec = copy.deepcopy(_underlying_structure)
        else:
            self._spec = {
                "name": "project_environment",
                "dependencies": [f"python={DEFAULT_PYTHON}", {"pip": ["azureml-defaults"]}],
                "channels": ["anaconda", "conda-forge"],
            }

    @staticmethod
    def create(
        pip_indexurl: str | None = None,
        pip_packages: list[str] | None = None,
        conda_packages: list[str] | None = None,
        python_version: str = DEFAULT_PYTHON,
        pin_sdk_version: bool = True,
    ) -> CondaDependencies:
        """A specification of these packages; pip_packages None is azureml-defaults."""
        made = CondaDependencies()
        made.set_python_version(python_version)
        made._pip()[:] = ["azureml-defaults"] if pip_packages is None else []
        for package in pip_packages or []:
            made.add_pip_package(package)
        for package in conda_packages or []:
            made.add_conda_package(package)
        if pip_indexurl:
            made.set_pip_option(f"--index-url {pip_indexurl}")
        return made

    @property
    def conda_packages(self) -> list[str]:
        """Conda packages, Python among them."""
        return [package for package in self._packages() if isinstance(package, str)]

    @property
    def pip_packages(self) -> list[str]:
        """Pip packages, without pip's options."""
        return [package for package in self._pip(make=False) if not package.startswith("-")]

    @property
    def python_version(self) -> str | None:
        """The version of Python that it asks for."""
        for package in self.conda_packages:
            if package.startswith("python="):
                return package.partition("=")[2].lstrip("=")
        return None

    def set_python_version(self, version: str) -> None:
        """Ask for a version of Python."""
        others = [package for package in self._packages() if not str(package).startswith("python=")]
        self._spec["dependencies"] = [f"python={version}", *others]

    def add_conda_package(self, conda_package: str) -> None:
        """Ask for a conda package, instead of the same one in another version."""
        self._spec["dependencies"] = [
            package
            for package in self._packages()
            if not isinstance(package, str) or project_name(package) != project_name(conda_package)
        ]
        position = 1 if self.python_version else 0
        self._spec["dependencies"].insert(position + self._count_before_pip(position), conda_package)

    def remove_conda_package(self, conda_package: str) -> None:
        """Do not ask for it any more."""
        self._spec["dependencies"] = [
            package
            for package in self._packages()
            if not isinstance(package, str) or project_name(package) != project_name(conda_package)
        ]

    def add_pip_package(self, pip_package: str) -> None:
        """Ask for a pip package, instead of the same one in another version."""
        self.remove_pip_package(pip_package)
        self._pip().append(pip_package)

    def remove_pip_package(self, pip_package: str) -> None:
        """Do not ask for it any more."""
        listed = self._pip(make=False)
        listed[:] = [package for package in listed if project_name(package) != project_name(pip_package)]

    def set_pip_option(self, pip_option: str) -> None:
        """Give pip an option, such as --extra-index-url."""
        if pip_option not in self._pip():
            self._pip().insert(0, pip_option)

    def set_pip_requirements(self, pip_requirements: list[str]) -> None:
        """Ask for these pip packages and no others."""
        self._pip()[:] = pip_requirements

    def add_channel(self, channel: str) -> None:
        """Let conda look in a channel."""
        channels = self._spec.setdefault("channels", [])
        if channel not in channels:
            channels.append(channel)

    @property
    def conda_channels(self) -> list[str]:
        """Where conda looks."""
        return list(self._spec.get("channels", []))

    def serialize_to_string(self) -> str:
        """The specification as YAML."""
        import yaml

        return str(yaml.safe_dump(self._spec, sort_keys=False))

    def save(self, path: str | None = None) -> str:
        """Write the YAML to a file, conda_dependencies.yml when none is named; its path."""
        return self.save_to_file(".", path or "conda_dependencies.yml")

    def save_to_file(self, base_directory: str, conda_file_path: str | None = None) -> str:
        """Write the YAML to a file below a folder; its path."""
        target = Path(base_directory) / (conda_file_path or "conda_dependencies.yml")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.serialize_to_string())
        return str(target)

    def as_dict(self) -> dict[str, Any]:
        """The specification as data."""
        return copy.deepcopy(self._spec)

    def _packages(self) -> list[Any]:
        packages: list[Any] = self._spec.setdefault("dependencies", [])
        return packages

    def _pip(self, make: bool = True) -> list[str]:
        for package in self._packages():
            if isinstance(package, dict) and "pip" in package:
                listed: list[str] = package["pip"]
                return listed
        made: list[str] = []
        if make:
            self._packages().append({"pip": made})
        return made

    def _count_before_pip(self, start: int) -> int:
        return sum(isinstance(package, str) for package in self._packages()[start:])


def project_name(package: str) -> str:
    """The name in a requirement, as pip compares names.

    >>> project_name("scikit_learn[all]>=1.0"), project_name("numpy==1.2"), project_name("python=3.8")
    ('scikit-learn', 'numpy', 'python')
    """
    name = package
    for sign in "=<>!~[; @":
        name = name.partition(sign)[0]
    return name.strip().lower().replace("_", "-")


def _read_conda(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UserErrorException(f"{path} cannot be read as a conda specification: {error}") from error
    if not isinstance(found, dict):
        raise UserErrorException(f"{path} is no conda specification: it must be a mapping with `dependencies`")
    unknown = [key for key in found if key not in _KEYS]
    if unknown:
        raise UserErrorException(
            f"{path} has keys that a conda specification does not: {', '.join(map(str, unknown))} "
            f"(it may have: {', '.join(_KEYS)})"
        )
    return found
