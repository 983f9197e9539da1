"""What a registered model is: all that can be read of one.

Source   reference section 17
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from canalis import known_models
from canalis.absent import V1
from canalis.abstract_dataset import AbstractDataset
from canalis.answers import of_models
from canalis.exceptions import WebserviceException
from canalis.resource_configuration import ResourceConfiguration, as_document
from canalis.within import Within


class ModelFacts(V1):
    """What the service says of a model.

    workspace   the one that it is in
    """

    workspace: Within
    _view: dict[str, Any]

    @property
    def name(self) -> str:
        """The name that it is registered by."""
        return str(self._view["name"])

    @property
    def version(self) -> int:
        """Its version under that name, from 1 on."""
        return int(self._view["version"])

    @property
    def id(self) -> str:
        """Its name and its version: name:version."""
        return str(self._view["id"])

    @property
    def description(self) -> str | None:
        """What was said of it."""
        return self._view["description"] or None

    @property
    def tags(self) -> dict[str, str]:
        """What it is tagged with."""
        return dict(self._view["tags"])

    @property
    def properties(self) -> dict[str, str]:
        """What was written down about it for ever."""
        return dict(self._view["properties"])

    @property
    def created_time(self) -> datetime:
        """When it was registered, in UTC."""
        return datetime.fromtimestamp(self._view["created_at"], UTC)

    @property
    def created_by(self) -> str:
        """Who has registered it."""
        return str(self._view["created_by"])

    @property
    def run_id(self) -> str | None:
        """Id of the run that it comes from, if that is known."""
        return self._view["run"] or None

    @property
    def run(self) -> Any:
        """The run that it comes from, if that is known."""
        if self.run_id is None:
            return None
        client = self.workspace._client
        return self.workspace._run(of_models(lambda: client.get(f"/runs/{quote(str(self.run_id))}")))

    @property
    def experiment_name(self) -> str | None:
        """Name of the experiment of that run."""
        return self._view["experiment"] or None

    @property
    def model_framework(self) -> str | None:
        """What it was made with."""
        return self._view["framework"] or None

    @property
    def model_framework_version(self) -> str | None:
        """Which version of that."""
        return self._view["framework_version"] or None

    @property
    def datasets(self) -> dict[str, list[AbstractDataset]]:
        """The datasets that it was made with, by scenario."""
        found: dict[str, list[AbstractDataset]] = {}
        for one in self._view["datasets"]:
            found.setdefault(one["scenario"], []).append(self._dataset(one["dataset"]))
        return found

    @property
    def sample_input_dataset(self) -> AbstractDataset | None:
        """An example of what it reads."""
        return self._dataset(self._view["sample_input"]) if self._view["sample_input"] else None

    @property
    def sample_output_dataset(self) -> AbstractDataset | None:
        """An example of what it says."""
        return self._dataset(self._view["sample_output"]) if self._view["sample_output"] else None

    @property
    def resource_configuration(self) -> ResourceConfiguration | None:
        """What it wants of the machine that serves it, if that was said."""
        wanted = self._view.get("resources")
        return ResourceConfiguration(**wanted) if wanted else None

    @property
    def url(self) -> str:
        """Where the service has its files."""
        return f"{self.workspace._client.endpoint.url}/api/v1{self._path}/files"

    def serialize(self) -> dict[str, Any]:
        """What is known of it, as JSON has it, under v1's names."""
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "tags": self.tags,
            "properties": self.properties,
            "createdTime": self.created_time.isoformat(),
            "createdBy": self.created_by,
            "runId": self.run_id,
            "experimentName": self.experiment_name,
            "framework": self.model_framework,
            "frameworkVersion": self.model_framework_version,
            "datasets": {name: [one.id for one in found] for name, found in self.datasets.items()},
            "url": self.url,
            "unpack": False,
        }

    def _dataset(self, value: dict[str, Any]) -> AbstractDataset:
        facts = {"places": value["places"], "table": value.get("table"), **(value["registered"] or {})}
        return AbstractDataset._of_view(self.workspace, facts)

    @property
    def _path(self) -> str:
        return f"/models/{quote(self.id, safe='')}"

    def __repr__(self) -> str:
        return f"Model(workspace={self.workspace!r}, name={self.name}, id={self.id}, version={self.version})"


def described(
    tags: Any = None,
    properties: Any = None,
    description: str | None = None,
    datasets: Any = None,
    sample_input_dataset: Any = None,
    sample_output_dataset: Any = None,
    resource_configuration: Any = None,
) -> dict[str, Any]:
    """What an author says of a model, as the service takes it. Raises WebserviceException."""
    samples = {"sample_input": sample_input_dataset, "sample_output": sample_output_dataset}
    resources = {} if resource_configuration is None else {"resources": as_document(resource_configuration)}
    return {
        **resources,
        "tags": known_models.words("Tags", tags),
        "properties": known_models.words("Properties", properties),
        "description": description or "",
        "datasets": references(datasets or ()),
        **{name: _value(dataset) for name, dataset in samples.items() if dataset is not None},
    }


def references(datasets: Any) -> list[dict[str, Any]]:
    """The datasets of a model, as the service takes them. Raises WebserviceException."""
    pairs = [one if isinstance(one, (tuple, list)) and len(one) == 2 else (None, None) for one in datasets]
    if any(not isinstance(scenario, str) for scenario, _ in pairs):
        raise WebserviceException("Datasets of a model are [(scenario, dataset)], such as [('training', dataset)]")
    return [{"scenario": scenario, "dataset": _value(dataset)} for scenario, dataset in pairs]


def _value(dataset: Any) -> dict[str, Any]:
    if not isinstance(dataset, AbstractDataset):
        raise WebserviceException(f"A model refers to datasets, not to {dataset!r:.200}")
    return dataset._as_value().model_dump(mode="json")
