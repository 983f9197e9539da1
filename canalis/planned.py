"""What v1 had and is not here: what is planned, and what will not come with what to use instead.

Source   reference sections 1 to 18, and docs/architecture.md for what is planned
"""

from __future__ import annotations

_SERVING = "serve what a run leaves with a web framework of your choice"
_AUTOML = "search with a library of your choice in a PythonScriptStep"
_ESTIMATOR = "use PythonScriptStep, whose environment and arguments say the same"
_RSCRIPT = "call Rscript in a CommandStep"
_REST = "it has nothing to do with running pipelines: take it out"

_PLANNED = """
    Module ModuleVersion ModuleStep TrainingOutput PipelineDataset
    LinkFileOutputDatasetConfig LinkTabularOutputDatasetConfig SqlDataReference
    BatchCompute RemoteCompute DsvmCompute HDInsightCompute
    SynapseCompute KustoCompute ComputeInstance KubernetesCompute
    AzureBatchStep KustoStep SynapseSparkStep MpiStep
    ParallelRunStep ParallelRunConfig HyperDriveStep HyperDriveStepRun HyperDriveConfig
    DataReferenceConfiguration
"""
_NEVER = {
    "AutoMLStep AutoMLStepRun AutoMLConfig": _AUTOML,
    "EstimatorStep Estimator": _ESTIMATOR,
    "RScriptStep": _RSCRIPT,
    "NotebookRunnerStep": "call a notebook runner such as papermill in a CommandStep",
    "AksCompute Webservice InferenceConfig": _SERVING,
}
# Of modules; what stands below one shares its fate.
_PLANNED_MODULES = """
    azureml.data.sql_data_reference
    azureml.pipeline.core.module
    azureml.pipeline.steps.azurebatch_step
    azureml.pipeline.steps.hyper_drive_step azureml.pipeline.steps.kusto_step
    azureml.pipeline.steps.module_step azureml.pipeline.steps.mpi_step azureml.pipeline.steps.parallel_run_config
    azureml.pipeline.steps.parallel_run_step azureml.pipeline.steps.synapse_spark_step
    azureml.contrib.pipeline.steps azureml.train.hyperdrive azureml_user.parallel_run
"""
_NEVER_MODULES = {
    "azureml.pipeline.steps.automl_step": _AUTOML,
    "azureml.pipeline.steps.estimator_step": _ESTIMATOR,
    "azureml.pipeline.steps.r_script_step": _RSCRIPT,
    "azureml.train.automl": _AUTOML,
    "azureml.automl": _AUTOML,
    "azureml.train.estimator": _ESTIMATOR,
    "azureml.train.dnn": _ESTIMATOR,
    "azureml.train.sklearn": _ESTIMATOR,
    "azureml.core.webservice": _SERVING,
    "azureml.core.image": _SERVING,
    "azureml.interpret": _REST,
    "azureml.explain": _REST,
    "azureml.telemetry": _REST,
    "azureml.opendatasets": "download the data, and register it with a datastore",
    "azureml.dataprep": "read files with pandas",
}
# Members of classes that are here; "" for what is planned.
MEMBERS: dict[str, dict[str, str]] = {
    "Workspace": {
        **dict.fromkeys(("delete", "update"), ""),
        "webservices": _SERVING,
    },
    "Model": {
        **dict.fromkeys(("deploy", "package", "profile", "print_configuration"), _SERVING),
        "get_sas_urls": "download() copies its files, and canalis models download",
        "deserialize": "Model(ws, id=...) finds it again",
    },
    "Pipeline": dict.fromkeys(("service_endpoint",), ""),
    "TabularDatasetFactory": {"register_dask_dataframe": "write its parts as parquet, and use from_parquet_files"},
    "ComputeTarget": dict.fromkeys(("attach_configuration",), ""),
}


def fate(name: str) -> str:
    """What to say of a name of v1 that is not here: of azureml.core.Model, Pipeline.publish; "" for an unknown."""
    owner, _, last = name.rpartition(".")
    found = MEMBERS.get(owner, {}).get(last)
    if found is None:
        found = NAMES.get(last)
    module = name
    while found is None and module:
        found = _MODULES.get(module)
        module = module.rpartition(".")[0]
    if found is None:
        return ""
    return f"will not come: {found}" if found else "is planned"


NAMES: dict[str, str] = dict.fromkeys(_PLANNED.split(), "") | {
    name: instead for names, instead in _NEVER.items() for name in names.split()
}
_MODULES = dict.fromkeys(_PLANNED_MODULES.split(), "") | _NEVER_MODULES
