"""Aggregates and window functions: what each gives, and what DuckDB calls it.

Source   the U-SQL language reference, aggregate functions and window functions
"""

from __future__ import annotations

from collections.abc import Sequence

from canalis.usql.faults import At, Wrong
from canalis.usql.tree import Call, Name
from canalis.usql.types import DOUBLE, INT, LONG, Type, array_of
from canalis.usql.values import Value, as_type, made

AGGREGATES = frozenset(
    "COUNT SUM AVG MIN MAX VAR VARP STDEV STDEVP ANY_VALUE ARRAY_AGG MAP_AGG FIRST_VALUE LAST_VALUE".split()
)
WINDOWS = frozenset(
    "ROW_NUMBER RANK DENSE_RANK NTILE LAG LEAD CUME_DIST PERCENT_RANK PERCENTILE_CONT PERCENTILE_DISC".split()
)
_PLAIN = {
    "MIN": "min",
    "MAX": "max",
    "ANY_VALUE": "any_value",
    "FIRST_VALUE": "first_value",
    "LAST_VALUE": "last_value",
}
_SPREAD = {"VAR": "var_samp", "VARP": "var_pop", "STDEV": "stddev_samp", "STDEVP": "stddev_pop"}


def name_of(call: Call) -> str:
    """The aggregate or window function that a call is of; "" for another function."""
    name = call.function.text if isinstance(call.function, Name) else ""
    return name if name in AGGREGATES or name in WINDOWS else ""


def aggregate(call: Call, given: Sequence[Value], over: str, grouped: bool) -> Value:
    """The value of an aggregate, or of one in a window.

    over      the window in SQL; "" for none
    grouped   whether there is at least one row in each group
    """
    name, at = name_of(call), call.at
    if name == "COUNT" or call.star:
        if name != "COUNT" or len(given) != (0 if call.star else 1):
            raise Wrong(at, "usql_type", f"{name} cannot be called so: COUNT(*) or COUNT(x)")
        inner = "*" if call.star else ("DISTINCT " if call.distinct else "") + given[0].sql
        return made(f"count({inner}){over}", LONG, *given, null=False)
    wanted = 2 if name == "MAP_AGG" else 1
    if len(given) != wanted:
        raise Wrong(at, "usql_type", f"{name} takes {wanted} value{'s' if wanted > 1 else ''}, and has {len(given)}")
    value = given[0]
    distinct = "DISTINCT " if call.distinct else ""
    null = value.may_be_null or not grouped
    if name in _PLAIN:
        type_ = value.type.with_null(value.type.nullable or not grouped)
        return made(f"{_PLAIN[name]}({distinct}{value.sql}){over}", type_, value, null=null)
    if name == "ARRAY_AGG":
        return made(f"list({distinct}{value.sql}){over}", array_of(value.type), value, null=not grouped)
    if name == "MAP_AGG":
        type_ = Type("SQL.MAP", arguments=(value.type.with_null(False), given[1].type))
        return made(f"map(list({value.sql}), list({given[1].sql})){over}", type_, *given, null=not grouped)
    return _of_numbers(name, value, f"{distinct}{value.sql}", over, null, at)


def window(call: Call, given: Sequence[Value], within: Sequence[Value], over: str) -> Value:
    """The value of a function that only windows have."""
    name, at = name_of(call), call.at
    if not over:
        raise Wrong(at, "usql_type", f"{name} needs a window: {name}(...) OVER (PARTITION BY ... ORDER BY ...)")
    if name in ("ROW_NUMBER", "RANK", "DENSE_RANK", "CUME_DIST", "PERCENT_RANK"):
        _takes(name, given, 0, 0, at)
        type_ = DOUBLE if name in ("CUME_DIST", "PERCENT_RANK") else LONG
        return Value(f"{name.lower()}(){over}", type_, False)
    if name == "NTILE":
        _takes(name, given, 1, 1, at)
        return made(f"ntile({as_type(given[0], LONG, at).sql}){over}", LONG, given[0], null=False)
    if name in ("LAG", "LEAD"):
        return _neighbour(name, given, over, at)
    _takes(name, given, 1, 1, at)
    if len(within) != 1:
        raise Wrong(at, "usql_type", f"{name}(p) needs WITHIN GROUP (ORDER BY x)")
    share, of = as_type(given[0], DOUBLE, at), within[0]
    if name == "PERCENTILE_DISC":
        return made(f"quantile_disc({of.sql}, {share.sql}){over}", of.type.with_null(), of, null=True)
    sql = f"quantile_cont({as_type(of, DOUBLE.with_null(), at).sql}, {share.sql}){over}"
    return made(sql, DOUBLE.with_null(), of, null=True)


def _of_numbers(name: str, value: Value, inner: str, over: str, null: bool, at: At) -> Value:
    if not value.type.is_number:
        raise Wrong(at, "usql_type", f"{name} is of numbers, and this is of {value.type}")
    nullable = null if value.type.nullable or null else False
    if name in _SPREAD:
        return made(f"{_SPREAD[name]}(CAST({inner} AS DOUBLE)){over}", DOUBLE.with_null(), value, null=True)
    if name == "SUM":
        type_ = _sum_of(value.type).with_null(nullable)
        return made(f"CAST(sum({inner}){over} AS {type_.sql})", type_, value, fails=value.type.is_integer, null=null)
    type_ = Type("decimal" if value.type.name == "decimal" else "double", nullable)
    return made(f"CAST(avg({inner}){over} AS {type_.sql})", type_, value, null=null)


def _sum_of(type_: Type) -> Type:
    if type_.is_integer:
        return Type("ulong") if type_.name == "ulong" else LONG
    return Type("decimal") if type_.name == "decimal" else DOUBLE


def _neighbour(name: str, given: Sequence[Value], over: str, at: At) -> Value:
    _takes(name, given, 1, 3, at)
    value = given[0]
    words = [value.sql]
    if len(given) > 1:
        words.append(as_type(given[1], INT, at).sql)
    if len(given) < 3:
        return made(f"{name.lower()}({', '.join(words)}){over}", value.type.with_null(), value, null=True)
    other = as_type(given[2], value.type, at)
    return made(f"{name.lower()}({', '.join([*words, other.sql])}){over}", value.type, value, other)


def _takes(name: str, given: Sequence[Value], least: int, most: int, at: At) -> None:
    if not least <= len(given) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise Wrong(at, "usql_type", f"{name} takes {wanted} values, and has {len(given)}")
