"""What becomes of the rows of a tabular dataset: its operations, on Arrow tables that come one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from canalis.contract.tables import (
    Call,
    Column,
    Condition,
    Constant,
    Drop,
    Filter,
    Keep,
    Moment,
    Operation,
    Share,
    Skip,
    Table,
    Take,
)
from canalis.exceptions import DatasetExecutionError
from canalis.table_reading import File, TypesChange, no_column, tables_in
from canalis.table_types import at_odds

_DRAWN_ROWS = 2**16  # rows that are drawn at once: what is drawn depends on their number alone, not on how they come
_SEEDS = 2**63

_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "and": lambda one, other: one & other,
    "or": lambda one, other: one | other,
}


def rows_in(table: Table, parts: Iterator[Any]) -> Any:
    """What becomes of rows that were read already, as one Arrow table. Raises DatasetExecutionError."""
    return _together([*_operated(parts, table.operations)])


def rows_of(table: Table, files: Callable[[], Iterable[File]], strict: bool = False) -> Any:
    """The rows of a tabular dataset as one Arrow table.

    files    gives the files, in order; it may be asked several times
    strict   whether what does not fit is an error: a value not the type that was said, a line not its header, a
             column not the type that it has in another file
    Raises   DatasetExecutionError
    """
    # Who wants the first rows shall not wait for the rest.
    in_parts = any(isinstance(one, Take) for one in table.operations)
    texts = set[str]()
    while True:
        try:
            found = list(_operated(tables_in(files(), table, strict, in_parts, texts), table.operations))
        except TypesChange:
            in_parts = False
            continue
        # What is a number here and a word there is read once more, as text: what was written stands.
        differing = set() if strict else {*at_odds(found)} - texts
        if not differing:
            return _together(found)
        texts |= differing


def _operated(tables: Iterator[Any], operations: Iterable[Operation]) -> Iterator[Any]:
    for one in operations:
        if isinstance(one, Take):
            tables = _take(tables, one.rows)
        elif isinstance(one, Skip):
            tables = _skip(tables, one.rows)
        elif isinstance(one, Share):
            tables = _part(tables, one)
        else:
            tables = map(partial(_changed, one), tables)
    return tables


def _together(found: list[Any]) -> Any:
    if len(found) == 1:
        return found[0]
    try:
        return pa.concat_tables(found, promote_options="permissive")
    except (pa.lib.ArrowTypeError, pa.lib.ArrowInvalid) as error:
        raise DatasetExecutionError(_mixed(found), error) from error


def _mixed(found: list[Any]) -> str:
    types = dict[str, list[str]]()
    for table in found:
        for field in table.schema:
            known = types.setdefault(field.name, [])
            if str(field.type) not in known:
                known.append(str(field.type))
    name, kinds = next((item for item in types.items() if len(item[1]) > 1), ("", []))
    return (
        f"The files do not agree on column '{name}', which has values of the types {', '.join(kinds)}. Say which it "
        f"shall have: set_column_types={{'{name}': DataType.to_string()}}"
    )


def _take(tables: Iterator[Any], rows: int) -> Iterator[Any]:
    for table in tables:
        yield table.slice(0, rows)
        rows -= table.num_rows
        if rows <= 0:
            return


def _skip(tables: Iterator[Any], rows: int) -> Iterator[Any]:
    for table in tables:
        yield table.slice(rows)
        rows = max(0, rows - table.num_rows)


def _part(tables: Iterator[Any], one: Share) -> Iterator[Any]:
    at, left = 0, pa.chunked_array([], pa.float64())
    for table in tables:
        while len(left) < table.num_rows:
            more = pc.random(_DRAWN_ROWS, initializer=(one.seed * 1_000_003 + at) % _SEEDS)
            left, at = pa.chunked_array([*left.chunks, more], pa.float64()), at + 1
        drawn = pc.less(left.slice(0, table.num_rows), one.probability)
        left = left.slice(table.num_rows)
        yield table.filter(pc.invert(drawn) if one.is_rest else drawn)


def _changed(one: Keep | Drop | Filter, table: Any) -> Any:
    if isinstance(one, Filter):
        return _filtered(one.where, table)
    asked = "keep_columns()" if isinstance(one, Keep) else "drop_columns()"
    _check(one.columns, table, asked)
    return table.select(list(one.columns)) if isinstance(one, Keep) else table.drop_columns(list(one.columns))


def _filtered(where: Condition, table: Any) -> Any:
    _check(sorted(_columns(where)), table, "filter()")
    try:
        return table.filter(_expression(where, table.schema))
    except (pa.lib.ArrowInvalid, pa.lib.ArrowNotImplementedError, pa.lib.ArrowTypeError) as error:
        types = ", ".join(f"'{name}' is {table.schema.field(name).type}" for name in sorted(_columns(where)))
        raise DatasetExecutionError(
            f"filter() compares what cannot be compared: {types}; set_column_types says what a column shall be "
            f"({str(error).splitlines()[0][:200]})",
            error,
        ) from error


def _check(columns: Iterable[str], table: Any, asked: str) -> None:
    unknown = [name for name in columns if name not in table.column_names]
    if unknown:
        raise DatasetExecutionError(no_column(unknown, table.column_names, asked))


def _columns(where: Condition) -> set[str]:
    if isinstance(where, Call):
        return {name for part in where.of for name in _columns(part)}
    return {where.name} if isinstance(where, Column) else set()


def _expression(where: Condition, schema: Any) -> Any:
    if isinstance(where, Column):
        return pc.field(where.name)
    if isinstance(where, Constant):
        return pc.scalar(where.value)
    if isinstance(where, Moment):
        at = datetime.fromisoformat(where.at)
        return pc.scalar(at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at)
    parts = [_expression(part, schema) for part in where.of]
    if where.does == "is_null":
        return parts[0].is_null()
    return ~parts[0] if where.does == "not" else _COMPARED[where.does](*parts)
