"""PipelineData as a dataset, of files or of rows, for the steps that read it.

Source   reference section 5
"""

from __future__ import annotations

import copy
from typing import Any, Self

from canalis.abstract_dataset import StepDataset
from canalis.contract.tables import Parquet, Table
from canalis.exceptions import UserErrorException
from canalis.known_datasets import registration
from canalis.table_definition import defined, delimited, dropped, kept


class _PipelineOutput(StepDataset):
    """What a step writes as PipelineData and others read as a dataset. Its methods give copies of the same output."""

    def __init__(self, pipeline_data: Any, table: Table | None = None) -> None:
        self.pipeline_data = pipeline_data
        self.input_name = str(pipeline_data.output_name)
        self.mode = "mount" if table is None else "direct"
        self.path_on_compute: str | None = None
        self._table = table

    @property
    def name(self) -> str:  # type: ignore[override]
        """Its name as an output."""
        return str(self.pipeline_data.name)

    def as_named_input(self, name: str) -> Self:
        """The same, to be read by a step under that name."""
        return self._as(input_name=name)

    def register(
        self,
        name: str,
        create_new_version: bool = True,
        description: str | None = None,
        tags: dict[str, str] | None = None,
    ) -> Self:
        """The same, registered as the next version of that name when the step that writes it has succeeded."""
        if not create_new_version:
            raise UserErrorException(
                f"Each run of the step makes another '{name}', so it must be registered with create_new_version=True"
            )
        self.pipeline_data._registered_as = registration(name, description, tags, self._table)
        return self

    def _as(self, **changes: Any) -> Self:
        changed = copy.copy(self)
        vars(changed).update(changes)
        return changed

    def __str__(self) -> str:
        return str(self.pipeline_data)


class PipelineOutputFileDataset(_PipelineOutput):
    """PipelineData as files."""

    def as_mount(self, path_on_compute: str | None = None) -> Self:
        """The same, used in place by the step that reads it."""
        return self._as(mode="mount", path_on_compute=path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> Self:
        """The same, copied before the step that reads it begins."""
        return self._as(mode="download", path_on_compute=path_on_compute)

    def as_direct(self) -> Self:
        """The same, a FileDataset in the step that reads it."""
        return self._as(mode="direct", path_on_compute=None)

    def parse_delimited_files(
        self,
        include_path: bool = False,
        separator: str = ",",
        header: Any = True,
        partition_format: str | None = None,
        file_extension: str = "",
        set_column_types: Any = None,
        quoted_line_breaks: bool = False,
    ) -> PipelineOutputTabularDataset:
        """The same, read as the rows of delimited files. All of its files are, whatever their extension."""
        read = delimited(separator, header, multi_line=quoted_line_breaks)
        return self._parsed(defined(read, include_path, partition_format, set_column_types))

    def parse_parquet_files(
        self,
        include_path: bool = False,
        partition_format: str | None = None,
        file_extension: str = ".parquet",
        set_column_types: Any = None,
    ) -> PipelineOutputTabularDataset:
        """The same, read as the rows of parquet files. All of its files are, whatever their extension."""
        return self._parsed(defined(Parquet(kind="parquet"), include_path, partition_format, set_column_types))

    def _parsed(self, table: Table) -> PipelineOutputTabularDataset:
        return PipelineOutputTabularDataset(self.pipeline_data, table)._as(input_name=self.input_name)


class PipelineOutputTabularDataset(_PipelineOutput):
    """PipelineData as rows: a TabularDataset in the step that reads it."""

    _table: Table

    def keep_columns(self, columns: str | list[str]) -> Self:
        """The same with these columns alone."""
        return self._as(_table=kept(self._table, columns))

    def drop_columns(self, columns: str | list[str]) -> Self:
        """The same without these columns."""
        return self._as(_table=dropped(self._table, columns))
