"""Files that DuckDB cannot read as U-SQL does: other encodings, escape signs, other ends of rows.

They are written again, as what DuckDB reads.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from canalis.usql.options import Options

_CHUNK = 2**20


def has_own_rows(options: Options) -> bool:
    """Whether rows and fields are told apart by more than DuckDB knows."""
    return (
        options.escape is not None
        or options.row_delimiter not in (None, "\n", "\r\n", "\r")
        or ord(options.delimiter) >= 128
    )


def is_utf8(options: Options) -> bool:
    """Whether a file with these options can be read as UTF-8."""
    return options.encoding in ("utf-8", "ascii")


def has_mixed_ends(path: str) -> bool:
    """Whether the begin of a file has line ends of several kinds, which DuckDB refuses."""
    with _opened(path)(path, "rb") as file:
        head: bytes = file.read(_CHUNK)
    pairs = head.count(b"\r\n")
    kinds = (pairs, head.count(b"\n") - pairs, head.count(b"\r") - pairs - head.endswith(b"\r"))
    return sum(count > 0 for count in kinds) > 1


def _opened(path: str) -> Callable[..., IO[Any]]:
    """What opens a file: one that is packed is unpacked, as U-SQL does by its name."""
    return gzip.open if path.endswith(".gz") else open


def transcode(path: str, target: Path, options: Options) -> None:
    """Write a file again as UTF-8, with line ends of one kind.

    Raises UnicodeDecodeError when it is not in the encoding that was said.
    """
    with (
        _opened(path)(path, "rt", encoding=options.encoding) as source,
        target.open("w", encoding="utf-8", newline="") as made,
    ):
        text = source.read(_CHUNK).removeprefix("\ufeff")
        while text:
            made.write(text)
            text = source.read(_CHUNK)


def rewrite(path: str, target: Path, options: Options) -> None:
    """Write a file again as UTF-8 with commas, a row a line. What is null is empty, and all else is quoted.

    Raises UnicodeDecodeError when it is not in the encoding that was said.
    """
    with (
        _opened(path)(path, "rt", encoding=options.encoding, newline="") as source,
        target.open("w", encoding="utf-8", newline="") as made,
    ):
        rows = _rows(source, options)
        for row in islice(rows, options.skip, None):
            fields = ["" if field is None else '"' + field.replace('"', '""') + '"' for field in row]
            made.write(",".join(fields) + "\n")


def _rows(source: IO[str], options: Options) -> Iterator[list[str | None]]:
    """The rows of a file, null as None."""
    field, null = _field(options), options.null_escape or ""
    text, place, row, is_over = source.read(_CHUNK).removeprefix("\ufeff"), 0, list[str | None](), False
    begin = 0
    while True:
        match = field.match(text, place)
        # What follows may belong to the field, and end a quotation.
        is_open = match is None or match.end() >= len(text) - 1 or (options.quoting and match[3] and match[3][0] == '"')
        if is_open and not is_over:
            more = source.read(_CHUNK)
            is_over = not more
            text, place, row, begin = text[begin:] + more, 0, [], 0
            continue
        assert match is not None  # at the end of a file every field has one
        quoted, rest, plain, end = match.groups()
        if match.end() == place == len(text) and not row:
            return
        if quoted is not None:
            row.append(_unescaped(quoted.replace('""', '"') + rest, options.escape))
        else:
            row.append(None if plain == null else _unescaped(plain, options.escape))
        place = match.end()
        if end == options.delimiter:
            continue
        if row != [None] or options.null_escape is not None:  # a line without anything is no row
            yield row
        row, begin = [], place
        if place >= len(text) and is_over:
            return


def _field(options: Options) -> re.Pattern[str]:
    """A field and what ends it, in four groups: within quotes, behind them, without quotes, the end.

    Signs are taken many at a time: one by one takes ten times as long.
    """
    ends = [options.row_delimiter] if options.row_delimiter else ["\r\n", "\n", "\r"]
    end = f"({'|'.join(map(re.escape, [options.delimiter, *ends]))}|\\Z)"
    escape = re.escape(options.escape) if options.escape else ""
    signs = "".join(re.escape(one[0]) for one in (options.delimiter, *ends)) + escape
    # The first sign of a longer end of rows is a sign like others where the rest of it does not follow.
    alone = "".join(f"|{re.escape(one[0])}(?!{re.escape(one[1:])})" for one in ends if one != "\r\n" and len(one) > 1)
    escaped = rf"|{escape}(?:.|\Z)" if escape else ""
    plain = f"(?:[^{signs}]++{escaped}{alone})*+"
    quoted = f'"((?:[^"{escape}]++|""{escaped})*+)"({plain})|' if options.quoting else "(?!)()()|"
    return re.compile(f"(?:{quoted}({plain})){end}", re.DOTALL)


def _unescaped(text: str, escape: str | None) -> str:
    return re.sub(f"{re.escape(escape)}(.?)", r"\1", text, flags=re.DOTALL) if escape and escape in text else text
