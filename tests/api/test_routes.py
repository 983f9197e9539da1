"""The HTTP face as a client that is not ours sees it."""

from __future__ import annotations

import json

from fastapi import FastAPI
from starlette.routing import BaseRoute

from api.access import GuardedRoute, Role, need_of
from api.app import PREFIX
from tests.api.conftest import TOKEN, Client, a_run

# What a browser needs before anybody has signed in, and what says whether the service is there.
OPEN = (f"{PREFIX}/health", f"{PREFIX}/ready", f"{PREFIX}/sessions", "/", "/portal/{path}")


def routes(app: FastAPI) -> list[GuardedRoute]:
    found: list[GuardedRoute] = []

    def visit(some: list[BaseRoute]) -> None:
        for route in some:
            if isinstance(route, GuardedRoute):
                found.append(route)
            for inner in ("routes", "original_router"):
                value = getattr(route, inner, None)
                if value is not None:
                    visit(value if isinstance(value, list) else value.routes)

    visit(app.routes)
    return found


def test_every_route_says_who_may_use_it(app):
    found = routes(app)
    assert len(found) > 25
    assert [route.path for route in found if need_of(route) is None] == []
    assert [route.path for route in found if need_of(route).role is Role.NOBODY] == [
        "/health",
        "/ready",
        "/sessions",
        "/",
        "/portal/{path:path}",
    ]
    assert all(isinstance(route, GuardedRoute) or hasattr(route, "original_router") for route in app.routes)


def test_nobody_without_the_token_is_let_in_anywhere(app):
    stranger = Client(app, token=None)
    spec = Client(app)("GET", "/openapi.json").json()
    tried = 0
    for path, methods in spec["paths"].items():
        for method in methods:
            if path in OPEN:
                continue
            concrete = "http://test" + path.replace("{", "").replace("}", "")
            for forged in (stranger, Client(app, token=""), Client(app, token="x"), Client(app, token=TOKEN + "x")):
                answer = forged(method.upper(), concrete)
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_allowed"), (method, path)
                tried += 1
    assert tried > 100


def test_a_route_that_says_nothing_is_refused_to_everybody(app):
    from fastapi import APIRouter

    router = APIRouter(prefix=PREFIX, route_class=GuardedRoute)

    @router.get("/forgotten")
    def forgotten() -> str:
        return "secret"

    app.include_router(router)
    answer = Client(app)("GET", "/forgotten")
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "forbidden" and "secret" not in answer.text
    assert Client(app, token=None)("GET", "/forgotten").status_code == 401


def test_errors_have_one_shape_and_a_stable_code(ask):
    for method, path, parts, status, code in [
        ("GET", "/runs/00000000-0000", {}, 404, "not_found"),
        ("GET", "/nothing", {}, 404, "not_found"),
        ("DELETE", "/health", {}, 405, "method_not_allowed"),
        ("POST", "/runs", {"content": b"{"}, 400, "bad_request"),
        ("POST", "/runs", {"json": {"experiment": "e"}}, 400, "bad_request"),
        ("POST", "/runs", {"json": {"experiment": "e", "graph": {"nodes": []}}}, 422, "graph_invalid"),
        ("POST", "/runs", {"json": {"experiment": "-", "graph": {"nodes": []}}}, 422, "name_invalid"),
        ("PUT", "/computes/local", {"json": {}}, 422, "name_invalid"),
        ("PUT", "/content/" + "0" * 64, {"content": b"x"}, 400, "hash_mismatch"),
        ("POST", "/snapshots", {"json": {"files": {"../x": {"sha256": "0" * 64, "size": 1}}}}, 400, "bad_request"),
        ("GET", "/datastores/workspaceblobstore/files/..%2F..%2Fx", {}, 400, "bad_request"),
        ("GET", "/datastores/nothing", {}, 404, "not_found"),
        ("GET", "/runs?limit=0", {}, 400, "bad_request"),
        ("GET", "/snapshots/..", {}, 404, "not_found"),
    ]:
        answer = ask(method, path, **parts)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), (method, path, answer.text)
        assert answer.json()["error"]["message"]


