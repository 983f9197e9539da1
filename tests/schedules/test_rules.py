"""What is said of rules that cannot be used: everything at once, before they are."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from canalis.contract.crontab import CHARS_MAX, cron_faults, named_times
from canalis.contract.faults import Fault
from canalis.contract.recurring import INTERVAL_MAX, Cron, Recurrence, Rule, read_recurrence, rule_faults
from tests.schedules.corpus import RULES


def codes(found: Iterable[Fault]) -> list[str]:
    return [fault.code for fault in found]


def said(expression: str) -> str:
    """What is said of an expression that has one fault."""
    (fault,) = cron_faults(expression)
    return fault.message


def asked(*arguments, **named) -> list[str]:
    """The codes of what is wrong with the arguments of a recurrence."""
    rule, found = read_recurrence(*arguments, **named)
    assert (rule is None) == bool(found)
    return codes(found)


# Cron expressions ----------------------------------------------------------------------------------------------


def test_nothing_is_wrong_with_the_rules_of_the_corpus():
    for rule in RULES:
        assert rule_faults(rule) == []
        assert TypeAdapter(Rule).validate_json(rule.model_dump_json(exclude_unset=True)) == rule


def test_every_field_that_cannot_be_read_is_named():
    found = cron_faults("60 24 32 13 8")
    assert codes(found) == ["cron_field"] * 5
    for fault, name in zip(found, ("minute", "hour", "day of the month", "month", "day of the week"), strict=True):
        assert name in fault.message
    assert "'61' cannot be read as a second" in said("61 * * * * *")


def test_what_another_cron_writes_is_told_in_the_words_of_this_one():
    assert "write * where another cron has ?" in said("0 0 ? * 1")
    assert "'FRI-SUN'" in said("0 0 * * FRI-SUN") and "ranges that go up" in said("0 0 * * FRI-SUN")
    assert "@reboot" in said("@reboot") and "@daily" in said("@reboot")


@pytest.mark.parametrize("expression", ["", " ", "*", "* * * *", "* * * * * * *", "0 0 1 1 * 2030 *"])
def test_five_or_six_fields_are_wanted(expression):
    assert codes(cron_faults(expression)) == ["cron_fields"]


@pytest.mark.parametrize(
    "expression", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 0 30 2 1", "* * */20 * 1L", "0 0 0 31 2 *", "0 0 31 2 */2"]
)
def test_a_time_that_never_comes_is_refused(expression):
    assert codes(cron_faults(expression)) == ["never_fires"]


@pytest.mark.parametrize("expression", ["0 0 31 2 1", "0 0 29 2 *", "0 0 0 29 2 1", "0 0 * 2 MON#5"])
def test_a_time_that_comes_seldom_is_not(expression):
    """The first fires on Mondays of February: in five fields either of the days is enough."""
    assert cron_faults(expression) == []


@pytest.mark.parametrize("second", ["*", "*/30", "0,30", "10-11", "30/29"])
def test_more_often_than_once_a_minute_is_refused(second):
    assert codes(cron_faults(f"{second} * * * * *")) == ["too_often"]
    assert codes(cron_faults(f"{second} 0 0 30 2 *")) == ["too_often", "never_fires"]


@pytest.mark.parametrize("second", ["0", "59", "7,7", "30/30"])
def test_a_single_second_is_not_too_often(second):
    assert cron_faults(f"{second} * * * * *") == []


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("x" * 10_000, "cron_too_long"),
        ("1/" + "9" * (CHARS_MAX + 1) + " * * * *", "cron_too_long"),
        ("\u0663 * * * *", "cron_characters"),
        ("0 0 * * \u00b2L", "cron_characters"),
        ("0 0 * \u017fep *", "cron_characters"),
        ("0\u00a00 * * *", "cron_characters"),
        ("*\x00 * * * *", "cron_characters"),
        ("0 0 * * *\n", "cron_characters"),
        ("0\x1f0 * * *", "cron_characters"),
        ("1,,2 * * * *", "cron_field"),
        ("*/0 * * * *", "cron_field"),
        ("1/2/3 * * * *", "cron_field"),
        ("5-1 * * * *", "cron_field"),
        ("-1 * * * *", "cron_field"),
        ("+1 * * * *", "cron_field"),
        ("1.5 * * * *", "cron_field"),
        ("0 0 * * 1#6", "cron_field"),
        ("0 0 * * 1L/2", "cron_field"),
        ("0 0 15W * *", "cron_field"),
        ("0 0 * Janu *", "cron_field"),
        ("@", "cron_word"),
        ("@daily x", "cron_word"),
    ],
)
def test_an_odd_text_is_a_fault_and_nothing_worse(expression, code):
    (fault,) = cron_faults(expression)
    assert fault.code == code and len(fault.message) < 400 and fault.message.isascii() and fault.message.isprintable()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_written_is_either_refused_or_names_times(seed):
    chance = random.Random(seed)
    pieces = [
        *"0123456789*/,-L#W ?@",
        "59",
        "23",
        "31",
        "12",
        "MON",
        "sun",
        "JAN",
        "July",
        "LW",
        "1L",
        "1#2",
        "*/2",
        "\t",
        "9" * 30,
    ]
    usable = 0
    for _ in range(1500):
        fields = [
            "".join(chance.choices(pieces, k=chance.choice((1, 1, 1, 2, 3)))) for _ in range(chance.choice((5, 5, 6)))
        ]
        expression = " ".join(field if chance.random() < 0.4 else "*" for field in fields)
        if not cron_faults(expression):
            usable += 1
            assert next(named_times(expression, datetime.fromisoformat("2026-01-01"))).year < 2100, expression
    assert usable > 50


# Recurrences ---------------------------------------------------------------------------------------------------


def test_every_fault_of_a_recurrence_is_told_at_once():
    assert asked("Fortnight", 0, "2026-02-30T00:00:00", "Berlin", [24], [60, "x"], ["Mon"], "25:00") == [
        "frequency_unknown",
        "interval_invalid",
        "start_time_impossible",
        "zone_unknown",
        "hours_invalid",
        "minutes_invalid",
        "week_days_invalid",
        "time_of_day_twice",
        "time_of_day_invalid",
    ]


def test_hours_and_minutes_go_with_days_and_weeks_and_names_of_days_with_weeks():
    for frequency in ("Minute", "Hour", "Month"):
        assert asked(frequency, 1, hours=[1], minutes=[1], week_days=["Monday"]) == [
            "hours_misplaced",
            "minutes_misplaced",
            "week_days_misplaced",
        ]
        assert asked(frequency, 1, time_of_day="9:30") == ["time_of_day_misplaced"]
        assert asked(frequency, 1, hours=[], minutes=None, week_days=()) == []
    assert asked("Day", 1, hours=[1], minutes=[1], week_days=["Monday"]) == ["week_days_misplaced"]
    assert asked("Week", 1, hours=[1], minutes=[1], week_days=["Monday"]) == []


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"interval": -1}, "interval_invalid"),
        ({"interval": 1.0}, "interval_invalid"),
        ({"interval": "1"}, "interval_invalid"),
        ({"interval": True}, "interval_invalid"),
        ({"interval": None}, "interval_invalid"),
        ({"interval": np.array([1, 2])}, "interval_invalid"),
        ({"interval": 10**5000}, "interval_too_long"),
        ({"start_time": "2026-05-01"}, "start_time_unreadable"),
        ({"start_time": "2026-05-01T08:00:00Z"}, "start_time_unreadable"),
        ({"start_time": "\u0662026-05-01T08:00:00"}, "start_time_unreadable"),
        ({"start_time": "x" * 10_000}, "start_time_unreadable"),
        ({"start_time": 5}, "start_time_unreadable"),
        ({"start_time": datetime(2026, 5, 1, tzinfo=UTC)}, "start_time_zoned"),
        ({"start_time": "2026-02-30T08:00:00"}, "start_time_impossible"),
        ({"start_time": "2026-05-01T24:00:00"}, "start_time_impossible"),
        ({"start_time": "0000-05-01T08:00:00"}, "start_time_impossible"),
        ({"start_time": "9999-12-31T23:59:59"}, "start_time_absurd"),
        ({"start_time": "1969-12-31T23:59:59"}, "start_time_absurd"),
        ({"start_time": datetime.fromisoformat("2500-01-01")}, "start_time_absurd"),
        ({"time_zone": ""}, "zone_unknown"),
        ({"time_zone": 5}, "zone_unknown"),
        ({"time_zone": "\u212aorea Standard Time"}, "zone_unknown"),
        ({"time_zone": "../../etc/passwd"}, "zone_unknown"),
        ({"hours": "12"}, "hours_invalid"),
        ({"hours": 5}, "hours_invalid"),
        ({"hours": [-1]}, "hours_invalid"),
        ({"hours": [True]}, "hours_invalid"),
        ({"hours": [1] * 25}, "hours_invalid"),
        ({"minutes": [59.5]}, "minutes_invalid"),
        ({"minutes": [[]]}, "minutes_invalid"),
        ({"time_of_day": "9:3"}, "time_of_day_invalid"),
        ({"time_of_day": "09:60"}, "time_of_day_invalid"),
        ({"time_of_day": 930}, "time_of_day_invalid"),
        ({"time_of_day": "9:30", "hours": [9]}, "time_of_day_twice"),
        ({"frequency": "day"}, "frequency_unknown"),
        ({"frequency": None}, "frequency_unknown"),
        ({"frequency": ["Day"]}, "frequency_unknown"),
    ],
)
def test_what_cannot_be_is_told_by_its_name_and_nothing_worse(named, code):
    rule, found = read_recurrence(**({"frequency": "Day", "interval": 1} | named))
    assert rule is None and codes(found) == [code]
    assert next(iter(named)) in found[0].message and len(found[0].message) < 400


@pytest.mark.parametrize("days", [["Mon"], ["monday"], "Monday", ["Monday"] * 8, [1], [["Monday"]]])
def test_days_of_the_week_are_full_english_names(days):
    assert asked("Week", 1, week_days=days) == ["week_days_invalid"]


def test_an_interval_is_at_most_ten_years():
    for frequency, most in INTERVAL_MAX.items():
        assert asked(frequency, most) == [] and asked(frequency, most + 1) == ["interval_too_long"]


def test_a_mistake_is_told_with_what_may_be_meant():
    _, found = read_recurrence("days", 1, time_zone="Pacific Time")
    assert ["do you mean 'Day'" in found[0].message, "Pacific Standard Time" in found[1].message] == [True, True]


def test_what_v1_scripts_give_is_read():
    class TimeZone(Enum):
        Berlin = "W. Europe Standard Time"

    rule, found = read_recurrence(
        "Week",
        np.int64(2),
        datetime.fromisoformat("2026-05-01T08:00:00.123456"),
        TimeZone.Berlin,
        week_days=(day for day in ["Monday", "Friday"]),
        time_of_day="9:05",
    )
    assert found == [] and rule == Recurrence(
        frequency="Week",
        interval=2,
        start_time="2026-05-01T08:00:00",
        time_zone="W. Europe Standard Time",
        hours=(9,),
        minutes=(5,),
        week_days=("Monday", "Friday"),
    )
    assert read_recurrence("Day", 1, hours=range(3), minutes=np.array([0, 30]))[0] == Recurrence(
        frequency="Day", interval=1, hours=(0, 1, 2), minutes=(0, 30)
    )


def test_a_document_is_judged_as_the_arguments_are():
    rule = Recurrence(frequency="Month", interval=500, start_time="x", time_zone="y", hours=(24,), week_days=("Mon",))
    assert codes(rule_faults(rule)) == [
        "interval_too_long",
        "start_time_unreadable",
        "zone_unknown",
        "hours_invalid",
        "week_days_invalid",
        "hours_misplaced",
        "week_days_misplaced",
    ]
    assert codes(rule_faults(Cron(expression="x", time_zone="y"))) == ["cron_fields", "zone_unknown"]


def test_a_document_says_its_kind_and_nothing_that_was_not_given():
    assert Cron(expression="@daily").model_dump_json(exclude_unset=True) == '{"kind":"cron","expression":"@daily"}'
    rule = Recurrence(frequency="Day", interval=1)
    assert rule.model_dump_json(exclude_unset=True) == '{"kind":"recurrence","frequency":"Day","interval":1}'
    for wrong in ('{"kind":"solar"}', '{"kind":"cron","expression":"@daily","hours":[1]}', '{"expression":"@daily"}'):
        with pytest.raises(ValidationError):
            TypeAdapter(Rule).validate_json(wrong)


def test_only_a_recurrence_without_a_start_time_fires_at_once():
    assert Recurrence(frequency="Day", interval=1, hours=(9,)).fires_at_once
    assert not Recurrence(frequency="Day", interval=1, start_time="2026-05-01T08:00:00").fires_at_once
    assert not Cron(expression="@daily").fires_at_once


def test_who_only_knows_the_rules_has_loaded_none_of_the_libraries():
    """Each script of a step imports the room that this is in."""
    line = (
        "import sys, canalis.contract.recurring; print({'cronsim', 'tzlocal', 'difflib'} & set(sys.modules) or 'none')"
    )
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"
