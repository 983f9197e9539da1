"""Columns as the types that an author says they have. pyarrow is loaded already where this is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from canalis.contract.tables import ColumnType
from canalis.exceptions import DatasetExecutionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ARROW = {
    "string": pa.string(),
    "long": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "datetime": pa.timestamp("us"),
}
_LOOKS = {  # what can be read as such a type, so that the rest is missing and nothing is refused
    "long": r"^\s*[+-]?\d{1,18}\s*$",
    "float": r"^\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|inf|Inf|nan|NaN)\s*$",
    "bool": r"^\s*(true|True|TRUE|false|False|FALSE|0|1)\s*$",
}
_DATES = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%Y%m%d",
)


def converted(column: Any, wanted: ColumnType, name: str, strict: bool) -> Any:
    """A column as values of that type. What cannot be read as one is missing.

    strict   whether that is an error (DatasetExecutionError) instead
    """
    target = _ARROW[wanted.name]
    if column.type == target or pa.types.is_null(column.type):
        return column.cast(target)
    if wanted.name == "datetime":
        made = _dates(column, wanted.formats)
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        made = _of_text(column, wanted)
    else:
        made = _cast(column, target)
    if strict:
        _refuse(column, made, name, wanted.name)
    return made


def usual(column: Any) -> Any:
    """A column in the types that v1 had: dates are datetimes, without a zone and in UTC."""
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return column.cast(pa.timestamp(column.type.unit))
    return column


def as_text(column: Any) -> Any:
    """A column as text; itself when it holds what is no single value, as lists are."""
    try:
        return column.cast(pa.string())
    except pa.lib.ArrowNotImplementedError:
        return column


def at_odds(tables: Sequence[Any]) -> list[str]:
    """Columns whose types in these tables have none in common that holds the values of all."""
    types = dict[str, dict[Any, None]]()
    for field in (field for schema in {table.schema for table in tables} for field in schema):
        types.setdefault(field.name, {})[field.type] = None
    return [name for name, several in types.items() if len(several) > 1 and not _have_one(several)]


def _have_one(types: Iterable[Any]) -> bool:
    try:
        pa.unify_schemas([pa.schema([("one", one)]) for one in types], promote_options="permissive")
    except (pa.lib.ArrowTypeError, pa.lib.ArrowInvalid):
        return False
    return True


def within_pandas(table: Any, may_be_outside: bool) -> Any:
    """The same with datetimes in nanoseconds, as pandas long had them alone; what is out of their range is missing.

    may_be_outside   else that is an error
    """
    for at, field in enumerate(table.schema):
        if not pa.types.is_timestamp(field.type) or field.type.unit == "ns":
            continue
        column = table.column(at)
        lowest, highest = (
            pa.scalar(year, pa.timestamp("s")).cast(field.type) for year in (-9_214_560_000, 9_214_646_400)
        )
        is_fit = pc.and_(pc.greater(column, lowest), pc.less(column, highest))
        if pc.all(is_fit, min_count=0).as_py() is False:
            if not may_be_outside:
                raise DatasetExecutionError(
                    f"Column '{field.name}' has datetimes out of pandas' range (1678 to 2262), such as "
                    f"{_first(column, pc.invert(is_fit))}; pass out_of_range_datetime='null' to have them missing"
                )
            column = pc.if_else(is_fit, column, pa.scalar(None, field.type))
        table = table.set_column(at, field.name, column.cast(pa.timestamp("ns", field.type.tz)))
    return table


def _of_text(column: Any, wanted: ColumnType) -> Any:
    target = _ARROW[wanted.name]
    if wanted.decimal_comma and wanted.name == "float":
        column = pc.replace_substring(pc.replace_substring(column, ".", ""), ",", ".")
    if wanted.name == "string":
        return column.cast(target)
    fits = pc.match_substring_regex(column, _LOOKS[wanted.name])
    return pc.utf8_trim_whitespace(pc.if_else(fits, column, pa.scalar(None, column.type))).cast(target)


def _cast(column: Any, target: Any) -> Any:
    try:
        return column.cast(target)
    except pa.lib.ArrowNotImplementedError:
        return pa.chunked_array([pa.nulls(len(column), target)])
    except pa.lib.ArrowInvalid:
        if not pa.types.is_integer(target) or not pa.types.is_floating(column.type):
            return column.cast(target, safe=False)
        whole = pc.and_(pc.equal(column, pc.trunc(column)), pc.less(pc.abs(column), 2.0**63))
        return pc.if_else(whole, column, pa.scalar(None, column.type)).cast(target)


def _dates(column: Any, formats: Sequence[str]) -> Any:
    target = _ARROW["datetime"]
    if pa.types.is_temporal(column.type):
        return usual(column).cast(target, safe=False)
    text = column.cast(pa.string())
    if not formats:
        try:
            return usual(text.cast(pa.timestamp("us", "UTC")) if _is_zoned(text) else text.cast(target)).cast(target)
        except pa.lib.ArrowInvalid:
            formats = _DATES
    tried = [pc.strptime(text, format=_whole(one), unit="us", error_is_null=True) for one in formats]
    return tried[0] if len(tried) == 1 else pc.coalesce(*tried)


def _is_zoned(text: Any) -> bool:
    """Whether all of the texts end with a zone."""
    return bool(pc.all(pc.match_substring_regex(text, r"(Z|[+-]\d\d:?\d\d)$")).as_py())


def _whole(format: str) -> str:
    return format.removesuffix(".%f")  # which strptime here does not know


def _refuse(column: Any, made: Any, name: str, wanted: str) -> None:
    lost = pc.and_(pc.is_null(made), pc.is_valid(column))
    if pc.any(lost).as_py():
        raise DatasetExecutionError(
            f"Column '{name}' has values that are no {wanted}, such as {_first(column, lost)}; pass on_error='null' to "
            "have them missing, or give the column another type in set_column_types"
        )


def _first(column: Any, mask: Any) -> str:
    return repr(str(pc.filter(column, mask)[0].as_py()))[:100]
