"""Constants as C# writes them."""

from __future__ import annotations

import re

from canalis.usql.faults import At, Wrong
from canalis.usql.tree import Literal
from canalis.usql.types import BOOL, CHAR, DOUBLE, INT, STRING, Type
from canalis.usql.values import Value, null, quoted

_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{1,4}|.)", re.DOTALL)
_SIGNS = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_NUMBER = re.compile(r"(0[xX][0-9A-Fa-f]+|[\d.]+(?:[eE][+-]?\d+)?)([A-Za-z]*)")
_SUFFIXES = {"F": "float", "D": "double", "M": "decimal"}


def literal(found: Literal) -> Value:
    """The value of a constant. Raises Wrong for one that cannot be."""
    if found.kind == "NULL":
        return null()
    if found.kind in ("TRUE", "FALSE"):
        return Value(found.text, BOOL, False, constant=found.kind == "TRUE")
    if found.kind == "NUMBER":
        return _number(found.text, found.at)
    if found.kind == "VERBATIM":
        text = found.text[2:-1].replace('""', '"')
    else:
        text = _ESCAPE.sub(lambda match: _unescaped(match[1], found.at), found.text[1:-1])
    if "\0" in text:
        raise Wrong(found.at, "usql_not_here", "a text with the sign 0 in it is not here")
    if found.kind == "CHARACTER" and len(text) != 1:
        raise Wrong(found.at, "usql_syntax", f"{found.text} is not one sign")
    return Value(quoted(text), CHAR if found.kind == "CHARACTER" else STRING, False, constant=text)


def _unescaped(escape: str, at: At) -> str:
    if len(escape) > 1:
        return chr(int(escape[1:], 16))
    if escape in _SIGNS:
        return _SIGNS[escape]
    if escape not in "\\'\"":
        raise Wrong(at, "usql_syntax", f"'\\{escape}' is no sign of a text; a backslash itself is '\\\\', or @\"...\"")
    return escape


def _number(text: str, at: At) -> Value:
    match = _NUMBER.fullmatch(text)
    assert match is not None, text
    digits, suffix = match[1], match[2].upper()
    if digits[:2] in ("0x", "0X"):
        return _whole(int(digits, 16), suffix, at)
    if suffix in _SUFFIXES or "." in digits or "e" in digits.lower():
        type_ = Type(_SUFFIXES.get(suffix, "double"))
        return Value(f"CAST({digits} AS {type_.sql})", type_ if suffix else DOUBLE, False, constant=float(digits))
    return _whole(int(digits), suffix, at)


def _whole(number: int, suffix: str, at: At) -> Value:
    """A whole number, of the first type that holds it."""
    names = {"": "int uint long ulong", "U": "uint ulong", "L": "long ulong"}.get(suffix, "ulong").split()
    bits = {"int": 31, "uint": 32, "long": 63, "ulong": 64}
    for name in names:
        if number < 2 ** bits[name]:
            sql = str(number) if name == "int" else f"CAST({number} AS {Type(name).sql})"
            return Value(sql, INT if name == "int" else Type(name), False, constant=number)
    raise Wrong(at, "usql_type", f"{number} is larger than any whole number of C#")
