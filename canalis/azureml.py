"""The azureml alias: every v1 import path that is covered, and the one finder that makes them resolve.

COVERED is the whole list. A module that stands in it exists; a name in it is ours, loaded when it is named. Any
other name of azureml fails when it is imported, and says so.

Source   reference section 1
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_WORKSPACE = {"canalis.workspace": "Workspace"}
_EXPERIMENT = {"canalis.experiment": "Experiment"}
_RUN = {"canalis.context": "Run", "canalis.run": "get_run", "canalis.logged": "_OfflineRun"}
_MODEL = {"canalis.context": "Model"}  # which knows in which workspace a step is
_KEYVAULT = {"canalis.keyvault": "Keyvault"}
_DATASTORE = {"canalis.datastore": "Datastore"}
_DATASET = {"canalis.dataset": "Dataset"}
_CONDA = {"canalis.conda": "CondaDependencies"}
_ENVIRONMENT = {**_CONDA, "canalis.environment": "Environment DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE"}
_TARGET_ERROR = {"canalis.exceptions": "ComputeTargetException"}
_PIPELINE_RUN = {"canalis.pipeline_run": "PipelineRun StepRun", "canalis.outputs": "StepRunOutput PortDataReference"}
_GRAPH = {
    "canalis.data": "PipelineData InputPortBinding OutputPortBinding",
    "canalis.parameter": "PipelineParameter",
}
_CONSUMPTION = {"canalis.dataset": "DatasetConsumptionConfig"}
_OUTPUT = {"canalis.dataset": "OutputFileDatasetConfig OutputTabularDatasetConfig"}
_PIPELINE_OUTPUT = {"canalis.pipeline_output_dataset": "PipelineOutputFileDataset PipelineOutputTabularDataset"}

_PUBLISHED = {"canalis.published": "PublishedPipeline"}
_ENDPOINT = {"canalis.endpoint": "PipelineEndpoint"}
_DRAFT = {"canalis.draft": "PipelineDraft"}
_SCHEDULE = {"canalis.schedule": "Schedule", "canalis.recurrence": "ScheduleRecurrence TimeZone"}
_DATABRICKS = {"canalis.databricks_step": "DatabricksStep"}
_TRANSFER = {"canalis.data_transfer_step": "DataTransferStep"}
_ADLA = {"canalis.adla_step": "AdlaStep"}
_REFUSED = {"canalis.exceptions": "ErrorResponseException"}

Home = dict[str, str]  # our module -> names in it

COVERED: dict[str, Home] = {
    "azureml": {},
    "azureml.core": {
        **_WORKSPACE,
        **_EXPERIMENT,
        **_RUN,
        "canalis.context": "Model Run",
        **_DATASTORE,
        **_KEYVAULT,
        **_DATASET,
        "canalis.environment": "Environment",
        "canalis.runconfig": "RunConfiguration ScriptRunConfig",
        "canalis.compute": "ComputeTarget",
        "canalis.contract.version": "VERSION:V1_VERSION",
    },
    "azureml.core.workspace": _WORKSPACE,
    "azureml.core.experiment": _EXPERIMENT,
    "azureml.core.run": _RUN,
    "azureml.core.model": _MODEL,
    "azureml.core.resource_configuration": {"canalis.resource_configuration": "ResourceConfiguration"},
    "azureml.core.datastore": _DATASTORE,
    "azureml.core.keyvault": _KEYVAULT,
    "azureml.core.dataset": _DATASET,
    "azureml.core.environment": _ENVIRONMENT,
    "azureml.core.conda_dependencies": _CONDA,
    "azureml.core.runconfig": {
        "canalis.runconfig": (
            "RunConfiguration CondaDependencies DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE MpiConfiguration "
            "PyTorchConfiguration TensorflowConfiguration DockerConfiguration"
        ),
    },
    "azureml.core.script_run_config": {"canalis.runconfig": "ScriptRunConfig"},
    "azureml.core.script_run": {"canalis.script_run": "ScriptRun"},
    "azureml.core.compute": {
        "canalis.compute": "ComputeTarget AmlCompute AdlaCompute DatabricksCompute DataFactoryCompute BackendCompute",
        **_TARGET_ERROR,
    },
    "azureml.core.compute_target": {**_TARGET_ERROR, "canalis.compute": "ComputeTarget"},
    "azureml.core.databricks": {
        "canalis.databricks_libraries": "MavenLibrary PyPiLibrary RCranLibrary JarLibrary EggLibrary"
    },
    "azureml.core.authentication": {
        "canalis.authentication": (
            "InteractiveLoginAuthentication AzureCliAuthentication ServicePrincipalAuthentication MsiAuthentication "
            "ArmTokenAuthentication TokenAuthentication AzureMLTokenAuthentication"
        ),
    },
    "azureml.exceptions": {
        "canalis.exceptions": (
            "AzureMLException UserErrorException AuthenticationException WorkspaceException ProjectSystemException "
            "ComputeTargetException ExperimentExecutionException RunEnvironmentException RunConfigurationException "
            "SnapshotException TrainingException WebserviceException ModelNotFoundException "
            "ModelPathNotFoundException ActivityFailedException ParallelRunException ServiceException"
        ),
    },
    "azureml.data": {
        "canalis.dataset": (
            "FileDataset TabularDataset OutputFileDatasetConfig OutputTabularDatasetConfig "
            "DatasetConsumptionConfig DataType"
        ),
        "canalis.data": "DataPath DataPathComputeBinding DataReference",
    },
    "azureml.data.data_reference": {"canalis.data": "DataReference"},
    "azureml.data.datapath": {"canalis.data": "DataPath DataPathComputeBinding"},
    "azureml.data.dataset_consumption_config": _CONSUMPTION,
    "azureml.data.abstract_dataset": {"canalis.dataset": "AbstractDataset"},
    "azureml.data.dataset_factory": {"canalis.dataset": "FileDatasetFactory TabularDatasetFactory DataType"},
    "azureml.data.dataset_type_definitions": {"canalis.dataset": "PromoteHeadersBehavior"},
    "azureml.data.dataset_error_handling": {"canalis.exceptions": "DatasetValidationError DatasetExecutionError"},
    "azureml.data.tabular_dataset": {"canalis.dataset": "TabularDataset"},
    "azureml.pipeline.core.pipeline_output_dataset": _PIPELINE_OUTPUT,
    "azureml.data.file_dataset": {"canalis.dataset": "FileDataset"},
    "azureml.data.output_dataset_config": _OUTPUT,
    "azureml.data.azure_storage_datastore": {
        "canalis.datastore_kinds": "AzureBlobDatastore AzureFileDatastore AbstractAzureStorageDatastore"
    },
    "azureml.data.azure_data_lake_datastore": {
        "canalis.datastore_kinds": "AzureDataLakeDatastore AzureDataLakeGen2Datastore"
    },
    "azureml.data.azure_sql_database_datastore": {"canalis.databases": "AzureSqlDatabaseDatastore"},
    "azureml.data.azure_postgre_sql_datastore": {"canalis.databases": "AzurePostgreSqlDatastore"},
    "azureml.data.azure_my_sql_datastore": {"canalis.databases": "AzureMySqlDatastore"},
    "azureml.data.dbfs_datastore": {"canalis.datastore_kinds": "DBFSDatastore"},
    "azureml.data.hdfs_datastore": {"canalis.datastore_kinds": "HDFSDatastore"},
    "azureml.data.abstract_datastore": {"canalis.datastore_kinds": "AbstractDatastore"},
    "azureml.data.datastore": _DATASTORE,
    "azureml.pipeline": {},
    "azureml.pipeline.core": {
        "canalis.pipeline": "Pipeline",
        **_PUBLISHED,
        **_ENDPOINT,
        **_DRAFT,
        **_SCHEDULE,
        "canalis.steps": "StepSequence PipelineStep",
        **_GRAPH,
        **_PIPELINE_OUTPUT,
        **_PIPELINE_RUN,
    },
    "azureml.pipeline.core.pipeline": {"canalis.pipeline": "Pipeline"},
    "azureml.pipeline.core.pipeline_endpoint": _ENDPOINT,
    "azureml.pipeline.core.pipeline_draft": _DRAFT,
    "azureml.pipeline.core.schedule": _SCHEDULE,
    # Private, and caught by scripts all the same when an endpoint is not there.
    "azureml.pipeline.core._restclients": {},
    "azureml.pipeline.core._restclients.aeva": {},
    "azureml.pipeline.core._restclients.aeva.models": _REFUSED,
    "azureml.pipeline.core._restclients.aeva.models.error_response": _REFUSED,
    "azureml.pipeline.core.graph": {**_GRAPH, **_PUBLISHED},
    "azureml.pipeline.core.builder": {"canalis.steps": "StepSequence PipelineStep", "canalis.data": "PipelineData"},
    "azureml.pipeline.core.run": _PIPELINE_RUN,
    "azureml.pipeline.steps": {"canalis.steps": "PythonScriptStep CommandStep", **_ADLA, **_DATABRICKS, **_TRANSFER},
    "azureml.pipeline.steps.adla_step": _ADLA,
    "azureml.pipeline.steps.python_script_step": {"canalis.steps": "PythonScriptStep"},
    "azureml.pipeline.steps.databricks_step": _DATABRICKS,
    "azureml.pipeline.steps.data_transfer_step": _TRANSFER,
    "azureml.pipeline.steps.command_step": {"canalis.steps": "CommandStep"},
    "azureml.widgets": {"canalis.widgets": "RunDetails"},
}

_ALIAS = Path(__file__).parent / "alias"


def install_as_azureml() -> None:
    """Make `import azureml...` mean Canalis in this process. One line, before the first such import.

    Raises ImportError when the original packages are installed here, since the two cannot share one name.
    """
    refuse_the_original()
    if str(_ALIAS) not in sys.path:
        sys.path.insert(0, str(_ALIAS))
    install_finder()


def install_finder() -> None:
    """Make the modules below azureml resolve. Called by the alias package itself when it is imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def refuse_the_original() -> None:
    """Raise ImportError when the original azureml packages are installed in this environment."""
    for entry in sys.path:
        found = Path(entry or ".") / "azureml" / "core"
        if found.is_dir():
            raise ImportError(
                f"The original azureml packages are installed in this environment ({found}). Canalis takes their "
                "place under the same name, so the two cannot be together: uninstall them (pip uninstall azureml-core "
                "azureml-pipeline ...), or make a new virtual environment for Canalis"
            )


