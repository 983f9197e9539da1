"""When a schedule fires: the two kinds of rule as documents, and every reason why one cannot be used. Pure.

A recurrence is v1's: every so many units from an anchor on, or at times of day within them. A cron expression is
the other. What times they come to is worked out in `orchestrator/schedules`; what is wrong with them is told here,
since the author's desk and the service both ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import index
from typing import Annotated, Literal, SupportsIndex, get_args

from pydantic import Field, StrictInt

from canalis.contract.crontab import cron_faults
from canalis.contract.faults import Fault
from canalis.contract.graph import Kinded
from canalis.contract.zones import iana_name, near_names

Frequency = Literal["Minute", "Hour", "Day", "Week", "Month"]
FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency)
WEEK_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
YEARS = range(1970, 2200)  # in which a schedule may start

# Ten years: whoever asks for more has mistaken the unit, and would never see it fire.
INTERVAL_MAX: dict[str, int] = {"Minute": 5_256_000, "Hour": 87_600, "Day": 3_652, "Week": 521, "Month": 120}

_START = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)", re.ASCII)
_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d\d)", re.ASCII)


class Recurrence(Kinded):
    """Every `interval` minutes, hours, days, weeks or months, as v1's ScheduleRecurrence.

    start_time   YYYY-MM-DDTHH:MM:SS on the clocks of the zone; None is when the schedule is made
    time_zone    as its author wrote it, a Windows or an IANA name; None is UTC
    hours        hours of a day at which to fire, minutes of those hours, and days of a week: when one of them is
    minutes      given, the schedule fires at these only, and at each hour with each minute
    week_days    full English names
    """

    kind: Literal["recurrence"] = "recurrence"
    frequency: Frequency
    interval: StrictInt = Field(ge=1)
    start_time: str | None = None
    time_zone: str | None = None
    hours: tuple[StrictInt, ...] = ()
    minutes: tuple[StrictInt, ...] = ()
    week_days: tuple[str, ...] = ()

    @property
    def fires_at_once(self) -> bool:
        """Whether its first run is when the schedule is made, and not at a time that the rule names."""
        return self.start_time is None

    @property
    def is_plain(self) -> bool:
        """Whether it says nothing of hours, minutes or days, so that its anchor alone says when."""
        return not (self.hours or self.minutes or self.week_days)


class Cron(Kinded):
    """A cron expression of five fields, or of six in NCRONTAB, by the clocks of a zone."""

    kind: Literal["cron"] = "cron"
    expression: str
    time_zone: str = "UTC"

    @property
    def fires_at_once(self) -> bool:
        """Whether its first run is when the schedule is made: never, since the expression says when."""
        return False


Rule = Annotated[Recurrence | Cron, Field(discriminator="kind")]


def rule_faults(rule: Rule) -> list[Fault]:
    """Every reason why a rule cannot be used; empty when it can."""
    if isinstance(rule, Cron):
        return [*cron_faults(rule.expression), *_zone(rule.time_zone)]
    return _recurrence_faults(
        rule.frequency, rule.interval, rule.start_time, rule.time_zone, rule.hours, rule.minutes, rule.week_days
    )


def read_recurrence(
    frequency: object,
    interval: object,
    start_time: object = None,
    time_zone: object = None,
    hours: object = None,
    minutes: object = None,
    week_days: object = None,
    time_of_day: object = None,
) -> tuple[Recurrence | None, list[Fault]]:
    """The recurrence that v1's arguments ask for, or None with every reason why they cannot be used.

    start_time    a datetime without a zone, or its text
    time_zone     a name, or a member of an enum of names
    time_of_day   'HH:MM' or 'H:MM' in place of hours and minutes
    Source        reference section 12
    """
    if isinstance(start_time, datetime) and start_time.tzinfo is None:
        start_time = start_time.isoformat(timespec="seconds")
    frequency, time_zone = (getattr(asked, "value", asked) for asked in (frequency, time_zone))
    hours, minutes, week_days = (_kept(values) for values in (hours, minutes, week_days))
    wrong = [] if time_of_day is None else list(_time_of_day(time_of_day, frequency, hours, minutes))
    if time_of_day is not None and not wrong:
        hour, _, minute = str(time_of_day).partition(":")
        hours, minutes = [int(hour)], [int(minute)]
    wrong = [*_recurrence_faults(frequency, interval, start_time, time_zone, hours, minutes, week_days), *wrong]
    if wrong:
        return None, wrong
    asked = {"frequency": frequency, "interval": _whole(interval), "start_time": start_time, "time_zone": time_zone}
    asked |= {"hours": _wholes(hours), "minutes": _wholes(minutes), "week_days": week_days}
    return Recurrence.model_validate({name: value for name, value in asked.items() if value is not None}), []


def _recurrence_faults(
    frequency: object,
    interval: object,
    start_time: object,
    time_zone: object,
    hours: object,
    minutes: object,
    week_days: object,
) -> list[Fault]:
    return [
        *_frequency(frequency),
        *_interval(interval, frequency),
        *_start_time(start_time),
        *(_zone(time_zone) if time_zone is not None else ()),
        *_numbers("hours", hours, 24),
        *_numbers("minutes", minutes, 60),
        *_week_days(week_days),
        *_misplaced("hours", hours, frequency, ("Day", "Week")),
        *_misplaced("minutes", minutes, frequency, ("Day", "Week")),
        *_misplaced("week_days", week_days, frequency, ("Week",)),
    ]


def _frequency(frequency: object) -> Iterator[Fault]:
    if not isinstance(frequency, str) or frequency not in FREQUENCIES:
        meant = [known for known in FREQUENCIES if known.lower() in str(frequency).lower()]
        hint = f": do you mean '{meant[0]}'?" if meant else f": it is one of {', '.join(FREQUENCIES)}"
        yield Fault("frequency_unknown", f"frequency cannot be {_said(frequency)}{hint}")


def _interval(interval: object, frequency: object) -> Iterator[Fault]:
    number = _whole(interval)
    most = INTERVAL_MAX.get(str(frequency), max(INTERVAL_MAX.values()))
    if number is None or number < 1:
        yield Fault("interval_invalid", f"interval must be a whole number from 1 on, not {_said(interval)}")
    elif number > most:
        yield Fault("interval_too_long", f"interval may be at most ten years, here {most}, not {_said(interval)}")


def _start_time(start_time: object) -> Iterator[Fault]:
    if start_time is None:
        return
    if isinstance(start_time, datetime):  # one without a zone is a text by now
        told = "start_time has a tzinfo: leave it out, and name the zone in time_zone"
        yield Fault("start_time_zoned", told)
        return
    parts = _START.fullmatch(start_time) if isinstance(start_time, str) else None
    if parts is None:
        told = "start_time must be like 2026-03-01T09:30:00, the zone apart in time_zone"
        yield Fault("start_time_unreadable", f"{told}; not {_said(start_time)}")
        return
    try:
        wall_time(str(start_time))
    except ValueError:
        yield Fault("start_time_impossible", f"start_time is {start_time}, and there is no such day or time")
        return
    if int(parts[1]) not in YEARS:
        told = f"between {YEARS.start} and {YEARS.stop - 1}"
        yield Fault("start_time_absurd", f"start_time is in the year {int(parts[1])}; it must be {told}")


def wall_time(start_time: str) -> datetime:
    """What the clocks of the zone show at a start_time. Raises ValueError when there is no such day or time."""
    parts = _START.fullmatch(start_time)
    if parts is None:
        raise ValueError(start_time)
    year, month, day, hour, minute, second = map(int, parts.groups())
    return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  the zone stands in time_zone


def _zone(time_zone: object) -> Iterator[Fault]:
    if isinstance(time_zone, str) and iana_name(time_zone) is not None:
        return
    near = near_names(time_zone) if isinstance(time_zone, str) else []
    hint = f"near it are: {', '.join(near)}" if near else "give a Windows name (Pacific Standard Time) or an IANA name"
    yield Fault("zone_unknown", f"time_zone is {_said(time_zone)}, and no zone is called so; {hint}")


def _numbers(name: str, values: object, count: int) -> Iterator[Fault]:
    listed = _listed(values)
    if listed is None:
        yield Fault(f"{name}_invalid", f"{name} must be a list of whole numbers, not {_said(values)}")
        return
    wrong = [value for value in listed if (number := _whole(value)) is None or not 0 <= number < count]
    if wrong or len(listed) > count:
        what = f"not {_said(*wrong)}" if wrong else f"each once, not {len(listed)} of them"
        yield Fault(f"{name}_invalid", f"{name} must be whole numbers from 0 to {count - 1}, {what}")


def _week_days(values: object) -> Iterator[Fault]:
    listed = _listed(values)
    if listed is None:
        yield Fault("week_days_invalid", f"week_days must be a list of names, not {_said(values)}")
        return
    wrong = [value for value in listed if not isinstance(value, str) or value not in WEEK_DAYS]
    if wrong or len(listed) > len(WEEK_DAYS):
        what = f"not {_said(*wrong)}" if wrong else f"each once, not {len(listed)} of them"
        yield Fault("week_days_invalid", f"week_days must be full names from Monday to Sunday, {what}")


def _misplaced(name: str, asked: object, frequency: object, places: tuple[str, ...]) -> Iterator[Fault]:
    # Where the frequency is none at all, nobody can say whether it goes with them.
    is_known = isinstance(frequency, str) and frequency in FREQUENCIES
    if asked is not None and _listed(asked) != [] and is_known and frequency not in places:
        told = f"{name} can only be given with the frequency {' or '.join(places)}, not with {frequency}"
        yield Fault(f"{name}_misplaced", told)


def _time_of_day(time_of_day: object, frequency: object, hours: object, minutes: object) -> Iterator[Fault]:
    if hours or minutes:
        told = "time_of_day is given together with hours or minutes: leave one of them out"
        yield Fault("time_of_day_twice", told)
    parts = _TIME_OF_DAY.fullmatch(time_of_day) if isinstance(time_of_day, str) else None
    if parts is None or int(parts[1]) > 23 or int(parts[2]) > 59:
        yield Fault("time_of_day_invalid", f"time_of_day must be like 9:30 or 17:00, not {_said(time_of_day)}")
    yield from _misplaced("time_of_day", time_of_day, frequency, ("Day", "Week"))


def _whole(value: object) -> int | None:
    """The whole number that a value is; None for anything else, and for True and False."""
    try:
        return index(value) if isinstance(value, SupportsIndex) and not isinstance(value, bool) else None
    except TypeError:  # an array has the method as well, and keeps it for one that is a single number
        return None


def _wholes(values: object) -> list[int | None] | None:
    return None if values is None else [_whole(value) for value in _listed(values) or ()]


def _listed(values: object) -> list[object] | None:
    """What a list has in it, nothing for None; None for what is no list."""
    if values is None:
        return []
    return list(values) if isinstance(values, Iterable) and not isinstance(values, (str, bytes)) else None


def _kept(values: object) -> object:
    """The same, as a list if it is any: what can be gone through only once is looked at more often."""
    return values if values is None else _listed(values) or values


def _said(*values: object) -> str:
    """Values in words, as far as they are short."""
    # Python refuses to write numbers of thousands of digits.
    texts = ["a huge number" if isinstance(value, int) and abs(value) > 1e30 else repr(value) for value in values[:5]]
    return ", ".join(text if len(text) <= 60 else f"{text[:60]}..." for text in texts)
