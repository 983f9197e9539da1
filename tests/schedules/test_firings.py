"""When rules fire: what cron expressions mean, and what becomes of them while clocks are set."""

from __future__ import annotations

import ast
import random
import time
from collections.abc import Iterable
from datetime import datetime
from itertools import islice, takewhile
from pathlib import Path

import pytest

from canalis.contract.zones import zone_of
from orchestrator import schedules
from orchestrator.schedules.firings import firings, last_firings
from orchestrator.schedules.moments import first_moment, least_shown, moments, shown
from tests.schedules.corpus import RULES, in_zone
from tests.schedules.said import BERLIN, NEW_YORK, at, cron, every, fires


def test_a_cron_rule_fires_when_its_fields_say():
    assert fires(cron("30 9 * * 1-5"), after="2026-05-01T12:00:00") == [
        "2026-05-04T09:30:00",
        "2026-05-05T09:30:00",
        "2026-05-06T09:30:00",
    ]


def test_a_firing_at_the_moment_itself_is_over():
    assert fires(cron("0 9 * * *"), after="2026-05-01T09:00:00", times=1) == ["2026-05-02T09:00:00"]
    assert list(islice(firings(cron("0 9 * * *"), 0.0, at("2026-05-01T09:00:00") - 0.25), 1)) == [
        at("2026-05-01T09:00:00")
    ]


def test_in_five_fields_a_day_of_the_month_or_a_day_of_the_week_is_enough():
    assert fires(cron("0 0 13 * FRI"), after="2026-03-01T00:00:00", times=4) == [
        "2026-03-06T00:00:00",
        "2026-03-13T00:00:00",
        "2026-03-20T00:00:00",
        "2026-03-27T00:00:00",
    ]


def test_in_five_fields_a_day_that_begins_with_a_star_must_fit_as_well():
    assert fires(cron("0 0 */13 * FRI"), after="2026-03-01T00:00:00", times=2) == [
        "2026-03-27T00:00:00",
        "2026-05-01T00:00:00",
    ]


def test_in_six_fields_a_day_must_fit_both_as_in_azure_functions():
    assert fires(cron("0 0 0 13 * Friday"), after="2026-01-01T00:00:00") == [
        "2026-02-13T00:00:00",
        "2026-03-13T00:00:00",
        "2026-11-13T00:00:00",
    ]


