"""Rows as files in a datastore. Only where rows are written is this loaded, and pyarrow with it."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from canalis.contract.tables import Parquet, Table
from canalis.dataset_places import target_of
from canalis.exceptions import UserErrorException
from canalis.table_reading import no_column
from canalis.within import Store, Within

_FOLDER = "managed-dataset"  # below the default datastore, for what names no place
_FILES_MAX = 10_000


class Partitions(NamedTuple):
    """Rows that were written apart: where, and how they are read again."""

    place: tuple[Store, str]
    table: Table


def delimited(rows: Any, workspace: Within, separator: str) -> tuple[Store, str]:
    """Rows as a delimited file of the default datastore; its folder."""
    if len(separator.encode()) != 1:
        raise UserErrorException(f"separator={separator!r} is none: use one sign, such as ',' or '\\t'")
    options = pyarrow.csv.WriteOptions(delimiter=separator, quoting_style="needed")
    return _written(workspace, "part-00000.csv", lambda file: pyarrow.csv.write_csv(rows, file, options))


def parquet(rows: Any, workspace: Within) -> tuple[Store, str]:
    """Rows as a parquet file of the default datastore; its folder."""
    return _written(workspace, "part-00000.parquet", lambda file: pyarrow.parquet.write_table(rows, file))


def of_dataframe(
    dataframe: Any, target: Any, is_unique: bool, row_group_size: int | None, show_progress: bool
) -> tuple[Store, str]:
    """A dataframe of pandas as a parquet file below `target`; its folder, which is new when `is_unique`."""
    store, path = target_of(target)
    try:
        rows = pa.Table.from_pandas(dataframe, preserve_index=False)
    except (pa.lib.ArrowInvalid, pa.lib.ArrowTypeError) as error:
        raise UserErrorException(f"The dataframe cannot be written as parquet: {error}", error) from error
    folder = "/".join(part for part in (path.strip("/"), str(uuid.uuid4()) if is_unique else "") if part)

    def write(file: Path) -> None:
        pyarrow.parquet.write_table(rows, file, row_group_size=row_group_size)

    _send(store, folder, [("part-00000.parquet", write)], show_progress)
    return store, folder


def partitioned(rows: Any, keys: Sequence[str], target: Any, show_progress: bool) -> Partitions:
    """Rows in a new folder below `target`, a parquet file for each combination of the keys' values."""
    unknown = [key for key in keys if key not in rows.column_names]
    if unknown:
        raise UserErrorException(no_column(unknown, rows.column_names, "partition_by()"))
    store, path = target_of(target)
    found = rows.group_by(list(keys)).aggregate([]).to_pylist()
    if not found or len(found) > _FILES_MAX:
        raise UserErrorException(
            f"partition_by() would write {len(found)} files, one for each combination of {', '.join(keys)}; 1 to "
            f"{_FILES_MAX} can be"
        )
    folder = "/".join(part for part in (path.strip("/"), str(uuid.uuid4())) if part)
    names = {"/".join(quote(str(value), safe=" ") or "%20" for value in one.values()): one for one in found}

    def writing(values: dict[str, Any]) -> Callable[[Path], None]:
        return lambda file: pyarrow.parquet.write_table(rows.filter(_are(values)), file)

    files = [(f"{name}/data.parquet", writing(values)) for name, values in names.items()]
    _send(store, folder, files, show_progress)
    format = "/" + "/".join(f"{{{key}}}" for key in keys) + "/data.parquet"
    return Partitions((store, f"{folder}/**/*.parquet"), Table(read=Parquet(kind="parquet"), partition_format=format))


def _are(values: dict[str, Any]) -> Any:
    conditions = [pc.field(key).is_null() if value is None else pc.field(key) == value for key, value in values.items()]
    every = conditions[0]
    for one in conditions[1:]:
        every &= one
    return every


def _written(workspace: Any, name: str, write: Callable[[Path], Any]) -> tuple[Store, str]:
    store, folder = workspace.get_default_datastore(), f"{_FOLDER}/{uuid.uuid4()}"
    _send(store, folder, [(name, write)], show_progress=False)
    return store, folder


def _send(store: Any, folder: str, files: Sequence[tuple[str, Callable[[Path], Any]]], show_progress: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="canalis-table-") as made:
        paths = list(_made(Path(made), files))
        store.upload_files(paths, relative_root=made, target_path=folder, show_progress=show_progress)


def _made(root: Path, files: Sequence[tuple[str, Callable[[Path], Any]]]) -> Iterator[Path]:
    for name, write in files:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file)
        yield file
