"""Secrets over HTTP: one answer has a value, the record says who has read it, and readers read none."""

from __future__ import annotations

import json
import logging

import pytest

from api.access import Role
from canalis.contract.layout import METRICS, STEP_LOG, artifacts, records
from canalis.contract.run import StepRunId
from tests.api.conftest import V1, a_run
from tests.api.test_who_may import world  # noqa: F401  a service with somebody for each role

VALUE = "correct/horse battery"


@pytest.fixture
def kept(ask):
    answer = ask("PUT", "/secrets/db-password", json={"value": VALUE})
    assert answer.status_code == 200, answer.text
    return answer


def test_no_answer_has_a_value_but_the_one_that_is_asked_for_it(ask, kept):
    assert kept.json() == {"name": "db-password", "warning": ""}
    assert ask("GET", "/secrets").json() == [{"name": "db-password"}]
    read = ask("GET", "/secrets/DB-Password")
    assert read.json() == {"name": "db-password", "value": VALUE}
    assert kept.headers["cache-control"] == read.headers["cache-control"] == "no-store"
    assert [ask("DELETE", "/secrets/db-password").status_code for _ in range(2)] == [204, 204]
    assert ask("GET", "/secrets").json() == []


def test_who_has_read_or_kept_a_secret_is_written_down_and_not_what_it_is(ask, caplog):
    caplog.set_level(logging.INFO)
    ask("PUT", "/secrets/db-password", json={"value": VALUE})
    ask("GET", "/secrets/db-password")
    ask("GET", "/secrets/none")
    record = ask("GET", "/audit").json()
    assert [(one["method"], one["route"], one["name"]) for one in record] == [
        ("GET", "/secrets/{name}", "db-password"),
        ("PUT", "/secrets/{name}", "db-password"),
    ]
    assert VALUE not in json.dumps(record) and VALUE not in caplog.text


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("a_b", {"value": VALUE}, 422, "name_invalid"),
        ("n" * 128, {"value": VALUE}, 422, "name_invalid"),
        ("a", {"value": VALUE * 2000}, 413, "too_large"),
        ("a", {"value": 1234567}, 400, "bad_request"),
        ("a", {"value": [VALUE]}, 400, "bad_request"),
        ("a", {"value": VALUE, "also": VALUE}, 400, "bad_request"),
        ("a", {}, 400, "bad_request"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_not_repeated(ask, name, body, status, code):
    answer = ask("PUT", f"/secrets/{name}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert "horse" not in answer.text and "1234567" not in answer.text
    assert ask("GET", "/secrets").json() == []


def test_one_that_is_not_there_is_told_with_those_that_are_alike(ask, kept):
    answer = ask("GET", "/secrets/db-pasword")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "There is no secret 'db-pasword': there is db-password"
    assert "horse" not in answer.text


def test_there_are_so_many_and_no_more(ask, kept, monkeypatch):
    monkeypatch.setattr("orchestrator.secrets.SECRETS_MAX", 1)
    refused = ask("PUT", "/secrets/another", json={"value": VALUE})
    assert refused.json()["error"]["code"] == "too_many" and refused.status_code == 429
    assert ask("PUT", "/secrets/db-password", json={"value": "changed-by-now"}).status_code == 200


def test_readers_see_names_submitters_and_scripts_read(world):  # noqa: F811
    may = {
        role: (ask("GET", "/secrets").status_code, ask("GET", "/secrets/one").status_code)
        for role, ask in world.people.items()
    }
    assert may[Role.READER] == (200, 403) and may[Role.SUBMITTER] == (200, 200)
    assert world.step("GET", "/secrets/one").json()["value"] == "a secret of one"
    assert world.step("PUT", "/secrets/one", json={"value": VALUE}).status_code == 403


def test_a_log_that_grows_shows_no_half_of_a_secret(app, ask, kept):
    run, blobs = a_run(ask), app.state.service.ports.blobs
    key = artifacts(StepRunId(run["id"], "a")) + STEP_LOG
    shown, offset = b"", 0
    said = f"x{VALUE}y".encode() * 2 + b"correct/horse"
    for at in range(len(said)):
        blobs.append(key, said[at : at + 1])
        answer = ask("GET", f"/runs/{run['id']}.a/log", params={"offset": offset})
        shown, offset = shown + answer.content, offset + len(answer.content)
        assert int(answer.headers["x-size"]) == offset
    assert shown == (b"x" + b"*" * len(VALUE) + b"y") * 2, "what may become one is not there yet"
    for size in (1, 2, 7):
        pieces = [
            ask("GET", f"/runs/{run['id']}.a/log", params={"offset": at, "limit": size}).content
            for at in range(0, len(shown), size)
        ]
        assert b"".join(pieces)[: len(shown)] == shown
    whole = ask("GET", f"/runs/{run['id']}.a/artifacts/{STEP_LOG}").content
    assert whole == shown + b"correct/horse"
    asked = ask("POST", f"{V1}/PipelineRuns/{run['id']}/Graph/Shareable/STDOUT", json=["a"])
    assert VALUE not in asked.text


def test_what_is_said_of_runs_is_masked(app, ask, kept):
    run = a_run(ask)
    said = {"tags": {"a": f"<{VALUE}>"}, "properties": {VALUE: "b"}, "display_name": VALUE}
    shown = ask("PATCH", f"/runs/{run['id']}", json=said).json()
    assert (shown["tags"]["a"], shown["display_name"], shown["properties"]["***"]) == ("<***>", "***", "b")
    point = {"id": "1", "time": 1.0, "name": VALUE, "kind": "list", "value": [VALUE, 1], "description": VALUE}
    ask("POST", f"/runs/{run['id']}/metrics", json=[point])
    (found,) = ask("GET", f"/runs/{run['id']}/metrics").json()
    assert (found["name"], found["value"], found["description"]) == ("***", ["***", 1], "***")
    blobs = app.state.service.ports.blobs
    assert VALUE.encode() not in blobs.get(records(StepRunId(run["id"], "_run")) + METRICS)
    assert VALUE not in ask("GET", f"/runs/{run['id']}").text
