"""What somebody who looks after schedules starts, and what becomes of ticks that come at a bad time."""

from __future__ import annotations

import pytest

from canalis.contract.errors import StoreUnavailable
from canalis.contract.published import Publication, PublishedChange
from canalis.contract.schedules import ScheduleChange
from orchestrator.pipelines import endpoints
from orchestrator.pipelines.publish import change as change_pipeline
from orchestrator.pipelines.publish import publish
from orchestrator.schedules import kept
from tests.schedules.world import COMPUTES, GRAPH, Workspace, seconds, shown

HOURLY = {"kind": "cron", "expression": "0 * * * *"}
EVERY_5 = {"kind": "cron", "expression": "*/5 * * * *"}


@pytest.fixture
def here(tmp_path):
    workspace = Workspace(tmp_path)
    yield workspace
    workspace.database.close()


def test_a_tick_starts_one_run_and_is_not_started_again(here):
    nightly = here.schedule({"kind": "cron", "expression": "30 2 * * *"}, parameters={"n": 7})

    assert here.looks("2026-03-03T02:29:59") == []
    assert here.looks("2026-03-03T02:30") == here.looks() == here.looks("2026-03-03T02:31") == ["2026-03-03T02:30"]

    (run,) = here.runs(schedule=nightly.id)
    assert run.request.parameters["n"] == 7 and run.request.submitted_by == "schedule s"
    assert (run.request.origin.pipeline, run.request.origin.kind) == ("pipe", "Schedule")
    view = here.view(nightly, 2)
    assert [shown(at) for at in view.next] == ["2026-03-04T02:30", "2026-03-05T02:30"]
    assert (view.last.outcome, view.last.run, view.fired) == ("started", run.run_id, 1)


def test_a_recurrence_without_a_start_time_fires_at_once_and_then_by_the_rule(here):
    here.schedule({"kind": "recurrence", "frequency": "Hour", "interval": 2})
    assert here.looks() == ["2026-03-02T10:00"]
    assert here.looks("2026-03-02T11:59") == ["2026-03-02T10:00"]
    assert here.looks("2026-03-02T12:00") == ["2026-03-02T10:00", "2026-03-02T12:00"]


def test_a_recurrence_with_a_start_time_waits_for_it(here):
    here.schedule({"kind": "recurrence", "frequency": "Day", "interval": 1, "start_time": "2026-03-03T09:00:00"})
    assert here.looks() == here.looks("2026-03-03T08:59") == []
    assert here.looks("2026-03-03T09:00") == ["2026-03-03T09:00"]


@pytest.mark.parametrize(
    ("policy", "started", "told"),
    [
        ({"missed": "skip"}, [], [("2026-03-02T11:00", "missed")]),
        ({"missed": "last"}, ["2026-03-02T14:00"], [("2026-03-02T11:00", "missed"), ("2026-03-02T14:00", "started")]),
        ({"missed": "all"}, ["2026-03-02T11:00", "2026-03-02T12:00", "2026-03-02T13:00", "2026-03-02T14:00"], None),
        (
            {"missed": "all", "missed_max": 2},
            ["2026-03-02T13:00", "2026-03-02T14:00"],
            [("2026-03-02T11:00", "missed"), ("2026-03-02T13:00", "started"), ("2026-03-02T14:00", "started")],
        ),
    ],
)
def test_missed_ticks_are_skipped_or_made_up_for_as_the_schedule_says(here, policy, started, told):
    hourly = here.schedule(HOURLY, **policy)
    assert here.looks("2026-03-02T14:45") == started
    assert told is None or here.told(hourly) == told
    assert here.looks("2026-03-02T15:00") == [*started, "2026-03-02T15:00"]
    missed = [one for one in here.firings(hourly) if one.outcome == "missed"]
    assert sum(one.count for one in missed) + len(started) == 4, "every tick has been run or is written down as missed"


def test_a_slow_timer_misses_nothing_that_is_not_late(here):
    here.schedule(HOURLY, missed="skip")
    assert here.looks("2026-03-02T11:04:50") == ["2026-03-02T11:00"]
    assert here.looks("2026-03-02T12:05:01") == ["2026-03-02T11:00"]


