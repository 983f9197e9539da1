"""Schedules as v1's scripts use them, on a service that looks after them by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from canalis.contract.errors import ParameterError
from canalis.data import DataPath, DataPathComputeBinding, PipelineParameter
from canalis.endpoint import PipelineEndpoint
from canalis.exceptions import ErrorResponseException
from canalis.pipeline import Pipeline
from canalis.recurrence import Cron, ScheduleRecurrence, TimeZone
from canalis.schedule import Schedule
from tests.scenes.conftest import log_of, until

SOON_S = 100  # a timer that comes once a minute may have to


@pytest.fixture
def published(author):
    step = author.step("echo", "import sys\nprint(sys.argv[1])", arguments=[PipelineParameter("n", 3)])
    return Pipeline(author.ws, steps=[step]).publish(name="echo")


@pytest.fixture
def schedules():
    """Made by a scene, and deleted at its end: they would fire for ever."""
    made: list[Schedule] = []
    yield made
    for schedule in made:
        schedule.delete()


def test_a_schedule_without_a_start_time_runs_at_once(author, published, schedules):
    recurrence = ScheduleRecurrence(frequency="Day", interval=1)
    schedule = Schedule.create(
        author.ws,
        name="daily",
        pipeline_id=published.id,
        experiment_name="scheduled",
        recurrence=recurrence,
        pipeline_parameters={"n": 9},
        wait_for_provisioning=True,
    )
    schedules.append(schedule)
    assert (schedule.status, schedule.pipeline_id, schedule.recurrence.frequency) == ("Active", published.id, "Day")

    run = until(schedule.get_last_pipeline_run, SOON_S)

    assert run.wait_for_completion(show_output=False) == "Finished"
    assert log_of(run, "echo").strip() == "9"
    assert [found.id for found in schedule.get_pipeline_runs()] == [run.id]
    (firing,) = schedule.get_firings()
    assert (firing["outcome"], firing["run"]) == ("started", run.id)
    first = schedule.next_runs(2)
    assert timedelta(hours=23) < first[0] - datetime.now(UTC) <= timedelta(days=1) == first[1] - first[0]


def test_a_file_that_arrives_starts_a_run_with_its_path(author, project, schedules):
    store = author.ws.get_default_datastore()
    folder = f"arrivals-{project.name}"
    path = (PipelineParameter("data", DataPath(store, f"{folder}/none")), DataPathComputeBinding())
    step = author.step("read", "import sys\nprint(open(sys.argv[1]).read())", inputs=[path], arguments=[path])
    published = Pipeline(author.ws, steps=[step]).publish(name="read")
    schedule = Schedule.create(
        author.ws,
        "on arrival",
        published.id,
        "scheduled",
        datastore=store,
        polling_interval=1,
        data_path_parameter_name="data",
        path_on_datastore=folder,
    )
    schedules.append(schedule)
    assert (schedule.datastore_name, schedule.path_on_datastore, schedule.polling_interval) == (store.name, folder, 1)

    (project / "new.txt").write_text("fresh data")
    store.upload_files([str(project / "new.txt")], target_path=folder, show_progress=False)

    run = until(schedule.get_last_pipeline_run, 2 * SOON_S)
    assert run.wait_for_completion(show_output=False) == "Finished"
    assert "fresh data" in log_of(run, "read")


def test_schedules_are_listed_changed_disabled_and_found_again(author, published, schedules):
    recurrence = ScheduleRecurrence(
        frequency="Week", interval=1, week_days=["Monday"], time_of_day="6:30", start_time="2030-01-01T00:00:00",
        time_zone=TimeZone.PacificStandardTime,
    )  # fmt: skip
    schedule = Schedule.create(author.ws, "weekly", published.id, "scheduled", recurrence)
    schedules.append(schedule)
    again = Schedule.get(author.ws, schedule.id)
    assert (again.recurrence.week_days, again.recurrence.hours, again.recurrence.minutes) == (["Monday"], [6], [30])
    assert again.recurrence.time_zone == "Pacific Standard Time" and again.next_runs(1)[0].year == 2030
    assert [one.id for one in Schedule.get_schedules_for_pipeline_id(author.ws, published.id)] == [schedule.id]

    again.update(name="other", recurrence=Cron("0 7 * * 1-5", "Europe/Berlin"), pipeline_parameters={"n": 1})
    assert (again.name, again.recurrence.expression, again.pipeline_parameters) == ("other", "0 7 * * 1-5", {"n": 1})
    again.disable(wait_for_provisioning=True)
    assert again.status == "Disabled" and again.next_runs() == []
    assert schedule.id not in [one.id for one in Schedule.list(author.ws, pipeline_id=published.id)]
    again.activate()
    assert again.get_last_pipeline_run() is None and again.get_pipeline_runs() == []


def test_an_endpoint_is_scheduled_and_starts_its_default_version(author, published, schedules):
    endpoint = PipelineEndpoint.publish(author.ws, f"of {published.id}", "d", published)
    schedule = Schedule.create_for_pipeline_endpoint(
        author.ws, "of endpoint", endpoint.id, "scheduled", ScheduleRecurrence("Month", 1)
    )
    schedules.append(schedule)
    assert (schedule.pipeline_id, schedule.pipeline_endpoint_id) == (None, endpoint.id)
    assert [one.id for one in Schedule.get_schedules_for_pipeline_endpoint_id(author.ws, endpoint.id)] == [schedule.id]
    run = until(schedule.get_last_pipeline_run, SOON_S)
    assert run._view()["origin"]["endpoint"] == endpoint.id
    run.wait_for_completion(show_output=False)


def test_what_cannot_be_a_schedule_is_a_value_error_at_the_authors_desk(author, published):
    store = author.ws.datastores["workspacefilestore"]
    daily = ScheduleRecurrence("Day", 1)
    for wrong, match in (
        (lambda: ScheduleRecurrence("Hour", 1, hours=[3]), "hours"),
        (lambda: ScheduleRecurrence("Day", 1, start_time=datetime.now(UTC)), "tzinfo"),
        (lambda: ScheduleRecurrence("Fortnight", 0), "Fortnight"),
        (lambda: Cron("0 0 30 2 *"), "30"),
        (lambda: Schedule.create(author.ws, "x", published.id, "e"), "either a recurrence or a datastore"),
        (lambda: Schedule.create(author.ws, "x", published.id, "e", daily, datastore=store), "and not both"),
        (lambda: Schedule.create(author.ws, "x", published.id, "e", datastore=store), "only an AzureBlob"),
        (lambda: Schedule.create(author.ws, "x", published.id, "e", daily, often=True), "no parameter often"),
    ):
        with pytest.raises(ValueError, match=match):
            wrong()
    with pytest.raises(ErrorResponseException, match="no published pipeline"):
        Schedule.create(author.ws, "x", "nothing-there", "e", daily)
    with pytest.raises(ParameterError, match="'m' is not a parameter"):
        Schedule.create(author.ws, "x", published.id, "e", daily, pipeline_parameters={"m": 1})
    assert len(Schedule.preview(author.ws, published.id, Cron("0 7 * * 1-5"))) == 20
    assert not Schedule.exists(author.ws, "nothing-there")
