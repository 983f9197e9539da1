"""NCRONTAB schedules: six fields, the first of them seconds; or five, without seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?P<from>\*|\w+)(?:-(?P<to>\w+))?(?:/(?P<step>\d+))?")
DAYS_AHEAD = 366 * 8  # 29 February may be eight years away


@dataclass(frozen=True)
class Schedule:
    """When a timer is due. Times are UTC, whole seconds.

    >>> schedule = Schedule.parse("*/15 30 9-17 * * mon-fri")
    >>> schedule.after(datetime(2025, 1, 3, 17, 30, 45, tzinfo=UTC)).isoformat()
    '2025-01-06T09:30:00+00:00'

    Source    Microsoft's page "Timer trigger for Azure Functions", NCRONTAB expressions
    """

    text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Raises ValueError with the field that is wrong."""
        fields = text.split()
        if len(fields) == 5:
            fields.insert(0, "0")
        if len(fields) != 6:
            raise ValueError(
                f"{text!r} is no schedule: it has {len(fields)} fields, and needs six (or five, without seconds)"
            )
        second, minute, hour, day, month, weekday = fields
        return cls(
            text=text,
            seconds=_values(second, 0, 59),
            minutes=_values(minute, 0, 59),
            hours=_values(hour, 0, 23),
            days=_values(day, 1, 31),
            months=_values(month, 1, 12, MONTHS),
            weekdays=frozenset(value % 7 for value in _values(weekday, 0, 7, DAYS)),
        )

    def after(self, now: datetime) -> datetime:
        """The first time that is due after `now`."""
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for _ in range(DAYS_AHEAD):
            if day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays:
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        for second in sorted(self.seconds):
                            due = day.replace(hour=hour, minute=minute, second=second)
                            if due > now:
                                return due
            day += timedelta(days=1)
        raise ValueError(f"{self.text!r} is never due")


def _values(field: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    values: set[int] = set()
    for part in field.lower().split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise ValueError(f"{field!r} is no field of a schedule")
        if found["from"] == "*":
            first, last = low, high
        else:
            first = _number(found["from"], low, high, names)
            last = _number(found["to"], low, high, names) if found["to"] else high if found["step"] else first
        values.update(range(first, last + 1, int(found["step"] or 1)))
    return frozenset(values)


def _number(text: str, low: int, high: int, names: tuple[str, ...]) -> int:
    if text[:3] in names:
        return names.index(text[:3]) + (1 if names is MONTHS else 0)
    if not text.isdigit() or not low <= int(text) <= high:
        raise ValueError(f"{text!r} is not between {low} and {high}")
    return int(text)