def test_months_of_missed_minutes_are_told_in_one_line(here):
    minutely = here.schedule({"kind": "cron", "expression": "* * * * *"})
    assert here.looks("2026-06-02T10:00:30") == ["2026-06-02T10:00"]
    missed, started = here.firings(minutely)
    assert (missed.outcome, shown(missed.at), shown(missed.until)) == ("missed", "2026-03-02T10:01", "2026-06-02T09:59")
    assert missed.count == 1000 and started.outcome == "started"


def test_a_tick_that_meets_a_run_under_way_is_started_dropped_or_kept_as_the_schedule_says(here):
    both, one, line = (here.schedule(EVERY_5, overlap=policy) for policy in ("allow", "skip", "queue"))
    for at in ("2026-03-02T10:05", "2026-03-02T10:10", "2026-03-02T10:15"):
        here.looks(at)
    assert len(here.runs(schedule=both.id)) == 3
    (first,) = here.runs(schedule=one.id)
    assert here.told(one)[1:] == [("2026-03-02T10:10", "overlapped"), ("2026-03-02T10:15", "overlapped")]
    (waited_for,) = here.runs(schedule=line.id)
    assert here.told(line)[1:] == [("2026-03-02T10:10", "waiting"), ("2026-03-02T10:15", "waiting")]

    here.ends(first)
    here.ends(waited_for)
    here.looks("2026-03-02T10:16")
    assert len(here.runs(schedule=one.id)) == 1, "what was dropped is dropped"
    ticks = [shown(run.request.origin.tick) for run in here.runs(schedule=line.id)]
    assert ticks == ["2026-03-02T10:05", "2026-03-02T10:10"], "one at a time, the oldest first"
    assert here.told(line)[1:] == [("2026-03-02T10:10", "started"), ("2026-03-02T10:15", "waiting")]


def test_a_schedule_of_a_disabled_pipeline_is_paused_and_says_so_once(here):
    every = here.schedule(EVERY_5)
    change_pipeline(here.ports, "pipe", PublishedChange(status="Disabled"))
    for at in ("2026-03-02T10:05", "2026-03-02T10:10", "2026-03-02T10:15"):
        assert here.looks(at) == []
    assert here.told(every) == [("2026-03-02T10:05", "paused")]
    view = here.view(every)
    assert "'train' is disabled: enable it" in view.paused and view.warnings[0].startswith("It starts nothing")

    change_pipeline(here.ports, "pipe", PublishedChange(status="Active"))
    assert here.looks("2026-03-02T10:20") == ["2026-03-02T10:20"], "what was paused is not made up for"
    assert here.view(every).paused == ""


def test_a_schedule_that_is_enabled_again_starts_with_the_next_tick(here):
    hourly = here.schedule(HOURLY)
    kept.change(here.ports, hourly.id, ScheduleChange(status="Disabled"))
    assert here.looks("2026-03-02T12:30") == [] and here.view(hourly).next == ()
    kept.change(here.ports, hourly.id, ScheduleChange(status="Active"))
    assert here.looks("2026-03-02T12:59") == []
    assert here.looks("2026-03-02T13:00") == ["2026-03-02T13:00"]


def test_another_trigger_counts_from_when_it_was_set_and_starts_nothing_at_once(here):
    hourly = here.schedule(HOURLY)
    here.looks("2026-03-02T11:00")
    here.clock.at = seconds("2026-03-02T11:20")
    half_hourly = {"kind": "recurrence", "frequency": "Minute", "interval": 30}
    kept.change(here.ports, hourly.id, ScheduleChange(trigger=half_hourly))
    assert here.looks("2026-03-02T11:21") == ["2026-03-02T11:00"]
    assert here.looks("2026-03-02T11:50") == ["2026-03-02T11:00", "2026-03-02T11:50"]
    kept.change(here.ports, hourly.id, ScheduleChange(name="other", parameters={"n": 1}))
    assert here.looks("2026-03-02T12:20")[-1] == "2026-03-02T12:20", "a new name changes nothing of when it fires"
    assert here.runs()[-1].request.parameters["n"] == 1


