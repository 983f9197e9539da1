"""When a rule fires, to the second. Pure: no clock, and the same answer wherever one begins to ask.

Most rules are about what clocks show: a time of day in a zone. Where clocks are set forward or back,

- a time that the rule names fires exactly once: at the first moment at which the clocks show it, or show a later one.
  So a time that is left out in spring fires at the first moment after the gap, several that fall into one gap are one
  firing, and a time that comes twice in autumn fires when it comes first;
- a cron rule that may fire in any hour of the day (`*/15 * * * *`) is about time that passes: what is left out does
  not fire, and what comes twice does so twice. Its minutes are still those of the clock;
- a recurrence in minutes or hours is about time that passes as well, counted from its anchor.

A recurrence has an anchor: its start_time, or else the whole second in which the schedule was made. One with a
start_time fires there first, unless it names hours, minutes or days of the week: then only what these say counts,
later than the start_time. One without fires at once, which is not told here, and then as the rule says, later than
its anchor. In days, weeks and months it keeps to the anchor's time of day, in months to its day as well, or the last
of a shorter month; hours without minutes are at the start_time's minute, and minutes without hours in its hour (at 0
without one); days of the week count in every so many weeks that begin with a Monday, the anchor's being the first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice, takewhile
from math import floor, isfinite, isnan
from zoneinfo import ZoneInfo

from canalis.contract.crontab import is_hourly, named_times
from canalis.contract.recurring import Cron, Recurrence, Rule, wall_time
from canalis.contract.zones import zone_of
from orchestrator.schedules.moments import first_moment, least_shown, moments, shown
from orchestrator.schedules.walls import before_last, named

END_S = int(datetime.fromisoformat("9000-01-01T00:00:00+00:00").timestamp())
UNIT_S = {"Minute": 60, "Hour": 3600}
WINDOW_S = 3600.0  # the first that is searched backwards; the next is twice as long


def firings(rule: Rule, anchor_at: float, after: float) -> Iterator[float]:
    """Every moment later than `after` at which the rule fires: whole seconds since 1970, ascending, each once.

    rule        one without faults (`rule_faults`)
    anchor_at   when its schedule was made; a cron rule does not ask
    after       may be -inf; what was before 1970 is not looked at
    Returns     lazily: the next is worked out when it is asked for. It ends with the year 8999
    """
    assert 0 <= anchor_at < END_S and not isnan(after), (anchor_at, after)
    if isinstance(rule, Recurrence) and rule.fires_at_once:
        after = max(after, anchor_at)
    begin, zone = floor(min(max(after, -1.0), END_S)), zone_of(rule.time_zone)
    found = _of_cron(rule, zone, begin) if isinstance(rule, Cron) else _of_recurrence(rule, zone, anchor_at, begin)
    return (float(at) for at in takewhile(lambda at: at < END_S, found) if at > after)


def last_firings(rule: Rule, anchor_at: float, after: float, until: float, count: int) -> tuple[list[float], bool]:
    """The newest `count` moments later than `after`, up to `until`, at which the rule fires; and whether it has more.

    It looks some tens of times at a few times `count` firings, however long ago `after` is and however many there are.
    """
    assert count >= 1 and isfinite(until), (count, until)
    enough = 4 * (count + 1)

    def later_than(begin: float) -> list[float]:
        return list(islice(takewhile(lambda at: at <= until, firings(rule, anchor_at, begin)), enough))

    after = max(after, -1.0)
    too_late, width_s = until, WINDOW_S
    begin = max(after, until - width_s)
    found = later_than(begin)
    while len(found) <= count and begin > after:
        too_late, width_s = begin, 2 * width_s
        begin = max(after, until - width_s)
        found = later_than(begin)
    # A rule may be silent for years and then fire each minute of a day: then the window has more than was looked at.
    while len(found) == enough:
        middle = (begin + too_late) / 2
        newer = later_than(middle)
        begin, too_late, found = (middle, too_late, newer) if len(newer) > count else (begin, middle, found)
    return found[-count:], len(found) > count


def _of_cron(rule: Cron, zone: ZoneInfo, begin: int) -> Iterator[int]:
    times = named_times(rule.expression, least_shown(zone, begin))
    return _each(zone, before_last(times)) if is_hourly(times) else _once(zone, before_last(times))


def _of_recurrence(rule: Recurrence, zone: ZoneInfo, anchor_at: float, begin: int) -> Iterator[int]:
    anchor = shown(zone, floor(anchor_at)) if rule.start_time is None else wall_time(rule.start_time)
    if rule.frequency not in UNIT_S:
        return _once(zone, named(rule, anchor, shown(zone, begin)))
    from_at = floor(anchor_at) if rule.start_time is None else first_moment(zone, anchor)
    step_s = rule.interval * UNIT_S[rule.frequency]
    return iter(range(from_at + max(0, (begin - from_at) // step_s) * step_s, END_S, step_s))


def _once(zone: ZoneInfo, walls: Iterable[datetime]) -> Iterator[int]:
    """The moment of each wall-clock time; those that fall into one gap have one."""
    before = None
    for wall in walls:
        at = first_moment(zone, wall)
        if at != before:
            yield at
        before = at


def _each(zone: ZoneInfo, walls: Iterable[datetime]) -> Iterator[int]:
    """Every moment at which one of the wall-clock times is shown, in the order of the moments."""
    again: deque[int] = deque()  # those at which a time is shown for the second time
    for wall in walls:
        for number, at in enumerate(moments(zone, wall)):
            if number > 0:
                again.append(at)
                continue
            while again and again[0] < at:
                yield again.popleft()
            yield at
    yield from again
