"""Schedules in YAML files: what they mean, and what can be wrong with them."""

from __future__ import annotations

import textwrap
from types import SimpleNamespace

import pytest

from canalis.contract.errors import ScheduleInvalid, YamlInvalid
from canalis.schedule import Schedule
from canalis.schedule_yaml import load_schedule_yaml

BLOB = SimpleNamespace(name="workspaceblobstore", datastore_type="AzureBlob")
SHARE = SimpleNamespace(name="workspacefilestore", datastore_type="AzureFile")
PLACE = SimpleNamespace(datastores={store.name: store for store in (BLOB, SHARE)})


def loaded(folder, text: str) -> dict:
    (folder / "s.yml").write_text(textwrap.dedent(text))
    return load_schedule_yaml(PLACE, folder / "s.yml")


def told(folder, text: str) -> list[str]:
    with pytest.raises(YamlInvalid) as caught:
        loaded(folder, text)
    return [line.removeprefix(f"{folder}/") for line in caught.value.message.splitlines()]


def test_a_schedule_by_the_clock_is_read_as_v1_wrote_it(tmp_path):
    assert loaded(
        tmp_path,
        """\
        Schedule:
            description: "Test create with recurrence"
            recurrence:
                frequency: Week # Can be "Minute", "Hour", "Day", "Week", or "Month".
                interval: 1 # how often fires
                start_time: 2019-06-07T10:50:00
                time_zone: UTC
                hours:
                - 1
                minutes:
                - 0
                time_of_day: null
                week_days:
                - Friday
            pipeline_parameters:
                'a': 1
                'b': 1.10
                'c': x
            wait_for_provisioning: True
            wait_timeout: 60
            datastore_name: ~
            polling_interval: ~
            data_path_parameter_name: ~
            continue_on_step_failure: None
            path_on_datastore: ~
        """,
    ) == {
        "description": "Test create with recurrence",
        "recurrence": {
            "frequency": "Week",
            "interval": 1,
            "start_time": "2019-06-07T10:50:00",
            "time_zone": "UTC",
            "hours": [1],
            "minutes": [0],
            "week_days": ["Friday"],
        },
        "pipeline_parameters": {"a": 1, "b": 1.1, "c": "x"},
        "wait_for_provisioning": True,
        "wait_timeout": 60,
        "datastore": None,
        "polling_interval": 5,
        "data_path_parameter_name": None,
        "continue_on_step_failure": None,
        "path_on_datastore": None,
    }


def test_a_schedule_that_watches_a_datastore_is_read_as_v1_wrote_it(tmp_path):
    found = loaded(
        tmp_path,
        """\
        Schedule:
              description: "Test create with datastore"
              recurrence: ~
              pipeline_parameters: {}
              datastore_name: "workspaceblobstore"
              polling_interval: 7
              data_path_parameter_name: "input_data"
              continue_on_step_failure: False
              path_on_datastore: "file/path"
        """,
    )
    assert found["datastore"] is BLOB and found["recurrence"] is None
    assert (found["wait_for_provisioning"], found["wait_timeout"]) == (False, 3600)
    assert (found["polling_interval"], found["data_path_parameter_name"]) == (7, "input_data")
    assert (found["continue_on_step_failure"], found["path_on_datastore"]) == (False, "file/path")


