"""The definition of a tabular dataset, of what an author says. Raises UserErrorException for what cannot be."""

from __future__ import annotations

import codecs
import random
from collections.abc import Mapping
from enum import Enum
from typing import Any

from canalis.contract.tables import (
    ColumnType,
    Delimited,
    Drop,
    Headers,
    JsonLines,
    Keep,
    Parquet,
    Share,
    Skip,
    Sql,
    Table,
    Take,
    TypeName,
)
from canalis.exceptions import UserErrorException
from canalis.table_partitions import keys_of

ENCODINGS = ("utf8", "utf8bom", "utf16", "utf32", "ascii", "latin1", "iso88591", "windows1252")
_Read = Delimited | Parquet | JsonLines | Sql


class PromoteHeadersBehavior(Enum):
    """Which files begin with the names of their columns."""

    NO_HEADERS = 0
    ONLY_FIRST_FILE_HAS_HEADERS = 1
    COMBINE_ALL_FILES_HEADERS = 2
    ALL_FILES_HAVE_SAME_HEADERS = 3


_HEADERS: dict[Any, Headers] = {
    True: "same",
    False: "none",
    PromoteHeadersBehavior.NO_HEADERS: "none",
    PromoteHeadersBehavior.ONLY_FIRST_FILE_HAS_HEADERS: "first",
    PromoteHeadersBehavior.COMBINE_ALL_FILES_HEADERS: "combined",
    PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS: "same",
}


class DataType:
    """Of which type the values of a column shall be, in set_column_types={'day': DataType.to_datetime()}."""

    def __init__(self, name: TypeName, formats: tuple[str, ...] = (), decimal_comma: bool = False) -> None:
        self._said = ColumnType(name=name, formats=formats, decimal_comma=decimal_comma)

    @staticmethod
    def to_string() -> DataType:
        """Text, as it is written."""
        return DataType("string")

    @staticmethod
    def to_long() -> DataType:
        """Whole numbers."""
        return DataType("long")

    @staticmethod
    def to_float(decimal_mark: str = ".") -> DataType:
        """Numbers. With decimal_mark="," a dot between digits is left out."""
        if decimal_mark not in (".", ","):
            raise UserErrorException(f"'{decimal_mark}' is no decimal mark: . or ,")
        return DataType("float", decimal_comma=decimal_mark == ",")

    @staticmethod
    def to_bool() -> DataType:
        """True and False, in these words or as 1 and 0."""
        return DataType("bool")

    @staticmethod
    def to_datetime(formats: str | list[str] | None = None) -> DataType:
        """Datetimes. formats are those of strptime, the first that fits is taken; the usual ones when None."""
        given = (formats,) if isinstance(formats, str) else tuple(formats or ())
        return DataType("datetime", given)

    def __repr__(self) -> str:
        return f"DataType.to_{self._said.name}()"


def delimited(separator: str = ",", header: Any = True, **more: Any) -> Delimited:
    """Text whose lines are rows."""
    if not isinstance(separator, str) or len(separator.encode()) != 1:
        raise UserErrorException(f"separator={separator!r} is none: use one sign, such as ',' or '\\t'")
    if not isinstance(header, (bool, PromoteHeadersBehavior)):
        raise UserErrorException(f"header={header!r} is none: use True, False or a PromoteHeadersBehavior")
    return Delimited(kind="delimited", separator=separator, headers=_HEADERS[header], **more)


def checked_encoding(encoding: str) -> str:
    """The encoding itself."""
    if encoding not in ENCODINGS:
        try:
            codecs.lookup(encoding)
        except (LookupError, TypeError):
            raise UserErrorException(f"'{encoding}' is no encoding: {', '.join(ENCODINGS)}") from None
    return encoding


def defined(read: _Read, include_path: bool = False, partition_format: str | None = None, types: Any = None) -> Table:
    """The definition before any operation."""
    keys_of(partition_format or "")
    return Table(
        read=read,
        include_path=include_path,
        partition_format=partition_format or "",
        types=_types(types),
        operations=(),
    )


def kept(table: Table, columns: str | list[str]) -> Table:
    """These columns alone."""
    return table.then(Keep(kind="keep", columns=names_of(columns, "keep_columns")))


def dropped(table: Table, columns: str | list[str]) -> Table:
    """All but these columns."""
    return table.then(Drop(kind="drop", columns=names_of(columns, "drop_columns")))


def first(table: Table, count: int) -> Table:
    """The first rows alone."""
    return table.then(Take(kind="take", rows=_count(count, "take")))


def rest(table: Table, count: int) -> Table:
    """All but the first rows."""
    return table.then(Skip(kind="skip", rows=_count(count, "skip")))


def split(table: Table, probability: float, seed: int | None, asked: str) -> tuple[Table, Table]:
    """Rows drawn at random, and the others. Without a seed one is drawn too, so that both are parts of one whole."""
    if isinstance(probability, bool) or not isinstance(probability, (int, float)) or not 0 <= probability <= 1:
        raise UserErrorException(f"{asked}() takes a probability from 0 to 1, not {probability!r}")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise UserErrorException(f"{asked}() takes a whole number as seed, not {seed!r}")
    drawn = random.randrange(2**31) if seed is None else seed % 2**63  # noqa: S311
    parts = [Share(kind="share", probability=probability, seed=drawn, is_rest=is_rest) for is_rest in (False, True)]
    return table.then(parts[0]), table.then(parts[1])


def names_of(columns: str | list[str], asked: str) -> tuple[str, ...]:
    """Names of columns, of one or several."""
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if not names or not all(isinstance(name, str) for name in names):
        raise UserErrorException(f"{asked}() takes names of columns, not {columns!r}")
    return tuple(dict.fromkeys(names))


def _types(given: Any) -> dict[str, ColumnType]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(one, DataType) for one in given.values()):
        raise UserErrorException(
            f"set_column_types={given!r} is none: use {{'column': DataType.to_string()}}, with azureml.data.DataType"
        )
    return {str(name): one._said for name, one in given.items()}


def _count(count: int, asked: str) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise UserErrorException(f"{asked}() takes a whole number of rows from 0 on, not {count!r}")
    return count
