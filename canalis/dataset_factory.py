"""What makes datasets: of files, and of the rows in them.

Source   reference section 5
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from canalis.absent import V1
from canalis.contract.patterns import escaped
from canalis.contract.tables import QUERY_CHARS_MAX, JsonLines, Parquet, Sql, Table
from canalis.data import DataPath
from canalis.dataset_places import places_of, target_of
from canalis.exceptions import DatasetValidationError, UserErrorException
from canalis.file_dataset import FileDataset
from canalis.parameter import made_of
from canalis.table_definition import checked_encoding, defined, delimited
from canalis.table_partitions import keys_of
from canalis.tabular_dataset import TabularDataset
from canalis.within import Store


class FileDatasetFactory(V1):
    """Makes datasets of files."""

    @staticmethod
    def from_files(
        path: Any, validate: bool = True, partition_format: str | None = None, is_file: bool = False
    ) -> FileDataset:
        """A dataset of the files at one place or several: (datastore, pattern), DataPath or DataReference.

        validate           whether it is an error (UserErrorException) when nothing is there; where that is depends on
                           parameters, it is known in a run alone
        partition_format   the end of the files' paths, with {name} or {name:yyyy/MM/dd} where a value stands, which
                           filter() may ask for
        """
        dataset = FileDataset(places_of(path))
        dataset._partition_format = partition_format or ""
        keys_of(dataset._partition_format)
        is_known = not any(made_of(found) for _, found in dataset._places)
        if validate and is_known and not dataset._files():
            places = ", ".join(dataset._said())
            raise DatasetValidationError(f"No file is at {places}. Pass validate=False when it will be there later")
        return dataset

    @staticmethod
    def upload_directory(
        src_dir: str, target: Any, pattern: str | None = None, overwrite: bool = False, show_progress: bool = True
    ) -> FileDataset:
        """Copy a folder to a place, and the dataset of what is there.

        target    (datastore, path) or a DataPath; for a datastore alone, a new folder below it
        pattern   which files, as Path.rglob takes it; all when None
        Raises    UserErrorException when there is nothing to copy
        """
        store: Any
        store, path = target_of(target)
        path = path.strip("/") or str(uuid.uuid4())
        root = Path(src_dir)
        files = sorted(found for found in root.rglob(pattern or "*") if found.is_file())
        if not files:
            what = f"has no file{f' that fits {pattern!r}' if pattern else ''}" if root.is_dir() else "is no folder"
            raise UserErrorException(f"src_dir '{src_dir}' {what}, so there is nothing to upload")
        store.upload_files(
            files, relative_root=root, target_path=path, overwrite=overwrite, show_progress=show_progress
        )
        return FileDataset(places_of((store, escaped(path))))


class TabularDatasetFactory(V1):
    """Makes datasets of rows. Nothing is read but, by `validate`, the first rows of what is on this machine.

    Each takes places as Dataset.File.from_files does, and
      include_path       whether a column Path says which file a row is from
      set_column_types   {'column': DataType.to_datetime()}; what cannot be read as its type is missing
      partition_format   the end of the files' paths, with {column} or {column:yyyy/MM/dd} where a value stands
    """

    @staticmethod
    def from_delimited_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        infer_column_types: bool = True,
        set_column_types: dict[str, Any] | None = None,
        separator: str = ",",
        header: Any = True,
        partition_format: str | None = None,
        support_multi_line: bool = False,
        empty_as_string: bool = False,
        encoding: str = "utf8",
    ) -> TabularDataset:
        """The rows of delimited files. Types are found from all values, so that what is inferred loses none.

        header   whether files begin with the names of columns, or a PromoteHeadersBehavior. Without they are
                 Column1, Column2, ...
        Raises UserErrorException; DatasetValidationError, which is one, when the rows cannot be read
        """
        read = delimited(
            separator,
            header,
            infer_types=infer_column_types,
            multi_line=support_multi_line,
            empty_as_string=empty_as_string,
            encoding=checked_encoding(encoding),
        )
        return _tabular(path, defined(read, include_path, partition_format, set_column_types), validate)

    @staticmethod
    def from_parquet_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: dict[str, Any] | None = None,
        partition_format: str | None = None,
    ) -> TabularDataset:
        """The rows of parquet files."""
        return _tabular(
            path, defined(Parquet(kind="parquet"), include_path, partition_format, set_column_types), validate
        )

    @staticmethod
    def from_json_lines_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: dict[str, Any] | None = None,
        partition_format: str | None = None,
        invalid_lines: str = "error",
        encoding: str = "utf8",
    ) -> TabularDataset:
        """The rows of files whose lines are JSON objects.

        invalid_lines   error, or drop for lines that are none
        """
        if invalid_lines not in ("error", "drop"):
            raise UserErrorException(f"invalid_lines={invalid_lines!r} is none: 'error' or 'drop'")
        read = JsonLines(kind="json_lines", invalid_lines=invalid_lines, encoding=checked_encoding(encoding))
        return _tabular(path, defined(read, include_path, partition_format, set_column_types), validate)

    @staticmethod
    def from_sql_query(
        query: Any, validate: bool = True, set_column_types: dict[str, Any] | None = None, query_timeout: int = 30
    ) -> TabularDataset:
        """The rows that a database answers a query with, each time that they are read.

        query           (datastore, 'select ...'), or a DataPath of the two
        validate        whether the first row is asked for; in a step that is where the rows are read
        query_timeout   how long the answer may take, in seconds
        Raises UserErrorException; DatasetValidationError, which is one, when the database refuses the query
        """
        store, text = _query_of(query)
        if isinstance(query_timeout, bool) or not isinstance(query_timeout, int) or not 1 <= query_timeout <= 86_400:
            raise UserErrorException(f"query_timeout={query_timeout!r} is none: a whole number of seconds, 1 to 86400")
        asked = defined(Sql(kind="sql", query=text, timeout_s=query_timeout), types=set_column_types)
        return _tabular((store, ""), asked, validate)

    @staticmethod
    def register_pandas_dataframe(
        dataframe: Any,
        target: Any,
        name: str,
        description: str | None = None,
        tags: dict[str, str] | None = None,
        show_progress: bool = True,
        row_group_size: int | None = None,
        make_target_path_unique: bool = True,
    ) -> TabularDataset:
        """Write a dataframe as parquet below `target`, and register it as the next version of that name.

        target                    (datastore, path), a datastore or a DataPath
        make_target_path_unique   whether it gets a folder of its own there
        """
        if not (hasattr(dataframe, "columns") and hasattr(dataframe, "iloc")):
            raise UserErrorException(f"register_pandas_dataframe() takes a dataframe, not {type(dataframe).__name__}")
        writing = TabularDataset._writing()
        store: Store
        store, folder = writing.of_dataframe(dataframe, target, make_target_path_unique, row_group_size, show_progress)
        dataset = _tabular((store, f"{folder}/part-*.parquet"), defined(Parquet(kind="parquet")), validate=False)
        return dataset.register(store.workspace, name, description, tags, create_new_version=True)


def _query_of(query: Any) -> tuple[Store, str]:
    if isinstance(query, DataPath):
        query = (query.datastore, query.path_on_datastore)
    if not (isinstance(query, tuple) and len(query) == 2 and hasattr(query[0], "datastore_type")):
        raise UserErrorException(f"from_sql_query() takes (datastore, 'select ...'), not {query!r}")
    store, text = query
    if not isinstance(text, str) or not 0 < len(text.strip()) <= QUERY_CHARS_MAX:
        raise UserErrorException(
            f"The query of datastore '{store.name}' must be text of 1 to {QUERY_CHARS_MAX} characters"
        )
    return store, text


def _tabular(path: Any, table: Table, validate: bool) -> TabularDataset:
    dataset = TabularDataset(places_of(path))
    dataset._table = table
    is_known = not any(made_of(found) for _, found in dataset._places)
    return dataset._validated() if validate and is_known else dataset
