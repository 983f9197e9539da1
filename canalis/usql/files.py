"""Which files a path of a script means: one file, or a set of them with columns that stand in their paths.

Source   the U-SQL language reference, input files
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from canalis.usql.faults import At, Wrong
from canalis.usql.types import Type

_PLACE = re.compile(r"\{(\*|[A-Za-z_]\w*)(?::([^{}]*))?\}")
# Part of a date, and the digits that stand for it.
_PARTS = {
    "yyyy": r"\d{4}",
    "yy": r"\d{2}",
    "MM": r"\d{2}",
    "M": r"\d{1,2}",
    "dd": r"\d{2}",
    "d": r"\d{1,2}",
    "HH": r"\d{2}",
    "H": r"\d{1,2}",
    "mm": r"\d{2}",
    "m": r"\d{1,2}",
    "ss": r"\d{2}",
    "s": r"\d{1,2}",
}
_PARTS_IN = re.compile("|".join(sorted(_PARTS, key=len, reverse=True)) + "|.")


@dataclass(frozen=True, slots=True)
class Found:
    """A file. values: what its path says, by column, as text."""

    path: str
    values: Mapping[str, str]


def names_in(path: str) -> list[str]:
    """The columns that stand in a path, each once."""
    return list(dict.fromkeys(match[1] for match in _PLACE.finditer(path) if match[1] != "*"))


def local_path(path: str, at: At) -> str:
    """A path of a script as one of this machine. Raises Wrong for an address in a cloud."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path):
        said = f"'{path}' is an address; make what lies there an input or output of the step, and write @@name@@"
        raise Wrong(at, "usql_path", said)
    return path


def find(path: str, types: Mapping[str, Type], at: At) -> list[Found]:
    """The files that a path means, in the order of their names.

    types    of the columns of EXTRACT, by name
    Raises   Wrong when a single file is not there, and for a pattern that cannot be
    """
    path = local_path(path, at)
    if "{" not in path:
        if not Path(path).is_file():
            what = "is a folder; its files are /{*}" if Path(path).is_dir() else "is not there"
            hint = "" if Path(path).is_dir() else "; what a step reads is an input of it, written @@name@@"
            raise Wrong(at, "usql_path", f"the file '{path}' {what}{hint}")
        return [Found(path, {})]
    pattern = _pattern(path, types, at)
    head = path[: path.index("{")].rpartition("/")[0]
    depth = path.count("/") - head.count("/")
    found = []
    for file in _below(head or ("/" if path.startswith("/") else "."), depth):
        name = file[2:] if not head and file.startswith("./") else file
        match = pattern.fullmatch(name)
        values = _values(match, types, at, name) if match else None
        if values is not None:
            found.append(Found(name, values))
    return sorted(found, key=lambda one: one.path)


def _below(folder: str, depth: int) -> list[str]:
    """The files so many folders deep below a folder, or less."""
    found: list[str] = []
    for root, folders, files in os.walk(folder):
        level = root[len(folder) :].count("/") + 1
        if level >= depth:
            folders.clear()
        found += [f"{'' if root == '/' else root}/{name}" for name in files]
    return found


def _pattern(path: str, types: Mapping[str, Type], at: At) -> re.Pattern[str]:
    made, end, count = "", 0, 0
    for match in _PLACE.finditer(path):
        made += re.escape(path[end : match.start()])
        end = match.end()
        name, form = match[1], match[2]
        if name == "*":
            made += "[^/]*"
            continue
        if name not in types:
            raise Wrong(at, "usql_path", f"'{{{name}}}' stands in the path, and is no column of EXTRACT")
        is_date = types[name].name == "DateTime"
        if bool(form) != is_date and form != "*":
            need = "a part of a date, as {date:yyyy}" if is_date else "no format"
            raise Wrong(at, "usql_path", f"'{match[0]}': a column of {types[name]} has {need} in a path")
        if not is_date:
            count += 1
            made += f"(?P<{name}__{count}>[^/]+)"
            continue
        for part in _PARTS_IN.findall(form or ""):
            count += 1
            made += f"(?P<{name}__{count}__{part}>{_PARTS[part]})" if part in _PARTS else re.escape(part)
    rest = path[end:]
    if "{" in rest or "{" in _PLACE.sub("", path):
        raise Wrong(at, "usql_path", f"'{path}' has a {{ that is no place: {{*}}, {{column}} or {{date:yyyy}}")
    return re.compile(made + re.escape(rest))


def _values(match: re.Match[str], types: Mapping[str, Type], at: At, path: str) -> dict[str, str] | None:
    """What a path says of its columns; None when a column that stands in it twice says two things."""
    found: dict[str, str] = {}
    dates: dict[str, dict[str, int]] = {}
    for group, text in match.groupdict().items():
        name, _, *part = group.split("__")
        if part:
            number = int(text) + (2000 if part[0] == "yy" else 0)
            if dates.setdefault(name, {}).setdefault(part[0][0], number) != number:
                return None
        elif found.setdefault(name, text) != text:
            return None
    for name, said in dates.items():
        try:
            date = datetime(*(said.get(key, least) for key, least in _LEAST))  # type: ignore[arg-type]  # noqa: DTZ001
        except ValueError:
            raise Wrong(at, "usql_path", f"the path '{path}' says no date for '{name}'") from None
        found[name] = date.isoformat(sep=" ")
    return found


_LEAST = (("y", 1), ("M", 1), ("d", 1), ("H", 0), ("m", 0), ("s", 0))
