"""Rules of all forms, most of them with times of day at which clocks are set somewhere."""

from __future__ import annotations

from canalis.contract.recurring import Cron, Recurrence

FIVE_FIELDS = """
* * * * *
*/1 * * * *
*/2 * * * *
*/5 * * * *
*/7 * * * *
*/15 * * * *
*/15 */1 * * *
0 * * * *
1 * * * *
30 * * * *
59 * * * *
0,30 * * * *
5-10 * * * *
5-50/15 * * * *
7/13 * * * *
17 0-23 * * *
17 0/1 * * *
10 0-11,12-23 * * *
0 * * * 0
0 * * * SUN
*/30 * * * 0,6
30 * * 3 *
30 * * 10-11 *
15 * 25-31 * *
15 * 1-7 * 0
*/20 * L * *
45 * * * 0L
45 * * * SUN#1
0 */2 * * *
30 */2 * * *
30 1/2 * * *
0 */3 * * *
*/10 */4 * * *
15 */6 * * *
0 */12 * * *
0 0 * * *
1 0 * * *
5 0 * * *
30 0 * * *
59 0 * * *
0 1 * * *
1 1 * * *
30 1 * * *
45 1 * * *
59 1 * * *
0 2 * * *
1 2 * * *
15 2 * * *
30 2 * * *
59 2 * * *
0 3 * * *
1 3 * * *
30 3 * * *
59 3 * * *
0 4 * * *
30 4 * * *
0 12 * * *
0 23 * * *
30 23 * * *
59 23 * * *
* 0 * * *
* 1 * * *
* 2 * * *
*/10 1 * * *
*/10 2 * * *
*/10 23 * * *
0,15,30,45 0,1,2,3 * * *
0-59/20 1-3 * * *
*/7 0-4,22-23 * * *
10 1-23 * * *
10 0-22 * * *
30 2 * * 0
30 2 * * 7
30 2 * * SUN
30 1 * * SUN
30 0 * * 5
30 0 * * FRI,SAT
0 0 * * 6-7
30 2 * * MON-FRI
15 1 * * 1-5
0 9 * * 1-5
30 2 25-31 3 0
30 2 25-31 3 *
30 2 8-14 3 *
30 1 1-7 11 *
30 1 1-7 11 0
30 1 */2 * 0
30 2 * * 0L
30 1 * 10 0L
30 2 * 3 0#2
30 1 * 11 SUN#1
30 2 * * 0#5
0 2 L * *
30 2 L * *
0 1 LW * *
30 2 1,15 * *
30 2 31 * *
30 2 30 * *
0 0 1 * *
0 0 1 1 *
0 0 1 */3 *
30 1 29 2 *
0 0 29 2 0
0 0 29 2 *
0 0 13 * 5
0 0 13 * FRI
0 0 */13 * FRI
30 2 31 1,3,5,7,8,10,12 *
30 2 1-7 apr *
0 3 1-7 APR sun
59 23 31 12 *
0 0 * feb MON#5
@hourly
@daily
@midnight
@weekly
@monthly
@yearly
@annually
@DAILY
"""

SIX_FIELDS = """
0 * * * * *
30 * * * * *
59 */5 * * * *
0 0 * * * *
1 0 * * * *
15 30 * * * *
30 0 */2 * * *
0 30 0 * * *
0 30 1 * * *
0 30 2 * * *
30 30 2 * * *
59 59 1 * * *
59 59 2 * * *
59 59 23 * * *
1 0 0 * * *
1 0 1 * * *
1 0 2 * * *
1 0 3 * * *
30 */10 1 * * *
30 */10 2 * * *
45 */20 0-3,23 * * *
0 0 0 * * Sunday
0 30 2 * * Sunday
0 30 1 * * sunday,Saturday
0 30 2 * March *
0 30 2 * March Sunday
0 30 1 * October-November SUN
0 30 2 25-31 3 0
0 30 1 1-7 November Sunday
0 30 2 8-14 mar sun
0 30 1 25-31 10 0
0 30 2 1-15 * 1-5
0 0 0 13 * FRI
0 0 0 13 * Friday
0 0 0 29 2 *
0 0 0 29 2 Monday
0 0 0 */2 * */2
0 0 3 L * *
0 0 3 * * 0L
30 15 2 * * SUN#2
0 0 0 31 12 *
0 0 9 * * Monday-Friday
5,5 15 1 * * *
0-0 */15 * * * *
0 5 */3 1-31 1-12 0-7
"""


def _recurrences() -> list[Recurrence]:
    at_night, at_day, late = "2000-01-31T02:30:00", "1999-11-30T12:15:00", "2004-02-29T23:59:59"
    found = [
        Recurrence(frequency=unit, interval=interval, start_time=start)
        for unit, intervals in {"Minute": (1, 7, 15, 90, 1441), "Hour": (1, 2, 5, 24, 25)}.items()
        for interval in intervals
        for start in (None, "2000-01-01T00:30:17")
    ]
    found += [
        Recurrence(frequency=unit, interval=interval, start_time=start)
        for unit, intervals in {"Day": (1, 2, 3, 7), "Week": (1, 2, 5), "Month": (1, 2, 12, 13)}.items()
        for interval in intervals
        for start in (None, at_night, at_day, late)
    ]
    times = (
        {"hours": (2,)},
        {"minutes": (30,)},
        {"hours": (2,), "minutes": (30,)},
        {"hours": (0, 1, 2, 3, 23), "minutes": (0, 30, 59)},
        {"hours": tuple(range(24)), "minutes": (0, 20)},
    )
    found += [
        Recurrence(frequency="Day", interval=interval, start_time=start, **at)
        for interval, start in ((1, None), (1, at_night), (3, at_day))
        for at in times
    ]
    days = ({"week_days": ("Sunday",)}, {"week_days": ("Saturday", "Sunday", "Friday")}, {})
    found += [
        Recurrence(frequency="Week", interval=interval, start_time=start, **day, **at)
        for interval, start in ((1, None), (1, at_night), (2, at_night), (3, None))
        for day in days
        for at in ({}, *times[:4])
        if day or at
    ]
    return found


CRONS = tuple(Cron(expression=line) for line in (FIVE_FIELDS + SIX_FIELDS).split("\n") if line)
RECURRENCES = tuple(_recurrences())
RULES: tuple[Cron | Recurrence, ...] = (*CRONS, *RECURRENCES)


def begun_at(wall: str) -> list[Recurrence]:
    """Recurrences that begin at that time: for one at which clocks are just being set."""
    return [
        Recurrence(frequency="Minute", interval=20, start_time=wall),
        Recurrence(frequency="Hour", interval=1, start_time=wall),
        Recurrence(frequency="Day", interval=1, start_time=wall),
        Recurrence(frequency="Month", interval=1, start_time=wall),
        Recurrence(frequency="Day", interval=1, start_time=wall, hours=tuple(range(24)), minutes=(0, 10, 45)),
        Recurrence(frequency="Day", interval=1, start_time=wall, hours=tuple(range(24))),
        Recurrence(frequency="Day", interval=1, start_time=wall, minutes=(0, 30)),
        Recurrence(frequency="Week", interval=1, start_time=wall, week_days=("Saturday", "Sunday"), minutes=(15,)),
    ]


def in_zone(rule: Cron | Recurrence, zone: str) -> Cron | Recurrence:
    """The same by the clocks of a zone."""
    return rule.model_copy(update={"time_zone": zone})
