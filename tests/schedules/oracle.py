"""A second opinion on when rules fire: every minute is looked at, and asked whether the rule means it.

Nothing here is shared with what is judged but the shapes of rules. The zone's clock is read at every minute of a
window, the fields of the date and the time are compared one by one, and what is said of clocks that are set forward
or back is done by the letter: a time that is shown fires when it is shown first, one that is not shown when the gap is
over. Clocks are only ever set at whole minutes and by whole minutes (`transitions` makes sure), so minutes are enough.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import numpy as np

from canalis.contract.recurring import Cron, Recurrence

Rule = Cron | Recurrence
WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FROM, TO = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2000, 2041))
EPOCH = datetime.fromisoformat("1970-01-01")


# Clocks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transition:
    """A moment at which the clocks of a zone are set, from one distance to UTC to another, in seconds."""

    zone: str
    at: int
    before_s: int
    after_s: int


@lru_cache(maxsize=1000)
def clock_of(zone: str) -> ZoneInfo:
    """The zone by the data of the package, whatever the system's own says."""
    with (files("tzdata") / "zoneinfo" / zone).open("rb") as data:
        return ZoneInfo.from_file(data, key=zone)


def transitions(zone: str) -> Iterator[Transition]:
    """All of a zone's from 2000 to 2040."""
    clock = clock_of(zone)

    def offset_s(at: int) -> int:
        return round(datetime.fromtimestamp(at, clock).utcoffset().total_seconds())

    step_s = 12 * 3600
    before_s = offset_s(FROM)
    for at in range(FROM + step_s, TO, step_s):
        after_s = offset_s(at)
        if after_s != before_s:
            early, late = at - step_s, at
            while late - early > 1:
                middle = (early + late) // 2
                early, late = (middle, late) if offset_s(middle) == before_s else (early, middle)
            assert not any(seconds % 60 for seconds in (late, before_s, after_s)), (zone, late)
            yield Transition(zone, late, before_s, after_s)
            before_s = after_s


def all_transitions(zones: list[str] | None = None) -> list[Transition]:
    """Those of the zones, or of all zones that there are; one of each that are alike, in the order of time."""
    names = zones or (files("tzdata") / "zones").read_text().split()
    found = {}
    for name in names:
        for one in transitions(name):
            found.setdefault((one.at, one.before_s, one.after_s), one)
    return [found[key] for key in sorted(found)]


