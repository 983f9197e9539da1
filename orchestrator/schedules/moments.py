"""From what the clocks of a zone show to moments, and back. Pure.

A moment is in seconds since 1970, whole ones. What clocks show is a datetime without a zone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

DAY_S = 86_400
DAY = timedelta(seconds=DAY_S)


def shown(zone: ZoneInfo, at: int) -> datetime:
    """What the clocks of the zone show at a moment."""
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None, fold=0)


def first_moment(zone: ZoneInfo, wall: datetime) -> int:
    """The first moment at which the clocks show that time or, where they leave it out, a later one."""
    at = _moment(zone, wall, 0)
    if shown(zone, at) == wall:
        return at
    # The clocks leave it out. Its moment by what they showed before lies after the gap, that by what they show
    # afterwards lies before it, and the gap itself, a single moment, in between.
    earlier, later = _moment(zone, wall, 1), at
    while later - earlier > 1:
        middle = (earlier + later) // 2
        earlier, later = (earlier, middle) if shown(zone, middle) >= wall else (middle, later)
    return later


def moments(zone: ZoneInfo, wall: datetime) -> list[int]:
    """Every moment at which the clocks show that time, in order: none, one or two."""
    first, again = _moment(zone, wall, 0), _moment(zone, wall, 1)
    if first == again:
        return [first]
    return [at for at in (first, again) if shown(zone, at) == wall]


def least_shown(zone: ZoneInfo, at: int) -> datetime:
    """A time that the clocks show at that moment and behind which they do not fall afterwards, or one before it."""
    # Clocks that are set back are so by a day at most, hence soon, and not twice in a day.
    return min(shown(zone, at), shown(zone, at + DAY_S) - DAY)


def _moment(zone: ZoneInfo, wall: datetime, fold: int) -> int:
    return int(wall.replace(tzinfo=zone, fold=fold).timestamp())
