"""Logged points become what v1's get_metrics() gives. Pure, and light enough for any script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NOT_FINITE = "$float"  # key of an object that stands for nan or an infinity, which JSON does not have


def fold(points: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Metrics by name, in the order of their first points; points that came twice count once.

    points    as MetricPoint has them, in any order
    Returns   scalar: the number, or a list when it was logged several times; list: the list;
              row and table: column -> value, or list of values when there are several rows
    Source    reference section 13
    """
    unique = {point["id"]: point for point in points}
    found: dict[str, Any] = {}
    for point in sorted(unique.values(), key=lambda point: point["time"]):
        name, value = point["name"], _finite_again(point["value"])
        if point["kind"] in ("row", "table"):
            found[name] = _with_row(found.get(name), value)
        elif name not in found:
            found[name] = list(value) if point["kind"] == "list" else value
        else:
            known = found[name] if isinstance(found[name], list) else [found[name]]
            found[name] = known + (list(value) if point["kind"] == "list" else [value])
    return found


def _finite_again(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite_again(inner) for inner in value]
    if isinstance(value, dict):
        return float(value[NOT_FINITE]) if NOT_FINITE in value else {k: _finite_again(v) for k, v in value.items()}
    return value


def _with_row(known: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(known, dict):
        return dict(row)
    joined = dict(known)
    for column, value in row.items():
        joined[column] = _as_list(joined.get(column, [])) + _as_list(value)
    return joined


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