def coverage() -> dict[str, list[str]]:
    """The names of each covered module, by module."""
    return {
        module: sorted(entry.partition(":")[0] for names in homes.values() for entry in names.split())
        for module, homes in COVERED.items()
    }


class _Finder(MetaPathFinder):
    """Finds the modules of COVERED, and says of others below azureml that they are not there."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a covered module; None for what is not below azureml."""
        if fullname == "azureml" or not fullname.startswith("azureml."):
            return None
        if fullname not in COVERED:
            raise ModuleNotFoundError(_advice(fullname), name=fullname)
        return ModuleSpec(fullname, _Loader(), is_package=any(other.startswith(f"{fullname}.") for other in COVERED))


class _Loader(Loader):
    """Makes a covered module: its names are loaded when they are named."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module."""
        name = module.__name__
        homes = {}
        for home, names in COVERED[name].items():
            for entry in names.split():
                public, _, ours = entry.partition(":")
                homes[public] = (home, ours or public)
        module.__all__ = sorted(homes)  # type: ignore[attr-defined]
        module.__getattr__ = _Names(name, homes)  # type: ignore[method-assign]


class _Names:
    """Gives the names of a module when they are asked for."""

    def __init__(self, module: str, homes: dict[str, tuple[str, str]]) -> None:
        self._module = module
        self._homes = homes

    def __call__(self, name: str) -> Any:
        if name in self._homes:
            home, ours = self._homes[name]
            found = getattr(importlib.import_module(home), ours)
            setattr(sys.modules[self._module], name, found)
            return found
        if name.startswith("__"):
            raise AttributeError(name)
        if f"{self._module}.{name}" in COVERED:
            return importlib.import_module(f"{self._module}.{name}")
        raise ImportError(_advice(f"{self._module}.{name}", self._homes), name=self._module)


def _advice(name: str, there: Iterable[str] = ()) -> str:
    from canalis.absent import said_of

    return f"{said_of(name, there)}. An import that is not used can be taken out"
