"""Schedules over HTTP."""

from __future__ import annotations

import time
import uuid

import pytest

from tests.api.test_pipelines import a_graph

NIGHTLY = {"kind": "cron", "expression": "0 2 * * *", "time_zone": "Europe/Berlin"}


@pytest.fixture
def pipeline(ask) -> str:
    return ask("POST", "/pipelines", json={"graph": a_graph(ask), "name": "train"}).json()["id"]


@pytest.fixture
def schedule(ask, pipeline) -> dict:
    answer = ask("POST", "/schedules", json=body(pipeline, name="nightly"))
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"].endswith(answer.json()["id"])
    return answer.json()


def body(pipeline: str, /, **more) -> dict:
    return {"experiment": "e", "pipeline": pipeline, "trigger": NIGHTLY} | more


def test_a_schedule_is_made_and_shows_its_next_twenty_firings(ask, schedule, pipeline):
    assert (schedule["status"], schedule["missed"], schedule["overlap"]) == ("Active", "last", "allow")
    times = [time.gmtime(at) for at in schedule["next"]]
    assert len(times) == 20 and {(at.tm_hour, at.tm_min) for at in times} <= {(0, 0), (1, 0)}
    assert schedule["next"][0] > time.time()
    assert len(ask("GET", f"/schedules/{schedule['id']}?count=3").json()["next"]) == 3
    assert [one["id"] for one in ask("GET", f"/schedules?pipeline={pipeline}").json()] == [schedule["id"]]
    assert ask("GET", "/schedules?pipeline=other").json() == ask("GET", "/schedules?endpoint=other").json() == []
    assert ask("GET", f"/pipelines/{pipeline}").json()["schedules"] == ["nightly"]


def test_a_request_for_a_schedule_that_comes_twice_makes_one(ask, pipeline):
    asked = body(pipeline, id=str(uuid.uuid4()))
    first, again = (ask("POST", "/schedules", json=asked) for _ in range(2))
    assert first.status_code == again.status_code == 201 and len(ask("GET", "/schedules").json()) == 1
    other = ask("POST", "/schedules", json=asked | {"experiment": "other"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "already_exists")


def test_every_fault_of_a_rule_is_told_with_a_code(ask, pipeline):
    trigger = {"kind": "recurrence", "frequency": "Day", "interval": 1, "hours": [24], "time_zone": "Berlin"}
    answer = ask("POST", "/schedules", json=body(pipeline, trigger=trigger))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "schedule_invalid")
    assert (
        len(answer.json()["error"]["details"]["faults"]) == 2 and "Europe/Berlin" in answer.json()["error"]["message"]
    )


def test_what_cannot_be_read_as_a_schedule_is_refused(ask, pipeline):
    for wrong in (
        {"pipeline": None},
        {"endpoint": "both"},
        {"trigger": {"kind": "moon"}},
        {"trigger": {"kind": "recurrence", "frequency": "Day", "interval": 0}},
        {"trigger": {"kind": "changes", "datastore": "workspaceblobstore", "polling_minutes": 0}},
        {"missed": "sometimes"},
        {"missed_max": 0},
        {"id": "../x"},
        {"trigger": NIGHTLY | {"expression": 5}},
        {"unknown": 1},
    ):
        answer = ask("POST", "/schedules", json=body(pipeline, **wrong))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request"), (wrong, answer.text)
    assert ask("POST", "/schedules", json=body("nothing")).status_code == 404
    assert ask("GET", "/schedules").json() == []


def test_a_pipeline_that_a_schedule_starts_is_not_deleted_and_disabling_it_is_seen(ask, schedule, pipeline):
    answer = ask("DELETE", f"/pipelines/{pipeline}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "still_used")
    assert "schedule 'nightly'" in answer.json()["error"]["message"]
    shown = ask("PATCH", f"/pipelines/{pipeline}", json={"status": "Disabled"}).json()
    assert shown["schedules"] == ["nightly"], "who disables it sees what is paused by that"
    assert "'train' is disabled" in ask("GET", f"/schedules/{schedule['id']}").json()["paused"]


def test_a_schedule_of_a_disabled_pipeline_is_made_with_a_warning(ask, pipeline):
    ask("PATCH", f"/pipelines/{pipeline}", json={"status": "Disabled"})
    made = ask("POST", "/schedules", json=body(pipeline))
    assert made.status_code == 201 and "It starts nothing" in made.json()["warnings"][0]


def test_a_schedule_is_changed_disabled_and_deleted(ask, schedule):
    path = f"/schedules/{schedule['id']}"
    assert ask("PATCH", path, json={"status": "Disabled", "name": "x"}).json()["next"] == []
    assert ask("GET", "/schedules?active_only=true").json() == []
    assert ask("PATCH", path, json={"trigger": {"kind": "cron", "expression": "no"}}).status_code == 422
    assert ask("PATCH", path, json={"pipeline": "other"}).status_code == 400
    assert ask("GET", f"{path}/firings").json() == []
    for _ in range(2):
        assert ask("DELETE", path).status_code == 204
    for method, suffix in (("GET", ""), ("PATCH", ""), ("GET", "/firings")):
        assert ask(method, path + suffix, **({"json": {}} if method == "PATCH" else {})).status_code == 404


def test_an_endpoint_that_a_schedule_starts_is_not_deleted(ask, pipeline):
    endpoint = ask("POST", "/endpoints", json={"name": "x", "pipeline": pipeline}).json()
    asked = {"experiment": "e", "endpoint": endpoint["id"], "trigger": NIGHTLY, "name": "by name"}
    assert ask("POST", "/schedules", json=asked).status_code == 201
    answer = ask("DELETE", f"/endpoints/{endpoint['id']}")
    assert answer.json()["error"]["code"] == "still_used" and "'by name'" in answer.json()["error"]["message"]
