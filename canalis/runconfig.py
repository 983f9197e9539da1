"""How a script is to be run: v1's RunConfiguration, and what hangs on it. Recorded; a step takes what it can use.

Source   reference section 7
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from canalis.absent import V1
from canalis.compute import name_of
from canalis.conda import CondaDependencies
from canalis.contract.errors import YamlInvalid
from canalis.environment import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE, Environment
from canalis.exceptions import RunConfigurationException, UserErrorException
from canalis.parameter import PipelineParameter

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "CondaDependencies",
    "DockerConfiguration",
    "Environment",
    "MpiConfiguration",
    "PyTorchConfiguration",
    "RunConfiguration",
    "ScriptRunConfig",
    "TensorflowConfiguration",
]

DURATION_DEFAULT_S = 2_592_000


class MpiConfiguration:
    """How many processes an MPI job has."""

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        self.process_count_per_node = process_count_per_node
        self.node_count = node_count


class PyTorchConfiguration:
    """How many processes a PyTorch job has."""

    def __init__(self, process_count: int | None = None, node_count: int = 1, communication_backend: str = "Nccl"):
        self.process_count = process_count
        self.node_count = node_count
        self.communication_backend = communication_backend


class TensorflowConfiguration:
    """How many workers a TensorFlow job has."""

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        self.worker_count = worker_count
        self.parameter_server_count = parameter_server_count


class DockerConfiguration:
    """Whether and how a job runs in a container."""

    def __init__(
        self,
        use_docker: bool = False,
        shared_volumes: bool = True,
        arguments: list[str] | None = None,
        shm_size: str | None = None,
    ) -> None:
        self.use_docker = use_docker
        self.shared_volumes = shared_volumes
        self.arguments = arguments or []
        self.shm_size = shm_size


class HistoryConfiguration:
    """What is kept of a run; everything is."""

    def __init__(self) -> None:
        self.output_collection = True
        self.snapshot_project = True
        self.directories_to_watch = ["logs"]


class SparkConfiguration:
    """How Spark is to be configured."""

    def __init__(self) -> None:
        self.configuration: dict[str, Any] = {}


class HdiConfiguration:
    """How a job is sent to HDInsight."""

    def __init__(self) -> None:
        self.yarn_deploy_mode = "cluster"


class RunConfiguration(V1):
    """How a script is to be run: where, in what environment, for how long."""

    def __init__(
        self,
        script: str | None = None,
        arguments: list[Any] | None = None,
        framework: str | None = None,
        communicator: str | None = None,
        conda_dependencies: CondaDependencies | None = None,
        _history_enabled: Any = None,
        _path: str | None = None,
        _name: str | None = None,
        command: list[str] | str | None = None,
    ) -> None:
        self.script = script
        self.arguments = arguments or []
        self.framework = framework or "Python"
        self.communicator = communicator or "None"
        self.command = command
        self.environment = Environment("default-environment")
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies
        self.docker = DockerConfiguration()
        self.history = HistoryConfiguration()
        self.spark = SparkConfiguration()
        self.hdi = HdiConfiguration()
        self.mpi = MpiConfiguration()
        self.pytorch = PyTorchConfiguration()
        self.tensorflow = TensorflowConfiguration()
        self.node_count = 1
        self.priority: int | None = None
        self.max_run_duration_seconds: int | None = None
        self.environment_variables: dict[str, str] = {}
        self.data_references: dict[str, Any] = {}
        self.data: dict[str, Any] = {}
        self.output_data: dict[str, Any] = {}
        self.services: dict[str, Any] = {}
        self.auto_prepare_environment = True
        self.credential_passthrough = False
        self._target: str | PipelineParameter | None = "local"
        self._file: Path | None = None  # that it was loaded from or saved to

    @property
    def target(self) -> str | PipelineParameter | None:
        """Name of the compute target, or the parameter that names it. An object may be assigned."""
        return self._target

    @target.setter
    def target(self, target: Any) -> None:
        self._target = target if isinstance(target, PipelineParameter) else name_of(target)

    @staticmethod
    def load(path: str | Path, name: str | None = None) -> RunConfiguration:
        """The run configuration in a file, or that of a name in a project's folder (.azureml/, aml_config/).

        Raises   RunConfigurationException naming every fault of the file with its line, or that there is no such file
        """
        from canalis.yaml_reading import Faults

        faults = Faults()
        made = RunConfiguration._read(_file_of(Path(path), name), faults)
        try:
            faults.raise_all()
        except YamlInvalid as error:
            raise RunConfigurationException(error.message, error, error.code) from error
        return made

    def save(
        self, path: str | Path | None = None, name: str | None = None, separate_environment_yaml: bool = False
    ) -> None:
        """Write it to a file, or under a name into .azureml of a project; without either, where it was loaded from.

        Passwords are not written.
        """
        from canalis.runconfig_yaml import as_dict
        from canalis.yaml_writing import as_yaml, write_whole

        if path is None and name is None:
            path = self._file
        if path is None and name is None:
            raise UserErrorException("A run configuration that was not loaded from a file needs a path or a name")
        target = Path(path or ".")
        if name is not None or target.is_dir():
            target = target / ".azureml" / f"{name or 'run'}.runconfig"
        write_whole(target, as_yaml(as_dict(self)))
        self._file = target

    @staticmethod
    def _read(file: Path, faults: Any) -> RunConfiguration:
        """What a file says; what is wrong with it is told to `faults`."""
        from canalis.runconfig_yaml import fill

        made = RunConfiguration()
        fill(made, file, faults)
        made._file = file
        return made


class ScriptRunConfig:
    """A script or command with how it is to be run."""

    def __init__(
        self,
        source_directory: str,
        script: str | None = None,
        arguments: list[Any] | None = None,
        run_config: RunConfiguration | None = None,
        compute_target: Any = None,
        environment: Environment | None = None,
        distributed_job_config: Any = None,
        resume_from: Any = None,
        max_run_duration_seconds: int | None = DURATION_DEFAULT_S,
        command: list[str] | str | None = None,
        docker_runtime_config: DockerConfiguration | None = None,
    ) -> None:
        self.source_directory = source_directory
        self.script = script
        self.arguments = arguments or []
        self.command = command
        self.run_config = run_config or RunConfiguration()
        if compute_target is not None:
            self.run_config.target = compute_target
        if environment is not None:
            self.run_config.environment = environment
        if max_run_duration_seconds is not None:
            self.run_config.max_run_duration_seconds = max_run_duration_seconds
        if docker_runtime_config is not None:
            self.run_config.docker = docker_runtime_config


def _file_of(path: Path, name: str | None) -> Path:
    """The file that a path or a name in a project's folder means. Raises RunConfigurationException."""
    if name is None and not path.is_dir():
        return path
    names = [name, f"{name}.runconfig"] if name is not None else []
    places = [path / folder / one for folder in (".azureml", "aml_config", "") for one in names]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        asked = f"no run configuration '{name}'" if name is not None else "a folder; name the run configuration in it"
        raise RunConfigurationException(f"'{path}': {asked}")
    return found
