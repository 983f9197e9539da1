"""Cron expressions: what keeps one from being used, and the wall-clock times that it names. Pure.

Five fields are read as Vixie's cron reads them: minute, hour, day of the month, month, day of the week. When neither
of the two days begins with a star, either of them is enough. Six fields are NCRONTAB, as Azure Functions has it: the
second comes first, and a day must fit both. `L`, `LW` and `#` are understood in either. So are `@daily` and the like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from canalis.contract.faults import Fault

if TYPE_CHECKING:
    from cronsim import CronSim

CHARS_MAX = 1000  # every value of every field, one by one, has fewer
_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = (
    ("a second", "0 to 59"),
    ("a minute", "0 to 59"),
    ("an hour", "0 to 23"),
    ("a day of the month", "1 to 31, L for the last day, LW for the last that is no Saturday or Sunday"),
    ("a month", "1 to 12, or names such as MAR"),
    ("a day of the week", "0 to 7 with Sunday as 0 and 7, names such as MON, 5L for the last Friday, 5#2 the second"),
)
_MONTH, _WEEK_DAY = 4, 5
_NAMES = {
    _MONTH: {"JANUARY", "FEBRUARY", "MARCH", "APRIL", "JUNE", "JULY"}
    | {"AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER"},
    _WEEK_DAY: {"SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"},
}
_WORD = re.compile(r"[A-Z]+")
# An expression either names a time within 50 years of any moment or never does: the rarest are a weekday on
# 29 February, which is up to 40 years away.
_SOME_DAY = datetime.fromisoformat("2000-01-01")


def cron_faults(expression: str) -> list[Fault]:
    """Every reason why the expression cannot be used; empty when it can."""
    if len(expression) > CHARS_MAX:
        return [Fault("cron_too_long", f"A cron expression has at most {CHARS_MAX} characters, not {len(expression)}")]
    strange = next((sign for sign in expression if not (sign.isascii() and sign.isprintable()) and sign != "\t"), None)
    if strange is not None:
        return [Fault("cron_characters", f"A cron expression cannot have the character {strange!a} in it")]
    if expression.strip().startswith("@") and expression.strip().lower() not in _WORDS:
        known = ", ".join(_WORDS)
        return [Fault("cron_word", f"'{_cut(expression.strip())}' is no word for a schedule. There are: {known}")]
    fields = _fields(expression)
    if len(fields) not in (5, 6):
        told = "minute, hour, day of the month, month, day of the week; the second may come before them"
        return [Fault("cron_fields", f"A cron expression has five or six fields, not {len(fields)}: {told}")]
    return list(_unreadable(fields)) or list(_unusable(fields))


def named_times(expression: str, after: datetime) -> CronSim:
    """The wall-clock times later than `after` that an expression without faults names, in ascending order.

    Ends when fifty years bring none. Raises OverflowError beyond the year 9999.
    """
    from cronsim import CronSim  # not before a schedule needs it: every script of a step imports this room

    fields = _fields(expression)
    times = CronSim(" ".join(_spelt(fields)), after)
    times.day_and = times.day_and or len(fields) == 6
    return times


def is_hourly(times: CronSim) -> bool:
    """Whether it may fire in any hour of a day, so that it is about time that passes and not about times of day."""
    return len(times.hours) == 24


def _fields(expression: str) -> list[str]:
    return _WORDS.get(expression.strip().lower(), expression).split()


def _spelt(fields: list[str]) -> list[str]:
    """The fields as the library reads them: all six, and names with three letters."""
    spelt = [field.upper() for field in (fields if len(fields) == 6 else ["0", *fields])]
    for place, names in _NAMES.items():
        for name in names.intersection(_WORD.findall(spelt[place])):
            spelt[place] = spelt[place].replace(name, name[:3])
    return spelt


def _unreadable(fields: list[str]) -> Iterator[Fault]:
    # Each field is read with stars in place of the others: the library stops at the first that it cannot read.
    spelt = _spelt(fields)
    for place in range(6 - len(fields), 6):
        if not _is_readable(["*" if other != place else spelt[place] for other in range(6)]):
            name, can_be = _FIELDS[place]
            written = fields[place - 6]
            told = f"it can be *, {can_be}; lists (1,2), ranges that go up (1-5) and steps (*/2) of these"
            if "?" in written:
                told = "write * where another cron has ?"
            yield Fault("cron_field", f"'{_cut(written)}' cannot be read as {name}: {told}")


def _is_readable(spelt: list[str]) -> bool:
    from cronsim import CronSim, CronSimError

    try:
        CronSim(" ".join(spelt), _SOME_DAY)
    except (CronSimError, ValueError, AssertionError):  # it asserts what holds for the texts that its author had
        return False
    return True


def _unusable(fields: list[str]) -> Iterator[Fault]:
    from cronsim import CronSim, CronSimError

    second = _spelt(fields)[0]
    if len(CronSim(f"{second} * * * * *", _SOME_DAY).seconds) > 1:
        yield Fault("too_often", "A schedule fires at most once a minute: the second must be a single number")
    try:
        next(named_times(" ".join(fields), _SOME_DAY))
    except (CronSimError, StopIteration):
        told = f"'{_cut(' '.join(fields))}' names a time that never comes, such as 30 February"
        yield Fault("never_fires", told)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."