def test_six_fields_begin_with_the_second():
    assert fires(cron("30 5 12 * * *"), after="2026-05-01T00:00:00", times=1) == ["2026-05-01T12:05:30"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0 0 1 January Monday", "0 0 1 1 1"),
        ("0 0 * jan-MARCH sunday,Wed", "0 0 * 1-3 0,3"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("  0   0\t* * * ", "0 0 * * *"),
        ("@daily", "0 0 * * *"),
        ("@Hourly", "0 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_names_and_words_are_the_numbers_that_they_stand_for(written, meant):
    found, wanted = (fires(cron(one), after="2026-01-05T00:00:00", times=40) for one in (written, meant))
    assert found == wanted


def test_the_last_days_and_the_nth_ones_are_understood():
    assert fires(cron("0 0 L 2 *"), after="2027-01-01T00:00:00", times=2) == [
        "2027-02-28T00:00:00",
        "2028-02-29T00:00:00",
    ]
    assert fires(cron("0 0 LW * *"), after="2026-05-01T00:00:00", times=1) == ["2026-05-29T00:00:00"]
    assert fires(cron("0 0 * * 5L"), after="2026-05-01T00:00:00", times=1) == ["2026-05-29T00:00:00"]
    assert fires(cron("0 0 * * MON#2"), after="2026-05-01T00:00:00", times=1) == ["2026-05-11T00:00:00"]


# Where clocks are set ------------------------------------------------------------------------------------------


def test_a_time_that_is_left_out_in_spring_fires_at_the_first_moment_after_the_gap():
    assert fires(cron("30 2 * * *", NEW_YORK), after="2026-03-07T12:00:00-05:00") == [
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:30:00-04:00",
        "2026-03-10T02:30:00-04:00",
    ]


def test_several_times_that_fall_into_one_gap_are_one_firing():
    assert fires(cron("*/20 2,3 * * *", NEW_YORK), after="2026-03-08T00:00:00-05:00") == [
        "2026-03-08T03:00:00-04:00",
        "2026-03-08T03:20:00-04:00",
        "2026-03-08T03:40:00-04:00",
    ]


def test_a_time_that_comes_twice_in_autumn_fires_when_it_comes_first():
    assert fires(cron("*/30 1 * * *", NEW_YORK), after="2026-11-01T00:00:00-04:00") == [
        "2026-11-01T01:00:00-04:00",
        "2026-11-01T01:30:00-04:00",
        "2026-11-02T01:00:00-05:00",
    ]


def test_what_has_come_first_does_not_come_again_for_who_asks_in_between():
    """Whoever asks anew in the midst of the hour that comes twice hears nothing old."""
    assert fires(cron("30 1 * * *", NEW_YORK), after="2026-11-01T01:45:00-04:00", times=1) == [
        "2026-11-02T01:30:00-05:00"
    ]
    assert fires(cron("30 1 * * *", NEW_YORK), after="2026-11-01T01:15:00-05:00", times=1) == [
        "2026-11-02T01:30:00-05:00"
    ]
    assert fires(cron("30 2 * * *", NEW_YORK), after="2026-03-08T03:00:00-04:00", times=1) == [
        "2026-03-09T02:30:00-04:00"
    ]


def test_a_rule_for_any_hour_goes_by_the_time_that_passes():
    assert fires(cron("30 * * * *", NEW_YORK), after="2026-11-01T00:00:00-04:00", times=4) == [
        "2026-11-01T00:30:00-04:00",
        "2026-11-01T01:30:00-04:00",
        "2026-11-01T01:30:00-05:00",
        "2026-11-01T02:30:00-05:00",
    ]
    assert fires(cron("30 * * * *", NEW_YORK), after="2026-03-08T01:00:00-05:00", times=2) == [
        "2026-03-08T01:30:00-05:00",
        "2026-03-08T03:30:00-04:00",
    ]


def test_a_rule_for_any_hour_of_some_days_has_both_hours_of_such_a_day():
    assert fires(cron("0 0-23 1 11 *", NEW_YORK), after="2026-11-01T00:00:00-04:00", times=25)[:2] == [
        "2026-11-01T01:00:00-04:00",
        "2026-11-01T01:00:00-05:00",
    ]
    assert fires(cron("0 0-23 1 11 *", NEW_YORK), after="2026-10-01T00:00:00-04:00", times=26)[-1].startswith("2027-")


def test_a_rule_for_most_hours_goes_by_the_clock():
    assert fires(cron("30 1-23 * * *", NEW_YORK), after="2026-11-01T01:00:00-04:00", times=2) == [
        "2026-11-01T01:30:00-04:00",
        "2026-11-01T02:30:00-05:00",
    ]


def test_clocks_that_are_set_by_half_an_hour_or_by_a_day_are_no_exception():
    assert fires(cron("15 2 * * *", "Australia/Lord_Howe"), after="2026-10-03T12:00:00+11:00", times=1) == [
        "2026-10-04T02:30:00+11:00"
    ]
    # Samoa had no 30 December 2011.
    assert fires(cron("0 9 * * *", "Pacific/Apia"), after="2011-12-29T12:00:00-10:00") == [
        "2011-12-31T00:00:00+14:00",
        "2011-12-31T09:00:00+14:00",
        "2012-01-01T09:00:00+14:00",
    ]


def test_the_gap_ends_at_the_second_at_which_the_clocks_are_set():
    zone = zone_of(BERLIN)
    for second in (0, 1, 1800, 3599):
        wall = datetime.fromisoformat("2026-03-29T02:00:00").replace(minute=second // 60, second=second % 60)
        assert first_moment(zone, wall) == at("2026-03-29T01:00:00") and moments(zone, wall) == []


def test_no_clock_falls_behind_what_is_said_to_be_the_least_it_will_show():
    zone = zone_of(BERLIN)
    before = int(at("2026-10-25T02:30:00+02:00"))
    assert least_shown(zone, before) <= min(shown(zone, later) for later in range(before, before + 7200, 60))
    assert least_shown(zone, before - 30 * 86_400) == shown(zone, before - 30 * 86_400)


# The walk as a whole -------------------------------------------------------------------------------------------


def some_rules(seed: int, count: int):
    """Rules of the corpus in zones whose clocks are set, each made at some time, and a time to ask about."""
    chance = random.Random(seed)
    for _ in range(count):
        zone = chance.choice((NEW_YORK, "Australia/Lord_Howe", "Africa/Casablanca", "America/Havana", "UTC"))
        made = at(
            f"20{chance.randrange(10, 30)}-0{chance.randrange(1, 10)}-{chance.randrange(10, 28)}T0{chance.randrange(10)}:30:00"
        )
        yield in_zone(chance.choice(RULES), zone), made, made + chance.randrange(400 * 86_400), chance


def up_to(until: float, found: Iterable[float]) -> list[float]:
    return list(takewhile(lambda moment: moment <= until, found))


@pytest.mark.parametrize("seed", range(4))
def test_what_fires_after_any_moment_is_the_rest_of_what_fires_after_an_earlier_one(seed):
    for rule, made, now, chance in some_rules(seed, 40):
        whole = list(islice(firings(rule, made, now), 60))
        assert whole == sorted(set(whole)) and all(moment > now for moment in whole)
        for later in [chance.choice(whole), chance.choice(whole) - 1, chance.choice(whole) + 0.5] if whole else []:
            rest = [moment for moment in whole if moment > later]
            assert list(islice(firings(rule, made, later), len(rest))) == rest, (rule, made, later)


@pytest.mark.parametrize("seed", range(4))
def test_the_newest_firings_are_the_last_of_all_that_there_are(seed):
    for rule, made, now, chance in some_rules(seed + 100, 40):
        until, count = now + chance.choice((0, 60, 3600, 86_400, 20 * 86_400)), chance.choice((1, 2, 5, 30))
        after = chance.choice((now, now - 3600, made))
        found = up_to(until, islice(firings(rule, made, after), 3000))
        if len(found) < 3000:
            assert last_firings(rule, made, after, until, count) == (found[-count:], len(found) > count), (rule, after)


def test_the_newest_firings_of_fifty_years_are_found_at_once():
    began = time.process_time()
    newest, has_more = last_firings(cron("* * * * *"), 0.0, 0.0, at("2026-05-01T00:00:00"), 2)
    assert (newest, has_more) == ([at("2026-04-30T23:59:00"), at("2026-05-01T00:00:00")], True)
    newest, has_more = last_firings(cron("* * 1 1 *"), 0.0, 0.0, at("2026-12-31T00:00:00"), 2)
    assert (newest, has_more) == ([at("2026-01-01T23:58:00"), at("2026-01-01T23:59:00")], True)
    assert last_firings(cron("0 0 29 2 *"), 0.0, at("2020-02-29T00:00:00"), at("2027-01-01T00:00:00"), 2) == (
        [at("2024-02-29T00:00:00")],
        False,
    )
    assert last_firings(every(1, "Day"), 0.0, 1000.0, 999, 1) == ([], False)
    assert time.process_time() - began < 2.0


def test_the_next_twenty_of_any_rule_are_cheap():
    began = time.process_time()
    for rule in RULES:
        list(islice(firings(in_zone(rule, NEW_YORK), 0.0, at("2026-02-20T00:00:00")), 20))
    assert (time.process_time() - began) / len(RULES) < 0.05


def test_the_walk_begins_with_1970_and_ends_before_the_year_9000():
    assert fires(cron("0 0 1 1 *"), after="1960-01-01T00:00:00", times=1, made="1970-01-01T00:00:00") == [
        "1970-01-01T00:00:00"
    ]
    assert next(firings(cron("@daily"), 0.0, float("-inf"))) == 0.0
    for zone in ("UTC", NEW_YORK, "Pacific/Kiritimati"):
        for rule in (
            cron("0 0 29 2 *", zone),
            cron("0 * 31 12 *", zone),
            every(1, "Month", zone=zone),
            every(87_600, "Hour"),
        ):
            last = list(firings(rule, at("2020-01-31T00:00:00"), at("8980-01-01T00:00:00")))
            assert last and max(last) < at("9000-01-01T00:00:00")
        assert list(firings(cron("* * * * *", zone), 0.0, float("inf"))) == []
        assert list(firings(every(1, "Minute"), 0.0, 1e18)) == []


def test_what_works_out_when_and_what_is_started_knows_no_clock():
    for name in ("firings", "moments", "walls", "turn"):
        file = Path(*schedules.__path__) / f"{name}.py"
        for node in ast.walk(ast.parse(file.read_text())):
            assert not (isinstance(node, ast.Attribute) and node.attr in ("now", "today", "utcnow", "time_ns")), file
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            module = node.module if isinstance(node, ast.ImportFrom) else None
            assert not {*names, module} & {"time", "random", "os", "secrets", "uuid"}, file
