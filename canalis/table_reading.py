"""Files as Arrow tables, one after the other. Only where rows are read is this loaded, and pyarrow with it."""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from canalis.contract.tables import Delimited, JsonLines, Table
from canalis.exceptions import DatasetExecutionError
from canalis.table_partitions import keys_of, values_in
from canalis.table_ragged import mended
from canalis.table_types import as_text, converted, usual

PATH = "Path"  # the column that include_path makes
_BLOCK_BYTES = 2**21  # of text that is read at once; a row must fit in one
_RAGGED = "Expected"  # Arrow's word for a line with more or fewer values than there are columns
_LINE_BYTES_MAX = 2**16  # of a file that may be nothing but its header
_CODECS = {"utf8bom": "utf-8-sig", "iso88591": "latin-1", "windows1252": "cp1252"}
_PLAIN = ("utf-8", "utf-8-sig", "ascii")  # what Arrow reads by itself

File = tuple[str, Path]  # its path in its datastore, and where it is on this machine


class TypesChange(Exception):
    """A part of a file does not fit the types that its beginning has, or cannot be read by itself."""


def tables_in(
    files: Iterable[File], table: Table, strict: bool, in_parts: bool, texts: Collection[str] = ()
) -> Iterator[Any]:
    """The rows of files as they are read, before any operation; a table for each file or part of one.

    strict     whether a value that does not fit the type that was said, or a line with more or fewer values than
               there are columns, is an error, and not missing
    texts      columns that shall be text, as it is written
    in_parts   whether a file is read little by little, for those who want its beginning only. Raises TypesChange
    Raises     DatasetExecutionError for what cannot be read, naming the file
    """
    reader = _Text(table.read, (*table.types, *texts), strict) if isinstance(table.read, Delimited) else None
    empty, has_some = list[str](), False
    for name, path in files:
        if _is_blank(path):
            empty.append(name)
            continue
        has_some = True
        try:
            if reader is not None:
                found = reader.parts(name, path) if in_parts else iter([reader.whole(name, path)])
            elif isinstance(table.read, JsonLines):
                found = iter([_json_lines(path, table.read)])
            else:
                found = _parquet(path, in_parts)
            for part in found:
                yield finished(part, name, table, strict, texts)
        except (pa.lib.ArrowInvalid, UnicodeError, pa.lib.ArrowNotImplementedError, OSError) as error:
            raise DatasetExecutionError(f"{name} cannot be read: {_why(error, table)}", error) from error
    if empty and not has_some:
        raise DatasetExecutionError(
            f"{empty[0]} is empty{f', like {len(empty) - 1} more' if empty[1:] else ''}: nothing says which "
            "columns there are. A file without rows needs the line with their names; whoever writes it may have failed"
        )


def _is_blank(path: Path) -> bool:
    size = path.stat().st_size
    return size == 0 or (size < _LINE_BYTES_MAX and not path.read_bytes().strip())


class _Text:
    """Reads delimited files; what the first one says of its columns may hold for the others."""

    def __init__(self, read: Delimited, said: tuple[str, ...], strict: bool) -> None:
        self._read = read
        self._strict = strict
        self._said = said
        self._first: tuple[str, list[str]] | None = None
        self._codec = _codec(read.encoding)

    def whole(self, name: str, path: Path) -> Any:
        """The rows of a file."""
        found = self._once(name, path, {})
        # Arrow takes 12:30 for a time of day, which v1 did not know: what was written stands.
        times = [field.name for field in found.schema if pa.types.is_time(field.type)]
        if times:
            found = self._once(name, path, dict.fromkeys(times, pa.string()))
        return self._checked(found, name)

    def _once(self, name: str, path: Path, types: dict[str, Any]) -> Any:
        try:
            return pyarrow.csv.read_csv(self._source(path), self._options(), self._parsing(), self._types(types))
        except pa.lib.ArrowInvalid as error:
            if self._strict or _RAGGED not in str(error):
                raise
            found = mended(
                partial(self._source, path), self._read, name, self._options(), lambda more: self._types(types | more)
            )
            if found is None:
                raise
            return found

    def parts(self, name: str, path: Path) -> Iterator[Any]:
        """The same, part by part."""
        try:
            opening = pyarrow.csv.open_csv(self._source(path), self._options(), self._parsing(), self._types({}))
        except pa.lib.ArrowInvalid as error:
            raise TypesChange from error  # or what is read as a whole says what is wrong
        with opening as opened:
            if any(pa.types.is_time(field.type) for field in opened.schema):
                raise TypesChange
            yield self._checked(opened.schema.empty_table(), name)  # a header without rows says its columns, too
            while True:
                try:
                    batch = opened.read_next_batch()
                except StopIteration:
                    return
                except pa.lib.ArrowInvalid as error:
                    raise TypesChange from error
                yield self._checked(pa.Table.from_batches([batch]), name)

    def _source(self, path: Path) -> Any:
        is_long = path.stat().st_size >= _LINE_BYTES_MAX
        if is_long and self._codec in _PLAIN:
            return str(path)
        content = path.read_bytes()
        if self._codec not in _PLAIN:
            content = content.decode(self._codec).encode()
        # Arrow takes a header that no line follows for no header, unless its line ends.
        return pa.BufferReader(content if b"\n" in content or b"\r" in content else content + b"\n")

    def _options(self) -> Any:
        headers = self._read.headers
        known = self._first[1] if headers == "first" and self._first else None
        return pyarrow.csv.ReadOptions(
            column_names=known, autogenerate_column_names=headers == "none", block_size=_BLOCK_BYTES
        )

    def _parsing(self) -> Any:
        return pyarrow.csv.ParseOptions(delimiter=self._read.separator, newlines_in_values=self._read.multi_line)

    def _types(self, more: dict[str, Any]) -> Any:
        # Files without headers have their columns as f0, f1, ... here.
        numbered = (
            f"f{int(name[6:]) - 1}" for name in self._said if name.startswith("Column") and name[6:].isdecimal()
        )
        names = numbered if self._read.headers == "none" else self._said
        return pyarrow.csv.ConvertOptions(
            null_values=[""],
            strings_can_be_null=not self._read.empty_as_string,
            column_types={**dict.fromkeys(names, pa.string()), **more},
            default_column_type=None if self._read.infer_types else pa.string(),
        )

    def _checked(self, found: Any, name: str) -> Any:
        read = self._read
        names = [f"Column{at}" for at in range(1, found.num_columns + 1)] if read.headers == "none" else None
        found = found.rename_columns(names or _unique(found.column_names))
        if any(pa.types.is_binary(field.type) for field in found.schema):
            raise UnicodeError(f"it has bytes that are no {read.encoding}")
        first, columns = self._first or (name, found.column_names)
        self._first = (first, columns)
        if read.headers == "same" and set(columns) != set(found.column_names):
            differing = sorted({*columns} ^ {*found.column_names})
            raise DatasetExecutionError(
                f"{name} has other columns than {first}: {', '.join(map(repr, differing[:20]))} in one of the two "
                "alone. header=PromoteHeadersBehavior.COMBINE_ALL_FILES_HEADERS reads them together, with what a file "
                "has not as missing"
            )
        return found


