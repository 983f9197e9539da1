"""When recurrences fire, as v1's do."""

from __future__ import annotations

from tests.schedules.said import BERLIN, NEW_YORK, every, fires


def test_one_without_a_start_time_fires_at_once_and_then_each_interval_later():
    rule = every(15, "Minute")
    assert rule.fires_at_once
    assert fires(rule, after="2026-05-01T10:07:30", made="2026-05-01T10:07:30") == [
        "2026-05-01T10:22:30",
        "2026-05-01T10:37:30",
        "2026-05-01T10:52:30",
    ]


def test_the_moment_at_which_it_was_made_is_none_of_its_firings():
    for rule in (every(1, "Minute"), every(1, "Day"), every(1, "Month")):
        assert fires(rule, after="2000-01-01T00:00:00", times=1, made="2026-05-01T10:00:00")[0] > "2026-05-01T10:00:00"


def test_its_anchor_is_the_whole_second_in_which_it_was_made():
    assert fires(every(1, "Hour"), after="2026-05-01T10:00:00.7", times=1, made="2026-05-01T10:00:00.7") == [
        "2026-05-01T11:00:00"
    ]


def test_one_with_a_start_time_to_come_fires_there_first():
    for frequency in ("Minute", "Hour", "Day", "Week", "Month"):
        rule = every(3, frequency, "2026-06-01T08:00:00")
        assert not rule.fires_at_once
        for after in ("2026-06-01T07:59:59", "2026-05-01T00:00:00", "2021-01-01T00:00:00"):
            assert fires(rule, after, times=1) == ["2026-06-01T08:00:00"]


def test_one_whose_start_time_is_past_fires_at_the_next_time_that_is_computed_from_it():
    assert fires(every(6, "Hour", "2020-01-01T01:30:00"), after="2026-05-01T08:00:00", times=1) == [
        "2026-05-01T13:30:00"
    ]
    assert fires(every(2, "Day", "2026-04-01T01:30:00"), after="2026-05-01T08:00:00", times=1) == [
        "2026-05-03T01:30:00"
    ]
    assert fires(every(2, "Week", "2026-04-01T01:30:00"), after="2026-05-01T08:00:00", times=1) == [
        "2026-05-13T01:30:00"
    ]


def test_minutes_and_hours_go_by_the_time_that_passes():
    assert fires(every(12, "Hour", "2026-03-07T12:00:00", NEW_YORK), after="2026-03-07T13:00:00-05:00", times=2) == [
        "2026-03-08T00:00:00-05:00",
        "2026-03-08T13:00:00-04:00",
    ]


def test_days_go_by_the_clock():
    assert fires(every(1, "Day", "2026-03-07T12:00:00", NEW_YORK), after="2026-03-07T13:00:00-05:00", times=2) == [
        "2026-03-08T12:00:00-04:00",
        "2026-03-09T12:00:00-04:00",
    ]


