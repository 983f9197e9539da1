"""Datasets of rows, which are read when they are asked for.

Source   reference section 5
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self, TypeVar

from canalis.abstract_dataset import AbstractDataset
from canalis.contract.tables import Filter, Sql, Table
from canalis.dataset_expression import DatasetExpression, column
from canalis.exceptions import DatasetValidationError, UserErrorException
from canalis.file_dataset import FileDataset
from canalis.listing import files_at
from canalis.table_definition import dropped, first, kept, names_of, rest, split
from canalis.table_files import at_hand, in_place
from canalis.table_partitions import keys_of

if TYPE_CHECKING:
    from canalis import table_writing

_Output = TypeVar("_Output")


class TabularDataset(AbstractDataset, has_rows=True):
    """Rows in files of datastores: where they lie, how they are read and what becomes of them, but no data."""

    _table: Table

    def to_pandas_dataframe(self, on_error: str = "null", out_of_range_datetime: str = "null") -> Any:
        """All its rows in memory, as pandas has them.

        on_error                null, or fail for a value that is not of the type that set_column_types says, a line
                                with more or fewer values than there are columns, and a column of which files differ
        out_of_range_datetime   null, or fail (or error) for a datetime that pandas cannot hold in nanoseconds
        Raises UserErrorException; DatasetExecutionError, which is one, for files that are not what they should be
        """
        if on_error not in ("null", "fail") or out_of_range_datetime not in ("null", "fail", "error"):
            raise UserErrorException("on_error and out_of_range_datetime are 'null' or 'fail'")
        _need("pandas", "to_pandas_dataframe()")
        rows = [self._arrow(strict=on_error == "fail")]
        from canalis.table_types import within_pandas

        rows[0] = within_pandas(rows[0], may_be_outside=out_of_range_datetime == "null")
        # The Arrow table is let go of column by column, so that the rows are never in memory twice.
        return rows.pop().to_pandas(split_blocks=True, self_destruct=True)

    def to_spark_dataframe(self) -> Any:
        """All its rows as a dataframe of the Spark session that is active, or of a new one."""
        _need("pyspark", "to_spark_dataframe()")
        from pyspark.sql import SparkSession

        return SparkSession.builder.getOrCreate().createDataFrame(self.to_pandas_dataframe())

    def take(self, count: int) -> Self:
        """The first rows alone."""
        return self._with(first(self._table, count))

    def skip(self, count: int) -> Self:
        """All but the first rows."""
        return self._with(rest(self._table, count))

    def take_sample(self, probability: float, seed: int | None = None) -> Self:
        """Rows drawn at random, each with that probability; always the same rows of the same files."""
        return self._with(split(self._table, probability, seed, "take_sample")[0])

    def random_split(self, percentage: float, seed: int | None = None) -> tuple[Self, Self]:
        """Rows drawn at random, each with that probability, and the others."""
        drawn, others = split(self._table, percentage, seed, "random_split")
        return self._with(drawn), self._with(others)

    def keep_columns(self, columns: str | list[str], validate: bool = False) -> Self:
        """These columns alone. validate reads the first row, to see whether they are there."""
        return self._with(kept(self._table, columns))._checked(validate)

    def drop_columns(self, columns: str | list[str]) -> Self:
        """All but these columns."""
        return self._with(dropped(self._table, columns))

    def filter(self, expression: DatasetExpression) -> Self:
        """The rows alone for which a condition holds: dataset.filter(dataset['age'] >= 18)."""
        if not isinstance(expression, DatasetExpression):
            raise UserErrorException(
                f"filter() takes a condition on columns such as dataset['age'] >= 18, not {expression!r}"
            )
        return self._with(self._table.then(Filter(kind="filter", where=expression._condition)))

    def __getitem__(self, key: str) -> DatasetExpression:
        if not isinstance(key, str):
            raise UserErrorException(f"dataset[...] takes the name of a column, for filter(); not {key!r}")
        return column(key)

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("A dataset is not read row by row; dataset.to_pandas_dataframe() has them")

    # Partitions

    @property
    def partition_keys(self) -> list[str]:
        """The columns whose values stand in the paths of its files."""
        return keys_of(self._table.partition_format)

    def partition_by(
        self,
        partition_keys: str | list[str],
        target: Any,
        name: str | None = None,
        show_progress: bool = True,
        partition_as_file_dataset: bool = False,
    ) -> AbstractDataset:
        """Write its rows to a new folder below `target`, in parquet files apart by their values in some columns.

        target   (datastore, path), a datastore or a DataPath
        name     what the dataset of these files is registered by, if at all
        """
        keys = names_of(partition_keys, "partition_by")
        made = self._writing().partitioned(self._arrow(), keys, target, show_progress)
        dataset: AbstractDataset = FileDataset([made.place]) if partition_as_file_dataset else self._of(made)
        return dataset.register(made.place[0].workspace, name, create_new_version=True) if name else dataset

    def get_partition_key_values(self, partition_keys: str | list[str] | None = None) -> Any:
        """The combinations of values that the partition keys, or some of them, have; as pandas has them."""
        keys = list(names_of(partition_keys or self.partition_keys, "get_partition_key_values"))
        unknown = [key for key in keys if key not in self.partition_keys]
        if unknown:
            raise UserErrorException(f"{unknown[0]!r} is no partition key of {self!r} (it has: {self.partition_keys})")
        return self.keep_columns(keys).to_pandas_dataframe().drop_duplicates().reset_index(drop=True)

    # Time

    @property
    def timestamp_columns(self) -> tuple[str | None, str | None]:
        """The columns that say when a row happened: exactly, and as coarsely as files are apart."""
        exact, coarse = self._table.timestamps
        return exact or None, coarse or None

    def with_timestamp_columns(
        self,
        timestamp: str | None = None,
        partition_timestamp: str | None = None,
        validate: bool = False,
        **old: Any,
    ) -> Self:
        """The same, with columns that say when a row happened, for time_before() and the others."""
        exact = timestamp or old.get("fine_grain_timestamp") or ""
        coarse = partition_timestamp or old.get("coarse_grain_timestamp") or ""
        if coarse and not exact:
            raise UserErrorException("with_timestamp_columns() needs timestamp= where it has partition_timestamp=")
        table = self._table.model_copy(update={"timestamps": (exact, coarse)})
        changed = self._with(table)
        if validate and exact:
            changed.keep_columns([name for name in (exact, coarse) if name], validate=True)
        return changed

    def time_before(self, end_time: datetime, include_boundary: bool = True, validate: bool = True) -> Self:
        """The rows that happened before that time."""
        when = self._when("time_before")
        return self.filter(when <= end_time if include_boundary else when < end_time)

    def time_after(self, start_time: datetime, include_boundary: bool = True, validate: bool = True) -> Self:
        """The rows that happened after that time."""
        when = self._when("time_after")
        return self.filter(when >= start_time if include_boundary else when > start_time)

    def time_between(
        self, start_time: datetime, end_time: datetime, include_boundary: bool = True, validate: bool = True
    ) -> Self:
        """The rows that happened between two times."""
        if end_time < start_time:
            raise UserErrorException(f"time_between() ends at {end_time}, before it begins at {start_time}")
        return self.time_after(start_time, include_boundary).time_before(end_time, include_boundary)

    def time_recent(self, time_delta: timedelta, include_boundary: bool = True, validate: bool = True) -> Self:
        """The rows that happened in so much time until now, by the clock in UTC."""
        from datetime import UTC

        return self.time_after(datetime.now(UTC).replace(tzinfo=None) - time_delta, include_boundary)

    # Files

    def to_csv_files(self, separator: str = ",") -> FileDataset:
        """Its rows as they are now, in a delimited file of the default datastore."""
        return FileDataset([self._writing().delimited(self._arrow(), self._workspace, separator)])

    def to_parquet_files(self) -> FileDataset:
        """Its rows as they are now, in a parquet file of the default datastore."""
        return FileDataset([self._writing().parquet(self._arrow(), self._workspace)])

    # How it is read

    def _arrow(self, strict: bool = False) -> Any:
        """Its rows as an Arrow table."""
        _need("pyarrow", "Reading a tabular dataset")
        from canalis.table_rows import rows_of

        if isinstance(self._table.read, Sql):
            from canalis.table_sql import rows_asked_for

            return rows_asked_for(self._table, self._places[0][0], strict)
        files = self._files()
        if not files:
            raise DatasetValidationError(f"No file is at {', '.join(self._said())}, so there are no rows to read")
        return rows_of(self._table, lambda: at_hand(files), strict)

    def _checked(self, is_wanted: bool = True) -> Self:
        """The same. Raises DatasetValidationError when its first row cannot be read."""
        if is_wanted:
            try:
                self.take(1)._arrow()
            except DatasetValidationError:
                raise
            except UserErrorException as error:
                raise DatasetValidationError(error.message, error) from error
        return self

    def _validated(self) -> Self:
        """The same. Raises DatasetValidationError when there is no file, or the first one here cannot be read.

        What is elsewhere is not fetched for that, and without pyarrow nothing is read.
        """
        if isinstance(self._table.read, Sql):
            return self._checked()
        files = self._files()
        if not files:
            places = ", ".join(self._said())
            raise DatasetValidationError(f"No file is at {places}. Pass validate=False when it will be there later")
        is_here = all(in_place(store, path) is not None for store, path, _ in files)
        return self._checked(is_here and find_spec("pyarrow") is not None)

    def _files(self) -> Any:
        paths = [place.path for place in self._as_value().places]
        return files_at([(store, path) for (store, _), path in zip(self._places, paths, strict=True)])

    def _with(self, table: Table) -> Self:
        """The same files, read in another way: that has no name."""
        changed = copy.copy(self)
        changed._table = table
        changed._registered, changed.description, changed.tags = None, None, {}
        return changed

    def _of(self, made: table_writing.Partitions) -> TabularDataset:
        dataset = TabularDataset([made.place])
        dataset._table = made.table
        return dataset

    def _when(self, asked: str) -> DatasetExpression:
        if not self._table.timestamps[0]:
            raise UserErrorException(
                f"{asked}() needs to know the time of a row: with_timestamp_columns(timestamp='column')"
            )
        return column(self._table.timestamps[0])

    @property
    def _workspace(self) -> Any:
        return self._places[0][0].workspace

    @staticmethod
    def _writing() -> Any:
        _need("pyarrow", "Writing a tabular dataset")
        from canalis import table_writing

        return table_writing


def _need(package: str, asked: str) -> None:
    """Raise UserErrorException when a package is not there that an author brings along."""
    if find_spec(package) is None:
        how = "canalis[tables]" if package == "pyarrow" else package
        raise UserErrorException(
            f"{asked} needs {package}, which is not in this interpreter's packages: pip install '{how}'",
            code="package_missing",
        )
