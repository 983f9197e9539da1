"""What a step wants installed around it, as v1's objects describe it. Built on this machine, recorded in the cloud.

Source   reference section 7
"""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

from canalis.absent import V1
from canalis.conda import CondaDependencies
from canalis.contract.errors import NotFound
from canalis.exceptions import UserErrorException
from canalis.within import Within

DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04"


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


class Environment(V1):
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
    def get(workspace: Within, name: str, version: str | None = None, label: str | None = None) -> Environment:
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
    def list(workspace: Within) -> dict[str, Environment]:
        """Registered environments by name, each in its newest version."""
        found = workspace._client.get("/environments")
        return {one["name"]: Environment._from_dict(one["name"], one["definition"]) for one in found}

    @staticmethod
    def add_private_pip_wheel(workspace: Within, file_path: str, exist_ok: bool = False) -> str:
        """Keep a wheel with the workspace; what to ask for as a pip package to have it installed.

        exist_ok   replaces one of the same name
        Raises     UserErrorException when it is no wheel, is there already, or environments are not built there
        """
        source, root = Path(file_path), workspace._root
        if source.suffix != ".whl" or not source.is_file():
            raise UserErrorException(f"'{file_path}' is no wheel: a file whose name ends with .whl")
        if root is None:
            raise UserErrorException("Environments are recorded in the cloud and not built", code="not_supported")
        target = root / "private-packages" / source.name
        if target.exists() and not exist_ok:
            raise UserErrorException(f"There is a wheel {source.name} already; exist_ok=True replaces it")
        target.parent.mkdir(exist_ok=True)
        part = target.with_name(f"{source.name}.part")
        shutil.copyfile(source, part)
        part.replace(target)
        return str(target)

    def register(self, workspace: Within) -> Environment:
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
