"""Folders that a step writes and others read as datasets, of files or of rows.

Source   reference section 5
"""

from __future__ import annotations

import copy
import uuid
from typing import Any, Self

from canalis.abstract_dataset import INPUT_NAME, DatasetConsumptionConfig, StepDataset
from canalis.contract.tables import Delimited, Parquet, Registration, Table
from canalis.data import DataPath
from canalis.exceptions import UserErrorException
from canalis.known_datasets import registration
from canalis.parameter import Piece, PipelineParameter, pieces_of
from canalis.table_definition import defined, delimited, dropped, kept, split
from canalis.within import Store, Writer


class OutputFileDatasetConfig(StepDataset):
    """A folder of files that a step writes and that others read. It is made before the step begins.

    destination   (datastore, path below it); the path may hold {run-id} and {output-name}, and be or hold a
                  PipelineParameter. One whose default is a DataPath names both. None is
                  (the default datastore, "dataset/{run-id}/{output-name}")
    source        the folder below the script's working folder that it is written to, and copied from when the step
                  has succeeded; None leaves the choice to the step, which hands its path over
    Its methods give copies that all stand for the same output.
    """

    def __init__(
        self,
        name: str | None = None,
        destination: tuple[Store, Piece | None] | Store | PipelineParameter | None = None,
        source: str | None = None,
        partition_format: str | None = None,
    ) -> None:
        if name is not None and not INPUT_NAME.fullmatch(name):
            raise UserErrorException(
                f"'{name}' cannot be the name of an output: a letter or _, then letters, digits and _"
            )
        self.name = name or f"output_{uuid.uuid4().hex[:8]}"
        self._parameter = destination if isinstance(destination, PipelineParameter) else None
        if self._parameter is not None and not isinstance(self._parameter.default_value, DataPath):
            raise UserErrorException(
                f"Output '{self.name}' shall lie where parameter '{self._parameter.name}' says, so its default must be "
                "a DataPath; for a parameter that is the path alone use (datastore, parameter)"
            )
        if destination is not None and not isinstance(destination, (tuple, PipelineParameter)):
            destination = (destination, None)
        self.destination: Any = destination
        self._path = pieces_of(destination[1]) if isinstance(destination, tuple) else ()
        self.source = source
        self.mode = "mount"
        self.overwrite = False
        self._source_globs: tuple[str, ...] = ()
        self._partition_format = partition_format or ""
        self._registered_as: Registration | None = None
        self._shared = _SharedOutput()

    def as_mount(self, disable_metadata_cache: bool = False) -> Self:
        """The same, written in place."""
        return self._as("mount", False, ())

    def as_upload(self, overwrite: bool = False, source_globs: str | list[str] | None = None) -> Self:
        """The same, copied to its destination when the step has succeeded.

        source_globs   patterns such as "**/*.csv", below the folder that the step writes; what fits none is not copied
        """
        globs = (source_globs,) if isinstance(source_globs, str) else tuple(source_globs or ())
        if not all(isinstance(glob, str) and glob for glob in globs):
            raise UserErrorException(
                f"source_globs={source_globs!r} of output '{self.name}' are no patterns: use ['**/*.csv']"
            )
        return self._as("upload", overwrite, globs)

    def as_input(self, name: str | None = None) -> DatasetConsumptionConfig:
        """To be read by another step: in place, or as the dataset itself when it is read as rows."""
        mode = "mount" if self._table is None else "direct"
        return DatasetConsumptionConfig(name or self.name, self, mode)

    def register_on_complete(
        self, name: str, description: str | None = None, tags: dict[str, str] | None = None
    ) -> Self:
        """The same, registered as the next version of that name when its step has succeeded."""
        changed = copy.copy(self)
        changed._registered_as = registration(name, description, tags, self._table)
        return changed

    def read_delimited_files(
        self,
        include_path: bool = False,
        separator: str = ",",
        header: Any = True,
        partition_format: str | None = None,
        path_glob: str | None = None,
        set_column_types: Any = None,
    ) -> OutputTabularDatasetConfig:
        """The same, read as the rows of delimited files."""
        return self._read(delimited(separator, header), include_path, partition_format, path_glob, set_column_types)

    def read_parquet_files(
        self,
        include_path: bool = False,
        partition_format: str | None = None,
        path_glob: str | None = None,
        set_column_types: Any = None,
    ) -> OutputTabularDatasetConfig:
        """The same, read as the rows of parquet files."""
        return self._read(Parquet(kind="parquet"), include_path, partition_format, path_glob, set_column_types)

    def _read(
        self,
        read: Delimited | Parquet,
        include_path: bool,
        partition_format: str | None,
        path_glob: str | None,
        types: Any,
    ) -> OutputTabularDatasetConfig:
        if path_glob is not None:
            raise UserErrorException(
                f"path_glob of output '{self.name}' is not taken yet: write what shall be read to an output of its own",
                code="not_there_yet",
            )
        made = OutputTabularDatasetConfig.__new__(OutputTabularDatasetConfig)
        vars(made).update(vars(self))
        made._table = defined(read, include_path, partition_format or self._partition_format, types)
        return made

    @property
    def arg_val(self) -> str:
        """What stands for its path anywhere in an argument."""
        return f"DatasetOutputConfig:{self.name}"

    def _as(self, mode: str, overwrite: bool, globs: tuple[str, ...]) -> Self:
        changed = copy.copy(self)  # shares _shared: one producer, however many copies
        changed.mode = mode
        changed.overwrite = overwrite
        changed._source_globs = globs
        return changed

    def _is_same(self, other: object) -> bool:
        return isinstance(other, OutputFileDatasetConfig) and other._shared is self._shared

    @property
    def _producer(self) -> Writer | None:
        return self._shared.producer

    def _set_producer(self, step: Writer) -> None:
        known = self._shared.producer
        if known is not None and known is not step:
            raise ValueError(
                f"Output '{self.name}' is written by step '{known.name}' already, so '{step.name}' cannot write it too"
            )
        self._shared.producer = step

    def __str__(self) -> str:
        return self.arg_val


class OutputTabularDatasetConfig(OutputFileDatasetConfig):
    """The same output, read as rows: a TabularDataset in the step that reads it."""

    _table: Table

    def keep_columns(self, columns: str | list[str]) -> Self:
        """The same with these columns alone."""
        return self._with(kept(self._table, columns))

    def drop_columns(self, columns: str | list[str]) -> Self:
        """The same without these columns."""
        return self._with(dropped(self._table, columns))

    def random_split(self, percentage: float, seed: int | None = None) -> tuple[Self, Self]:
        """Rows drawn at random, each with that probability, and the others."""
        drawn, rest = split(self._table, percentage, seed, "random_split")
        return self._with(drawn), self._with(rest)

    def _with(self, table: Table) -> Self:
        changed = copy.copy(self)
        changed._table = table
        return changed


class _SharedOutput:
    """What all copies of an output have in common."""

    producer: Writer | None = None