def test_a_schedule_of_an_endpoint_starts_what_is_its_default_version_then(here):
    hourly = here.schedule(HOURLY, endpoint=here.endpoint(), parameters={"n": 5})
    here.looks("2026-03-02T11:00")
    publish(here.ports, Publication(id="pipe-2", graph=GRAPH.model_copy(update={"parameters": ()})), COMPUTES)
    endpoints.add_version(here.ports, "end", "pipe-2", default=True)
    here.looks("2026-03-02T12:00")
    first, second = here.runs(schedule=hourly.id)
    origin = first.request.origin
    assert (origin.pipeline, origin.version, first.request.parameters["n"]) == ("pipe", "0", 5)
    assert (second.request.origin.pipeline, second.request.origin.version) == ("pipe-2", "1")
    assert second.request.parameters == {}, "a version that lacks a parameter goes without"


def test_a_schedule_of_a_pipeline_that_is_gone_says_so_and_others_go_on(here):
    hourly = here.schedule(HOURLY)
    publish(here.ports, Publication(id="other", graph=GRAPH), COMPUTES)
    here.ports.documents.delete("published", "pipe")
    assert here.looks("2026-03-02T11:00") == []
    assert "There is no published pipeline 'pipe'" in here.view(hourly).paused


def test_what_only_its_author_can_mend_fails_that_tick_and_says_why(here):
    hourly = here.schedule(HOURLY, parameters={"n": 5})
    here.ports.documents.delete("published", "pipe")
    publish(here.ports, Publication(id="pipe", graph=GRAPH.model_copy(update={"parameters": ()})), COMPUTES)
    assert here.looks("2026-03-02T11:00") == []
    (failed,) = here.firings(hourly)
    assert (failed.outcome, failed.code, failed.run) == ("failed", "parameter_invalid", None)
    assert "'n' is not a parameter" in failed.why
    kept.change(here.ports, hourly.id, ScheduleChange(parameters={}))
    assert here.looks("2026-03-02T12:00") == ["2026-03-02T12:00"]


# --- several who look, and some who die


def test_two_who_look_at_the_same_moment_start_one_run(here):
    hourly = here.schedule(HOURLY)
    here.clock.at = seconds("2026-03-02T11:00")
    for method in ("list", "get", "put"):
        here.other("documents", method, here.keeper.look).look()
    assert here.started() == ["2026-03-02T11:00"]
    assert here.told(hourly) == [("2026-03-02T11:00", "started")]


def dies() -> None:
    raise StoreUnavailable("planted")


def test_who_dies_before_the_run_is_there_is_made_good_by_the_next(here):
    hourly = here.schedule(HOURLY, missed="skip")
    here.clock.at = seconds("2026-03-02T11:00")

    with pytest.raises(StoreUnavailable):
        here.other("runs", "create", dies).look()

    assert here.started() == []
    assert here.looks("2026-03-02T13:30") == ["2026-03-02T11:00"], "what was decided is done, however late"
    assert here.told(hourly)[0] == ("2026-03-02T11:00", "started")


def test_who_dies_after_the_run_is_there_leaves_nothing_to_be_done_twice(here):
    here.schedule(HOURLY, overlap="skip")
    here.clock.at = seconds("2026-03-02T11:00")

    with pytest.raises(StoreUnavailable):
        here.other("runs", "deliver", dies).look()

    assert here.started() == ["2026-03-02T11:00"]
    assert here.looks("2026-03-02T11:01") == ["2026-03-02T11:00"]
    (run,) = here.runs()
    here.ends(run)
    assert here.looks("2026-03-02T12:00") == ["2026-03-02T11:00", "2026-03-02T12:00"]


def test_one_schedule_that_cannot_be_read_keeps_no_other_waiting(here):
    here.ports.documents.put("schedules", "aaa", {"id": "aaa"})
    here.schedule(HOURLY)
    assert here.looks("2026-03-02T11:00") == ["2026-03-02T11:00"]