def _parquet(path: Path, in_parts: bool) -> Iterator[Any]:
    with pyarrow.parquet.ParquetFile(path, memory_map=True) as opened:
        if not in_parts or opened.metadata.num_rows == 0:
            yield opened.read()
            return
        for batch in opened.iter_batches():
            yield pa.Table.from_batches([batch])


def _json_lines(path: Path, read: JsonLines) -> Any:
    codec, source = _codec(read.encoding), None
    if codec not in _PLAIN or read.invalid_lines == "drop":
        lines = path.read_bytes().decode(codec).splitlines()
        kept = [line for line in lines if read.invalid_lines == "error" or _is_object(line)]
        source = pa.BufferReader("\n".join(kept).encode())
        if not kept:
            return pa.table({})
    # A line that is longer than a block is refused, so the block is as long as the file may be.
    options = pyarrow.json.ReadOptions(block_size=max(_BLOCK_BYTES, min(path.stat().st_size, 2**26)))
    return pyarrow.json.read_json(source or str(path), options)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def finished(part: Any, name: str, table: Table, strict: bool, texts: Collection[str] = ()) -> Any:
    """A part with its columns in the types they shall have, and with what the file's path says before them."""
    for at, column in enumerate(part.column_names):
        said, found = table.types.get(column), part.column(at)
        inferred = as_text if column in texts else usual
        made = converted(found, said, column, strict) if said else inferred(found)
        if made is not found:
            part = part.set_column(at, column, made)
    unknown = [column for column in table.types if column not in part.column_names]
    if unknown:
        raise DatasetExecutionError(no_column(unknown, part.column_names, "set_column_types", name))
    for at, (column, value) in enumerate(_of_path(name, table).items()):
        if column not in part.column_names:
            part = part.add_column(at, column, pa.repeat(value, part.num_rows))
    return part


def _of_path(name: str, table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {PATH: f"/{name}"} if table.include_path else {}
    if table.partition_format:
        values = values_in(name, table.partition_format)
        if values is None:
            keys = ", ".join(keys_of(table.partition_format))
            raise DatasetExecutionError(
                f"The path of {name} does not end as partition_format '{table.partition_format}' says, so that the "
                f"columns {keys} have no values in it"
            )
        found |= {
            key: value if isinstance(value, str) else pa.scalar(value, pa.timestamp("us"))
            for key, value in values.items()
        }
    return found


def no_column(unknown: Iterable[str], known: Iterable[str], asked: str, where: str = "") -> str:
    """What is said of columns that are not there."""
    names, there = ", ".join(f"'{name}'" for name in unknown), ", ".join(list(known)[:50])
    return f"{asked} names {names}, and {where or 'the dataset'} has no such column (it has: {there or 'none'})"


def _unique(names: list[str]) -> list[str]:
    """The names, each once: of columns with the same name the later ones get a number."""
    if len(set(names)) == len(names):
        return names
    taken, made = set(names), list[str]()
    for name in names:
        number, found = 0, name
        while found in made or (number and found in taken):
            number += 1
            found = f"{name}_{number}"
        made.append(found)
    return made


def _codec(encoding: str) -> str:
    return codecs.lookup(_CODECS.get(encoding, encoding)).name


def _why(error: Exception, table: Table) -> str:
    """The reason in one line, with the way out where one is known."""
    reason = str(error).splitlines()[0][:300]
    if isinstance(error, UnicodeError):
        said = getattr(table.read, "encoding", "utf8")
        return f"{reason}. Its encoding is not {said}: pass another as encoding=, such as 'windows1252' or 'utf16'"
    if isinstance(table.read, Delimited) and _RAGGED in reason:
        return f"{reason}. If values have line breaks in quotes, pass support_multi_line=True; else mend separator="
    return reason
