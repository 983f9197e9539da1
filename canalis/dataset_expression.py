"""Conditions on the columns of a tabular dataset: (dataset['age'] >= 18) & ~dataset['name'].is_null()."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from canalis.absent import V1
from canalis.contract.tables import Call, Column, Condition, Constant, Moment
from canalis.exceptions import UserErrorException

_Does = Literal["==", "!=", "<", "<=", ">", ">=", "and", "or", "not", "is_null"]


class DatasetExpression(V1):
    """A column, or what is made of columns and values by ==, !=, <, <=, >, >=, &, | and ~."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, condition: Condition) -> None:
        self._condition = condition

    def is_null(self) -> DatasetExpression:
        """Whether there is no value."""
        return self._with("is_null")

    def __eq__(self, other: object) -> DatasetExpression:  # type: ignore[override]
        return self.is_null() if other is None else self._with("==", other)

    def __ne__(self, other: object) -> DatasetExpression:  # type: ignore[override]
        return ~self.is_null() if other is None else self._with("!=", other)

    def __lt__(self, other: object) -> DatasetExpression:
        return self._with("<", other)

    def __le__(self, other: object) -> DatasetExpression:
        return self._with("<=", other)

    def __gt__(self, other: object) -> DatasetExpression:
        return self._with(">", other)

    def __ge__(self, other: object) -> DatasetExpression:
        return self._with(">=", other)

    def __and__(self, other: object) -> DatasetExpression:
        return self._with("and", other)

    def __or__(self, other: object) -> DatasetExpression:
        return self._with("or", other)

    def __invert__(self) -> DatasetExpression:
        return self._with("not")

    def __bool__(self) -> bool:
        raise UserErrorException(
            "A condition on columns holds or not for each row: join them by &, | and ~, in brackets"
        )

    def _with(self, does: _Does, *others: object) -> DatasetExpression:
        return DatasetExpression(Call(kind="call", does=does, of=(self._condition, *map(_condition, others))))


def column(name: str) -> DatasetExpression:
    """The column of that name."""
    return DatasetExpression(Column(kind="column", name=name))


def _condition(given: Any) -> Condition:
    if isinstance(given, DatasetExpression):
        return given._condition
    if isinstance(given, (datetime, date)):
        return Moment(kind="time", at=given.isoformat())
    if hasattr(given, "item"):  # of numpy
        given = given.item()
    if not isinstance(given, (bool, int, float, str)):
        raise UserErrorException(
            f"{given!r} cannot be compared with a column: use text, a number, a bool, a datetime or another column"
        )
    return Constant(kind="value", value=given)
