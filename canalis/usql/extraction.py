"""Files become views: SQL that reads them as an extractor does, and each field as the type of its column."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from canalis.usql.delimited import has_mixed_ends, has_own_rows, is_utf8, rewrite, transcode
from canalis.usql.faults import ScriptFailed
from canalis.usql.files import Found, find
from canalis.usql.options import Options
from canalis.usql.script import Extraction
from canalis.usql.values import Column, quoted, quoted_name


def files_of(part: Extraction) -> list[Found]:
    """The files that an EXTRACT reads, each once. Raises Wrong when one that it names is not there."""
    types = {one.name: one.type for one in part.columns}
    found: dict[str, Found] = {}
    for path, at in part.paths:
        for one in find(path, types, at):
            found.setdefault(one.path, one)
    return list(found.values())


def view_of(part: Extraction, files: Sequence[Found], scratch: Path) -> str:
    """SQL of the rows of files.

    scratch   a folder for files that must be written again before DuckDB can read them
    Raises    ScriptFailed for a file that is not in the encoding that was said
    """
    if not files:
        listed = ", ".join(f"CAST(NULL AS {one.type.sql}) AS {quoted_name(one.name)}" for one in part.columns)
        return f"SELECT {listed} WHERE false"
    options, paths = part.options, [one.path for one in files]
    if has_own_rows(options):
        paths = [_again(rewrite, path, number, part, scratch) for number, path in enumerate(paths)]
        options = Options(silent=options.silent)
    elif not is_utf8(options) or any(has_mixed_ends(path) for path in paths):
        paths = [_again(transcode, path, number, part, scratch) for number, path in enumerate(paths)]
    in_file = [one for one in part.columns if one.name not in part.virtual]
    listed = ", ".join(f"{_read(one, part)} AS {quoted_name(one.name)}" for one in part.columns)
    source = f"{_read_csv(paths, in_file, options, bool(part.virtual))} AS rows"
    if not part.virtual:
        return f"SELECT {listed} FROM {source}"
    rows = ", ".join(
        "(" + ", ".join(quoted(text) for text in (path, *(one.values[name] for name in part.virtual))) + ")"
        for path, one in zip(paths, files, strict=True)
    )
    names = ", ".join(quoted_name(name) for name in ("usql file", *part.virtual))
    return (
        f'SELECT {listed} FROM {source} JOIN (VALUES {rows}) AS paths({names}) ON rows."usql path" = paths."usql file"'
    )


def explained(message: str, part: Extraction | None = None) -> str:
    """What DuckDB says of a file that it cannot read, without its advice."""
    line = re.search(r"CSV Error on Line: (\d+)", message)
    if line is None:
        return message.split("\n")[0].removeprefix("Invalid Input Error: ").partition(" Use TRY(")[0]
    file = re.search(r"^\s*file ?= ?(.+)$", message, re.MULTILINE)
    columns = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    where = f"{file[1].strip()}, line {line[1]}" if file else f"line {line[1]}"
    if columns:
        return f"{where} has {columns[2]} columns, and {columns[1]} are extracted; silent: true leaves such rows out"
    reason = next((text for text in message.split("\n")[2:] if text.strip()), "it cannot be read")
    return f"{where}: {reason.strip()}"


def _again(write: Callable[[str, Path, Options], None], path: str, number: int, part: Extraction, scratch: Path) -> str:
    """The path of a file that was written again."""
    target = scratch / f"{part.view}-{number}.csv"
    try:
        write(path, target, part.options)
    except UnicodeDecodeError as error:
        said = f"line {part.at.line}: '{path}' is not in the encoding {part.options.encoding}: {error.reason}"
        raise ScriptFailed(f"{said} at byte {error.start}") from None
    return str(target)


def _read_csv(paths: Sequence[str], columns: Sequence[Column], options: Options, with_path: bool) -> str:
    listed = ", ".join(f"{quoted(one.name)}: 'VARCHAR'" for one in columns)
    quote = "'\"'" if options.quoting else "''"
    words = [
        f"[{', '.join(quoted(_no_pattern(path)) for path in paths)}]",
        f"columns = {{{listed}}}",
        f"auto_detect = false, header = false, delim = {quoted(options.delimiter)}, quote = {quote}, escape = {quote}",
        f"nullstr = {quoted(options.null_escape or '')}, allow_quoted_nulls = false",
        f"skip = {options.skip}, ignore_errors = {str(options.silent).lower()}",
    ]
    if with_path:
        words.append("filename = 'usql path'")
    return f"read_csv({', '.join(words)})"


def _no_pattern(path: str) -> str:
    """A path as DuckDB takes it for one file, whatever signs it has."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def _read(column: Column, part: Extraction) -> str:
    """SQL of a field as the type of its column."""
    type_, is_virtual = column.type, column.name in part.virtual
    text = f"{'paths' if is_virtual else 'rows'}.{quoted_name(column.name)}"
    if type_.name == "string":
        return text
    if part.options.null_escape is not None:
        text = f"nullif({text}, '')"
    where = quoted(f"EXTRACT in line {part.at.line}, column {column.name}: ")
    value = f"cs_parse_{type_.name}({text}, {where})"
    if type_.may_be_null:
        return f"cs_try_{type_.name}({text})" if part.options.silent else value
    missing = f"error({where} || 'there is nothing in a field, and {type_} has no null; {type_}? has')"
    return f"coalesce({value}, CAST({missing} AS {type_.sql}))"
