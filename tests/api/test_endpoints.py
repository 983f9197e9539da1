"""Pipeline endpoints and drafts over HTTP."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.api.conftest import a_run
from tests.api.test_pipelines import KEY, a_graph


@pytest.fixture
def graph(ask) -> dict:
    return a_graph(ask)


@pytest.fixture
def publish(ask, graph):
    def publish(name: str, **more: Any) -> dict:
        answer = ask("POST", "/pipelines", json={"graph": graph | more.pop("graph", {}), "name": name, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()

    return publish


@pytest.fixture
def endpoint(ask, publish) -> dict:
    answer = ask("POST", "/endpoints", json={"name": "Train it", "pipeline": publish("first")["id"]})
    assert answer.status_code == 201, answer.text
    return answer.json()


def start(ask, endpoint, version: str = "", **parts: Any):
    query = f"?version={version}" if version else ""
    return ask("POST", f"/endpoints/{endpoint['id']}/runs{query}", json={"experiment": "e"}, **parts)


def test_an_endpoint_starts_its_default_version_or_the_one_that_is_named(ask, publish, endpoint):
    path, second = f"/endpoints/{endpoint['id']}", publish("second", parameters={"n": 9})
    assert (endpoint["default_version"], [one["version"] for one in endpoint["versions"]]) == ("0", ["0"])

    added = ask("PUT", f"{path}/versions/{second['id']}").json()
    assert added["default_version"] == "0" and added["versions"][1]["version"] == "1"
    assert start(ask, endpoint).json()["parameters"]["n"] == 3
    named = start(ask, endpoint, "1").json()
    assert named["parameters"]["n"] == 9
    assert named["origin"] == named["origin"] | {"endpoint": endpoint["id"], "version": "1", "pipeline": second["id"]}

    ask("PATCH", path, json={"default_version": "1"})
    assert start(ask, endpoint).json()["parameters"]["n"] == 9
    third = publish("third", parameters={"n": 5})
    assert ask("PUT", f"{path}/versions/{third['id']}?default=true").json()["default_version"] == "2"


def test_a_pipeline_is_a_version_once(ask, publish, endpoint):
    path = f"/endpoints/{endpoint['id']}/versions/{publish('second')['id']}"
    first, again = ask("PUT", path), ask("PUT", path)
    assert first.json() == again.json() and len(first.json()["versions"]) == 2
    assert ask("PUT", f"{path}?default=true").json()["default_version"] == "1"
    assert ask("PUT", f"/endpoints/{endpoint['id']}/versions/nothing").status_code == 404


def test_no_two_endpoints_have_one_name_however_it_is_spelt(ask, publish, endpoint):
    pipeline = publish("other")["id"]
    for name in ("Train it", "  Train it ", "Caf\u00e9", "Cafe\u0301"):
        answer = ask("POST", "/endpoints", json={"name": name, "pipeline": pipeline})
        assert answer.status_code == (201 if name == "Caf\u00e9" else 409), answer.text
    assert [one["name"] for one in ask("GET", "/endpoints", params={"name": "Train it"}).json()] == ["Train it"]
    for name in ("", " ", "a\nb", "\u202ea", "x" * 256):
        assert ask("POST", "/endpoints", json={"name": name, "pipeline": pipeline}).status_code == 400, name


def test_a_name_that_is_given_up_can_be_anothers(ask, publish, endpoint):
    path, pipeline = f"/endpoints/{endpoint['id']}", publish("other")["id"]
    assert ask("PATCH", path, json={"name": "Old one", "status": "Disabled"}).json()["name"] == "Old one"
    taken = ask("POST", "/endpoints", json={"name": "Train it", "pipeline": pipeline})
    assert taken.status_code == 201
    back = ask("PATCH", path, json={"name": "Train it"})
    assert (back.status_code, back.json()["error"]["code"]) == (409, "already_exists")
    assert ask("GET", path).json()["name"] == "Old one"
    assert ask("DELETE", f"/endpoints/{taken.json()['id']}").status_code == 204
    assert ask("PATCH", path, json={"name": "Train it", "status": "Active"}).json()["status"] == "Active"


def test_a_request_for_an_endpoint_that_comes_twice_makes_one(ask, publish):
    body = {"id": str(uuid.uuid4()), "name": "x", "pipeline": publish("p")["id"]}
    first, again = (ask("POST", "/endpoints", json=body) for _ in range(2))
    assert first.json() == again.json() and len(ask("GET", "/endpoints").json()) == 1
    other = ask("POST", "/endpoints", json=body | {"name": "y"})
    assert other.status_code == 409


def test_a_disabled_endpoint_and_a_disabled_pipeline_behind_it_are_told_apart(ask, endpoint):
    ask("PATCH", f"/pipelines/{endpoint['versions'][0]['pipeline']}", json={"status": "Disabled"})
    answer = start(ask, endpoint)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "disabled")
    assert "Published pipeline 'first' is disabled" in answer.json()["error"]["message"]
    ask("PATCH", f"/endpoints/{endpoint['id']}", json={"status": "Disabled"})
    assert "Endpoint 'Train it' is disabled" in start(ask, endpoint).json()["error"]["message"]


def test_versions_that_are_not_there_are_told_with_those_that_are(ask, endpoint):
    for version in ("1", "-1", "latest", "00"):
        answer = start(ask, endpoint, version)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        assert "it has 0 to 0" in answer.json()["error"]["message"]
    assert ask("PATCH", f"/endpoints/{endpoint['id']}", json={"default_version": "7"}).status_code == 404


def test_a_pipeline_that_an_endpoint_starts_is_not_deleted(ask, endpoint):
    pipeline = endpoint["versions"][0]["pipeline"]
    assert ask("GET", f"/pipelines/{pipeline}").json()["endpoints"] == ["Train it"]
    answer = ask("DELETE", f"/pipelines/{pipeline}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "still_used")
    assert "endpoint 'Train it'" in answer.json()["error"]["message"]
    ask("DELETE", f"/endpoints/{endpoint['id']}")
    assert ask("DELETE", f"/pipelines/{pipeline}").status_code == 204


def test_a_key_starts_one_run_of_an_endpoint(ask, endpoint):
    ids = {start(ask, endpoint, headers={KEY: "k"}).json()["id"] for _ in range(3)}
    assert len(ids) == 1
    assert start(ask, endpoint, "0", headers={KEY: "k"}).json()["error"]["code"] == "key_reused"


def test_two_versions_are_compared_thing_by_thing(ask, publish, endpoint, graph):
    other = a_run(ask, b"print('other')")
    snapshot = ask("GET", f"/runs/{other['id']}/graph").json()["nodes"][0]["snapshot"]
    (node,) = graph["nodes"]
    changed = node | {"snapshot": snapshot, "arguments": [["--n"], [{"kind": "parameter", "name": "n"}]]}
    added = node | {"key": "b", "name": "b", "after": ["a"]}
    parameters = [*graph["parameters"][:3], {"name": "more", "type": "string", "default": "x"}]
    second = publish("second", graph={"nodes": [changed, added], "parameters": parameters}, parameters={"n": 9})
    ask("PUT", f"/endpoints/{endpoint['id']}/versions/{second['id']}")

    found = ask("GET", f"/endpoints/{endpoint['id']}/diff?before=0&after=1").json()

    lines = {(one["where"], one["what"]): (one["before"], one["after"]) for one in found["changes"]}
    assert lines.pop(("step a", "source a.py"))[0] != lines.get(("step a", "source a.py"))
    assert lines == {
        ("parameter n", "default"): ("3", "9"),
        ("parameter flag", "removed"): ("True", None),
        ("parameter more", "added"): (None, "x"),
        ("step a", "arguments"): ([], ["--n", "$AML_PARAMETER_n"]),
        ("step b", "added"): (None, "a.py"),
    }
    same = ask("GET", f"/endpoints/{endpoint['id']}/diff?before=0&after=0").json()
    assert same["changes"] == [] and same["before"] == same["after"]
    first = endpoint["versions"][0]["pipeline"]
    assert ask("GET", f"/pipelines/{first}/diff/{second['id']}").json() == found


# --- drafts


@pytest.fixture
def draft(ask, graph) -> dict:
    body = {"graph": graph, "name": "draft", "experiment": "drafted", "parameters": {"n": 4}, "tags": {"a": "1"}}
    answer = ask("POST", "/drafts", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_draft_is_run_changed_and_run_again(ask, draft):
    path = f"/drafts/{draft['id']}"
    first = ask("POST", f"{path}/runs", json={"id": "run-of-draft"}).json()
    assert (first["id"], first["experiment"], first["parameters"]["n"]) == ("run-of-draft", "drafted", 4)
    assert first["tags"] == {"a": "1"}

    ask("PATCH", path, json={"parameters": {"n": 6}, "experiment": "again"})
    second = ask("POST", f"{path}/runs").json()
    assert (second["experiment"], second["parameters"]["n"]) == ("again", 6)
    assert ask("GET", f"/runs/{first['id']}").json()["parameters"]["n"] == 4, "a run stays as it was started"


def test_a_draft_is_published_as_it_is_then(ask, draft):
    published = ask("POST", f"/drafts/{draft['id']}/publish", json={"id": "of-a-draft"}).json()
    assert (published["id"], published["name"], published["defaults"]["n"]) == ("of-a-draft", "draft", 4)
    ask("PATCH", f"/drafts/{draft['id']}", json={"name": "other", "parameters": {}})
    assert ask("GET", "/pipelines/of-a-draft").json()["defaults"]["n"] == 4


def test_a_draft_comes_from_a_published_pipeline_a_run_or_another_draft(ask, publish, draft):
    pipeline = publish("p", parameters={"n": 8})
    run = ask("POST", f"/pipelines/{pipeline['id']}/runs", json={"experiment": "e", "parameters": {"n": 2}}).json()
    for source, n, experiment in (
        ({"pipeline": pipeline["id"], "experiment": "x"}, 8, "x"),
        ({"run": run["id"]}, 2, "e"),
        ({"draft": draft["id"]}, 4, "drafted"),
        ({"draft": draft["id"], "parameters": {"n": 1}}, 1, "drafted"),
    ):
        made = ask("POST", "/drafts", json=source)
        assert made.status_code == 201, made.text
        assert (made.json()["parameters"]["n"], made.json()["experiment"]) == (n, experiment)
        assert made.json()["graph"] == draft["graph"] == pipeline["graph"]
    assert len(ask("GET", "/drafts").json()) == 5
    assert [one["id"] for one in ask("GET", "/drafts?tag=a=1").json()] == [draft["id"]]
    assert ask("GET", "/drafts?tag=a=2").json() == ask("GET", "/drafts?tag=b").json() == []


def test_what_a_draft_cannot_be_is_told(ask, publish, graph, draft):
    pipeline = publish("p")["id"]
    for body, status, code in [
        ({"name": "x", "experiment": "e"}, 400, "bad_request"),
        ({"graph": graph, "pipeline": pipeline, "name": "x", "experiment": "e"}, 400, "bad_request"),
        ({"graph": graph, "name": "x"}, 400, "bad_request"),
        ({"pipeline": pipeline}, 400, "bad_request"),
        ({"pipeline": "nothing", "experiment": "e"}, 404, "not_found"),
        ({"pipeline": pipeline, "experiment": "-"}, 422, "name_invalid"),
        ({"pipeline": pipeline, "experiment": "e", "parameters": {"what": 1}}, 422, "parameter_invalid"),
    ]:
        answer = ask("POST", "/drafts", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), (body, answer.text)
    wrong = ask("PATCH", f"/drafts/{draft['id']}", json={"parameters": {"n": "x"}, "name": "changed"})
    assert wrong.status_code == 422
    assert ask("GET", f"/drafts/{draft['id']}").json() == draft, "nothing is changed by half"


def test_a_deleted_draft_is_gone(ask, draft):
    for _ in range(2):
        assert ask("DELETE", f"/drafts/{draft['id']}").status_code == 204
    for method, path in (("GET", ""), ("GET", "/graph"), ("POST", "/runs"), ("POST", "/publish")):
        assert ask(method, f"/drafts/{draft['id']}{path}").status_code == 404
