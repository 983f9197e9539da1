"""MLflow's routes as its client uses them, without the client: tests/scenes/test_mlflow.py has that one."""

from __future__ import annotations

import time
from typing import Any

import pytest

from api.mlflow.base import MLFLOW_PREFIX
from canalis.contract import run_token
from canalis.contract.errors import NotFound
from canalis.contract.metrics import fold
from canalis.contract.mlflow_ids import child_of, mlflow_id, named
from canalis.contract.run import StepRunId
from tests.api.conftest import TOKEN, Client, a_run

AT = f"http://test{MLFLOW_PREFIX}"


@pytest.fixture
def run(ask) -> str:
    return a_run(ask)["id"]


@pytest.fixture
def step(run) -> str:
    return mlflow_id(f"{run}.a")


@pytest.fixture
def script(app, run):
    """The step's script, with the token that it is given on a laptop."""
    return Client(app, run_token.sign(run_token.key_of(TOKEN), StepRunId(run, "a"), time.time() + 60))


def post(ask: Client, what: str, **body: Any) -> Any:
    return ask("POST", f"{AT}/mlflow/{what}", json=body)


def refused(answer: Any) -> tuple[int, str]:
    said = answer.json()
    assert said["message"] == said["error"]["message"] and said["message"]
    return answer.status_code, said["error_code"]


def test_ids_lead_back_to_what_they_name():
    for ours in ("abc-1", "abc.train", "abc.train_2.3", "abc.A__b", "abc.a-1-2"):
        assert str(StepRunId.parse(named(mlflow_id(ours)).run) or ours) == ours
        if "." in ours:
            back = named(mlflow_id(ours, child_of("trial__1 of é_")))
            assert (str(StepRunId.parse(back.run)), back.child) == (ours, "trial_1-of")
            assert mlflow_id(ours, "x").replace("_", "").replace("-", "").isalnum()
    for odd in ("", "abc_train", "abc_1_train", "_1__a", "abc_1-__a", "abc_1-x__-a", "a/../b_1__a"):
        with pytest.raises(NotFound):
            named(odd)


def test_a_script_finds_its_run_and_no_other_by_a_token_that_opens_no_more(app, ask, script, run, step):
    other = mlflow_id(f"{a_run(ask, b'print(2)')['id']}.a")
    found = script("GET", f"{AT}/mlflow/runs/get?run_id={step}").json()["run"]
    assert (found["info"]["run_id"], found["info"]["experiment_id"]) == (step, "e")
    for what, more in (
        ("runs/log-metric", {"key": "x", "value": 1}),
        ("runs/set-tag", {"key": "x"}),
        ("runs/update", {"run_name": "x"}),
    ):
        assert refused(post(script, what, run_id=other, **more)) == (404, "RESOURCE_DOES_NOT_EXIST"), what
    parent = [{"key": "mlflow.parentRunId", "value": other}]
    assert refused(post(script, "runs/create", tags=parent)) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert refused(post(script, "logged-models", source_run_id=other)) == (404, "RESOURCE_DOES_NOT_EXIST")
    for method in ("GET", "PUT"):
        answer = script(method, f"{AT}/mlflow-artifacts/artifacts/{other}/user_logs/std_log.txt")
        assert refused(answer) == (404, "RESOURCE_DOES_NOT_EXIST")
    made = post(ask, "logged-models", source_run_id=other, name="m").json()["model"]["info"]["model_id"]
    assert refused(script("GET", f"{AT}/mlflow/logged-models/{made}"))[0] == 404
    assert post(script, "logged-models/search", experiment_ids=["e"]).json()["models"] == []
    assert script("PUT", "/secrets/one", json={"value": "x"}).status_code == 403
    forged = run_token.sign(b"x" * 32, StepRunId(run, "a"), time.time() + 60)
    late = run_token.sign(run_token.key_of(TOKEN), StepRunId(run, "a"), time.time() - 1)
    for token in (forged, late, None):
        answer = Client(app, token)("GET", f"{AT}/mlflow/runs/get?run_id={step}")
        assert refused(answer) == (401, "UNAUTHENTICATED")


