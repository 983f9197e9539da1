"""Files that DuckDB cannot read as U-SQL does: other encodings, escape signs, other ends of rows.

They are written again, as what DuckDB reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from canalis.usql.options import Options

_CHUNK = 2**20


def is_plain(options: Options) -> bool:
    """Whether DuckDB reads files with these options as U-SQL does."""
    return (
        options.encoding in ("utf-8", "ascii")
        and options.escape is None
        and options.row_delimiter in (None, "\n", "\r\n", "\r")
        and ord(options.delimiter) < 128
    )


def has_mixed_ends(path: str) -> bool:
    """Whether the begin of a file has line ends of several kinds, which DuckDB refuses."""
    with Path(path).open("rb") as file:
        head = file.read(_CHUNK)
    pairs = head.count(b"\r\n")
    kinds = (pairs, head.count(b"\n") - pairs, head.count(b"\r") - pairs - head.endswith(b"\r"))
    return sum(count > 0 for count in kinds) > 1


def rewrite(path: str, target: Path, options: Options) -> None:
    """Write a file again as UTF-8 with commas, a row a line. What is null is empty, and all else is quoted.

    Raises UnicodeDecodeError when it is not in the encoding that was said.
    """
    with (
        Path(path).open("r", encoding=options.encoding, newline="") as source,
        target.open("w", encoding="utf-8", newline="") as made,
    ):
        for number, row in enumerate(_rows(source, options)):
            if number >= options.skip:
                made.write(
                    ",".join("" if field is None else '"' + field.replace('"', '""') + '"' for field in row) + "\n"
                )


def _rows(source: IO[str], options: Options) -> Iterator[list[str | None]]:
    """The rows of a file, null as None."""
    field = _field(options)
    text, place, row, is_over = source.read(_CHUNK).removeprefix("\ufeff"), 0, list[str | None](), False
    begin = 0
    while True:
        match = field.match(text, place)
        assert match is not None  # an empty field always fits
        at_end = match.end() >= len(text) - 1  # what follows may belong to it
        if at_end and not is_over:
            more = source.read(_CHUNK)
            is_over = not more
            text, place, row, begin = text[begin:] + more, 0, [], 0
            continue
        if match.end() == place == len(text) and not row:
            return
        row.append(_value(match, options))
        place = match.end()
        if match["end"] == options.delimiter:
            continue
        if row != [None] or options.null_escape is not None:  # a line without anything is no row
            yield row
        row, begin = [], place
        if place >= len(text) and is_over:
            return


def _field(options: Options) -> re.Pattern[str]:
    ends = re.escape(options.row_delimiter) if options.row_delimiter else "\r\n|\n|\r"
    end = f"(?P<end>{re.escape(options.delimiter)}|{ends}|\\Z)"
    escaped = f"{re.escape(options.escape)}.|" if options.escape else ""
    sign = f"{escaped}(?!{re.escape(options.delimiter)}|{ends})."
    quoted = f'"(?P<quoted>(?:{escaped}""|[^"])*+)"(?P<rest>(?:{sign})*+)|' if options.quoting else ""
    return re.compile(f"(?:{quoted}(?P<plain>(?:{sign})*+)){end}", re.DOTALL)


def _value(match: re.Match[str], options: Options) -> str | None:
    found = match.groupdict()
    if found.get("quoted") is not None:
        return _unescaped(found["quoted"].replace('""', '"') + found["rest"], options)
    plain: str = found["plain"]
    if plain == (options.null_escape or ""):
        return None
    return _unescaped(plain, options)


def _unescaped(text: str, options: Options) -> str:
    return re.sub(f"{re.escape(options.escape)}(.)", r"\1", text, flags=re.DOTALL) if options.escape else text