class Window:
    """Every minute from one moment to another, in minutes since 1970, with what a zone's clocks show then."""

    def __init__(self, zone: str, begin: int, end: int) -> None:
        self.zone, self.begins, self.ends = clock_of(zone), begin, end
        self.at = np.arange(begin // 60, end // 60 + 1)
        minute = timedelta(minutes=1)
        shown = (datetime.fromtimestamp(int(at) * 60, self.zone).replace(tzinfo=None) for at in self.at)
        self.shown = np.fromiter(((wall - EPOCH) // minute for wall in shown), int, len(self.at))
        self.first = int(self.shown.min())
        self.walls = np.arange(self.first, int(self.shown.max()) + 1)
        self.day_numbers = self.walls // 1440
        self.days = [(EPOCH + timedelta(days=int(number))).date() for number in np.unique(self.day_numbers)]
        # When each time is shown for the first time: the earliest is written last. -1: it is not shown.
        self.shown_at = np.full(len(self.walls), -1)
        self.shown_at[self.shown[::-1] - self.first] = self.at[::-1]
        jumps = np.flatnonzero(np.diff(self.shown) > 1)
        self.gap_ends = self.at[jumps + 1]
        self.gaps = [(self.walls > self.shown[one]) & (self.walls < self.shown[one + 1]) for one in jumps]


# Rules ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Meaning:
    """What a rule says, each part for itself.

    fits        whether it means a day
    minutes     of a day, those that it means
    second      of those minutes
    is_hourly   a cron rule that may fire in any hour
    later_than  wall-clock seconds since 1970 that its times are later than
    """

    fits: Callable[[date], bool]
    minutes: np.ndarray
    second: int = 0
    is_hourly: bool = False
    later_than: float = float("-inf")


def expected(rule: Rule, anchor_at: float, window: Window) -> list[int]:
    """Every moment within the window at which the rule is to fire."""
    if isinstance(rule, Recurrence) and rule.frequency in ("Minute", "Hour"):
        return _elapsed(rule, anchor_at, window)
    meaning = _cron(rule) if isinstance(rule, Cron) else _recurrence(rule, anchor_at, window.zone)
    day_fits = np.array([meaning.fits(day) for day in window.days])
    meant = day_fits[window.day_numbers - window.day_numbers[0]] & meaning.minutes[window.walls % 1440]
    meant &= window.walls * 60 + meaning.second > meaning.later_than
    if meaning.is_hourly:
        found = window.at[meant[window.shown - window.first]] * 60 + meaning.second
    else:
        found = window.shown_at[meant & (window.shown_at >= 0)] * 60 + meaning.second
        missing = meant & (window.shown_at < 0)
        ends = [end * 60 for gap, end in zip(window.gaps, window.gap_ends, strict=True) if (gap & missing).any()]
        found = np.union1d(found, np.array(ends, dtype=int))
    if isinstance(rule, Recurrence) and rule.start_time is None:
        found = found[found > anchor_at]
    return found.tolist()


def _elapsed(rule: Recurrence, anchor_at: float, window: Window) -> list[int]:
    anchor = int(anchor_at) if rule.start_time is None else _first_shown(_wall(rule.start_time), window.zone)
    found = window.at * 60 + anchor % 60
    found = found[(found - anchor) % (rule.interval * {"Minute": 60, "Hour": 3600}[rule.frequency]) == 0]
    return found[found >= anchor if rule.start_time else found > anchor_at].tolist()


def _first_shown(wall: datetime, zone: ZoneInfo) -> int:
    """When the clocks show it first; where they never do, by trying every minute around it."""
    at = int(wall.replace(tzinfo=zone).timestamp())
    minutes = range(at // 60 * 60 - 90_000, at + 1, 60)
    found = (minute for minute in minutes if datetime.fromtimestamp(minute, zone).replace(tzinfo=None) >= wall)
    return at if datetime.fromtimestamp(at, zone).replace(tzinfo=None) == wall else next(found)


def _wall(start_time: str) -> datetime:
    return datetime.fromisoformat(start_time)


def _recurrence(rule: Recurrence, anchor_at: float, zone: ZoneInfo) -> Meaning:
    is_made = rule.start_time is None
    anchor = datetime.fromtimestamp(int(anchor_at), zone).replace(tzinfo=None) if is_made else _wall(rule.start_time)
    begin = anchor.date()

    def fits(day: date) -> bool:
        if day < begin:
            return False
        if rule.frequency == "Month":
            months = (day.year - begin.year) * 12 + day.month - begin.month
            return months % rule.interval == 0 and day.day == min(begin.day, monthrange(day.year, day.month)[1])
        if rule.frequency == "Day":
            return (day - begin).days % rule.interval == 0
        if not rule.week_days:
            return (day - begin).days % (7 * rule.interval) == 0
        mondays = [some - timedelta(days=some.weekday()) for some in (begin, day)]
        return (mondays[1] - mondays[0]).days % (7 * rule.interval) == 0 and day.strftime("%A") in rule.week_days

    minutes = np.zeros(1440, bool)
    is_plain = not rule.hours and not rule.minutes and not rule.week_days
    started = (anchor - EPOCH).total_seconds()
    if not rule.hours and not rule.minutes:
        minutes[anchor.hour * 60 + anchor.minute] = True
        return Meaning(fits, minutes, anchor.second, later_than=started - 1 if is_plain else started)
    for hour in rule.hours or (0 if is_made else anchor.hour,):
        for minute in rule.minutes or (0 if is_made else anchor.minute,):
            minutes[hour * 60 + minute] = True
    return Meaning(fits, minutes, later_than=started)


@lru_cache(maxsize=1000)
def _cron(rule: Cron) -> Meaning:
    fields = WORDS.get(rule.expression.lower(), rule.expression).lower().split()
    second = fields.pop(0) if len(fields) == 6 else None
    minute, hour, day_text, month, week_day_text = fields
    hours, months = _values(hour, 0, 23), _values(month, 1, 12, MONTHS)
    minutes = np.zeros(1440, bool)
    for h in hours:
        for m in _values(minute, 0, 59):
            minutes[h * 60 + m] = True
    needs_both = second is not None or day_text.startswith("*") or week_day_text.startswith("*")

    def fits(day: date) -> bool:
        by_day, by_week_day = _is_day(day_text, day), _is_week_day(week_day_text, day)
        return day.month in months and ((by_day and by_week_day) if needs_both else (by_day or by_week_day))

    (the_second,) = _values(second or "0", 0, 59)
    return Meaning(fits, minutes, the_second, is_hourly=hours == set(range(24)))


@lru_cache(maxsize=100_000)
def _is_day(text: str, day: date) -> bool:
    last = monthrange(day.year, day.month)[1]
    if text == "l":
        return day.day == last
    if text == "lw":
        working = [number for number in range(1, last + 1) if day.replace(day=number).weekday() < 5]
        return day.day == working[-1]
    return day.day in _values(text, 1, 31)


@lru_cache(maxsize=100_000)
def _is_week_day(text: str, day: date) -> bool:
    number = day.isoweekday() % 7
    if text.endswith("l"):
        return number == int(text[:-1]) % 7 and (day + timedelta(days=7)).month != day.month
    name, _, nth = text.partition("#")
    return number in {value % 7 for value in _values(name, 0, 7, DAYS)} and (
        not nth or (day.day - 1) // 7 + 1 == int(nth)
    )


@lru_cache(maxsize=1000)
def _values(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    def number(word: str) -> int:
        return names.index(word[:3]) + low if word[:3] in names else int(word)

    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        begin, _, end = span.partition("-")
        first, last = (low, high) if span == "*" else (number(begin), number(end or begin))
        if step and not end and span != "*":
            last = high
        found |= set(range(first, last + 1, int(step or 1)))
    return frozenset(found)
