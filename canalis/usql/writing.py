"""Rows become lines of a file, as U-SQL's outputters write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from canalis.usql.options import Options
from canalis.usql.values import Column, quoted, quoted_name

_ROUND_TRIP = "%Y-%m-%dT%H:%M:%S.%f0"  # .NET's "O": seven digits of a second, of which DuckDB keeps six
_TEXTS = {
    "bool": "CASE WHEN {0} THEN 'True' WHEN NOT {0} THEN 'False' END",
    "float": "cs_double_text({0})",
    "double": "cs_double_text({0})",
    "decimal": "cs_decimal_text({0})",
    "byte[]": "hex({0})",
}


def line_of(columns: Sequence[Column], options: Options) -> str:
    """SQL of the line of a row, without its end."""
    fields = [_field(column, options) for column in columns]
    return f"concat({f', {quoted(options.delimiter)}, '.join(fields)})"


def header_of(columns: Sequence[Column], options: Options) -> str:
    """The line of names, without its end."""
    names = [column.name for column in columns]
    if options.quoting:
        names = ['"' + name.replace('"', '""') + '"' for name in names]
    return options.delimiter.join(names)


def write(connection: Any, sql: str, columns: Sequence[Column], options: Options, target: Path) -> int:
    """Write the rows of a query to a file; how many they are.

    sql   the query, sorted if they shall be
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    end = options.row_delimiter or "\r\n"
    lines = f"SELECT {line_of(columns, options)} AS line FROM ({sql})"
    if options.encoding in ("utf-8", "ascii") and end in ("\n", "\r\n"):
        return _by_duckdb(connection, lines, header_of(columns, options) if options.header else None, end, target)
    found = connection.execute(lines)
    count = 0
    with target.open("w", encoding=options.encoding, newline="") as file:
        if options.header:
            file.write(header_of(columns, options) + end)
        while rows := found.fetchmany(10_000):
            file.write("".join(line + end for (line,) in rows))
            count += len(rows)
    return count


def _by_duckdb(connection: Any, lines: str, header: str | None, end: str, target: Path) -> int:
    """Let DuckDB write the lines, on all cores: a file of one column whose values are neither quoted nor parted."""
    line = "line || chr(13)" if end == "\r\n" else "line"
    name = quoted_name(header + end[:-1]) if header is not None else "line"
    words = f"FORMAT csv, HEADER {header is not None}, DELIMITER '\x01', QUOTE '', ESCAPE ''"
    done = connection.execute(f"COPY (SELECT {line} AS {name} FROM ({lines})) TO {quoted(str(target))} ({words})")
    return int(done.fetchone()[0])


def _field(column: Column, options: Options) -> str:
    name = quoted_name(column.name)
    kind = column.type.name
    if kind == "DateTime":
        text = f"strftime({name}, {quoted(options.date_format or _ROUND_TRIP)})"
    elif kind in ("string", "char"):
        text = _protected(name, options)
    else:
        text = _TEXTS.get(kind, "CAST({0} AS VARCHAR)").format(name)
    return f"coalesce({text}, {quoted(options.null_escape or '')})" if column.may_be_null else text


def _protected(text: str, options: Options) -> str:
    """A text so written that it is read again as it is, as far as the options can do that."""
    if options.escape is not None:
        signs = [options.escape, options.delimiter, "\r", "\n"]
        for sign in signs if not options.quoting else [options.escape]:
            text = f"replace({text}, {quoted(sign)}, {quoted(options.escape + sign)})"
    if options.quoting:
        return f"""('"' || replace({text}, '"', '""') || '"')"""  # null stays null
    return text
