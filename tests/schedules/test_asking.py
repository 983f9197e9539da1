"""What is said of schedules that cannot be, before anything is kept."""

from __future__ import annotations

import pytest

from canalis.contract.errors import NotFound, NotSupported, ParameterError, ScheduleInvalid, TooMany
from canalis.contract.schedules import ScheduleChange, ScheduleRequest
from orchestrator.schedules import kept
from tests.schedules.test_keeping import HOURLY
from tests.schedules.test_watching import changes
from tests.schedules.world import Workspace, shown


@pytest.fixture
def here(tmp_path):
    workspace = Workspace(tmp_path)
    yield workspace
    workspace.database.close()


def test_everything_wrong_with_a_rule_is_told_at_once(here):
    wrong = {"kind": "recurrence", "frequency": "Hour", "interval": 1, "hours": [25], "time_zone": "Mars"}
    with pytest.raises(ScheduleInvalid) as caught:
        here.schedule(wrong)
    codes = {fault["code"] for fault in caught.value.details["faults"]}
    assert "zone_unknown" in codes and len(codes) >= 3 and "Mars" in caught.value.message
    for expression in ("* * * * * *", "0 0 30 2 *", "x", "", "* * * *"):
        with pytest.raises(ScheduleInvalid):
            here.schedule({"kind": "cron", "expression": expression})
    assert kept.all_schedules(here.ports.documents) == [], "nothing half-done stays behind"


def test_a_schedule_of_what_is_not_there_or_cannot_be_is_refused(here):
    here.ports.documents.put("datastores", "files", {"type": "AzureFile"})
    with pytest.raises(ParameterError, match="'m' is not a parameter"):
        here.schedule(HOURLY, parameters={"m": 1})
    with pytest.raises(NotFound, match="no datastore 'nowhere'"):
        here.schedule(changes(datastore="nowhere"))
    with pytest.raises(NotSupported, match="only an AzureBlob"):
        here.schedule(changes(datastore="files"))
    with pytest.raises(ParameterError, match=r"'n' is no data path parameter of the pipeline \(it has: data\)"):
        here.schedule(changes(parameter="n"))
    with pytest.raises(ParameterError, match="leaves its datastore"):
        here.schedule(changes(parameter="data", path="../x"))


def test_a_change_that_cannot_be_changes_nothing(here):
    hourly = here.schedule(HOURLY)
    with pytest.raises(ScheduleInvalid):
        kept.change(here.ports, hourly.id, ScheduleChange(name="x", trigger={"kind": "cron", "expression": "x"}))
    assert kept.schedule(here.ports.documents, hourly.id) == hourly


def test_one_caller_cannot_fill_the_workspace_with_schedules(here, monkeypatch):
    monkeypatch.setattr(kept, "OF_CALLER_MAX", 2)
    here.schedule(HOURLY)
    here.schedule(HOURLY)
    with pytest.raises(TooMany, match="you have 2 schedules already"):
        here.schedule(HOURLY)


def test_a_preview_says_when_and_makes_nothing(here):
    mondays = {"kind": "recurrence", "frequency": "Week", "interval": 1, "week_days": ["Monday"], "hours": [6]}
    asked = ScheduleRequest(experiment="e", pipeline="pipe", trigger=mondays)
    found = kept.preview(here.ports, asked, 3)
    assert [shown(at) for at in found.next] == ["2026-03-02T10:00", "2026-03-09T06:00", "2026-03-16T06:00"]
    assert "fires at once" in found.warnings[0]
    assert kept.all_schedules(here.ports.documents) == []


def test_a_deleted_schedule_starts_nothing_and_leaves_nothing(here):
    hourly = here.schedule(HOURLY)
    here.looks("2026-03-02T11:00")
    for _ in range(2):
        kept.delete(here.ports, hourly.id)
    assert here.looks("2026-03-02T12:00") == ["2026-03-02T11:00"]
    for kind in ("schedules", "schedule-progress", "firings"):
        assert here.ports.documents.list(kind) == []
