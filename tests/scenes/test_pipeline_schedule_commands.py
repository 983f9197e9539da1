"""Schedules by the command line, with v1's words and files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from canalis.pipeline_run import PipelineRun
from tests.scenes.conftest import canalis, cells, log_of, until
from tests.scenes.files import answer, published, written
from tests.scenes.test_schedules import SOON_S

WEEKLY = """
Schedule:
  description: twice a week
  pipeline_parameters: {rounds: 4}
  recurrence:
    frequency: Week
    interval: 1
    start_time: 2040-01-02T00:00:00
    time_zone: W. Europe Standard Time
    week_days: [Monday, Friday]
    time_of_day: "6:30"
"""
AT_ONCE = "Schedule:\n  pipeline_parameters: {rounds: 8}\n  recurrence: {frequency: Month, interval: 1}\n"
WATCH = """
Schedule:
  datastore_name: workspaceblobstore
  path_on_datastore: arrivals
  data_path_parameter_name: data
  polling_interval: 15
"""

pytestmark = pytest.mark.laptop(
    "the command line asks as it does in test_run_from_ci.py, which runs through both doors"
)


@pytest.fixture(autouse=True)
def sources(project, ws, monkeypatch):
    monkeypatch.setenv("CANALIS_WORKSPACE", ws.name)
    assert ws.discovery_url
    written(project)
    for name, text in (("weekly", WEEKLY), ("at_once", AT_ONCE), ("watch", WATCH)):
        Path(f"{name}.yml").write_text(text)


@pytest.fixture
def identity(ws):
    """A published pipeline, whose schedules are deleted at the end: they would fire for ever."""
    identity = published()
    yield identity
    for one in ws._client.get("/schedules", pipeline=identity):
        ws._client.delete(f"/schedules/{one['id']}")


def scheduled(identity: str, file: str, *words: str) -> dict:
    return answer(
        "ml", "pipeline", "create-schedule", "-n", file, "-e", "timed", "-i", identity, "-y", f"{file}.yml", *words
    )


def test_one_sees_when_a_schedule_would_fire_before_it_is_made(identity):
    shown = canalis("pipeline", "preview-schedule", "-i", identity, "-y", "weekly.yml").stdout.splitlines()
    assert len(shown) == 21 and cells(shown[0]) == ["W. Europe Standard Time", "UTC"]
    assert cells(shown[1]) == ["2040-01-02 06:30:00+01:00", "2040-01-02 05:30:00Z"]
    found = answer("pipeline", "preview-schedule", "-i", identity, "--cron", "0 0 1 1 *", "--count", "2", "--json")
    first, second = (one["utc"] for one in found["next"])
    assert first.endswith("-01-01T00:00:00Z") and int(second[:4]) == int(first[:4]) + 1
    warned = canalis("pipeline", "preview-schedule", "-i", identity, "-y", "at_once.yml", "--count", "3").stdout
    assert "It fires at once, since it has no start_time" in warned
    watched = answer("pipeline", "preview-schedule", "-i", identity, "-y", "watch.yml", "--count", "1", "--json")
    assert watched["warnings"] == []
    assert answer("pipeline", "list-schedules", "-i", identity, "--all", "--json") == [], "nothing was made"


def test_a_schedule_is_made_shown_changed_switched_off_and_deleted(identity):
    made = scheduled(identity, "weekly")
    schedule = made["Id"]
    assert (made["Name"], made["ExperimentName"], made["PipelineId"]) == ("weekly", "timed", identity)
    assert (made["EntityStatus"], made["Recurrence"]["week_days"]) == ("Active", ["Monday", "Friday"])
    assert answer("pipeline", "show-schedule", "-s", schedule)["Id"] == schedule
    assert [one["Id"] for one in answer("pipeline", "show", "-i", identity)["Schedules"]] == [schedule]
    listed = canalis("pipeline", "list-schedules", "--pipeline-id", identity).stdout.splitlines()
    assert cells(listed[1])[:3] == [
        "weekly", "Active", "every week on Monday, Friday at 6:30, W. Europe Standard Time",
    ]  # fmt: skip

    off = answer("ml", "pipeline", "update-schedule", "-s", schedule, "-n", "other", "-t", "Disabled")
    assert (off["Name"], off["EntityStatus"]) == ("other", "Disabled")
    assert canalis("pipeline", "list-schedules", "-i", identity).stdout.startswith("No schedules.")
    watching = answer("pipeline", "update-schedule", "--schedule-id", schedule, "-y", "watch.yml")
    assert (watching["ScheduleType"], watching["PollingInterval"]) == ("DataStore", 15)
    assert watching["EntityStatus"] == "Disabled", "what is not given stays"
    assert answer("pipeline", "enable-schedule", "-s", schedule)["EntityStatus"] == "Active"
    assert answer("pipeline", "disable-schedule", "-s", schedule)["EntityStatus"] == "Disabled"
    assert (
        "--status is Active or Disabled"
        in canalis("pipeline", "update-schedule", "-s", schedule, "-t", "off", check=1).stderr
    )

    assert answer("pipeline", "last-pipeline-run", "-s", schedule) is None
    assert "has started no run yet" in canalis("pipeline", "last-pipeline-run", "-s", schedule).stderr
    assert answer("pipeline", "pipeline-runs-list", "-s", schedule) == []
    assert canalis("pipeline", "firings", "-s", schedule).stdout == "It has not fired yet\n"
    assert (
        canalis("pipeline", "delete-schedule", "-s", schedule).stdout
        == f"Schedule {schedule} is deleted; its runs stay\n"
    )
    for verb in ("show-schedule", "last-pipeline-run", "pipeline-runs-list", "firings", "delete-schedule"):
        gone = canalis("pipeline", verb, "-s", schedule, check=1)
        assert f"There is no schedule '{schedule}'. " in gone.stderr and gone.stdout == ""


def test_a_schedule_without_a_start_time_has_its_first_run_at_once(identity, ws):
    schedule = scheduled(identity, "at_once")["Id"]
    run = until(lambda: answer("pipeline", "last-pipeline-run", "-s", schedule), SOON_S)
    assert run["ScheduleId"] == schedule and run["RunHistoryExperimentName"] == "timed"
    found = PipelineRun.get(ws, run["Id"])
    found.wait_for_completion(show_output=False)
    assert log_of(found, "echo").startswith("['8',")
    assert [one["Id"] for one in answer("pipeline", "pipeline-runs-list", "-s", schedule)] == [run["Id"]]
    head, line = canalis("pipeline", "firings", "-s", schedule, "-n", "5").stdout.splitlines()
    assert cells(head) == ["tick", "outcome", "run"] and cells(line)[1:] == ["started", run["Id"]]
    (firing,) = answer("pipeline", "firings", "-s", schedule, "--json")
    assert datetime.now(UTC) - datetime.fromtimestamp(firing["at"], UTC) < timedelta(minutes=10)
    (told,) = [line for line in canalis("audit", "-n", "200").stdout.splitlines() if run["Id"] in line]
    assert cells(told)[1:] == ["schedule at_once", "started a run", schedule, run["Id"]]


def test_an_endpoint_is_scheduled_by_a_cron_expression(identity, project, ws):
    name = f"timed {project.name}"
    endpoint = answer("pipeline", "endpoint", "create", name, "-i", identity, "--json")["Id"]
    words = ("--endpoint", name, "--cron", "0 7 1 1 *", "--time-zone", "Europe/Berlin", "-p", "rounds=2")
    made = answer("pipeline", "create-schedule", "-n", "yearly", "-e", "timed", *words)
    assert (made["PipelineId"], made["PipelineEndpointId"]) == (None, endpoint)
    (line,) = canalis("pipeline", "list-schedules", "--endpoint", name).stdout.splitlines()[1:]
    assert "0 7 1 1 *, Europe/Berlin" in line and f"endpoint {endpoint}" in line
    assert ws._client.get(f"/schedules/{made['Id']}")["parameters"] == {"rounds": 2}
    refused = canalis("pipeline", "delete", "-i", identity, check=1).stderr
    assert "is started by endpoint" in refused and "[still_used]" in refused
    canalis("pipeline", "delete-schedule", "-s", made["Id"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-y", "weekly.yml", "--cron", "* * * * *"], "Say when it fires"),
        ([], "Say when it fires"),
        (["--cron", "0 0 31 2 *"], "[schedule_invalid]"),
        (["--cron", "0 7 * * *", "--time-zone", "Europe/Berln"], "no zone is called so"),
        (["--cron", "0 7 * * *", "-p", "none=1"], "'none' is not a parameter of this pipeline"),
        (["--cron", "0 7 * * *", "--endpoint", "e"], "Name what it starts"),
        (["-y", "bad.yml"], "bad.yml"),
    ],
)
def test_what_cannot_be_a_schedule_is_said_and_nothing_is_made(identity, words, said):
    Path("bad.yml").write_text(WEEKLY.replace("W. Europe", "East Europa"))
    done = canalis("pipeline", "create-schedule", "-n", "x", "-e", "e", "-i", identity, *words, check=1)
    assert said in done.stderr and "Traceback" not in done.stderr
    assert answer("pipeline", "list-schedules", "-i", identity, "--json") == []
