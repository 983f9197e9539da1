"""Named documents as rows: a partition for each kind, a row for each name, the body in pieces."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

from adapters.tables.table import (
    OPERATIONS_MAX,
    PROPERTY_BYTES_MAX,
    ROW_BYTES_MAX,
    Delete,
    Insert,
    Merge,
    Operation,
    Replace,
    Row,
    Table,
    Value,
)
from canalis.contract.errors import Conflict, TooLarge
from canalis.contract.ports import Document, Stored

_PIECES_MAX = ROW_BYTES_MAX // PROPERTY_BYTES_MAX - 1
_ONE_BY_ONE_MAX = 8  # rows that are read one after the other
_AT_ONCE = 16  # of more
_BYTES_MAX = _PIECES_MAX * PROPERTY_BYTES_MAX


class TableDocuments:
    """Keeps everything that has a kind and a name, in partitions of their own beside those of runs."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, kind: str, name: str) -> Stored | None:
        """The document, or None."""
        row = self._table.get(_partition(kind), name)
        return _stored(row) if row is not None else None

    def get_all(self, kind: str, names: Collection[str]) -> dict[str, Document]:
        """The bodies of those that are there, by name."""
        if len(names) <= _ONE_BY_ONE_MAX:
            stored = [self.get(kind, name) for name in names]
        else:
            with ThreadPoolExecutor(_AT_ONCE) as threads:
                stored = list(threads.map(lambda name: self.get(kind, name), names))
        return {one.name: one.body for one in stored if one is not None}

    def put_all(self, kind: str, bodies: Mapping[str, Document]) -> None:
        """Write all of them, up to a hundred at once. Raises TooLarge."""
        rows: list[Operation] = [Merge(name, _properties(kind, name, body)) for name, body in bodies.items()]
        for start in range(0, len(rows), OPERATIONS_MAX):
            self._table.transact(_partition(kind), rows[start : start + OPERATIONS_MAX])

    def put(self, kind: str, name: str, body: Document, etag: str | None = None, if_absent: bool = False) -> Stored:
        """Write it whole. Raises Conflict as the port says, TooLarge for more than 960 KiB."""
        properties = _properties(kind, name, body)
        operation: Operation = Merge(name, properties)
        if if_absent:
            operation = Insert(name, properties)
        elif etag is not None:
            operation = Replace(name, properties, etag)
        try:
            return Stored(name, body, self._table.transact(_partition(kind), [operation])[0])
        except Conflict as error:
            raise Conflict(f"{kind} '{name}' was written by somebody else", kind=kind, name=name) from error

    def list(self, kind: str, prefix: str = "") -> list[Stored]:
        """All documents of a kind whose names begin so, by name."""
        return [_stored(row) for row in self._table.rows(_partition(kind), prefix)]

    def delete(self, kind: str, name: str) -> bool:
        """Whether there was one to delete: of several who do, one is told so."""
        while (row := self._table.get(_partition(kind), name)) is not None:
            try:
                self._table.transact(_partition(kind), [Delete(name, row.etag)])
            except Conflict:
                continue  # written or deleted in between
            return True
        return False


def _partition(kind: str) -> str:
    return f"doc:{kind}"  # no run id has a colon


def _properties(kind: str, name: str, body: Document) -> dict[str, Value]:
    text = json.dumps(body, separators=(",", ":")).encode()
    if len(text) > _BYTES_MAX:
        raise TooLarge(f"{kind} '{name}' takes {len(text)} bytes: at most {_BYTES_MAX} can be stored", name=name)
    starts = range(0, len(text), PROPERTY_BYTES_MAX)
    pieces = {f"body{at:02d}": text[start : start + PROPERTY_BYTES_MAX] for at, start in enumerate(starts)}
    # How many there are: a write over a longer body leaves its last pieces where they are.
    return {"pieces": len(pieces), **pieces}


def _stored(row: Row) -> Stored:
    pieces = [row.properties[f"body{at:02d}"] for at in range(int(row.properties["pieces"]))]
    return Stored(row.key, json.loads(b"".join(piece for piece in pieces if isinstance(piece, bytes))), row.etag)
