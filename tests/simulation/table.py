"""A table service in memory, with the real one's limits."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from adapters.tables.table import Delete, Insert, Merge, Operation, Properties, Row, check_limits
from canalis.contract.errors import Conflict


class MemoryTable:
    """Keeps copies, so that nobody shares what lies in it; refuses what the real service would."""

    def __init__(self) -> None:
        self._partitions: dict[str, dict[str, Row]] = defaultdict(dict)
        self._etags = itertools.count(1)
        self.calls = 0
        self.on_write: Callable[[str, list[str]], None] = lambda partition, keys: None

    def find(self, partition: str, key: str) -> Row | None:
        """A row, for those who watch."""
        return self._partitions[partition].get(key)

    def row(self, partition: str, key: str) -> Row:
        """A row that must be there, for those who watch."""
        return self._partitions[partition][key]

    def keys(self, partition: str) -> list[str]:
        """All keys, for those who watch."""
        return list(self._partitions[partition])

    def get(self, partition: str, key: str) -> Row | None:
        self.calls += 1
        return self._partitions[partition].get(key)

    def rows(self, partition: str, prefix: str = "", start: str = "", at_once: int = 1000) -> Iterator[Row]:
        self.calls += 1
        rows = self._partitions[partition]
        return iter([rows[key] for key in sorted(rows) if key.startswith(prefix) and key >= start])

    def transact(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        self.calls += 1
        check_limits(operations)
        rows = self._partitions[partition]
        for operation in operations:
            _check_guard(rows.get(operation.key), operation)
        done = [self._do(rows, operation) for operation in operations]
        self.on_write(partition, [operation.key for operation in operations if not isinstance(operation, Delete)])
        return done

    def transact_again(self, done: list[str], partition: str, operations: Sequence[Operation]) -> list[str]:
        """What a client says that was not answered, asks again, and looks whether it is done. Raises Conflict."""
        self.calls += 1
        rows = [self._partitions[partition].get(operation.key) for operation in operations]
        if not any(row is not None and row.etag == tag for row, tag in zip(rows, done, strict=True)):
            raise Conflict("others have written since")
        return [row.etag if row is not None and row.etag == tag else "" for row, tag in zip(rows, done, strict=True)]

    def _do(self, rows: dict[str, Row], operation: Operation) -> str:
        if isinstance(operation, Delete):
            rows.pop(operation.key, None)
            return ""
        known: Properties = {}
        if isinstance(operation, Merge) and operation.key in rows:
            known = rows[operation.key].properties
        etag = str(next(self._etags))
        rows[operation.key] = Row(operation.key, etag, {**known, **operation.properties})
        check_limits([Insert(operation.key, rows[operation.key].properties)])
        return etag


def _check_guard(found: Row | None, operation: Operation) -> None:
    if isinstance(operation, Insert) and found is not None:
        raise Conflict(f"row {operation.key} is there")
    etag = None if isinstance(operation, Insert) else operation.etag
    if etag is not None and (found is None or found.etag != etag):
        raise Conflict(f"row {operation.key} has another entity tag")
