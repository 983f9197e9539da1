"""Values that stand in the paths of files: {country}/{day:yyyy/MM/dd}/data.csv. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import unquote

from canalis.exceptions import UserErrorException

_FIELD = re.compile(r"\{([^{}:]+)(?::([^{}]+))?\}")
_PARTS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_DIGITS = {"yyyy": r"\d{4}", "MM": r"\d{2}", "dd": r"\d{2}", "HH": r"\d{2}", "mm": r"\d{2}", "ss": r"\d{2}"}
_WORD = re.compile("|".join(_PARTS))


def keys_of(partition_format: str) -> list[str]:
    """The columns that a format makes, in its order. Raises UserErrorException for one that makes none."""
    found = list(dict.fromkeys(match[1] for match in _FIELD.finditer(partition_format)))
    if partition_format and not found:
        raise UserErrorException(
            f"partition_format '{partition_format}' names no column: write {{column}} or {{column:yyyy/MM/dd}} where "
            "the paths have a value"
        )
    return found


def values_in(path: str, partition_format: str) -> dict[str, str | datetime] | None:
    """The values that a path has by a format, which its end must fit; None when it does not.

    >>> values_in("in/nl/2020/01/x.csv", "/{country}/{month:yyyy/MM}/*.csv")
    {'country': 'nl', 'month': datetime.datetime(2020, 1, 1, 0, 0)}
    """
    pattern, formats = _pattern(partition_format)
    found = re.search(pattern, path)
    if found is None:
        return None
    values: dict[str, str | datetime] = {}
    for at, (name, format) in enumerate(formats, 1):
        if not format:
            values[name] = unquote(found[at])
            continue
        try:
            values[name] = datetime.strptime(found[at], format)  # noqa: DTZ007  paths have no zone
        except ValueError:
            return None
    return values


def _pattern(partition_format: str) -> tuple[str, list[tuple[str, str]]]:
    said, formats, end = "(?:^|/)", list[tuple[str, str]](), 0
    template = partition_format.lstrip("/")
    for match in _FIELD.finditer(template):
        said += _literal(template[end : match.start()])
        date = match[2] or ""
        said += f"({_WORD.sub(lambda word: _DIGITS[word[0]], re.escape(date))})" if date else "([^/]+)"
        formats.append((match[1], _WORD.sub(lambda word: _PARTS[word[0]], date)))
        end = match.end()
    return said + _literal(template[end:]) + "$", formats


def _literal(text: str) -> str:
    return re.escape(text).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
