"""What a step wants installed around it. Recorded with the run, as v1's objects describe it.

Source   reference section 7
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from canalis.contract.errors import NotFound
from canalis.exceptions import UserErrorException

if TYPE_CHECKING:
    from canalis.workspace import Workspace

DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04"
_DEFAULT_PYTHON = "3.10.18"
_KEYS = ("name", "channels", "dependencies", "prefix", "variables")


class CondaDependencies:
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
                "dependencies": [f"python={_DEFAULT_PYTHON}", {"pip": ["azureml-defaults"]}],
                "channels": ["anaconda", "conda-forge"],
            }

    @staticmethod
    def create(
        pip_indexurl: str | None = None,
        pip_packages: list[str] | None = None,
        conda_packages: list[str] | None = None,
        python_version: str = _DEFAULT_PYTHON,
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
            if not isinstance(package, str) or _project(package) != _project(conda_package)
        ]
        position = 1 if self.python_version else 0
        self._spec["dependencies"].insert(position + self._count_before_pip(position), conda_package)

    def remove_conda_package(self, conda_package: str) -> None:
        """Do not ask for it any more."""
        self._spec["dependencies"] = [
            package
            for package in self._packages()
            if not isinstance(package, str) or _project(package) != _project(conda_package)
        ]

    def add_pip_package(self, pip_package: str) -> None:
        """Ask for a pip package, instead of the same one in another version."""
        self.remove_pip_package(pip_package)
        self._pip().append(pip_package)

    def remove_pip_package(self, pip_package: str) -> None:
        """Do not ask for it any more."""
        listed = self._pip(make=False)
        listed[:] = [package for package in listed if _project(package) != _project(pip_package)]

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


class PythonSection:
    """Which Python a step wants, and what in it."""

    def __init__(self) -> None:
        self.interpreter_path = "python"
        self.user_managed_dependencies = False
        self.conda_dependencies: CondaDependencies | None = CondaDependencies()
        self.conda_dependencies_file: str | None = None
        self.base_conda_environment: str | None = None


class DockerSection:
    """Which container a step wants; recorded for compute targets that have containers."""

    def __init__(self) -> None:
        self.enabled = False
        self.base_image: str | None = DEFAULT_CPU_IMAGE
        self.base_dockerfile: str | None = None
        self.base_image_registry = ContainerRegistry()
        self.platform = None
        self.arguments: list[str] = []
        self.shm_size = "2g"
        self.shared_volumes = True
        self.gpu_support = False


class ContainerRegistry:
    """Where an image comes from. The password is never recorded."""

    def __init__(self) -> None:
        self.address: str | None = None
        self.username: str | None = None
        self.password: str | None = None


class SparkSection:
    """Which Spark packages a step wants; recorded."""

    def __init__(self) -> None:
        self.repositories: list[str] = []
        self.packages: list[Any] = []
        self.precache_packages = True


class RSection:
    """Which R packages a step wants; recorded."""

    def __init__(self) -> None:
        self.r_version: str | None = None
        self.cran_packages: list[Any] = []
        self.github_packages: list[Any] = []
        self.custom_url_packages: list[Any] = []


class Environment:
    """What a step wants installed around it, under a name."""

    def __init__(self, name: str, **ignored: Any) -> None:
        self.name = name
        self.version: str | None = None
        self.python = PythonSection()
        self.docker = DockerSection()
        self.spark = SparkSection()
        self.r: RSection | None = None
        self.environment_variables: dict[str, str] = {}
        self.inferencing_stack_version: str | None = None

    @staticmethod
    def from_conda_specification(name: str, file_path: str) -> Environment:
        """An environment of what a conda YAML file asks for."""
        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies(file_path)
        return made

    @staticmethod
    def from_pip_requirements(name: str, file_path: str, pip_version: str | None = None) -> Environment:
        """An environment of what a requirements file asks for."""
        try:
            lines = Path(file_path).read_text().splitlines()
        except OSError as error:
            raise UserErrorException(f"{file_path} cannot be read: {error.strerror}") from error
        wanted = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies.create(pip_packages=[])
        made.python.conda_dependencies.set_pip_requirements(wanted)
        return made

    @staticmethod
    def from_docker_image(
        name: str, image: str, container_registry: Any = None, conda_specification: Any = None
    ) -> Environment:
        """An environment that is an image."""
        made = Environment(name)
        made.docker.base_image = image
        made.python.user_managed_dependencies = True
        if conda_specification:
            made.python.user_managed_dependencies = False
            made.python.conda_dependencies = CondaDependencies(conda_specification)
        return made

    @staticmethod
    def from_dockerfile(name: str, dockerfile: str, conda_specification: Any = None) -> Environment:
        """An environment that is built from a Dockerfile, named or given as text."""
        made = Environment.from_docker_image(name, "", conda_specification=conda_specification)
        made.docker.base_image = None
        is_file = "\n" not in dockerfile and Path(dockerfile).is_file()
        made.docker.base_dockerfile = Path(dockerfile).read_text() if is_file else dockerfile
        return made

    @staticmethod
    def get(workspace: Workspace, name: str, version: str | None = None, label: str | None = None) -> Environment:
        """A registered environment, in its newest version when none is named.

        v1's curated environments (AzureML-...) are there under any of their names, and ask for nothing.
        """
        try:
            found = workspace._client.get(f"/environments/{quote(name)}", version=version)
        except NotFound as error:
            if name.startswith("AzureML-"):
                return Environment(name)
            raise UserErrorException(error.message, error, error.code) from error
        made = Environment._from_dict(name, found["definition"])
        made.version = str(found["version"])
        return made

    @staticmethod
    def list(workspace: Workspace) -> dict[str, Environment]:
        """Registered environments by name, each in its newest version."""
        found = workspace._client.get("/environments")
        return {one["name"]: Environment._from_dict(one["name"], one["definition"]) for one in found}

    def register(self, workspace: Workspace) -> Environment:
        """Keep it in the workspace. The same again keeps its version; another definition gets the next."""
        found = workspace._client.post(f"/environments/{quote(self.name)}", self._to_dict())
        made = copy.deepcopy(self)
        made.version = str(found["version"])
        return made

    def clone(self, new_name: str) -> Environment:
        """The same under another name."""
        made = copy.deepcopy(self)
        made.name = new_name
        made.version = None
        return made

    def save_to_directory(self, path: str, overwrite: bool = False) -> None:
        """Write it to <path>/azureml_environment.json."""
        target = Path(path) / "azureml_environment.json"
        if target.exists() and not overwrite:
            raise UserErrorException(f"{target} is there already; pass overwrite=True to replace it")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps({"name": self.name, **self._to_dict()}, indent=4))

    @staticmethod
    def load_from_directory(path: str) -> Environment:
        """The environment that save_to_directory wrote there."""
        try:
            found = json.loads((Path(path) / "azureml_environment.json").read_text())
        except (OSError, ValueError) as error:
            raise UserErrorException(f"{path} holds no environment: {error}") from error
        return Environment._from_dict(found.get("name", Path(path).name), found)

    def _to_dict(self) -> dict[str, Any]:
        """What is recorded of it: everything but passwords."""
        conda = self.python.conda_dependencies
        return {
            "python": {
                "interpreter_path": self.python.interpreter_path,
                "user_managed_dependencies": self.python.user_managed_dependencies,
                "conda_dependencies": conda.as_dict() if conda else None,
            },
            "docker": {
                "enabled": self.docker.enabled,
                "base_image": self.docker.base_image,
                "base_dockerfile": self.docker.base_dockerfile,
                "arguments": list(self.docker.arguments),
                "shm_size": self.docker.shm_size,
            },
            "environment_variables": {key: str(value) for key, value in self.environment_variables.items()},
        }

    @staticmethod
    def _from_dict(name: str, body: dict[str, Any]) -> Environment:
        made = Environment(name)
        python, docker = body.get("python", {}), body.get("docker", {})
        made.python.interpreter_path = python.get("interpreter_path", "python")
        made.python.user_managed_dependencies = bool(python.get("user_managed_dependencies"))
        conda = python.get("conda_dependencies")
        made.python.conda_dependencies = CondaDependencies(_underlying_structure=conda) if conda else None
        for field in ("enabled", "base_image", "base_dockerfile", "arguments", "shm_size"):
            if field in docker:
                setattr(made.docker, field, docker[field])
        made.environment_variables = dict(body.get("environment_variables", {}))
        return made

    def __repr__(self) -> str:
        return f"Environment(name={self.name!r}, version={self.version!r})"


def _project(package: str) -> str:
    """The name in a requirement, as pip compares names.

    >>> _project("scikit_learn[all]>=1.0"), _project("numpy==1.2"), _project("python=3.8")
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
