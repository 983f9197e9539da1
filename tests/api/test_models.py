"""Registered models over HTTP: whole or not at all, each version once, whatever comes twice or at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from canalis.contract.layout import artifacts, of_run
from canalis.contract.run import StepRunId
from tests.api.conftest import a_run, snapshot_of

FILES = {"model/a.bin": b"a", "model/deep/b.bin": b"b"}


@pytest.fixture
def snapshot(ask) -> str:
    return snapshot_of(ask, FILES)


def test_a_model_is_registered_in_versions_and_found_by_its_name_and_each_of_them(ask, snapshot):
    said = {"description": "of weather", "tags": {"area": "north"}, "properties": {"auc": "0.9"}, "framework": "Onnx"}
    answer = ask("POST", "/models/weather", json={"snapshot": snapshot} | said)
    first = answer.json()
    assert answer.status_code == 201 and answer.headers["location"] == "/api/v1/models/weather:1"
    assert {name: first[name] for name in said} == said
    assert [first[name] for name in ("id", "version", "root", "files", "bytes", "run", "created_by")] == [
        *("weather:1", 1, "model", 2, 2, "", "me")
    ]
    second = ask("POST", "/models/weather", json={"snapshot": snapshot}).json()
    ask("POST", "/models/weather-2", json={"snapshot": snapshot})
    assert second["version"] == 2, "the same files again are another version, as in v1"
    assert ask("GET", "/models/weather").json() == second and ask("GET", "/models/weather:001").json() == first
    listed = lambda **query: [one["id"] for one in ask("GET", "/models", params=query).json()]  # noqa: E731
    assert listed() == ["weather-2:1", "weather:2", "weather:1"] and listed(latest="true") == listed()[:2]
    assert listed(name="weather") == ["weather:2", "weather:1"] and listed(run="x") == []

    assert [file["path"] for file in ask("GET", "/models/weather/files").json()] == sorted(FILES)
    assert ask("GET", "/models/weather/files/model/deep/b.bin").content == b"b"
    for path in ("model", "../x", "model/none", "/etc/passwd"):
        assert ask("GET", f"/models/weather/files/{path}").status_code == 404, path
    links = ask("POST", "/models/weather/links", json={"paths": ["model/a.bin", "model/none"]}).json()["links"]
    assert links == {"model/a.bin": None}, "here bytes go through the service"


def test_a_model_is_tagged_and_described_and_its_properties_stay(ask, snapshot):
    ask("POST", "/models/m", json={"snapshot": snapshot, "tags": {"a": "1", "b": "2"}, "properties": {"p": "1"}})
    news = {"tags": {"a": None, "c": "3"}, "properties": {"p": "1", "q": "2"}, "description": "new"}
    changed = ask("PATCH", "/models/m:1", json=news).json()
    assert (changed["tags"], changed["properties"], changed["description"]) == (
        {"b": "2", "c": "3"},
        {"p": "1", "q": "2"},
        "new",
    )
    assert ask("GET", "/models/m").json() == changed
    answer = ask("PATCH", "/models/m:1", json={"properties": {"p": "2"}, "tags": {"b": None}})
    assert answer.status_code == 400 and "cannot be changed once they are set: p of 'm:1'" in answer.text
    assert ask("GET", "/models/m").json() == changed
    answer = ask("PATCH", "/models/m:1", json={"tags": {str(number): "" for number in range(49)}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_deleted_version_is_gone_and_its_number_is_not_given_again(ask, snapshot):
    for _ in range(2):
        ask("POST", "/models/m", json={"snapshot": snapshot})
    assert ask("DELETE", "/models/m").status_code == 400, "which version?"
    assert [ask("DELETE", "/models/m:2").status_code for _ in range(2)] == [204, 204]
    assert ask("GET", "/models/m").json()["version"] == 1 and ask("GET", "/models/m:2").status_code == 404
    assert ask("PATCH", "/models/m:2", json={}).status_code == 404
    assert ask("POST", "/models/m", json={"snapshot": snapshot}).json()["version"] == 3
    assert [one["version"] for one in ask("GET", "/models").json()] == [3, 1]


def test_the_files_of_a_run_become_those_of_a_model_that_outlives_them(app, ask):
    run, blobs = a_run(ask)["id"], app.state.service.ports.blobs
    step = StepRunId(run, "a")
    for path, content in {"outputs/m/x.bin": b"x" * 3_000_000, "outputs/m/y/z.bin": b"z", "outputs/mm": b"no"}.items():
        blobs.put(artifacts(step) + path, content)
    blobs.put(artifacts(of_run(run)) + "outputs/whole.bin", b"w")
    for name, path, files in (
        (f"{run}.a", "outputs/m", ["m/x.bin", "m/y/z.bin"]),
        (f"{run}.a", "./outputs/m/y/z.bin", ["z.bin"]),
        (f"{run}.a", "outputs/", ["outputs/m/x.bin", "outputs/m/y/z.bin", "outputs/mm"]),
        (run, "outputs/whole.bin", ["whole.bin"]),
    ):
        made = ask("POST", "/models/m", json={"run": name, "path": path}).json()
        assert (made["run"], made["experiment"], made["root"]) == (name, "e", files[0].partition("/")[0])
        assert [file["path"] for file in ask("GET", f"/models/{made['id']}/files").json()] == files
    blobs.delete(artifacts(step).rstrip("/"))
    assert ask("GET", "/models/m:1/files/m/x.bin").content == b"x" * 3_000_000
    assert [one["version"] for one in ask("GET", "/models", params={"run": run}).json()] == [4]


def test_what_cannot_be_registered_leaves_nothing(app, ask, snapshot):
    run = a_run(ask)["id"]
    app.state.service.ports.blobs.put(artifacts(StepRunId(run, "a")) + "outputs/a.bin", b"x")
    for name in ("a:b", "a/b", "-a", ".a", "a b", "x" * 256, "a\n", "ä"):
        assert ask("POST", f"/models/{name}".replace("\n", "%0A"), json={"snapshot": snapshot}).status_code in (
            404,
            422,
        )
    two = snapshot_of(ask, {"a.bin": b"a", "b.bin": b"b"})
    bodies: list[tuple[dict[str, Any], int, str]] = [
        ({}, 400, "and not of both"),
        ({"snapshot": snapshot, "run": run, "path": "outputs"}, 400, "and not of both"),
        ({"path": "outputs"}, 400, "say of which"),
        ({"snapshot": "0" * 64}, 404, "no"),
        ({"snapshot": "../x"}, 404, "There is no snapshot ../x"),
        ({"snapshot": two}, 400, "below one folder"),
        ({"snapshot": snapshot_of(ask, {})}, 400, "below one folder"),
        ({"run": "run-nothing", "path": "outputs"}, 404, "There is no run"),
        (
            {"run": f"{run}.a", "path": "outputs/none"},
            404,
            "has no file or folder 'outputs/none' (it has: outputs/a.bin)",
        ),
        ({"run": f"{run}.a", "path": "../a/outputs"}, 404, "has no file or folder"),
        ({"snapshot": snapshot, "tags": {"a": 1}}, 400, "tags"),
        ({"snapshot": snapshot, "version": 3}, 400, "version"),
    ]
    for body, status, said in bodies:
        answer = ask("POST", "/models/m", json=body)
        assert answer.status_code == status and said in answer.json()["error"]["message"], (body, answer.text)
    assert ask("GET", "/models").json() == []
    for path in ("m", "m:1", "m:x", ":1", "m:", "m:1:2"):
        assert ask("GET", f"/models/{path}").status_code == 404, path
    assert "There is no model 'm' (there: none)" in ask("GET", "/models/m").text


def test_registrations_at_once_get_a_version_each_and_one_that_comes_twice_gets_one(ask, snapshot):
    register = lambda key: ask(  # noqa: E731
        "POST", "/models/m", json={"snapshot": snapshot}, headers={"Idempotency-Key": key}
    ).json()["version"]
    with ThreadPoolExecutor(8) as threads:
        versions = [*threads.map(register, [f"key-{number % 8}" for number in range(8)])]
    assert sorted(versions) == [*range(1, 9)]
    assert [register(f"key-{number}") for number in range(8)] == versions
    other = ask(
        "POST", "/models/m", json={"snapshot": snapshot, "framework": "x"}, headers={"Idempotency-Key": "key-1"}
    )
    assert other.json()["error"]["code"] == "key_reused"
