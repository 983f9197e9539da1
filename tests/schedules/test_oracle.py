"""The walk held against the oracle: a slice of it, the whole, and that the oracle notices what it is for."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from math import floor
from pathlib import Path

import pytest
from cronsim import CronSim

from canalis.contract.crontab import is_hourly, named_times
from canalis.contract.recurring import Cron
from canalis.contract.zones import zone_of
from orchestrator.schedules.moments import first_moment, moments, shown
from tests.schedules.corpus import CRONS, RULES
from tests.schedules.judge import Tally, Walk
from tests.schedules.oracle import EPOCH, all_transitions

ROOT = Path(__file__).resolve().parents[2]
# Zones that set their clocks at midnight, by half an hour, by a day, around Ramadan, or otherwise not as most do.
ODD_ZONES = [
    *("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Asia/Gaza"),
    *("America/St_Johns", "America/Havana", "Antarctica/Troll", "America/Sao_Paulo", "Asia/Tehran", "Antarctica/Casey"),
]


def test_no_firing_is_missed_and_none_doubled_in_a_slice_of_all_transitions():
    tally, chance = Tally(), random.Random(7)
    found = all_transitions(ODD_ZONES)
    days = [one for one in found if abs(one.after_s - one.before_s) > 3 * 3600]
    assert len(days) == 1
    for one in [*days, *chance.sample(found, 9)]:
        tally.around(one, RULES, chance)
        tally.begun_around(one, chance)
    tally.through("America/New_York", datetime(2027, 10, 20, tzinfo=UTC), 40, 200, RULES)
    print(tally.line())
    assert tally.wrong == [] and (tally.missed, tally.doubled) == (0, 0)
    assert len(tally.rules) >= 200 and tally.fired > 40_000


@pytest.mark.soak
def test_no_firing_is_missed_and_none_doubled_at_any_transition_of_any_zone():
    line = [sys.executable, "-m", "tests.schedules", "--oracle"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=3600)
    print(done.stdout)
    assert done.returncode == 0 and re.search(": 0 missed, 0 doubled;", done.stdout), done.stdout + done.stderr


# Walks that are wrong, each in a way that is found in the world.


def by_the_library(rule: Cron, anchor_at: float, after: float) -> Iterator[float]:
    """Leave clocks that are set to the library."""
    for wall in CronSim(rule.expression, datetime.fromtimestamp(floor(after), zone_of(rule.time_zone))):
        yield wall.timestamp()


def an_hour_late_in_spring(rule: Cron, anchor_at: float, after: float) -> Iterator[float]:
    zone = zone_of(rule.time_zone)
    for wall in named_times(rule.expression, shown(zone, floor(after))):
        if (at := wall.replace(tzinfo=zone).timestamp()) > after:
            yield at


def not_at_all_in_spring(rule: Cron, anchor_at: float, after: float) -> Iterator[float]:
    zone = zone_of(rule.time_zone)
    for wall in named_times(rule.expression, shown(zone, floor(after))):
        yield from (at for at in moments(zone, wall)[:1] if at > after)


def twice_in_autumn(rule: Cron, anchor_at: float, after: float) -> Iterator[float]:
    zone = zone_of(rule.time_zone)
    for wall in named_times(rule.expression, shown(zone, floor(after))):
        yield from (at for at in moments(zone, wall) or [first_moment(zone, wall)] if at > after)


def every_time_of_a_gap(rule: Cron, anchor_at: float, after: float) -> Iterator[float]:
    zone = zone_of(rule.time_zone)
    for wall in named_times(rule.expression, shown(zone, floor(after))):
        if (at := first_moment(zone, wall)) > after:
            yield at


@pytest.mark.parametrize(
    ("walk", "said"),
    [
        (by_the_library, "missed [1-9].*doubled"),
        (an_hour_late_in_spring, "missed [1-9].*doubled"),
        (not_at_all_in_spring, "missed"),
        (twice_in_autumn, "doubled"),
        (every_time_of_a_gap, "doubled"),
    ],
)
def test_a_walk_that_is_wrong_is_noticed(walk: Walk, said: str):
    tally, chance = Tally(walk), random.Random(1)
    five_fields = [rule for rule in CRONS if len(rule.expression.split()) == 5]
    by_the_clock = [rule for rule in five_fields if not is_hourly(named_times(rule.expression, EPOCH))]
    for one in all_transitions(["Europe/Berlin"])[-2:]:
        tally.around(one, by_the_clock[::3], chance)
    counts = " ".join(
        f"{name} {count}" for name, count in (("missed", tally.missed), ("doubled", tally.doubled)) if count
    )
    assert re.fullmatch(rf"{said}.*", counts), tally.line()