def test_json_that_python_cannot_bear_is_refused_and_not_stumbled_over(ask):
    for body in (
        b"[" * 100_000,
        b'{"experiment": ' + b"9" * 5_000 + b"}",
        b'{"experiment": "\\ud800", "graph": {"nodes": []}}',
        b"\xff",
    ):
        answer = ask("POST", "/runs", content=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, (body[:30], answer.status_code, answer.text[:200])


def test_a_run_is_submitted_with_nothing_but_http(ask):
    run = a_run(ask)
    assert (run["status"], run["steps"], run["number"]) == ("running", {"started": 1}, 1)
    (step,) = ask("GET", f"/runs/{run['id']}/steps").json()
    assert step["waits_for"] == ["a worker to take it up"]
    assert ask("GET", f"/runs/{run['id'][:8]}").json()["id"] == run["id"]
    again = ask("GET", f"/runs/{step['id']}").json()
    assert again == step | {"times": again["times"]} and again["times"].keys() == step["times"].keys() == {"queue"}
    assert ask("GET", f"/runs/{run['id']}/times").json()["path"][0]["node"] == step["node"]
    assert ask("GET", "/runs").json()[0]["id"] == run["id"]


def test_a_graph_needs_its_snapshots_uploaded(ask):
    node = {"key": "a", "name": "a", "work": {"kind": "python", "script": "a.py"}, "snapshot": "0" * 64}
    answer = ask("POST", "/runs", json={"experiment": "e", "graph": {"nodes": [node]}})
    assert answer.status_code == 404 and "was never uploaded" in answer.json()["error"]["message"]
    del node["snapshot"]
    answer = ask("POST", "/runs", json={"experiment": "e", "graph": {"nodes": [node]}})
    assert answer.json()["error"]["details"]["faults"] == [
        {"code": "snapshot_missing", "message": "Step 'a' came without its source files", "step": "a"}
    ]
    assert ask("GET", "/runs").json() == [], "nothing half-done stays behind"


def test_a_submission_that_comes_twice_is_one_run(ask):
    run = a_run(ask)
    graph = ask("GET", f"/runs/{run['id']}/graph").json()
    body = {"experiment": "e", "graph": graph, "run_id": "run-of-mine"}
    first, again = ask("POST", "/runs", json=body), ask("POST", "/runs", json=body)
    assert first.json()["id"] == again.json()["id"] == "run-of-mine"
    assert len(ask("GET", "/runs").json()) == 2
    other = ask("POST", "/runs", json={**body, "experiment": "other"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "already_exists")


def test_logs_are_read_by_byte_range(app, ask):
    run = a_run(ask)
    step = f"{run['id']}.a"
    empty = ask("GET", f"/runs/{step}/log")
    assert (empty.content, empty.headers["X-Size"], empty.headers["X-Complete"]) == (b"", "0", "false")

    app.state.service.ports.blobs.append(f"artifacts/{run['id']}/a/user_logs/std_log.txt", b"0123456789")
    part = ask("GET", f"/runs/{step}/log?offset=4&limit=3")
    assert (part.content, part.headers["X-Size"]) == (b"456", "10")


def test_files_are_given_as_attachments_and_never_as_pages(ask):
    run = a_run(ask)
    content = b"<script>alert(1)</script>"
    assert ask("PUT", f"/runs/{run['id']}/artifacts/page.html", content=content).status_code == 204
    answer = ask("GET", f"/runs/{run['id']}/artifacts/page.html")
    assert answer.content == content
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_metrics_are_sent_and_read_as_points(ask):
    run = a_run(ask)
    point = {"id": "1", "time": 1.0, "name": "x", "kind": "scalar", "value": 1}
    assert ask("POST", f"/runs/{run['id']}/metrics", json=[point]).status_code == 204
    (found,) = ask("GET", f"/runs/{run['id']}/metrics").json()
    assert (found["name"], found["value"]) == ("x", 1)


def test_a_cancel_is_heard_at_once_and_does_no_harm_again(ask):
    run = a_run(ask)
    for _ in range(2):
        answer = ask("POST", f"/runs/{run['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")


def test_a_step_is_not_cancelled_alone_and_who_asks_is_told_what_is(ask):
    run = a_run(ask)
    answer = ask("POST", f"/runs/{run['id']}.a/cancel")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_supported")
    assert "run.parent.cancel()" in answer.json()["error"]["message"]
    assert ask("GET", f"/runs/{run['id']}").json()["status"] == "running"
    assert ask("POST", f"/runs/{run['id']}.nothing/cancel").status_code == 404


def test_tags_are_set_changed_and_taken_off(ask):
    run = a_run(ask)
    ask("PATCH", f"/runs/{run['id']}", json={"tags": {"a": "1", "b": "2"}})
    answer = ask("PATCH", f"/runs/{run['id']}", json={"tags": {"a": None}, "display_name": "mine"})
    assert (answer.json()["tags"], answer.json()["display_name"]) == ({"b": "2"}, "mine")


def test_the_description_of_the_api_is_served(ask):
    spec = ask("GET", "/openapi.json").json()
    assert f"{PREFIX}/runs/{{name}}/log" in spec["paths"]
    assert json.dumps(spec)


def test_the_description_says_how_every_route_refuses_and_what_it_is_called(app, ask):
    spec = ask("GET", "/openapi.json").json()
    operations = [(path, one) for path, methods in spec["paths"].items() for one in methods.values()]
    for path, one in operations:
        shapes = {"pipelines": "V1Error", "api/2.0": "MlflowError"}
        shape = next((shape for begin, shape in shapes.items() if path.startswith(f"/{begin}/")), "Error")
        content = one["responses"]["default"]["content"]["application/json"]
        assert content == {"schema": {"$ref": f"#/components/schemas/{shape}"}}, path
        assert "422" not in one["responses"] and one["x-role"], path
    names = [one["operationId"] for _, one in operations]
    assert len(set(names)) == len(names) and {"get_run", "v1_get_run", "mlflow_get_run"} <= set(names)
    assert spec["security"] == [{"bearer": []}]
    assert sorted(path for path, one in operations if one.get("security") == []) == [
        "/",
        "/api/v1/health",
        "/api/v1/ready",
        "/api/v1/sessions",
        "/portal/{path}",
    ]


def test_what_takes_or_gives_bytes_is_described_so(ask):
    paths = ask("GET", "/openapi.json").json()["paths"]
    for path, method in (("runs/{name}/artifacts/{path}", "put"), ("content/{sha256}", "put")):
        assert list(paths[f"{PREFIX}/{path}"][method]["requestBody"]["content"]) == ["application/octet-stream"]
    given = paths[f"{PREFIX}/runs/{{name}}/log"]["get"]["responses"]["200"]
    assert list(given["content"]) == ["text/plain"] and set(given["headers"]) == {"X-Size", "X-Complete"}