@pytest.mark.parametrize("said", ["7:30", "07:30", "23:59"])
def test_a_time_of_day_is_no_number(tmp_path, said):
    found = loaded(
        tmp_path, f"Schedule: {{recurrence: {{frequency: Day, interval: 1, time_of_day: {said}, hours: ~}}}}"
    )
    assert found["recurrence"] == {"frequency": "Day", "interval": 1, "time_of_day": said}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("schedule: {}", ["the section 'Schedule' is missing, which all the rest belongs in", "schedule: there is no key 'schedule' here: did you mean 'Schedule'?"]),
        ("Schedule: x", ["Schedule: this is 'x', where a section with keys must be"]),
        ("Schedule: {descripton: x}", ["descripton: there is no key 'descripton' here: did you mean 'description'?"]),
        ("Schedule: {wait_timeout: soon}", ["wait_timeout: this must be a whole number of 0 or more, not 'soon'"]),
        ("Schedule: {polling_interval: 0}", ["polling_interval: this must be a whole number of 1 or more, not '0'"]),
        ("Schedule: {continue_on_step_failure: 1}", ["continue_on_step_failure: this must be true or false, not '1'"]),
        ("Schedule: {pipeline_parameters: {a: [1]}}", ["pipeline_parameters.a: the value of a parameter must be text, a number, true or false"]),
        ("Schedule: {datastore_name: workspaceblobstor}", ["datastore_name: there is no datastore 'workspaceblobstor' in this workspace (there: workspaceblobstore, workspacefilestore): did you mean 'workspaceblobstore'?"]),
        ("Schedule: {datastore_name: workspacefilestore}", ["datastore_name: 'workspacefilestore' is of type AzureFile; only an AzureBlob datastore can be watched"]),
        ("Schedule: {datastore_name: workspaceblobstore, recurrence: {frequency: Day, interval: 1}}", ["datastore_name: a schedule has a `recurrence` or a datastore that it watches, not both"]),
        ("Schedule: {recurrence: {}}", ["recurrence: the key 'frequency' is missing: one of Minute, Hour, Day, Week, Month", "recurrence: the key 'interval' is missing: after how many of `frequency` it starts again"]),
        ("Schedule: {recurrence: {frequency: Daily, interval: 0}}", ["recurrence.frequency: 'Daily' is none of: Minute, Hour, Day, Week, Month: did you mean 'Day'?", "recurrence.interval: this must be a whole number of 1 or more, not '0'"]),
        ("Schedule: {recurrence: {frequency: Day, interval: 1, start_time: tomorrow}}", ["recurrence.start_time: 'tomorrow' is no time: YYYY-MM-DDTHH:MM:SS"]),
        ("Schedule: {recurrence: {frequency: Day, interval: 1, start_time: '2019-06-07T10:50:00+02:00'}}", ["recurrence.start_time: '2019-06-07T10:50:00+02:00' names a time zone; that is said by `time_zone`"]),
        ("Schedule: {recurrence: {frequency: Day, interval: 1, time_of_day: 24:00}}", ["recurrence.time_of_day: '24:00' is no time of day: H:MM or HH:MM, up to 23:59"]),
        ("Schedule: {recurrence: {frequency: Day, interval: 1, time_of_day: 7:00, hours: 7}}", ["recurrence.time_of_day: the time is said by time_of_day, or by hours and minutes, not by both"]),
        ("Schedule: {recurrence: {frequency: Hour, interval: 1, hours: [24], minutes: 60}}", ["recurrence.hours[0]: this must be a whole number from 0 to 23, not '24'", "recurrence.minutes: this must be a whole number from 0 to 59, not '60'", "recurrence.hours: this goes with frequency Day or Week only, not with Hour", "recurrence.minutes: this goes with frequency Day or Week only, not with Hour"]),
        ("Schedule: {recurrence: {frequency: Day, interval: 1, week_days: [Friday, friday]}}", ["recurrence.week_days[1]: 'friday' is none of: Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday: did you mean 'Friday'?", "recurrence.week_days: this goes with frequency Week only, not with Day"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_schedule_is_told_all_at_once(tmp_path, text, faults):
    assert told(tmp_path, text) == [f"s.yml:1: {fault}" for fault in faults]


def test_a_file_gives_the_arguments_of_create_with_the_recurrence_itself(tmp_path):
    file = tmp_path / "s.yml"
    file.write_text("Schedule: {recurrence: {frequency: Day, interval: 2, time_of_day: '6:30'}}")
    found = Schedule.load_yaml(PLACE, file)
    assert (found["recurrence"].frequency, found["recurrence"].hours, found["polling_interval"]) == ("Day", [6], 5)

    file.write_text("Schedule: {recurrence: {frequency: Day, interval: 2, time_zone: Berlin}}")
    with pytest.raises(ScheduleInvalid, match=r"s\.yml: time_zone is 'Berlin'.*Europe/Berlin"):
        Schedule.load_yaml(PLACE, file)
