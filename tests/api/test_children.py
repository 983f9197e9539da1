"""Runs that scripts begin below those of their steps: over HTTP, and the same as MLflow's client sees them."""

from __future__ import annotations

import time

import pytest

from api.mlflow.base import MLFLOW_PREFIX
from canalis.contract import run_token
from canalis.contract.run import StepRunId
from tests.api.conftest import TOKEN, Client, a_run


@pytest.fixture
def run(ask) -> str:
    return a_run(ask)["id"]


def begin(ask, above: str, name: str = "") -> dict:
    answer = ask("POST", f"/runs/{above}/children", json={"name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()


def below(ask, run: str) -> list[str]:
    return [child["id"] for child in ask("GET", f"/runs/{run}/children").json()]


def test_a_child_is_begun_said_of_and_found_from_its_step_and_its_run(ask, run):
    made = begin(ask, f"{run}.a", "trial 1")
    assert (made["id"], made["name"], made["prefix"]) == (f"{run}_1-trial-1__a", "trial 1", "trial-1/")
    assert (made["run"], made["parent"], made["run_status_v1"]) == (f"{run}.a", f"{run}.a", "Running")
    ask("PATCH", f"/runs/{run}.a", json={"tags": {"trial-1/fold": "3", "own": "x"}, "properties": {"trial-1/p": "1"}})
    ended = ask("PATCH", f"/children/{made['id']}", json={"status": "Failed", "error": "ValueError: x"}).json()
    assert (ended["run_status_v1"], ended["error"]["message"]) == ("Failed", "ValueError: x")
    assert ended["ended_at"] >= ended["started_at"]
    found = ask("GET", f"/children/{made['id']}").json()
    assert (found["tags"], found["properties"], found["error"]["message"]) == (
        {"fold": "3"},
        {"p": "1"},
        "ValueError: x",
    )
    assert below(ask, run) == below(ask, f"{run}.a") == [made["id"]]


def test_children_have_children_and_names_that_look_alike_are_told_apart(ask, run):
    first, alike = begin(ask, f"{run}.a", "a"), begin(ask, f"{run}.a", "a-b")
    inner = begin(ask, first["id"], "b")
    assert inner["id"] not in (first["id"], alike["id"]) and inner["parent"] == first["id"]
    innermost = begin(ask, inner["id"], "c")
    assert below(ask, first["id"]) == [inner["id"], innermost["id"]] and below(ask, alike["id"]) == []
    assert len(below(ask, f"{run}.a")) == 4
    again = begin(ask, f"{run}.a", "a")
    assert again["name"] == "a" and again["id"] != first["id"]


def test_what_is_begun_through_mlflow_is_the_same(ask, run):
    tags = [{"key": "mlflow.parentRunId", "value": f"{run}_1__a"}]
    body = {"run_name": "trial", "start_time": 1_000, "tags": tags}
    theirs = ask("POST", f"http://test{MLFLOW_PREFIX}/mlflow/runs/create", json=body).json()["run"]["info"]["run_id"]
    assert below(ask, run) == [theirs]
    ours = begin(ask, theirs, "inner")
    shown = ask("GET", f"http://test{MLFLOW_PREFIX}/mlflow/runs/get?run_id={ours['id']}").json()["run"]
    assert {"key": "mlflow.parentRunId", "value": theirs} in shown["data"]["tags"]


def test_a_script_begins_children_of_its_own_step_alone(app, ask, run):
    script = Client(app, run_token.sign(run_token.key_of(TOKEN), StepRunId(run, "a"), time.time() + 60))
    other = a_run(ask, b"print(2)")["id"]
    made = begin(script, f"{run}.a", "mine")
    assert script("PATCH", f"/children/{made['id']}", json={"status": "Completed"}).status_code == 200
    theirs = begin(ask, f"{other}.a", "theirs")["id"]
    for method, path, body in (
        ("POST", f"/runs/{other}.a/children", {}),
        ("GET", f"/runs/{other}/children", None),
        ("GET", f"/children/{theirs}", None),
        ("PATCH", f"/children/{theirs}", {"status": "Failed"}),
    ):
        assert script(method, path, json=body).status_code == 404, path


def test_what_is_no_child_is_refused_plainly(ask, run):
    assert "there are its steps alone" in ask("POST", f"/runs/{run}/children", json={}).json()["error"]["message"]
    for name in (f"{run}.a", run, f"{run}_1-none__a", "none", "odd id"):
        assert ask("GET", f"/children/{name}").status_code == 404, name
    assert ask("PATCH", f"/children/{begin(ask, f'{run}.a')['id']}", json={"status": "Done"}).status_code == 400