def test_a_day_without_that_time_fires_after_the_gap_and_one_with_two_of_it_once():
    rule = every(1, "Day", "2026-01-01T02:30:00", BERLIN)
    assert fires(rule, after="2026-03-28T12:00:00+01:00", times=2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    assert fires(rule, after="2026-10-24T12:00:00+02:00", times=2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_a_start_time_that_the_clocks_leave_out_is_the_first_moment_after_the_gap():
    assert fires(every(1, "Hour", "2026-03-29T02:30:00", BERLIN), after="2026-03-01T00:00:00", times=2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T04:00:00+02:00",
    ]


def test_a_month_that_has_no_such_day_fires_on_its_last_and_the_next_has_it_again():
    assert fires(every(1, "Month", "2026-01-31T06:00:00"), after="2026-01-01T00:00:00", times=5) == [
        "2026-01-31T06:00:00",
        "2026-02-28T06:00:00",
        "2026-03-31T06:00:00",
        "2026-04-30T06:00:00",
        "2026-05-31T06:00:00",
    ]
    assert fires(every(12, "Month", "2024-02-29T06:00:00"), after="2027-01-01T00:00:00", times=2) == [
        "2027-02-28T06:00:00",
        "2028-02-29T06:00:00",
    ]


def test_hours_and_minutes_are_each_with_each():
    rule = every(1, "Day", "2026-05-01T00:00:00", hours=(17, 9), minutes=(30, 0))
    assert fires(rule, after="2026-05-01T00:00:00", times=5) == [
        "2026-05-01T09:00:00",
        "2026-05-01T09:30:00",
        "2026-05-01T17:00:00",
        "2026-05-01T17:30:00",
        "2026-05-02T09:00:00",
    ]


def test_a_start_time_that_fits_the_times_of_day_is_no_firing():
    rule = every(1, "Day", "2026-05-01T08:00:00", hours=(8,), minutes=(0,))
    assert fires(rule, after="2026-04-01T00:00:00", times=1) == ["2026-05-02T08:00:00"]
    rule = every(1, "Week", "2026-05-01T08:00:00", week_days=("Friday",))
    assert fires(rule, after="2026-04-01T00:00:00", times=1) == ["2026-05-08T08:00:00"]


def test_on_the_day_of_the_start_time_only_what_comes_after_it_counts():
    rule = every(1, "Day", "2026-05-01T09:10:00", hours=(8, 9), minutes=(0, 15))
    assert fires(rule, after="2026-04-01T00:00:00", times=2) == ["2026-05-01T09:15:00", "2026-05-02T08:00:00"]


def test_hours_alone_are_at_the_minute_of_the_start_time_and_minutes_alone_in_its_hour():
    assert fires(every(1, "Day", "2026-05-01T06:40:00", hours=(8,)), after="2026-05-01T00:00:00", times=1) == [
        "2026-05-01T08:40:00"
    ]
    assert fires(every(1, "Day", "2026-05-01T06:40:00", minutes=(50,)), after="2026-05-01T00:00:00", times=1) == [
        "2026-05-01T06:50:00"
    ]


def test_without_a_start_time_hours_alone_are_whole_ones_and_minutes_alone_are_past_midnight():
    made = "2026-05-01T06:40:00"
    assert fires(every(1, "Day", hours=(8,)), after=made, made=made, times=1) == ["2026-05-01T08:00:00"]
    assert fires(every(1, "Day", minutes=(50,)), after=made, made=made, times=1) == ["2026-05-02T00:50:00"]


def test_days_of_the_week_alone_are_at_the_time_of_day_of_the_anchor():
    made = "2026-05-01T06:40:20"
    assert fires(every(1, "Week", week_days=("Monday",)), after=made, made=made, times=1) == ["2026-05-04T06:40:20"]


def test_times_of_day_of_a_week_without_days_are_on_the_weekday_of_the_anchor():
    assert fires(every(2, "Week", "2026-05-01T06:40:00", hours=(8,)), after="2026-05-01T00:00:00", times=2) == [
        "2026-05-01T08:40:00",
        "2026-05-15T08:40:00",
    ]


def test_every_second_week_is_counted_from_the_monday_before_the_anchor():
    """A start on Wednesday: its own week counts from there on, the next does not, whichever days are asked for."""
    rule = every(2, "Week", "2026-05-06T00:00:00", week_days=("Sunday", "Monday", "Friday"), hours=(7,))
    assert fires(rule, after="2026-05-01T00:00:00", times=5) == [
        "2026-05-08T07:00:00",
        "2026-05-10T07:00:00",
        "2026-05-18T07:00:00",
        "2026-05-22T07:00:00",
        "2026-05-24T07:00:00",
    ]


def test_every_third_day_keeps_its_count_over_months():
    rule = every(3, "Day", "2026-01-30T00:00:00", hours=(12,))
    assert fires(rule, after="2026-01-30T00:00:00", times=4) == [
        "2026-01-30T12:00:00",
        "2026-02-02T12:00:00",
        "2026-02-05T12:00:00",
        "2026-02-08T12:00:00",
    ]


def test_a_zone_may_have_its_name_from_windows():
    windows, iana = (every(1, "Day", "2026-05-01T08:00:00", zone) for zone in ("W. Europe Standard Time", BERLIN))
    assert fires(windows, after="2026-05-01T00:00:00") == fires(iana, after="2026-05-01T00:00:00")


def test_one_that_names_no_zone_goes_by_utc():
    assert fires(every(1, "Day", "2026-07-01T08:00:00"), after="2026-06-01T00:00:00", times=1) == [
        "2026-07-01T08:00:00"
    ]
