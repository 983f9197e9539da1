"""The wall-clock times that a recurrence names: what the clocks of its zone show when it is to fire. Pure.

They are datetimes without a zone, in ascending order, with no end but `LAST`. Which moments they are is another
matter: see `firings.py`.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import count, takewhile

from canalis.contract.recurring import WEEK_DAYS, Recurrence

LAST = datetime.fromisoformat("9000-01-01")  # no rule is followed further, so that no date is beyond Python's


def before_last(walls: Iterable[datetime]) -> Iterator[datetime]:
    """Those of the times that are before LAST."""
    return takewhile(lambda wall: wall < LAST, walls)


def named(rule: Recurrence, anchor: datetime, after: datetime) -> Iterator[datetime]:
    """The times later than `after` that a recurrence in days, weeks or months names.

    anchor   its start_time, or what the clocks showed when the schedule was made
    """
    if not rule.is_plain:
        after = max(after, anchor)  # a start_time that fits is no firing, as in v1
        found = _within_days(rule, anchor, after)
    elif rule.frequency == "Month":
        found = _in_months(rule.interval, anchor, after)
    else:
        found = _steps(rule, anchor, after)
    return (wall for wall in before_last(found) if wall > after)


def _steps(rule: Recurrence, anchor: datetime, near: datetime) -> Iterator[datetime]:
    step = _step(rule)
    begin = max(0, (near - anchor) // step)
    return (anchor + number * step for number in count(begin))


def _in_months(interval: int, anchor: datetime, near: datetime) -> Iterator[datetime]:
    """The anchor's day and time in every so many months; the month's last day, where it has no such day."""
    first = anchor.year * 12 + anchor.month - 1
    begin = max(0, (near.year * 12 + near.month - 1 - first) // interval)
    for month in count(first + begin * interval, interval):
        year, month_0 = divmod(month, 12)
        days = monthrange(year, month_0 + 1)[1]
        yield anchor.replace(year=year, month=month_0 + 1, day=min(anchor.day, days))


def _within_days(rule: Recurrence, anchor: datetime, near: datetime) -> Iterator[datetime]:
    """Each of the rule's times of day, on each of its days."""
    times = _times_of_day(rule, anchor)
    return (datetime.combine(day, at) for day in _days(rule, anchor.date(), near.date()) for at in times)


def _days(rule: Recurrence, anchor: date, near: date) -> Iterator[date]:
    week_days = [number for number, name in enumerate(WEEK_DAYS) if name in rule.week_days]
    if week_days:  # every so many weeks from the anchor's own, which begins with its Monday
        anchor -= timedelta(days=anchor.weekday())
    step = _step(rule)
    begin = max(0, (near - anchor) // step)
    for number in count(begin):
        yield from (anchor + number * step + timedelta(days=day) for day in week_days or (0,))


def _times_of_day(rule: Recurrence, anchor: datetime) -> list[time]:
    """What it says of hours and minutes; what it does not say of them is its start_time's, or 0 without one."""
    if not rule.hours and not rule.minutes:
        return [anchor.time()]
    hour, minute = (0, 0) if rule.start_time is None else (anchor.hour, anchor.minute)
    return [time(h, m) for h in sorted(set(rule.hours or (hour,))) for m in sorted(set(rule.minutes or (minute,)))]


def _step(rule: Recurrence) -> timedelta:
    return timedelta(days=rule.interval * (7 if rule.frequency == "Week" else 1))