def test_limits_are_mlflows_and_said_in_its_words(ask, step):
    metrics = [{"key": f"m{n}", "value": n} for n in range(1_001)]
    params = [{"key": f"p{n}", "value": "x"} for n in range(101)]
    for body in (
        {"metrics": metrics},
        {"params": params},
        {"tags": params},
        {"metrics": metrics[:901], "params": params[:100]},
        {"params": [{"key": "x" * 251, "value": ""}]},
        {"params": [{"key": "x", "value": "x" * 6_001}]},
        {"tags": [{"key": "x", "value": "x" * 8_001}]},
        {"metrics": [{"key": "x", "value": "much"}]},
        {"metrics": [{"key": "x", "value": 1, "step": 2**63}]},
        {"metrics": [{"key": "", "value": 1}]},
    ):
        assert refused(post(ask, "runs/log-batch", run_id=step, **body)) == (400, "INVALID_PARAMETER_VALUE"), body
    assert refused(post(ask, "runs/log-batch", metrics=[])) == (400, "INVALID_PARAMETER_VALUE")
    assert post(ask, "runs/log-batch", run_id=step, metrics=metrics[:900], params=params[:100]).json() == {}
    assert refused(ask("POST", f"{AT}/mlflow/runs/delete", json={"run_id": step})) == (404, "ENDPOINT_NOT_FOUND")
    assert refused(ask("GET", f"http://test{'/api/3.0/mlflow/traces'}")) == (404, "ENDPOINT_NOT_FOUND")


def test_a_batch_that_is_sent_again_is_kept_once(ask, run, step):
    batch = {
        "metrics": [{"key": "loss", "value": "NaN", "timestamp": "1700000000000", "step": 3}, {"key": "n", "value": 1}],
        "params": [{"key": "alpha", "value": "1"}],
    }
    for _ in range(2):
        assert post(ask, "runs/log-batch", run_id=step, **batch).status_code == 200
    metrics = fold(ask("GET", f"/runs/{run}.a/metrics").json())
    assert str(metrics["loss"]) == "nan" and metrics["n"] == 1
    (shown,) = ask("GET", f"{AT}/mlflow/metrics/get-history?run_id={step}&metric_key=loss").json()["metrics"]
    assert (shown["value"], shown["timestamp"], shown["step"]) == ("NaN", 1700000000000, 3)
    changed = post(ask, "runs/log-batch", run_id=step, params=[{"key": "alpha", "value": "2"}], metrics=[])
    assert refused(changed) == (400, "INVALID_PARAMETER_VALUE") and "'1'" in changed.json()["message"]


def test_nested_runs_of_one_name_keep_their_values_apart(ask, script, run, step):
    ids = []
    for number in range(3):
        made = post(script, "runs/create", run_name="trial").json()["run"]["info"]
        post(script, "runs/log-metric", run_id=made["run_id"], key="loss", value=number)
        post(script, "runs/update", run_id=made["run_id"], status="FAILED", end_time=5)
        ids.append(made["run_id"])
    below = post(script, "runs/create", tags=[{"key": "mlflow.parentRunId", "value": ids[0]}]).json()["run"]["info"]
    assert below["run_name"].startswith("trial-") and len(set(ids)) == 3
    values = ask("GET", f"/runs/{run}.a/metrics").json()
    assert values[0]["name"] == "trial/loss" and len({one["name"] for one in values}) == 3
    for number, identity in enumerate(ids):
        found = script("GET", f"{AT}/mlflow/runs/get?run_id={identity}").json()["run"]
        assert found["data"]["metrics"][0]["value"] == number and found["info"]["status"] == "FAILED"
    assert ask("GET", f"/runs/{run}.a").json()["status"] == "started", "how a step ends, its exit code says"
    for body in ({}, {"tags": [{"key": "mlflow.parentRunId", "value": run}]}):
        assert refused(post(ask, "runs/create", **body)) == (422, "NOT_IMPLEMENTED")


