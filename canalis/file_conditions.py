"""Conditions on files: on values in their paths, and on what a listing says of them. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from canalis.contract.tables import Call, Column, Condition, Constant, Moment
from canalis.dataset_expression import DatasetExpression, column
from canalis.exceptions import UserErrorException

METADATA = ("Size", "LastModifiedTime", "Extension")
_OF_A_FILE = "file "  # what the columns begin with that are no values in paths

_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def file_metadata(name: str) -> DatasetExpression:
    """What a listing says of files: Size in bytes, LastModifiedTime, Extension. Raises UserErrorException."""
    if name not in METADATA:
        raise UserErrorException(f"{name!r} is nothing that is known of files: {', '.join(METADATA)}")
    return column(_OF_A_FILE + name)


def facts_of(path: str, file: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a file, by the names that conditions have for it. Times are those of UTC, without a zone."""
    at = file.get("modified_at")
    when = None if at is None else datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
    known = {"Size": file.get("size"), "LastModifiedTime": when, "Extension": PurePosixPath(path).suffix}
    return {_OF_A_FILE + name: value for name, value in known.items()}


def holds(condition: Condition, known: Mapping[str, Any]) -> bool:
    """Whether a condition holds for a file of which this is known; what is missing is equal to nothing.

    Raises UserErrorException for a value that nothing is known of, and for two that cannot be compared
    """
    return _value(condition, known) is True


def _value(condition: Condition, known: Mapping[str, Any]) -> Any:
    if isinstance(condition, Constant):
        return condition.value
    if isinstance(condition, Moment):
        return _without_zone(datetime.fromisoformat(condition.at))
    if isinstance(condition, Column):
        if condition.name not in known:
            there = ", ".join(name for name in known if not name.startswith(_OF_A_FILE)) or "none"
            raise UserErrorException(
                f"filter() names '{condition.name}', and the paths have no such value (they have: {there}): say where "
                "it stands with partition_format=, or use dataset.file_metadata('Size')"
            )
        return known[condition.name]
    return _called(condition, [_value(one, known) for one in condition.of])


def _called(call: Call, values: list[Any]) -> bool:
    if call.does == "is_null":
        return values[0] is None
    if call.does == "not":
        return values[0] is False
    if call.does in ("and", "or"):
        return all(one is True for one in values) if call.does == "and" else any(one is True for one in values)
    one, other = values
    if one is None or other is None:
        return False
    if isinstance(one, str) != isinstance(other, str):  # what stands in a path is text
        one, other = str(one), str(other)
    try:
        return _COMPARED[call.does](one, other)
    except TypeError:
        raise UserErrorException(f"filter() compares {one!r} with {other!r}, which cannot be compared") from None


def _without_zone(when: datetime) -> datetime:
    return when if when.tzinfo is None else when.astimezone(UTC).replace(tzinfo=None)
