"""Runs and experiments are deleted over HTTP, a policy is set, and what can go is counted."""

from __future__ import annotations

import time

from canalis.contract.layout import STEP_LOG, artifacts
from canalis.contract.messages import StepEnded
from canalis.contract.retention import Clearing
from canalis.contract.run import StepRunId
from canalis.contract.status import Outcome
from orchestrator.advance import advance
from orchestrator.retention.collect import collect
from orchestrator.retention.collector import Collector
from tests.api.conftest import a_run

DAY_S = 24 * 3600.0


def an_ended_run(app, ask, script: bytes = b"print(1)") -> str:
    run = a_run(ask, script)["id"]
    ports = app.state.service.ports
    ports.blobs.put(artifacts(StepRunId(run, "a")) + STEP_LOG, b"1\n")
    advance(ports, run, [StepEnded(run_id=run, node="a", attempt=1, outcome=Outcome.SUCCEEDED)])
    return run


def at(app, seconds: float, deed):
    """What somebody does after so long."""
    return deed(app.state.service.ports.with_changes(clock=Later(seconds)))


class Later:
    """A clock that goes ahead of the app's."""

    def __init__(self, seconds: float) -> None:
        self._ahead_s = seconds

    def now(self) -> float:
        return time.time() + self._ahead_s

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s


def later(app, seconds: float) -> None:
    """What the service does on its own after so long."""
    at(app, seconds, lambda ports: Collector(ports).work())


def test_a_deleted_run_is_gone_at_once_and_all_of_it_later(app, ask):
    run = an_ended_run(app, ask)
    assert ask("DELETE", f"/runs/{run}").json() == {"runs": [run]}

    for path in (f"/runs/{run}", f"/runs/{run}.a", f"/runs/{run}.a/log", f"/runs/{run}/steps"):
        assert ask("GET", path).status_code == 404, path
    assert ask("GET", "/runs").json() == []
    assert ask("DELETE", f"/runs/{run}").json() == {"runs": []}
    assert ask("GET", "/audit?limit=2").json()[1]["route"] == "/runs/{name}"
    blobs = app.state.service.ports.blobs
    assert blobs.info(f"artifacts/{run}/a/{STEP_LOG}")
    later(app, 300)
    assert blobs.info(f"artifacts/{run}/a/{STEP_LOG}")
    later(app, 601)
    assert [*blobs.list("artifacts/")] == [*blobs.list("records/")] == []
    assert [*blobs.list("snapshots/")] != []  # young: somebody may be about to use them
    for days in (2, 2.1, 3, 3.1, 4, 4.1):
        later(app, days * DAY_S)
    assert [*blobs.list("snapshots/")] == [*blobs.list("content/")] == [*blobs.list("graphs/")] == []


def test_what_scripts_began_below_a_run_goes_with_it(app, ask):
    run, other = an_ended_run(app, ask), an_ended_run(app, ask, b"print(2)")
    assert run != other
    for above in (run, other):
        assert ask("POST", f"/runs/{above}.a/children", json={"name": "trial"}).status_code == 201
    ask("DELETE", f"/runs/{run}")
    later(app, 601)
    assert [one.name for one in app.state.service.ports.documents.list("mlflow_runs")] == [f"{other}_1-trial__a"]


def test_the_id_of_a_deleted_run_is_nobody_elses(app, ask):
    run = an_ended_run(app, ask)
    graph = ask("GET", f"/runs/{run}/graph").json()
    ask("DELETE", f"/runs/{run}")
    for _ in range(2):
        again = ask("POST", "/runs", json={"experiment": "e", "graph": graph, "run_id": run})
        assert (again.status_code, again.json()["error"]["code"]) == (404, "not_found")
        later(app, 601)


def test_what_goes_on_or_is_needed_is_not_deleted_and_who_asks_is_told_why(app, ask):
    open_ = a_run(ask)["id"]
    answer = ask("DELETE", f"/runs/{open_}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_over")
    assert f"canalis cancel {open_[:8]}" in answer.json()["error"]["message"]
    assert ask("DELETE", "/experiments/e").json()["error"]["code"] == "not_over"
    assert ask("DELETE", f"/runs/{open_}.a").json()["error"]["code"] == "not_supported"

    run = an_ended_run(app, ask, b"print(2)")
    ask("POST", "/models/m", json={"run": f"{run}.a", "path": STEP_LOG})
    answer = ask("DELETE", f"/runs/{run}")
    assert answer.status_code == 409 and "is needed by model 'm:1': delete that first" in answer.text
    assert ask("DELETE", "/models/m:1").status_code == 204
    assert ask("DELETE", f"/runs/{run}").json() == {"runs": [run]}


def test_an_experiment_goes_with_its_runs_and_begins_anew(app, ask):
    runs = {an_ended_run(app, ask, b"print(%d)" % number) for number in range(2)}
    ask("PUT", "/experiments/other")
    assert set(ask("DELETE", "/experiments/e").json()["runs"]) == runs
    assert ask("GET", "/experiments/e").status_code == 404
    assert [one["name"] for one in ask("GET", "/experiments").json()] == ["other"]
    assert ask("DELETE", "/experiments/e").json() == {"runs": []}
    assert a_run(ask, b"print(3)")["number"] == 1


def test_an_experiment_whose_deletion_was_interrupted_is_hidden_and_then_gone(app, ask):
    old = an_ended_run(app, ask)
    documents = app.state.service.ports.documents
    body = documents.get("experiments", "e").body
    documents.put("experiments", "e", body | {"deleted_at": time.time()})
    assert ask("GET", "/experiments/e").status_code == 404

    new = a_run(ask, b"print(2)")
    assert (new["number"], ask("GET", "/experiments/e").json().keys()) == (1, {"name", "created_at", "runs"})
    later(app, 0)
    assert [run["id"] for run in ask("GET", "/runs").json()] == [new["id"]]
    assert old != new["id"] and "emptied_until" not in documents.get("experiments", "e").body


def test_a_policy_lets_old_runs_go_and_a_dry_run_only_counts_them(app, ask):
    assert ask("GET", "/retention").json() == {"runs_s": None, "intermediate_s": None}
    assert ask("PUT", "/retention", json={"runs_s": 1.0}).status_code == 400
    policy = {"runs_s": DAY_S, "intermediate_s": None}
    assert ask("PUT", "/retention", json=policy).json() == policy == ask("GET", "/retention").json()
    run, model_of = an_ended_run(app, ask), an_ended_run(app, ask, b"print(2)")
    ask("POST", "/models/m", json={"run": f"{model_of}.a", "path": STEP_LOG})
    assert ask("GET", "/retention/clearing").json()["found"] == {}

    runs = [run, model_of]
    found = Clearing.model_validate(at(app, 2 * DAY_S, lambda ports: collect(ports, dry_run=True)))
    assert found.found["runs"].count == 1 and found.found["runs"].bytes > 0
    assert found.largest[0].kind == "runs" and found.largest[0].name == run
    assert [(one.run, one.needed_by) for one in found.spared] == [(model_of, "model 'm:1'")]
    assert {one["id"] for one in ask("GET", "/runs").json()} == set(runs)
    at(app, 2 * DAY_S, lambda ports: collect(ports, dry_run=False))
    assert {one["id"] for one in ask("GET", "/runs").json()} == {model_of}
    assert ask("POST", "/retention/clearing").json()["waiting"]["runs"]["count"] == 1
