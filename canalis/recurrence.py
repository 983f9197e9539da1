"""When a schedule fires, as its author says it: v1's ScheduleRecurrence and TimeZone, and cron expressions.

Source   reference section 12
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Any

from canalis.absent import V1
from canalis.contract.recurring import Cron as CronRule
from canalis.contract.recurring import Recurrence, read_recurrence, rule_faults
from canalis.contract.zones import windows_names


def _member(name: str) -> str:
    """The name of a zone as a name in Python: letters and digits, as v1 had it.

    >>> _member("W. Europe Standard Time"), _member("UTC-11"), _member("UTC+12")
    ('WEuropeStandardTime', 'UTC11', 'UTC_PLUS_12')
    """
    return re.sub(r"\W", "", name.replace("+", "_PLUS_"))


# Each zone that Windows knows, by its name without blanks: TimeZone.PacificStandardTime is 'Pacific Standard Time'.
TimeZone = Enum("TimeZone", {_member(name): name for name in windows_names()})  # type: ignore[misc]


class ScheduleRecurrence(V1):
    """Every `interval` units of `frequency`, or at times of day within them.

    frequency     Minute, Hour, Day, Week or Month
    start_time    a datetime without a zone, or its text; without one the first run is at once
    time_zone     a TimeZone, or a Windows or IANA name; UTC when none is given
    hours, minutes   at which to fire, for Day and Week: each hour with each minute
    week_days     full English names, for Week
    time_of_day   'HH:MM', in the place of hours and minutes
    Raises        ValueError, which says everything that is wrong
    """

    def __init__(
        self,
        frequency: str,
        interval: int,
        start_time: datetime | str | None = None,
        time_zone: Any = None,
        hours: Iterable[int] | None = None,
        minutes: Iterable[int] | None = None,
        week_days: Iterable[str] | None = None,
        time_of_day: str | None = None,
    ) -> None:
        rule, faults = read_recurrence(
            frequency, interval, start_time, time_zone, hours, minutes, week_days, time_of_day
        )
        if rule is None:
            raise ValueError("\n".join(str(fault) for fault in faults))
        self._rule = rule
        self.time_of_day = time_of_day

    @classmethod
    def _of(cls, rule: Recurrence) -> ScheduleRecurrence:
        """The recurrence that a schedule of the service has."""
        made = cls.__new__(cls)
        made._rule, made.time_of_day = rule, None
        return made

    @property
    def frequency(self) -> str:
        """Minute, Hour, Day, Week or Month."""
        return self._rule.frequency

    @property
    def interval(self) -> int:
        """How many of them lie between two runs."""
        return self._rule.interval

    @property
    def start_time(self) -> str | None:
        """From when it counts, as YYYY-MM-DDTHH:MM:SS on the clocks of its zone."""
        return self._rule.start_time

    @property
    def time_zone(self) -> str | None:
        """The zone, as it was given; v1 says UTC when there is a start time and no zone."""
        return self._rule.time_zone or ("UTC" if self._rule.start_time else None)

    @property
    def hours(self) -> list[int] | None:
        """Hours of a day at which it fires."""
        return list(self._rule.hours) or None

    @property
    def minutes(self) -> list[int] | None:
        """Minutes of those hours."""
        return list(self._rule.minutes) or None

    @property
    def week_days(self) -> list[str] | None:
        """Days of a week on which it fires."""
        return list(self._rule.week_days) or None

    def validate(self) -> None:
        """Nothing: what is wrong with it was told when it was made."""

    def __repr__(self) -> str:
        given = self._rule.model_dump(exclude_defaults=True, exclude={"kind"})
        return f"ScheduleRecurrence({', '.join(f'{name}={value!r}' for name, value in given.items())})"


class Cron:
    """A cron expression: five fields, or six with seconds first (NCRONTAB). Not in v1.

    Raises   ValueError, which says everything that is wrong
    """

    def __init__(self, expression: str, time_zone: Any = "UTC") -> None:
        self._rule = CronRule(expression=expression, time_zone=getattr(time_zone, "value", time_zone))
        if faults := rule_faults(self._rule):
            raise ValueError("\n".join(str(fault) for fault in faults))

    @property
    def expression(self) -> str:
        """The expression."""
        return self._rule.expression

    @property
    def time_zone(self) -> str:
        """The zone by whose clocks it is read."""
        return self._rule.time_zone

    def __repr__(self) -> str:
        return f"Cron({self.expression!r}, time_zone={self.time_zone!r})"
