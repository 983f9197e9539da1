"""What we ask of a table service, and its limits. Azure Table storage has all of it, and nothing here has more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Value = str | int | float | bool | bytes
Properties = Mapping[str, Value]

# Source: Azure Table storage, scalability targets and data model
OPERATIONS_MAX = 100  # of one transaction
TRANSACTION_BYTES_MAX = 4 * 2**20
ROW_BYTES_MAX = 2**20
PROPERTY_BYTES_MAX = 64 * 2**10  # a text counts two bytes a character
PROPERTIES_MAX = 252


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was read; `etag` guards the next write."""

    key: str
    etag: str
    properties: Properties


@dataclass(frozen=True, slots=True)
class Insert:
    """A row that is not there yet."""

    key: str
    properties: Properties


@dataclass(frozen=True, slots=True)
class Replace:
    """A row as it was read, with other properties."""

    key: str
    properties: Properties
    etag: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Properties put over those of a row. Without `etag` whatever it is, and made when it is not there."""

    key: str
    properties: Properties
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """A row that is there no more, whether or not it was."""

    key: str


Operation = Insert | Replace | Merge | Delete


class Table(Protocol):
    """One table. Raises StoreUnavailable when it does not answer: then what was asked may have been done or not."""

    def get(self, partition: str, key: str) -> Row | None:
        """The row as last written, or None."""
        ...

    def rows(self, partition: str, prefix: str = "") -> list[Row]:
        """Rows whose keys begin so, by key."""
        ...

    def transact(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        """Do all of it or nothing; the new entity tags, "" for deletions.

        Raises Conflict when a row is there that should not be, or has another entity tag
        """
        ...
