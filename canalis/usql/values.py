"""An expression once its columns are known: what DuckDB shall calculate, and what C# says of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from canalis.usql.faults import At, Wrong
from canalis.usql.types import BOOL, NULL, STRING, Type, becomes


@dataclass(frozen=True, slots=True)
class Value:
    """A value.

    type          what C# says it is
    may_be_null   whether DuckDB may give NULL for it: more than the type says, since a member of null is null here
    may_fail      whether there are values for which it is an error, so that what guards it must be looked at first
    constant      what is written out in the script: a text, a number or a bool; None for all else
    """

    sql: str
    type: Type
    may_be_null: bool
    may_fail: bool = False
    constant: str | int | float | bool | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a rowset."""

    name: str
    type: Type
    may_be_null: bool


def made(sql: str, type_: Type, *of: Value, fails: bool = False, null: bool | None = None) -> Value:
    """A value that is calculated from others: null when one of them is, unless `null` says otherwise."""
    may_be_null = any(one.may_be_null for one in of) if null is None else null
    return Value(sql, type_, may_be_null, fails or any(one.may_fail for one in of))


def quoted(text: str) -> str:
    """A text as a constant of SQL."""
    return "'" + text.replace("'", "''") + "'"


def quoted_name(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def as_type(value: Value, wanted: Type, at: At) -> Value:
    """The value where one of that type is wanted. Raises Wrong when C# would not take it without a cast."""
    if value.type.name == "null":
        if not wanted.may_be_null:
            raise Wrong(at, "usql_type", f"null is no value of {wanted}; it would have to be {wanted}?")
        return Value(f"CAST(NULL AS {wanted.sql})", wanted, True)
    if value.type.name == wanted.name and value.type.arguments == wanted.arguments:
        if value.type.nullable and not wanted.may_be_null:
            raise Wrong(
                at, "usql_type", f"a value of {value.type} may be null, and is needed as {wanted}: use ?? or a cast"
            )
        return replace(value, type=wanted)
    fits = isinstance(value.constant, int) and _holds(wanted, value.constant)
    if not fits and not becomes(value.type, wanted):
        raise Wrong(at, "usql_type", f"a value of {value.type} is no {wanted}{_hint(value.type, wanted)}")
    return replace(value, sql=f"CAST({value.sql} AS {wanted.sql})", type=wanted)


def condition(value: Value, at: At) -> Value:
    """The value as a condition: null is not true. Raises Wrong for what is no bool."""
    if value.type.name != "bool":
        raise Wrong(at, "usql_type", f"a condition is a bool, and this is {_article(value.type)}")
    return replace(value, sql=f"coalesce({value.sql}, false)", may_be_null=False) if value.may_be_null else value


def null() -> Value:
    """The constant null."""
    return Value("NULL", NULL, True)


def text_of(value: Value, at: At) -> Value:
    """The value as ToString() gives it; null stays null. Raises Wrong for what has no text."""
    name, sql = value.type.name, value.sql
    if name in ("string", "char", "null"):
        return replace(value, type=STRING) if name != "null" else Value("CAST(NULL AS VARCHAR)", STRING, True)
    if name not in _TEXTS and not value.type.is_integer:
        raise Wrong(at, "usql_type", f"a value of {value.type} has no text here")
    return made(_TEXTS.get(name, "CAST({0} AS VARCHAR)").format(sql), STRING, value)


def yes_or_no(sql: str, *of: Value) -> Value:
    """A bool that is never null."""
    return made(sql, BOOL, *of, null=False)


_TEXTS = {
    "bool": "CASE WHEN {0} THEN 'True' WHEN NOT {0} THEN 'False' END",
    "double": "cs_double_text({0})",
    "float": "cs_double_text({0})",
    "decimal": "cs_decimal_text({0})",
    "DateTime": "strftime({0}, '%-m/%-d/%Y %-I:%M:%S %p')",
    "Guid": "CAST({0} AS VARCHAR)",
    "DayOfWeek": "list_extract(['Sunday','Monday','Tuesday','Wednesday','Thursday','Friday','Saturday'], {0} + 1)",
}
_LIMITS = {"sbyte": (-128, 127), "byte": (0, 255), "short": (-32768, 32767), "ushort": (0, 65535)}


def _holds(wanted: Type, number: int) -> bool:
    """Whether a constant of that size is taken for a smaller type, as C# does."""
    if isinstance(number, bool):
        return False
    if wanted.name in ("uint", "ulong"):
        return number >= 0
    low, high = _LIMITS.get(wanted.name, (1, 0))
    return low <= number <= high


def _hint(given: Type, wanted: Type) -> str:
    if given.name in ("string", "char") and (wanted.is_number or wanted.name in ("bool", "DateTime", "Guid")):
        return f"; {wanted.name}.Parse(...) reads it"
    if wanted.name == "string":
        return "; .ToString() makes it one"
    if given.is_number and wanted.is_number:
        return f"; a cast ({wanted}) makes it one"
    return ""


def _article(type_: Type) -> str:
    return f"{'an' if type_.name[0] in 'aeiou' else 'a'} {type_}"
