"""Formats of C#, as DuckDB writes and reads them: of dates, of numbers, and of string.Format."""

from __future__ import annotations

import re

from canalis.usql.faults import At, Wrong
from canalis.usql.types import STRING
from canalis.usql.values import Value, made, quoted, text_of

# Longest first. Source: custom date and time format strings
_DATE_PARTS = {
    "yyyy": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%-m",
    "dddd": "%A",
    "ddd": "%a",
    "dd": "%d",
    "d": "%-d",
    "HH": "%H",
    "H": "%-H",
    "hh": "%I",
    "h": "%-I",
    "mm": "%M",
    "m": "%-M",
    "ss": "%S",
    "s": "%-S",
    "fffffff": "%f0",
    "ffffff": "%f",
    "fff": "%g",
    "tt": "%p",
}
_STANDARD = {
    "o": "yyyy-MM-ddTHH:mm:ss.fffffff",
    "O": "yyyy-MM-ddTHH:mm:ss.fffffff",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ssZ",
    "d": "M/d/yyyy",
    "g": "M/d/yyyy h:mm tt",
    "G": "M/d/yyyy h:mm:ss tt",
    "r": "ddd, dd MMM yyyy HH:mm:ss GMT",
    "R": "ddd, dd MMM yyyy HH:mm:ss GMT",
    "t": "h:mm tt",
    "T": "h:mm:ss tt",
}
_DATE = re.compile(r"'([^']*)'|\\(.)|(f{7}|f{6}|fff|y+|M+|d+|H+|h+|m+|s+|t+|f+|[zKFg])|(.)", re.DOTALL)
_NUMBER = re.compile(r"([DFNXPdfnxp])(\d{0,2})")
_PLACE = re.compile(r"\{(\d+)(?::([^{}]*))?\}|\{\{|\}\}")


def date_format(text: str, at: At) -> str:
    """A format of dates as strftime and strptime have it. Raises Wrong for a part that they have not.

    >>> date_format("yyyy-MM-dd'T'HH:mm", At(1, 1))
    '%Y-%m-%dT%H:%M'
    """
    found = ""
    for match in _DATE.finditer(_STANDARD.get(text, text)):
        word, plain, escaped, sign = match[3], match[1], match[2], match[4]
        if word and word not in _DATE_PARTS:
            raise Wrong(at, "usql_not_here", f"'{word}' in the date format '{text}' is not here")
        found += _DATE_PARTS[word] if word else (plain or escaped or sign or "").replace("%", "%%")
    return found


def formatted(value: Value, form: str, at: At) -> Value:
    """value.ToString(form). Raises Wrong for a format that is not here."""
    if value.type.name == "DateTime":
        return made(f"strftime({value.sql}, {quoted(date_format(form, at))})", STRING, value)
    match = _NUMBER.fullmatch(form)
    if not value.type.is_number or not match:
        raise Wrong(at, "usql_not_here", f"the format '{form}' of {value.type} is not here (there are: D, F, N, P, X)")
    kind, digits = match[1].upper(), match[2]
    sql = value.sql
    if kind in "DX" and not value.type.is_integer:
        raise Wrong(at, "usql_type", f"the format '{form}' is one of whole numbers, and this is of {value.type}")
    if kind == "D":
        plain = f"CAST(abs({sql}) AS VARCHAR)"
        padded = f"lpad({plain}, CAST(greatest({digits or 0}, length({plain})) AS INTEGER), '0')"
        return made(f"(CASE WHEN {sql} < 0 THEN '-' ELSE '' END || {padded})", STRING, value)
    if kind == "X":
        text = f"printf('%0{digits or 1}{match[1]}', {sql})"
        return made(text, STRING, value)
    places, comma = digits or "2", "," if kind in "NP" else ""
    # DuckDB writes halves to the even digit of their binary value; C# writes them away from zero.
    exact = f"round(CAST({sql} AS DOUBLE){' * 100' if kind == 'P' else ''}, {places})"
    return made(f"format('{{:{comma}.{places}f}}{' %' if kind == 'P' else ''}', {exact})", STRING, value)


def composed(form: str, given: list[Value], at: At) -> Value:
    """string.Format(form, given...). Raises Wrong for a place that has no value."""
    parts, end = [], 0
    for match in _PLACE.finditer(form):
        parts.append(quoted(form[end : match.start()]))
        end = match.end()
        if match[1] is None:
            parts.append(quoted(match[0][0]))
            continue
        if int(match[1]) >= len(given):
            raise Wrong(at, "usql_type", f"'{match[0]}' has no value: there are {len(given)}, counted from 0")
        value = given[int(match[1])]
        parts.append((formatted(value, match[2], at) if match[2] else text_of(value, at)).sql)
    parts.append(quoted(form[end:]))
    return made(f"concat({', '.join(parts)})", STRING, *given, null=False)
