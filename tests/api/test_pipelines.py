"""Published pipelines over HTTP."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.conftest import a_run

KEY = "Idempotency-Key"


def a_graph(ask, **more: Any) -> dict:
    """A graph of one step, with its snapshot uploaded, that has a parameter of each type."""
    graph = ask("GET", f"/runs/{a_run(ask, b'print(2)')['id']}/graph").json()
    parameters = [("n", "int", 3), ("rate", "float", 0.5), ("name", "string", ""), ("flag", "bool", True)]
    graph["parameters"] = [{"name": name, "type": kind, "default": value} for name, kind, value in parameters]
    return graph | more


@pytest.fixture
def published(ask) -> dict:
    body = {"graph": a_graph(ask), "name": "train", "description": "trains", "version": "1.2"}
    answer = ask("POST", "/pipelines", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"].endswith(f"/pipelines/{answer.json()['id']}")
    return answer.json()


def start(ask, published, **parts: Any):
    body = {"experiment": "e", **parts.pop("body", {})}
    return ask("POST", f"/pipelines/{published['id']}/runs", json=body, **parts)


def test_a_pipeline_is_published_and_started_by_its_id(ask, published):
    assert (published["name"], published["version"], published["status"]) == ("train", "1.2", "Active")
    assert (published["steps"], published["step_names"]) == (1, ["a"])
    assert published["defaults"] == {"n": 3, "rate": 0.5, "name": "", "flag": True}
    assert f"/workspaces/w/PipelineRuns/PipelineSubmit/{published['id']}" in published["url"]

    answer = start(ask, published, body={"parameters": {"n": 7}, "tags": {"by": "erp"}})

    assert answer.status_code == 201
    run = answer.json()
    assert run["parameters"] == {"n": 7, "rate": 0.5, "name": "", "flag": True} and run["tags"] == {"by": "erp"}
    assert run["graph"] == published["graph"] and run["origin"] == run["origin"] | {"pipeline": published["id"]}
    assert (run["description"], run["status"]) == ("trains", "running")
    assert [found["id"] for found in ask("GET", f"/runs?pipeline={published['id']}").json()] == [run["id"]]
    assert ask("GET", "/runs?pipeline=nothing").json() == []


def test_a_run_is_published_with_the_values_that_it_ran_with(ask, published):
    run = start(ask, published, body={"parameters": {"n": 7, "name": "x"}, "continue_on_step_failure": True}).json()

    again = ask("POST", "/pipelines", json={"run": run["id"], "name": "frozen", "parameters": {"name": "y"}}).json()

    assert again["defaults"] == {"n": 7, "rate": 0.5, "name": "y", "flag": True}
    assert again["continue_on_step_failure"] is True and again["from_run"] == run["id"]
    assert again["graph"] == published["graph"]
    assert start(ask, again).json()["parameters"]["n"] == 7


def test_what_could_not_run_is_not_published_and_every_fault_is_told(ask):
    good = a_graph(ask)
    graph = dict(good)
    (node,) = graph["nodes"]
    graph["nodes"] = [node | {"compute": "nothing"}, node | {"key": "b", "name": "b", "after": ["c"]}]
    answer = ask("POST", "/pipelines", json={"graph": graph})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "graph_invalid")
    assert [fault["code"] for fault in answer.json()["error"]["details"]["faults"]] == [
        "compute_unknown",
        "order_unknown",
    ]
    for body, status, code in [
        ({}, 400, "bad_request"),
        ({"graph": good, "run": "x"}, 400, "bad_request"),
        ({"run": "00000000-nothing"}, 404, "not_found"),
        ({"graph": good, "parameters": {"m": 1, "n": "x"}}, 422, "parameter_invalid"),
        ({"graph": good, "id": "../x"}, 400, "bad_request"),
        ({"graph": good, "name": "x" * 256}, 400, "bad_request"),
    ]:
        answer = ask("POST", "/pipelines", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert ask("GET", "/pipelines").json() == [], "nothing half-done stays behind"


def test_a_publication_that_comes_twice_is_one_pipeline(ask):
    body = {"graph": a_graph(ask), "name": "train", "id": str(uuid.uuid4())}
    first, again = (ask("POST", "/pipelines", json=body) for _ in range(2))
    assert first.json() == again.json() and len(ask("GET", "/pipelines").json()) == 1
    other = ask("POST", "/pipelines", json=body | {"name": "other"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "already_exists")


def test_a_disabled_pipeline_is_not_started_and_says_so(ask, published):
    path = f"/pipelines/{published['id']}"
    assert ask("PATCH", path, json={"status": "Disabled"}).json()["status"] == "Disabled"
    answer = start(ask, published)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "disabled")
    assert "'train' is disabled: enable it" in answer.json()["error"]["message"]
    assert ask("GET", "/pipelines?active_only=true").json() == [] and len(ask("GET", "/pipelines").json()) == 1

    ask("PATCH", path, json={"status": "Active", "description": "again"})
    assert start(ask, published).json()["description"] == "again"
    assert ask("PATCH", path, json={"status": "Gone"}).status_code == 400
    assert ask("PATCH", path, json={"graph": "x"}).status_code == 400


def test_a_deleted_pipeline_is_gone_and_its_runs_stay(ask, published):
    run = start(ask, published).json()
    for _ in range(2):
        assert ask("DELETE", f"/pipelines/{published['id']}").status_code == 204
    answer = ask("GET", f"/pipelines/{published['id']}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert start(ask, published).status_code == 404
    assert ask("GET", f"/runs/{run['id']}").json()["origin"]["pipeline"] == published["id"]


def test_a_key_starts_one_run_however_often_it_comes(ask, published):
    first, again = (start(ask, published, headers={KEY: "order-4711"}) for _ in range(2))
    assert first.status_code == again.status_code == 201 and first.json()["id"] == again.json()["id"]
    assert len(ask("GET", "/runs", params={"pipeline": published["id"]}).json()) == 1
    assert start(ask, published, headers={KEY: "order-4712"}).json()["id"] != first.json()["id"]


def test_a_key_with_another_request_is_refused_and_starts_nothing(ask, published):
    first = start(ask, published, headers={KEY: "k"}).json()
    other = start(ask, published, body={"parameters": {"n": 4}}, headers={KEY: "k"})
    assert (other.status_code, other.json()["error"]["code"]) == (422, "key_reused")
    assert first["id"] in other.json()["error"]["message"]
    graph = ask("GET", f"/runs/{first['id']}/graph").json()
    elsewhere = ask("POST", "/runs", json={"experiment": "e", "graph": graph}, headers={KEY: "k"})
    assert elsewhere.json()["error"]["code"] == "key_reused"
    assert len(ask("GET", "/runs", params={"experiment": "e"}).json()) == 2  # this one, and that of the graph's own


def test_what_cannot_be_a_key_is_refused(ask, published):
    for key in ("", " ", "two words", "x" * 256, "\x7f"):
        answer = start(ask, published, headers={KEY: key})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request"), key


def test_a_submission_of_a_graph_takes_a_key_too(ask):
    body = {"experiment": "keyed", "graph": a_graph(ask)}
    ids = {ask("POST", "/runs", json=body, headers={KEY: "k"}).json()["id"] for _ in range(3)}
    assert len(ids) == len(ask("GET", "/runs?experiment=keyed").json()) == 1


def test_wrong_values_are_refused_by_name(ask, published):
    answer = start(ask, published, body={"parameters": {"n": "x", "rate": True, "what": 1}})
    assert answer.status_code == 422
    message = answer.json()["error"]["message"]
    assert all(word in message for word in ("'n' is of type int", "'rate' is of type float", "'what' is not a param"))
    assert start(ask, published, body={"parameters": {"name": ""}}).status_code == 201


def test_no_id_leads_elsewhere(ask, published):
    for identity in ("%2e%2e", "...", "x", "x" * 300, "A-B-C-D", "a'b", "a b", "{identity}"):
        for method, path in (("GET", ""), ("GET", "/graph"), ("PATCH", ""), ("DELETE", ""), ("POST", "/runs")):
            body = {"json": {"experiment": "e"} if path == "/runs" else {}} if method in ("PATCH", "POST") else {}
            answer = ask(method, f"/pipelines/{quote(identity, safe='')}{path}", **body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), (identity, answer.text)