def test_files_stay_below_their_run(ask, script, run, step):
    child = post(script, "runs/create", run_name="c").json()["run"]["info"]["run_id"]
    files = f"{AT}/mlflow-artifacts/artifacts"
    assert script("PUT", f"{files}/{child}/sub/x.txt", content=b"x").json() == {}
    assert script("GET", f"{files}/{child}/sub/x.txt").content == b"x"
    assert [file["path"] for file in ask("GET", f"/runs/{run}.a/artifacts").json()] == ["c/sub/x.txt"]
    for way in ("..%2fx", "%2e%2e/x", "a//x", "./%2e/x", "a/..%2f..%2fx", "%2fetc/x", "a%00b", "x%2f"):
        for method in ("PUT", "GET"):
            answer = script(method, f"{files}/{child}/{way}", content=b"y")
            assert answer.status_code in (400, 404, 405), (method, way, answer.text)
    assert len(ask("GET", f"/runs/{run}.a/artifacts").json()) == 1

    def listed(path: str) -> list[tuple[str, bool]]:
        found = script("GET", f"{files}", params={"path": path}).json()["files"]
        return [(file["path"], file["is_dir"]) for file in found]

    assert (listed(step), listed(child), listed(f"{child}/sub")) == ([("c", True)], [("sub", True)], [("x.txt", False)])
    assert listed(f"{child}/su") == [] and listed(f"{child}/sub/x.txt") == []


def test_a_model_that_is_logged_again_does_not_write_over_the_one_before(ask, script, step):
    def logged() -> dict[str, Any]:
        info = post(script, "logged-models", name="model", params=[{"key": "a", "value": "1"}]).json()["model"]["info"]
        at = info["artifact_uri"].removeprefix("mlflow-artifacts:")
        assert script("PUT", f"{AT}/mlflow-artifacts/artifacts{at}/MLmodel", content=b"x").status_code == 200
        return info

    first, second = logged(), logged()
    assert first["artifact_uri"].endswith(f"{step}/model") and second["artifact_uri"] != first["artifact_uri"]
    at = f"{AT}/mlflow/logged-models/{first['model_id']}"
    done = script("PATCH", at, json={"status": "LOGGED_MODEL_READY"}).json()["model"]
    assert done["info"]["status"] == "LOGGED_MODEL_READY" and done["data"]["params"] == [{"key": "a", "value": "1"}]
    found = post(script, "logged-models/search", experiment_ids=["e"], filter="name = 'model'", max_results=1).json()
    rest = post(script, "logged-models/search", experiment_ids=["e"], page_token=found["next_page_token"]).json()
    assert {one["info"]["model_id"] for one in found["models"] + rest["models"]} == {
        first["model_id"], second["model_id"],
    }  # fmt: skip
    odd = post(script, "logged-models/search", experiment_ids=["e"], filter="metrics.a > 1")
    assert refused(odd) == (400, "INVALID_PARAMETER_VALUE") and "name = '...'" in odd.json()["message"]


def test_secrets_are_masked_in_what_mlflow_logs(ask, run, step):
    ask("PUT", "/secrets/one", json={"value": "a secret of one"})
    post(ask, "runs/log-batch", run_id=step, params=[{"key": "p", "value": "a secret of one"}],
         tags=[{"key": "t", "value": "it is a secret of one"}])  # fmt: skip
    model = post(ask, "logged-models", source_run_id=step, params=[{"key": "p", "value": "a secret of one"}])
    assert "a secret of one" not in ask("GET", f"/runs/{run}.a").text + model.text
    assert "a secret of one" not in ask("GET", f"{AT}/mlflow/runs/get?run_id={step}").text
