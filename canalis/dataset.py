"""The way to datasets. What they are is in the files beside this one; all of them are named here.

Source   reference section 5
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canalis import known_datasets
from canalis.absent import V1
from canalis.abstract_dataset import AbstractDataset, DatasetConsumptionConfig
from canalis.dataset_factory import FileDatasetFactory, TabularDatasetFactory
from canalis.file_dataset import FileDataset
from canalis.output_dataset import OutputFileDatasetConfig, OutputTabularDatasetConfig
from canalis.table_definition import DataType, PromoteHeadersBehavior
from canalis.tabular_dataset import TabularDataset
from canalis.within import Within

__all__ = [
    "AbstractDataset",
    "DataType",
    "Dataset",
    "DatasetConsumptionConfig",
    "FileDataset",
    "FileDatasetFactory",
    "OutputFileDatasetConfig",
    "OutputTabularDatasetConfig",
    "PromoteHeadersBehavior",
    "TabularDataset",
    "TabularDatasetFactory",
]


class Dataset(V1):
    """The way to datasets: Dataset.File and Dataset.Tabular make them, and registered ones are found here."""

    File = FileDatasetFactory
    Tabular = TabularDatasetFactory
    Scenario = known_datasets.Scenario

    @staticmethod
    def get_by_name(workspace: Within, name: str, version: int | str = "latest") -> AbstractDataset:
        """The registered dataset of that name. Raises UserErrorException when there is none, or no such version."""
        return AbstractDataset._of_view(workspace, known_datasets.by_name(workspace, name, version))

    @staticmethod
    def get_by_id(workspace: Within, id: str, **ignored: Any) -> AbstractDataset:
        """The registered dataset of that id; in a step also one that it reads directly. UserErrorException for none."""
        return AbstractDataset._of_view(workspace, known_datasets.by_id(workspace, id))

    @staticmethod
    def get_all(workspace: Within) -> Mapping[str, AbstractDataset]:
        """The registered datasets by name, each in its newest version."""
        return workspace.datasets
