"""What we ask of a table service, and its limits. Azure Table storage has all of it, and nothing here has more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from canalis.contract.errors import TooLarge

Value = str | int | float | bool | bytes
Properties = Mapping[str, Value]

# Source: Azure Table storage, scalability targets and data model
OPERATIONS_MAX = 100  # of one transaction
TRANSACTION_BYTES_MAX = 4 * 2**20
ROW_BYTES_MAX = 2**20
PROPERTY_BYTES_MAX = 64 * 2**10  # a text counts two bytes a character
PROPERTIES_MAX = 251  # 255, less two keys, a time and the mark of who wrote it
KEY_BYTES_MAX = 2**10  # as UTF-16


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
    """A row that is there no more, whether or not it was; with `etag` only as it was read."""

    key: str
    etag: str | None = None


Operation = Insert | Replace | Merge | Delete


class Table(Protocol):
    """One table. Keys may have any characters, and are ordered by code point.

    Raises StoreUnavailable when it does not answer: then what was asked may have been done or not.
    """

    def get(self, partition: str, key: str) -> Row | None:
        """The row as last written, or None."""
        ...

    def rows(self, partition: str, prefix: str = "", start: str = "", at_once: int = 1000) -> Iterator[Row]:
        """Rows whose keys begin so, from the key `start` on, by key.

        at_once   how many are fetched by one request, at most 1000; no more are fetched than somebody goes on to
        """
        ...

    def transact(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        """Do all of it or nothing; the new entity tags, "" for deletions and for rows that others wrote before it told.

        Raises   Conflict when a row is there that should not be, or has another entity tag; TooLarge over a limit
        """
        ...


def check_limits(operations: Sequence[Operation]) -> None:
    """Raises TooLarge when Azure would refuse these operations for their size; an emulator might not."""
    keys = {operation.key for operation in operations}
    assert operations and len(keys) == len(operations), [operation.key for operation in operations]
    if len(operations) > OPERATIONS_MAX:
        raise TooLarge(f"{len(operations)} rows at once: at most {OPERATIONS_MAX} can be written together")
    total = sum(_checked_bytes(operation) for operation in operations)
    if total > TRANSACTION_BYTES_MAX:
        raise TooLarge(f"{total} bytes at once: at most {TRANSACTION_BYTES_MAX} can be written together")


def _checked_bytes(operation: Operation) -> int:
    if isinstance(operation, Delete):
        return 0
    properties = operation.properties
    if len(properties) > PROPERTIES_MAX:
        raise TooLarge(f"{operation.key} has {len(properties)} properties: at most {PROPERTIES_MAX} can be stored")
    total = 0
    for name, value in properties.items():
        size = 2 * len(value) if isinstance(value, str) else len(value) if isinstance(value, bytes) else 8
        if size > PROPERTY_BYTES_MAX:
            raise TooLarge(f"{name} of {operation.key} takes {size} bytes: at most {PROPERTY_BYTES_MAX} can be stored")
        total += size + 2 * len(name) + 8
    if total > ROW_BYTES_MAX:
        raise TooLarge(f"{operation.key} takes {total} bytes: at most {ROW_BYTES_MAX} can be stored")
    return total
