"""The operators of C#, as DuckDB calculates them.

Null is a value like others: it equals itself, is neither less nor more than anything, and is "" in a text that is
put together. Whole numbers that do not fit are an error, where C# by default would go on with what is left of them.
"""

from __future__ import annotations

from dataclasses import replace

from canalis.usql.faults import At, Wrong
from canalis.usql.types import DATETIME, DECIMAL, STRING, TIMESPAN, Type, common, of_both
from canalis.usql.values import Value, as_type, condition, made, text_of, yes_or_no


def binary(sign: str, left: Value, right: Value, at: At) -> Value:
    """The value of `left sign right`. Raises Wrong when the types do not go together."""
    if sign in ("&&", "||"):
        return _both_or_either(sign, condition(left, at), condition(right, at))
    if sign == "??":
        return _coalesce(left, right, at)
    if sign in ("==", "!="):
        return _equal(sign == "!=", *_comparable(left, right, sign, at))
    if sign in ("<", "<=", ">", ">="):
        left, right = _comparable(left, right, sign, at)
        if left.type.name in ("string", "bool", "Guid", "byte[]") or left.type.arguments:
            hint = "; string.Compare(a, b) < 0 compares texts" if left.type == STRING else ""
            raise Wrong(at, "usql_type", f"values of {left.type} have no order in C#{hint}")
        sql = f"({left.sql} {sign} {right.sql})"
        may_be_null = left.may_be_null or right.may_be_null
        return yes_or_no(f"coalesce({sql}, false)" if may_be_null else sql, left, right)
    if sign == "+" and "string" in (left.type.name, right.type.name):
        one, other = text_of(left, at), text_of(right, at)
        return made(f"concat({one.sql}, {other.sql})", STRING, one, other, null=False)
    if "DateTime" in (left.type.name, right.type.name) or "TimeSpan" in (left.type.name, right.type.name):
        return _of_times(sign, left, right, at)
    return _calculated(sign, left, right, at)


def negated(value: Value, at: At) -> Value:
    """The value of !value."""
    value = condition(value, at)
    return replace(value, sql=f"(NOT {value.sql})", constant=None)


def signed(sign: str, value: Value, at: At) -> Value:
    """The value of -value or +value."""
    type_ = of_both(value.type, Type("int"))
    if type_ is None or (sign == "-" and type_.name == "ulong"):
        raise Wrong(at, "usql_type", f"a value of {value.type} has no sign")
    if sign == "-" and type_.name == "uint":
        type_ = Type("long", type_.nullable)
    widened = replace(value, sql=_in(value, type_), type=type_)
    if sign == "+":
        return widened
    constant = -value.constant if isinstance(value.constant, (int, float)) else None
    return replace(widened, sql=f"(-{widened.sql})", constant=constant)


def ternary(asked: Value, yes: Value, no: Value, at: At) -> Value:
    """The value of asked ? yes : no."""
    asked = condition(asked, at)
    type_ = _of_either(yes, no, at)
    sql = f"CASE WHEN {asked.sql} THEN {_in(yes, type_)} ELSE {_in(no, type_)} END"
    return made(sql, type_, asked, yes, no, null=yes.may_be_null or no.may_be_null)


def cast(value: Value, wanted: Type, at: At) -> Value:
    """The value of (wanted) value: numbers lose what is behind their point. Raises Wrong for a cast that C# has not."""
    given = value.type
    if given.name == "null":
        return as_type(value, wanted, at)
    if given.name == wanted.name and given.arguments == wanted.arguments:
        return replace(value, type=wanted, constant=value.constant)
    fractions = ("float", "double", "decimal")
    if given.is_number and wanted.is_number:
        cut = given.name in fractions and wanted.is_integer
        sql = f"CAST({'trunc' if cut else ''}({value.sql}) AS {wanted.sql})"
    elif given.name == "char" and wanted.is_number:
        sql = f"CAST(unicode({value.sql}) AS {wanted.sql})"
    elif given.is_integer and wanted.name == "char":
        sql = f"chr(CAST({value.sql} AS INTEGER))"
    elif given.name == "DayOfWeek" and wanted.is_number:
        sql = f"CAST({value.sql} AS {wanted.sql})"
    else:
        return as_type(value, wanted, at)
    return replace(made(sql, wanted, value, fails=True), constant=value.constant if wanted.is_number else None)


def _in(value: Value, type_: Type) -> str:
    """The SQL of a value as one of another type that holds it."""
    same = value.type.name == type_.name and value.type.arguments == type_.arguments
    return value.sql if same else f"CAST({value.sql} AS {type_.sql})"


def _both_or_either(sign: str, left: Value, right: Value) -> Value:
    if right.may_fail:  # DuckDB would look at the right side whenever it likes
        of = (left.sql, right.sql, "false") if sign == "&&" else (left.sql, "true", right.sql)
        return yes_or_no("CASE WHEN {} THEN {} ELSE {} END".format(*of), left, right)
    return yes_or_no(f"({left.sql} {'AND' if sign == '&&' else 'OR'} {right.sql})", left, right)


