"""Registered datasets over HTTP, and runs whose parameters name them."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.conftest import a_run

STORE = "workspaceblobstore"


def places(*paths: str) -> list[dict[str, str]]:
    return [{"datastore": STORE, "path": path} for path in paths]


def register(ask, name: str, *paths: str, **more: Any):
    return ask("POST", f"/datasets/{quote(name, safe='')}", json={"places": places(*paths), **more})


def test_a_dataset_is_registered_and_found_by_its_name_and_its_id(ask):
    made = register(ask, "weather data", "in/*.csv", description="of stations", tags={"from": "erp"}).json()
    assert (made["name"], made["version"], made["created_by"]) == ("weather data", 1, "me")
    assert (made["places"], made["description"], made["tags"]) == (places("in/*.csv"), "of stations", {"from": "erp"})
    for name in ("weather%20data", made["id"], made["id"].upper()):
        for version in ({}, {"version": "latest"}, {"version": "1"}, {"version": "001"} if "%" in name else {}):
            answer = ask("GET", f"/datasets/{name}", params=version)
            assert answer.json() == made, (name, version, answer.text)
    assert ask("GET", "/datasets").json() == [made]


def test_the_same_files_keep_their_version_and_others_get_the_next_when_that_is_asked_for(ask):
    first = register(ask, "d", "a").json()
    assert register(ask, "d", "a", description="again").json() == first
    assert register(ask, "d", "a", create_new_version=True).json() == first
    answer = register(ask, "d", "b")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "already_exists")
    assert "of other files already (version 1): pass create_new_version=True" in answer.json()["error"]["message"]

    second = register(ask, "d", "b", create_new_version=True).json()
    assert second["version"] == 2 and second["id"] != first["id"]
    again = register(ask, "d", "a", create_new_version=True).json()
    assert again["version"] == 3, "what is newest is what was registered last"
    register(ask, "d e", "x"), register(ask, "d2", "x")
    assert [found["version"] for found in ask("GET", "/datasets").json()] == [1, 1, 3]
    assert ask("GET", "/datasets/d").json() == again and ask("GET", f"/datasets/{first['id']}").json() == first
    assert ask("GET", "/datasets/d?version=2").json() == second


def test_how_rows_are_read_is_a_part_of_a_version_and_a_name_can_be_taken_away(ask):
    table = {"read": {"kind": "parquet"}, "operations": [{"kind": "take", "rows": 3}]}
    first = register(ask, "d", "a", table=table).json()
    assert register(ask, "d", "a", table=table).json() == first and first["table"]["operations"] == table["operations"]
    assert register(ask, "d", "a").status_code == 409, "the same files without rows are another dataset"
    second = register(ask, "d", "a", create_new_version=True).json()
    answer = register(ask, "d", "a", table={"read": {"kind": "excel"}})
    assert answer.status_code == 400 and "table" in answer.json()["error"]["message"]

    assert ask("DELETE", "/datasets/d").status_code == 204
    for name in ("d", first["id"], second["id"]):
        assert ask("GET", f"/datasets/{name}").status_code == 404
    assert ask("DELETE", "/datasets/d").status_code == 204
    assert register(ask, "d", "b").json()["version"] == 1


def test_versions_are_in_the_order_of_their_numbers(ask):
    for number in range(1, 12):
        assert register(ask, "d", f"{number}", create_new_version=True).json()["version"] == number
    assert ask("GET", "/datasets/d").json()["places"] == places("11")


def test_what_is_not_there_is_told(ask):
    register(ask, "d", "a")
    for path, said in (
        ("nothing", "There is no dataset 'nothing'"),
        ("nothing?version=2", "There is no dataset 'nothing'"),
        ("d?version=2", "Dataset 'd' has no version '2' (the newest is 1)"),
        *((f"d?version={version}", f"has no version '{version}'") for version in ("x", "-1", "0", "1.0", "9999999")),
        (f"{uuid.uuid4()}", "There is no dataset with the id "),
        (f"{ask('GET', '/datasets/d').json()['id']}?version=2", "is that of version 1 of dataset 'd', not of '2'"),
    ):
        answer = ask("GET", f"/datasets/{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), path
        assert said in answer.json()["error"]["message"]


def test_what_cannot_be_registered_is_refused_and_leaves_nothing(ask):
    for name in ("a:b", "a/b", " a", "a ", ".a", "x" * 256, str(uuid.uuid4()), "a\n", "a?b", "*"):
        answer = register(ask, name, "a")
        assert answer.status_code in (404, 422), name  # a slash is another path
        assert answer.json()["error"]["code"] in ("name_invalid", "not_found"), name
    for body, status, code in (
        ({"places": []}, 400, "bad_request"),
        ({"places": places("../x")}, 400, "bad_request"),
        ({"places": places("a\\b")}, 400, "bad_request"),
        ({"places": [{"datastore": "nothing", "path": "a"}]}, 404, "not_found"),
        ({"places": [{"datastore": STORE}]}, 400, "bad_request"),
        ({"places": places("a"), "tags": {"a": 1}}, 400, "bad_request"),
        ({"places": places("a"), "id": "x"}, 400, "bad_request"),
    ):
        answer = ask("POST", "/datasets/d", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), body
    assert ask("GET", "/datasets").json() == []


# --- runs


@pytest.fixture
def graph(ask) -> dict:
    """A graph of one step that reads a dataset, which a parameter names."""
    graph = ask("GET", f"/runs/{a_run(ask, b'print(2)')['id']}/graph").json()
    (node,) = graph["nodes"]
    node["inputs"] = [{"name": "in", "source": {"kind": "parameter", "parameter": "data"}, "style": "dataset"}]
    graph["parameters"] = [{"name": "data", "type": "dataset", "default": "weather"}]
    return graph


def submit(ask, graph: dict, **parameters: Any):
    return ask("POST", "/runs", json={"experiment": "e", "graph": graph, "parameters": parameters})


def versions_read(*answers: Any) -> list[int]:
    return [answer.json()["parameters"]["data"]["registered"]["version"] for answer in answers]


def test_a_run_reads_the_version_that_was_meant_when_it_was_submitted(ask, graph):
    first = register(ask, "weather", "1").json()
    run = submit(ask, graph)
    register(ask, "weather", "2", create_new_version=True)
    assert ask("GET", f"/runs/{run.json()['id']}").json()["parameters"]["data"] == {
        "places": places("1"),
        "registered": {"name": "weather", "version": 1, "id": first["id"]},
        "table": None,
    }
    named = [submit(ask, graph, data=said) for said in ("weather", "weather:1", "weather:latest", first["id"])]
    assert versions_read(submit(ask, graph), *named) == [2, 2, 1, 2, 1]


def test_a_published_pipeline_reads_the_newest_version_whenever_it_starts(ask, graph):
    register(ask, "weather", "1")
    pipeline = ask("POST", "/pipelines", json={"graph": graph}).json()
    assert pipeline["defaults"] == {"data": "weather"}
    start = lambda: ask("POST", f"/pipelines/{pipeline['id']}/runs", json={"experiment": "e"})  # noqa: E731
    before = start()
    register(ask, "weather", "2", create_new_version=True)
    assert versions_read(before, start()) == [1, 2]
    frozen = ask("POST", "/pipelines", json={"run": before.json()["id"]}).json()
    assert versions_read(ask("POST", f"/pipelines/{frozen['id']}/runs", json={"experiment": "e"})) == [1]


def test_files_without_a_name_are_a_value_too_and_what_is_said_of_a_name_is_looked_up(ask, graph):
    mine = register(ask, "mine", "mine").json()
    plain = submit(ask, graph, data={"places": places("x/*")})
    assert plain.json()["parameters"]["data"] == {"places": places("x/*"), "registered": None, "table": None}
    one_place = submit(ask, graph, data=places("x")[0])
    assert one_place.json()["parameters"]["data"]["places"] == places("x")
    forged = {"name": "other", "version": 9, "id": mine["id"]}
    answer = submit(ask, graph, data={"places": places("secret"), "registered": forged})
    assert answer.json()["parameters"]["data"] == {
        "places": places("mine"),
        "registered": {"name": "mine", "version": 1, "id": mine["id"]},
        "table": None,
    }


def test_every_dataset_that_is_not_there_is_told_with_every_other_wrong_value(ask, graph):
    graph["parameters"] += [
        {"name": "more", "type": "dataset", "default": "climate:3"},
        {"name": "n", "type": "int", "default": 1},
    ]
    answer = submit(ask, graph, n="x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "parameter_invalid")
    message = answer.json()["error"]["message"]
    for part in (
        "'n' is of type int",
        "Parameter 'data': There is no dataset 'weather'",
        "Parameter 'more': There is no dataset 'climate'",
    ):
        assert part in message
    unregistered = {"places": places("x"), "registered": {"name": "x", "version": 1, "id": str(uuid.uuid4())}}
    for wrong in ("", ":", "a:b:c", "../x", "x" * 10_000, unregistered):
        answer = submit(ask, graph, data=wrong, more={"places": places("x")})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "parameter_invalid"), wrong
        assert len(answer.json()["error"]["message"]) < 500
    for outside in ({"places": places("../x")}, places("a/../../x")[0]):
        answer = submit(ask, graph, data=outside, more={"places": places("x")})
        assert "which leaves its datastore" in answer.json()["error"]["message"]


# --- other places of parameters


def test_a_value_names_the_compute_target_and_every_one_that_is_not_there_is_told(ask):
    ask("PUT", "/computes/cpu", json={"max_nodes": 2})
    graph = ask("GET", f"/runs/{a_run(ask, b'print(2)')['id']}/graph").json()
    (node,) = graph["nodes"]
    where = {"kind": "parameter", "name": "where"}
    graph["nodes"] = [node | {"compute": where}, node | {"key": "b", "name": "b", "compute": where}]
    graph["parameters"] = [{"name": "where", "type": "string", "default": "gpu"}]

    answer = submit(ask, graph)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "graph_invalid")
    told = answer.json()["error"]["details"]["faults"]
    assert [(fault["code"], fault["step"]) for fault in told] == [("compute_unknown", "a"), ("compute_unknown", "b")]
    assert "which parameter 'where' names" in told[0]["message"] and "(there: cpu, local)" in told[0]["message"]
    published = ask("POST", "/pipelines", json={"graph": graph})
    assert published.json()["error"]["code"] == "graph_invalid", "a default counts when it is published"
    assert ask("POST", "/pipelines", json={"graph": graph, "parameters": {"where": "cpu"}}).status_code == 201

    for value, target in (("cpu", "cpu"), ("", ""), ("local", "")):
        run = submit(ask, graph, where=value)
        assert run.status_code == 201, run.text
        steps = ask("GET", f"/runs/{run.json()['id']}/steps").json()
        assert [step["compute"] for step in steps] == [target, target]


def test_every_place_that_a_value_leads_out_of_its_datastore_is_told_when_it_is_submitted(ask):
    graph = ask("GET", f"/runs/{a_run(ask, b'print(2)')['id']}/graph").json()
    (node,) = graph["nodes"]
    part = {"kind": "parameter", "name": "part"}
    node["outputs"] = [{"name": "made", "path": ["out/", part]}, {"name": "whole", "path": [part]}]
    node["inputs"] = [{"name": "read", "source": {"kind": "store", "path": ["in/", part, "/x"]}}]
    graph["parameters"] = [{"name": "part", "type": "string", "default": "x"}]

    run = submit(ask, graph, part="2020[1]").json()
    outputs = ask("GET", f"/runs/{run['id']}.a/outputs").json()
    assert [(found["name"], found["path"]) for found in outputs] == [("made", "out/2020[1]"), ("whole", "2020[1]")]
    for value in ("..", "../../etc", "a\\b", "x/../.."):
        answer = submit(ask, graph, part=value)
        faults = answer.json()["error"]["details"]["faults"]
        assert [fault["code"] for fault in faults] == ["path_outside"] * 3, answer.text
    answer = submit(ask, graph, part="/etc")
    assert len(answer.json()["error"]["details"]["faults"]) == 1, "below a folder a slash too many leads nowhere"
    bad = graph | {"parameters": [{"name": "part", "type": "string", "default": "../x"}]}
    assert ask("POST", "/pipelines", json={"graph": bad}).json()["error"]["code"] == "graph_invalid"
    assert submit(ask, bad, part="x").status_code == 201


def test_the_description_and_tags_of_a_version_change_and_its_files_do_not(ask):
    first = register(ask, "d", "a", tags={"from": "erp", "old": "1"}).json()
    register(ask, "d", "b", create_new_version=True)
    asked = {"add_tags": {"by": "ann"}, "remove_tags": ["old", "none"], "description": "of stations"}
    changed = ask("PATCH", f"/datasets/{first['id']}", json=asked).json()
    assert changed == first | {"tags": {"from": "erp", "by": "ann"}, "description": "of stations"}
    assert ask("GET", "/datasets/d?version=1").json() == changed and ask("GET", "/datasets/d").json()["tags"] == {}
    replaced = ask("PATCH", "/datasets/d?version=1", json={"tags": {"only": "this"}}).json()
    assert replaced == changed | {"tags": {"only": "this"}}
    assert ask("PATCH", "/datasets/none", json={}).status_code == 404
    too_many = ask("PATCH", "/datasets/d", json={"add_tags": {str(n): "" for n in range(51)}})
    assert too_many.status_code == 400
    ask("PATCH", "/datasets/d", json={"add_tags": {str(n): "" for n in range(50)}})
    assert ask("PATCH", "/datasets/d", json={"add_tags": {"x": ""}}).status_code == 413
    assert ask("PATCH", "/datasets/d", json={"places": []}).status_code == 400
