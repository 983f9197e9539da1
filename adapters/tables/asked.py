"""A table that says for which run it was asked, so that what a run cost is what the service bills for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from adapters.tables import index
from adapters.tables.table import Operation, Row, Table


class AskedTable:
    """The same table. Each request is told before it is made: one for a row, a transaction, a page of rows.

    tell   with the run in whose rows it is, or ""

    What the client below repeats, since an answer was lost, is not told again.
    """

    def __init__(self, table: Table, tell: Callable[[str], None]) -> None:
        self._table = table
        self._tell = tell

    def get(self, partition: str, key: str) -> Row | None:
        """The row as last written, or None."""
        self._tell(index.run_of(partition))
        return self._table.get(partition, key)

    def rows(self, partition: str, prefix: str = "", start: str = "", at_once: int = 1000) -> Iterator[Row]:
        """Rows whose keys begin so."""
        run_id = index.run_of(partition)
        self._tell(run_id)
        for number, row in enumerate(self._table.rows(partition, prefix, start, at_once)):
            if number and number % at_once == 0:
                self._tell(run_id)
            yield row

    def transact(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        """Do all of it or nothing."""
        self._tell(index.run_of(partition))
        return self._table.transact(partition, operations)
