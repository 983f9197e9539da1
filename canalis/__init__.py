"""Canalis runs Azure ML v1 pipelines, unchanged: on a laptop, and as one serverless app.

    from canalis import Workspace, Pipeline, PythonScriptStep

What is imported from here is loaded when it is first named, so a step that only logs starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from canalis.contract.version import VERSION as __version__

_FROM = {
    "canalis.authentication": (
        "ArmTokenAuthentication AzureCliAuthentication AzureMLTokenAuthentication InteractiveLoginAuthentication "
        "MsiAuthentication ServicePrincipalAuthentication TokenAuthentication"
    ),
    "canalis.azureml": "install_as_azureml",
    "canalis.compute": "AmlCompute ComputeTarget",
    "canalis.data": ("DataPath DataPathComputeBinding DataReference InputPortBinding OutputPortBinding PipelineData"),
    "canalis.dataset": "DataType Dataset DatasetConsumptionConfig FileDataset OutputFileDatasetConfig TabularDataset",
    "canalis.datastore": "Datastore",
    "canalis.keyvault": "Keyvault",
    "canalis.conda": "CondaDependencies",
    "canalis.environment": "Environment",
    "canalis.experiment": "Experiment",
    "canalis.pipeline": "Pipeline",
    "canalis.context": "Model Run",
    "canalis.outputs": "PortDataReference",
    "canalis.parameter": "PipelineParameter",
    "canalis.published": "PublishedPipeline",
    "canalis.endpoint": "PipelineEndpoint",
    "canalis.schedule": "Schedule",
    "canalis.recurrence": "Cron ScheduleRecurrence TimeZone",
    "canalis.draft": "PipelineDraft",
    "canalis.pipeline_run": "PipelineRun StepRun",
    "canalis.runconfig": "DockerConfiguration RunConfiguration ScriptRunConfig",
    "canalis.steps": "CommandStep PythonScriptStep StepSequence",
    "canalis.widgets": "RunDetails",
    "canalis.workspace": "Workspace",
}
_HOME = {name: module for module, names in _FROM.items() for name in names.split()}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"canalis has no '{name}'")
    found = getattr(import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