def _coalesce(left: Value, right: Value, at: At) -> Value:
    type_ = _of_either(left, right, at)
    if not right.type.may_be_null:
        type_ = type_.with_null(False)
    one, other = _in(left, type_), _in(right, type_)
    # DuckDB calculates what stands in several coalesce() beforehand, for rows that never come to it as well.
    sql = f"CASE WHEN {one} IS NOT NULL THEN {one} ELSE {other} END" if right.may_fail else f"coalesce({one}, {other})"
    return made(sql, type_, left, right, null=right.may_be_null)


def _of_either(one: Value, other: Value, at: At) -> Type:
    found = common(one.type, other.type)
    if found is None and isinstance(other.constant, int) and one.type.is_number:
        found = as_type(other, one.type.with_null(False), at).type.with_null(one.type.nullable)
    elif found is None and isinstance(one.constant, int) and other.type.is_number:
        found = as_type(one, other.type.with_null(False), at).type.with_null(other.type.nullable)
    if found is None:
        raise Wrong(at, "usql_type", f"one side is of {one.type} and the other of {other.type}")
    return found


def _comparable(left: Value, right: Value, sign: str, at: At) -> tuple[Value, Value]:
    type_ = of_both(left.type, right.type) or common(left.type, right.type)
    if type_ is None and {left.type.name, right.type.name} == {"DayOfWeek", "int"}:
        return left, right
    if type_ is None:
        hint = "; a text is read with .Parse(...)" if "string" in (left.type.name, right.type.name) else ""
        raise Wrong(at, "usql_type", f"'{sign}' cannot compare {left.type} with {right.type}{hint}")
    return replace(left, sql=_in(left, type_), type=type_), replace(right, sql=_in(right, type_), type=type_)


def _equal(negated: bool, left: Value, right: Value) -> Value:
    if left.may_be_null or right.may_be_null:
        sign = "IS DISTINCT FROM" if negated else "IS NOT DISTINCT FROM"
    else:
        sign = "<>" if negated else "="
    return yes_or_no(f"({left.sql} {sign} {right.sql})", left, right)


def _calculated(sign: str, left: Value, right: Value, at: At) -> Value:
    type_ = of_both(left.type, right.type)
    if type_ is None and isinstance(right.constant, int) and left.type.name == "ulong":
        type_ = left.type
    if type_ is None:
        raise Wrong(
            at, "usql_type", f"'{sign}' has no result for {left.type} and {right.type}{_no_result(left, right)}"
        )
    one, other = _in(left, type_), _in(right, type_)
    if type_.name == "decimal":
        return _of_decimals(sign, one, other, made("", type_, left, right, fails=True))
    if sign == "/" and type_.is_integer:
        sign = "//"
    if sign in ("//", "%") and type_.is_integer and right.constant not in (None, 0):
        return made(f"({one} {sign} {other})", type_, left, right)
    return made(f"({one} {sign} {other})", type_, left, right, fails=type_.is_integer)


def _no_result(left: Value, right: Value) -> str:
    names = {left.type.name, right.type.name}
    if "decimal" in names and names & {"double", "float"}:
        return "; a cast makes both the same, as (decimal) x"
    return "; a text is read with .Parse(...)" if names & {"string", "char"} else ""


def _of_decimals(sign: str, one: str, other: str, like: Value) -> Value:
    if sign == "/":  # DuckDB divides decimals as doubles, which have 15 digits
        failing = f"error('division by zero, of the decimal ' || {one})"
        sql = f"CASE WHEN {other} = 0 THEN {failing} ELSE CAST({one} AS DOUBLE) / CAST({other} AS DOUBLE) END"
    else:
        sql = f"{one} {sign} {other}"
    return replace(like, sql=f"CAST({sql} AS {DECIMAL.sql})")


def _of_times(sign: str, left: Value, right: Value, at: At) -> Value:
    names = (left.type.name, sign, right.type.name)
    if names == ("DateTime", "-", "DateTime"):
        return made(f"(epoch_us({left.sql}) - epoch_us({right.sql}))", _also_null(TIMESPAN, left, right), left, right)
    if names in (("DateTime", "+", "TimeSpan"), ("DateTime", "-", "TimeSpan")):
        sql = f"({left.sql} {sign} to_microseconds({right.sql}))"
        return made(sql, _also_null(DATETIME, left, right), left, right)
    if names in (("TimeSpan", "+", "TimeSpan"), ("TimeSpan", "-", "TimeSpan")):
        return made(f"({left.sql} {sign} {right.sql})", _also_null(TIMESPAN, left, right), left, right)
    raise Wrong(at, "usql_type", f"'{sign}' has no result for {left.type} and {right.type}")


def _also_null(type_: Type, *of: Value) -> Type:
    return type_.with_null(any(one.type.nullable for one in of))
