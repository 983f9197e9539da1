"""Delimited files in which some lines have more or fewer values than the header. pyarrow is loaded where this is."""

from __future__ import annotations

import csv
import io
import warnings
from array import array
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.csv

from canalis.contract.tables import Delimited
from canalis.table_types import at_odds

_SHOWN = 80  # signs of a line that is told


def mended(
    source: Callable[[], Any], read: Delimited, name: str, options: Any, types: Callable[..., Any]
) -> Any | None:
    """The rows of such a file: what a line has not is missing, what it has beyond the last column is left out.

    source    opens the file, which is read once more, on one thread
    types     the options of conversion, with the columns that shall be of some type
    Returns   None when that would make nonsense of it: no line is as the header, or a line cannot be split
    """
    bad = list[tuple[int, str]]()

    def left_out(row: Any) -> str:
        bad.append((row.number, row.text))
        return "skip"

    parsing = pyarrow.csv.ParseOptions(
        delimiter=read.separator, newlines_in_values=read.multi_line, invalid_row_handler=left_out
    )
    options.use_threads = False  # else rows have no numbers
    more = dict[str, Any]()
    while True:
        bad.clear()
        good = pyarrow.csv.read_csv(source(), options, parsing, types(more))
        if good.num_rows == 0 or any(text.count('"') % 2 for _, text in bad):
            return None
        try:
            filled = _filled(bad, read, good.column_names, types(more))
        except csv.Error:
            return None
        differing = at_odds([good, filled])
        if not differing:
            break
        more |= dict.fromkeys(differing, pa.string())
    has_header = not options.column_names and not options.autogenerate_column_names
    _warn(name, bad)
    return _in_order(good, filled, [number - 1 - has_header for number, _ in bad])


def _filled(bad: list[tuple[int, str]], read: Delimited, columns: list[str], types: Any) -> Any:
    """The lines as rows of these columns."""
    text = io.StringIO(newline="")
    written = csv.writer(text, delimiter=read.separator, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    for _, line in bad:
        values = next(csv.reader([line], delimiter=read.separator), [])
        written.writerow((values + [""] * len(columns))[: len(columns)])
    options = pyarrow.csv.ReadOptions(column_names=columns, use_threads=False)
    # A row of one column that is missing is an empty line.
    parsing = pyarrow.csv.ParseOptions(delimiter=read.separator, newlines_in_values=True, ignore_empty_lines=False)
    return pyarrow.csv.read_csv(pa.BufferReader(text.getvalue().encode()), options, parsing, types)


def _in_order(good: Any, filled: Any, places: list[int]) -> Any:
    """All rows as they stand in the file, where `filled` are those at these places."""
    columns = good.column_names
    numbered = [str(at) for at in range(len(columns))]  # names may come twice
    both = pa.concat_tables(
        [good.rename_columns(numbered), filled.rename_columns(numbered)], promote_options="permissive"
    )
    order, next_good = array("q"), 0  # eight bytes a row: there may be very many
    for at, place in enumerate(places):
        order.extend(range(next_good, place - at))
        next_good = place - at
        order.append(good.num_rows + at)
    order.extend(range(next_good, good.num_rows))
    taken = pa.Array.from_buffers(pa.int64(), len(order), [None, pa.py_buffer(order)])
    return both.take(taken).rename_columns(columns)


def _warn(name: str, bad: list[tuple[int, str]]) -> None:
    text = bad[0][1]
    shown = f"{text[:_SHOWN]}..." if len(text) > _SHOWN else text
    warnings.warn(
        f"{name}: rows with more or fewer values than there are columns: {len(bad)}. The first is row {bad[0][0]}, "
        f"{shown!r}. What they have not is missing, what they have beyond is left out; on_error='fail' refuses them",
        UserWarning,
        stacklevel=2,
    )
