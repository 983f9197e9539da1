"""Who may do what: every role at every route, and every run that a script could ask for, as the routes declare it."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest

from api.access import Role, need_of
from api.app import PREFIX
from api.entra import ROLES
from api.mlflow.base import MLFLOW_PREFIX
from api.reach import Reach
from canalis.contract import run_token
from canalis.contract.layout import METRICS, artifacts, records
from canalis.contract.messages import StepEnded
from canalis.contract.run import StepRunId
from canalis.contract.status import Outcome
from orchestrator.advance import advance
from tests.api.conftest import V1, Client, a_run, an_app
from tests.api.forged import RUN_KEY
from tests.api.issuer import Issuer
from tests.api.test_routes import routes
from tests.api.test_tokens import guard_of

A_POINT = {"id": "1", "time": 1.0, "name": "x", "kind": "scalar", "value": 1}
A_SHA256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of b"x"
STORE = "/datastores/workspaceblobstore"
HOOK = "http://127.0.0.1:65535/nobody"
PIPE, END, DRAFT = "/pipelines/pipe-one", "/endpoints/end-one", "/drafts/draft-one"
SCHEDULE = "/schedules/schedule-one"
NIGHTLY = {"experiment": "e", "pipeline": "pipe-one", "trigger": {"kind": "cron", "expression": "0 2 * * *"}}
MODEL = "/models/model"
A_DATASTORE = {"type": "DBFS"}
A_DATASET = {"places": [{"datastore": "workspaceblobstore", "path": "data.csv"}]}
A_LOGGED_MODEL = "m-0123456789ab"
LOGGED = {
    "run": "run-mine_1__a", "experiment": "e", "name": "m", "folder": "m", "type": "", "status": "LOGGED_MODEL_PENDING",
    "created": 1, "updated": 1, "tags": {}, "params": {},
}  # fmt: skip
A_CHILD = "run-mine_1-c__a"
MINE = StepRunId("run-mine", "a")


class World:
    """A service behind the guard of the Azure door, with runs in it and somebody for each role.

    run-mine (a script of its step a asks; b is its sister) > run-child > run-grandchild; run-sisters is b's child;
    run-other belongs to nobody here; run-ended has ended
    """

    def __init__(self, app: Any, issuer: Issuer) -> None:
        self.app = app
        self.ports = app.state.service.ports
        word = {role: name for name, role in ROLES.items()}
        self.people = {role: Client(app, issuer.token([word[role]])) for role in word}
        self.people[Role.NOBODY] = Client(app, issuer.token(["Elsewhere.Admin"]))
        self.stranger = Client(app, token=None)
        self.admin = self.people[Role.ADMIN]
        self.step = self.script(MINE)
        first = a_run(self.admin)
        self.graph = self.admin("GET", f"/runs/{first['id']}/graph").json()
        node = self.graph["nodes"][0]
        output = {"name": "out", "pipeline_output": "model"}
        self.graph["nodes"] = [node | {"outputs": [output]}, node | {"key": "b", "name": "b"}]
        for run_id, parent in (
            ("run-mine", None),
            ("run-other", None),
            ("run-ended", None),
            ("run-child", "run-mine.a"),
            ("run-grandchild", "run-child.a"),
            ("run-sisters", "run-mine.b"),
        ):
            self.submit(run_id, parent)
            self.leave_files(run_id)
        ends = [StepEnded(run_id="run-ended", node=node, attempt=1, outcome=Outcome.FAILED) for node in ("a", "b")]
        advance(self.ports, "run-ended", ends)

    def script(self, owner: StepRunId) -> Client:
        return Client(self.app, run_token.sign(RUN_KEY, owner, time.time() + 600))

    def submission(self, **more: Any) -> dict[str, Any]:
        return {"experiment": "e", "graph": self.graph, **more}

    def submit(self, run_id: str, parent: str | None = None) -> None:
        answer = self.admin("POST", "/runs", json=self.submission(run_id=run_id, parent=parent))
        assert answer.status_code == 201, answer.text

    def leave_files(self, run_id: str) -> None:
        point = json.dumps(A_POINT).encode() + b"\n"
        for node in ("a", "b", "_run"):
            self.ports.blobs.put(artifacts(StepRunId(run_id, node)) + "f.txt", b"x")
            self.ports.blobs.put(records(StepRunId(run_id, node)) + METRICS, point)
        for folder in ("azureml", "dataset"):
            path = f"{STORE}/files/{folder}/{run_id}.a/out/f.txt"
            assert self.admin("PUT", path, content=b"x").status_code == 204


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Issuer.start() as issuer, an_app(tmp_path_factory.mktemp("app"), guard_of(issuer)) as app:
        made = World(app, issuer)
        made.admin("POST", "/environments/env", json={"x": 1})
        made.admin("POST", "/datasets/set", json=A_DATASET)
        made.admin("POST", "/models/model", json={"snapshot": made.graph["nodes"][0]["snapshot"]})
        made.admin("PUT", f"{STORE}/files/data.csv", content=b"x")
        made.admin("PUT", "/computes/cpu", json={})
        made.admin("PUT", "/secrets/one", json={"value": "a secret of one"})
        for identity in ("pipe-one", "pipe-two"):
            made.admin("POST", "/pipelines", json={"graph": made.graph, "id": identity})
        made.admin("POST", "/schedules", json=NIGHTLY | {"id": "schedule-one"})
        made.admin("POST", "/endpoints", json={"id": "end-one", "name": "one", "pipeline": "pipe-one"})
        made.admin(
            "POST", "/drafts", json={"id": "draft-one", "name": "one", "pipeline": "pipe-one", "experiment": "e"}
        )
        made.ports.documents.put("mlflow_models", A_LOGGED_MODEL, LOGGED)
        made.ports.documents.put(
            "mlflow_runs", A_CHILD, {"name": "c", "status": "RUNNING", "start_time": 1, "tags": {}}
        )
        made.admin("POST", "/webhooks", json={"id": "hook-one", "url": HOOK, "enabled": False})
        yield made


def v1_requests() -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    """Requests to the routes of v1's contract."""
    start, nodes, off = ({"json": body} for body in ({"ExperimentName": "e"}, ["a"], "Active"))
    runs, run = "/PipelineRuns", f"{V1}/PipelineRuns/{{run}}"
    found = {
        ("POST", f"{runs}/PipelineSubmit/{{pipeline}}"): (f"{V1}{runs}/PipelineSubmit/pipe-one", start),
        ("POST", f"{runs}/PipelineEndpointSubmit/Id/{{identity}}"): (
            f"{V1}{runs}/PipelineEndpointSubmit/Id/end-one",
            start,
        ),
        ("POST", f"{runs}/PipelineEndpointSubmit/Id/{{identity}}/{{version}}"): (
            f"{V1}{runs}/PipelineEndpointSubmit/Id/end-one/0",
            start,
        ),
        ("POST", f"{runs}/PipelineEndpointSubmit/Name"): (f"{V1}{runs}/PipelineEndpointSubmit/Name?name=one", start),
        ("GET", f"{runs}/Pipeline/{{pipeline}}"): (f"{V1}{runs}/Pipeline/pipe-one", {}),
        ("GET", f"{runs}/Schedule/{{schedule}}"): (f"{V1}{runs}/Schedule/schedule-one", {}),
        ("GET", f"{runs}/Schedule/{{schedule}}/Last"): (f"{V1}{runs}/Schedule/schedule-one/Last", {}),
        ("GET", f"{runs}/{{name}}"): (run, {}),
        ("DELETE", f"{runs}/{{name}}/Execution"): (f"{run}/Execution", {}),
        ("POST", f"{runs}/{{name}}/Graph/AllNodes/Status"): (f"{run}/Graph/AllNodes/Status", {}),
        ("GET", f"{runs}/{{name}}/PipelineRunOutputs/{{output}}"): (f"{run}/PipelineRunOutputs/model", {}),
        ("POST", f"{runs}/{{name}}/Graph/Shareable/{{log}}"): (f"{run}/Graph/Shareable/STDOUT", nodes),
        ("GET", "/PipelineEndpoints/Name"): (f"{V1}/PipelineEndpoints/Name?name=one", {}),
        ("GET", "/Graphs/{identity}"): (f"{V1}/Graphs/{{graph}}", {}),
    }
    for asked in ("Graph/Node/StatusCode", "Outputs"):
        found["POST", f"{runs}/{{name}}/{asked}"] = (f"{run}/{asked}", nodes)
    for kind, one in (
        ("Pipelines", "pipe"),
        ("PipelineEndpoints", "end"),
        ("Schedules", "schedule"),
        ("PipelineDrafts", "draft"),
    ):
        found["GET", f"/{kind}"] = (f"{V1}/{kind}", {})
        found["GET", f"/{kind}/{{identity}}"] = (f"{V1}/{kind}/{one}-one", {})
        if one != "draft":
            found["PUT", f"/{kind}/{{identity}}/status"] = (f"{V1}/{kind}/{one}-one/status", off)
    return found


def mlflow_requests() -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    """Requests to MLflow's routes, about the step whose script asks: they name it in a body or a query."""
    run, at = "run-mine_1__a", f"http://test{MLFLOW_PREFIX}"
    files, models = "/mlflow-artifacts/artifacts", "/mlflow/logged-models"
    one = f"{models}/{A_LOGGED_MODEL}"
    said: dict[str, dict[str, Any]] = {
        "create": {"tags": [{"key": "mlflow.parentRunId", "value": run}]},
        "update": {"run_name": "x"},
        "log-metric": {"key": "x", "value": 1.0},
        "log-parameter": {"key": "x", "value": "1"},
        "set-tag": {"key": "x", "value": "1"},
        "delete-tag": {"key": "x"},
        "log-batch": {"metrics": [{"key": "y", "value": 2.0}]},
        "log-model": {"model_json": "{}"},
        "log-inputs": {"datasets": [{"dataset": {"name": "d", "digest": "1"}}]},
        "outputs": {"models": [{"model_id": "m-1"}]},
    }
    found = {
        ("POST", f"/mlflow/runs/{verb}"): (f"{at}/mlflow/runs/{verb}", {"json": {"run_id": run, **body}})
        for verb, body in said.items()
    }
    for path, query in (
        ("/mlflow/runs/get", f"run_id={run}"),
        ("/mlflow/metrics/get-history", f"run_id={run}&metric_key=x"),
        ("/mlflow/artifacts/list", f"run_id={run}"),
        (files, f"path={run}"),
        ("/mlflow/experiments/get", "experiment_id=e"),
        ("/mlflow/experiments/get-by-name", "experiment_name=e"),
    ):
        found["GET", path] = (f"{at}{path}?{query}", {})
    return found | {
        ("GET", f"{files}/{{identity}}/{{path:path}}"): (f"{at}{files}/{run}/f.txt", {}),
        ("PUT", f"{files}/{{identity}}/{{path:path}}"): (f"{at}{files}/{run}/g.txt", {"content": b"x"}),
        ("POST", "/mlflow/experiments/create"): (f"{at}/mlflow/experiments/create", {"json": {"name": "e"}}),
        ("POST", models): (f"{at}{models}", {"json": {"source_run_id": run, "name": "m"}}),
        ("POST", f"{models}/search"): (f"{at}{models}/search", {"json": {"experiment_ids": ["e"]}}),
        ("GET", f"{models}/{{identity}}"): (f"{at}{one}", {}),
        ("PATCH", f"{models}/{{identity}}"): (f"{at}{one}", {"json": {"status": "LOGGED_MODEL_READY"}}),
        ("PATCH", f"{models}/{{identity}}/tags"): (f"{at}{one}/tags", {"json": {"tags": [{"key": "t"}]}}),
        ("DELETE", f"{models}/{{identity}}/tags/{{tag}}"): (f"{at}{one}/tags/t", {}),
        ("POST", f"{models}/{{identity}}/params"): (f"{at}{one}/params", {"json": {"params": [{"key": "p"}]}}),
    }


def a_request(world: World, method: str, path: str) -> tuple[str, dict[str, Any]]:
    """A request to a route that succeeds for who may send it; `{run}` in its path is for a run's name."""
    node = world.graph["nodes"][0]
    run = "/runs/{run}"
    known: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
        ("GET", "/"): ("http://test/", {}),
        ("GET", "/portal/{path:path}"): ("http://test/portal/app.js", {}),
        ("POST", "/sign-ins"): ("/sign-ins", {}),
        ("GET", "/runs/{name}/diff/{other}"): (f"{run}/diff/run-ended", {}),
        ("GET", "/experiments/{name}/figures"): ("/experiments/e/figures", {}),
        ("GET", "/pipelines/{identity}/picture"): (f"{PIPE}/picture", {}),
        ("POST", "/plans"): ("/plans", {"json": world.submission()}),
        ("POST", "/runs"): ("/runs", {"json": world.submission()}),
        ("PATCH", "/runs/{name}"): (run, {"json": {"tags": {"t": "1"}}}),
        ("POST", "/runs/{name}/cancel"): (f"{run}/cancel", {}),
        ("DELETE", "/runs/{name}"): ("/runs/run-gone", {}),
        ("DELETE", "/experiments/{name}"): ("/experiments/gone", {}),
        ("POST", "/interactive"): ("/interactive", {"json": {"experiment": "e", "run_id": "run-interactive"}}),
        ("POST", "/runs/{name}/end"): ("/runs/run-interactive/end", {"json": {"how": "completed"}}),
        ("PUT", "/retention"): ("/retention", {"json": {}}),
        ("POST", "/retention/clearing"): ("/retention/clearing", {}),
        ("POST", "/runs/{name}/resume"): ("/runs/run-ended/resume", {"json": {}}),
        ("POST", "/runs/{name}/metrics"): (f"{run}/metrics", {"json": [A_POINT]}),
        ("GET", "/runs/{name}/artifacts/{path:path}"): (f"{run}/artifacts/f.txt", {}),
        ("PUT", "/runs/{name}/artifacts/{path:path}"): (f"{run}/artifacts/g.txt", {"content": b"x"}),
        ("POST", "/runs/{name}/children"): ("/runs/run-mine.a/children", {"json": {"name": "x"}}),
        ("GET", "/runs/{name}/children"): ("/runs/run-mine.a/children", {}),
        ("GET", "/children/{name}"): (f"/children/{A_CHILD}", {}),
        ("PATCH", "/children/{name}"): (f"/children/{A_CHILD}", {"json": {"status": "Completed"}}),
        ("POST", "/snapshots"): ("/snapshots", {"json": {"files": {}}}),
        ("PUT", "/content/{sha256}"): (f"/content/{A_SHA256}", {"content": b"x"}),
        ("GET", "/snapshots/{identity}"): (f"/snapshots/{node['snapshot']}", {}),
        ("GET", "/snapshots/{identity}/files/{path:path}"): (f"/snapshots/{node['snapshot']}/files/a.py", {}),
        ("GET", "/datastores/{name}"): (STORE, {}),
        ("PUT", "/datastores/default/{name}"): ("/datastores/default/workspaceblobstore", {}),
        ("PUT", "/workspace/environments/{mode}"): ("/workspace/environments/record", {}),
        ("GET", "/datastores/{name}/files"): (f"{STORE}/files", {}),
        ("GET", "/datastores/{name}/files/{path:path}"): (f"{STORE}/files/data.csv", {}),
        ("PUT", "/datastores/{name}/files/{path:path}"): (f"{STORE}/files/new.csv", {"content": b"x"}),
        ("POST", "/datastores/{name}/links"): (f"{STORE}/links", {"json": {"paths": ["data.csv"]}}),
        ("POST", "/runs/{name}/links"): (f"{run}/links", {"json": {"paths": ["f.txt"]}}),
        ("POST", "/pipelines"): ("/pipelines", {"json": {"graph": world.graph}}),
        ("GET", "/pipelines/{identity}"): (PIPE, {}),
        ("PATCH", "/pipelines/{identity}"): (PIPE, {"json": {"name": "x"}}),
        ("DELETE", "/pipelines/{identity}"): ("/pipelines/pipe-none", {}),
        ("GET", "/pipelines/{identity}/graph"): (f"{PIPE}/graph", {}),
        ("POST", "/pipelines/{identity}/runs"): (f"{PIPE}/runs", {"json": {"experiment": "e"}}),
        ("GET", "/pipelines/{identity}/diff/{other}"): (f"{PIPE}/diff/pipe-two", {}),
        ("POST", "/endpoints"): ("/endpoints", {"json": {"id": "end-two", "name": "two", "pipeline": "pipe-one"}}),
        ("GET", "/endpoints/{identity}"): (END, {}),
        ("PATCH", "/endpoints/{identity}"): (END, {"json": {"description": "x"}}),
        ("DELETE", "/endpoints/{identity}"): ("/endpoints/end-none", {}),
        ("PUT", "/endpoints/{identity}/versions/{pipeline}"): (f"{END}/versions/pipe-two", {}),
        ("GET", "/endpoints/{identity}/diff"): (f"{END}/diff", {}),
        ("POST", "/endpoints/{identity}/runs"): (f"{END}/runs", {"json": {"experiment": "e"}}),
        ("POST", "/drafts"): ("/drafts", {"json": {"name": "x", "pipeline": "pipe-one", "experiment": "e"}}),
        ("GET", "/drafts/{identity}"): (DRAFT, {}),
        ("PATCH", "/drafts/{identity}"): (DRAFT, {"json": {"name": "x"}}),
        ("DELETE", "/drafts/{identity}"): ("/drafts/draft-none", {}),
        ("GET", "/drafts/{identity}/graph"): (f"{DRAFT}/graph", {}),
        ("POST", "/drafts/{identity}/runs"): (f"{DRAFT}/runs", {}),
        ("POST", "/drafts/{identity}/publish"): (f"{DRAFT}/publish", {}),
        ("POST", "/schedules"): ("/schedules", {"json": NIGHTLY | {"id": "schedule-two"}}),
        ("POST", "/schedules/preview"): ("/schedules/preview", {"json": NIGHTLY}),
        ("GET", "/schedules/{identity}"): (SCHEDULE, {}),
        ("PATCH", "/schedules/{identity}"): (SCHEDULE, {"json": {"description": "x"}}),
        ("DELETE", "/schedules/{identity}"): ("/schedules/schedule-none", {}),
        ("GET", "/schedules/{identity}/firings"): (f"{SCHEDULE}/firings", {}),
        **v1_requests(),
        **mlflow_requests(),
        ("POST", "/submissions"): ("/submissions", {"json": {"pipeline": "pipe-one"}}),
        ("POST", "/queues/{name}/receive"): ("/queues/replies/receive", {}),
        ("POST", "/webhooks"): ("/webhooks", {"json": {"url": HOOK}}),
        ("GET", "/webhooks/{identity}"): ("/webhooks/hook-one", {}),
        ("PATCH", "/webhooks/{identity}"): ("/webhooks/hook-one", {"json": {"name": "x"}}),
        ("DELETE", "/webhooks/{identity}"): ("/webhooks/hook-none", {}),
        ("POST", "/webhooks/{identity}/test"): ("/webhooks/hook-one/test", {}),
        ("GET", "/secrets/{name}"): ("/secrets/one", {}),
        ("GET", "/datastores/{name}/credentials"): (f"{STORE}/credentials", {}),
        ("PUT", "/datastores/{name}"): ("/datastores/two", {"json": A_DATASTORE}),
        ("DELETE", "/datastores/{name}"): ("/datastores/none", {}),
        ("PUT", "/secrets/{name}"): ("/secrets/two", {"json": {"value": "a secret of two"}}),
        ("DELETE", "/secrets/{name}"): ("/secrets/none", {}),
        ("GET", "/computes/{name}"): ("/computes/cpu", {}),
        ("PUT", "/computes/{name}"): ("/computes/gpu", {"json": {}}),
        ("DELETE", "/computes/{name}"): ("/computes/none", {}),
        ("PUT", "/experiments/{name}"): ("/experiments/e", {}),
        ("GET", "/experiments/{name}"): ("/experiments/e", {}),
        ("PATCH", "/experiments/{name}"): ("/experiments/e", {"json": {"tags": {"t": "1"}}}),
        ("GET", "/environments/{name}"): ("/environments/env", {}),
        ("POST", "/environments/{name}"): ("/environments/env", {"json": {"x": 1}}),
        ("GET", "/datasets/{name}"): ("/datasets/set", {}),
        ("PATCH", "/datasets/{name}"): ("/datasets/set", {"json": {"add_tags": {"t": "1"}}}),
        ("POST", "/datasets/{name}"): ("/datasets/set", {"json": A_DATASET}),
        ("DELETE", "/datasets/{name}"): ("/datasets/none", {}),
        ("GET", "/models/{name}"): (MODEL, {}),
        ("POST", "/models/{name}"): (MODEL, {"json": {"run": "run-mine.a", "path": "f.txt"}}),
        ("PATCH", "/models/{name}"): (MODEL, {"json": {"tags": {"t": "1"}}}),
        ("DELETE", "/models/{name}"): ("/models/none:1", {}),
        ("GET", "/models/{name}/files"): (f"{MODEL}:1/files", {}),
        ("GET", "/models/{name}/files/{path:path}"): (f"{MODEL}:1/files/a.py", {}),
        ("POST", "/models/{name}/links"): (f"{MODEL}:1/links", {"json": {"paths": ["a.py"]}}),
    }
    if (method, path) == ("POST", "/sessions"):  # a code is good once
        return path, {"json": {"code": world.admin("POST", "/sign-ins").json()["code"]}}
    if (method, path) in known:
        asked, parts = known[method, path]
        return asked.replace("{graph}", world.admin("GET", "/runs/run-mine").json()["graph"]), parts
    assert method == "GET" and path.count("{") == path.startswith("/runs/"), f"{method} {path}: say how to ask for it"
    return path.replace("{name}", "{run}"), {}


def details_of(answer: Any) -> dict[str, Any]:
    """What an error says beside its message; in v1's shape it is the inner error."""
    error = answer.json()["error"]
    details = error.get("innerError") or error["details"]
    return {name: value for name, value in details.items() if name != "code"}


def every_request(world: World):
    for route in routes(world.app):
        if route.path == "/sessions":
            continue  # what lets in there is a code, which is good once: tests/api/test_portal.py
        for method in route.methods:
            path, parts = a_request(world, method, route.path)
            yield method, route.path, path, parts, need_of(route)


# --- people


def test_every_role_is_let_in_where_the_route_says_so_and_nowhere_else(world):
    tried = 0
    for method, route, path, parts, need in every_request(world):
        path = path.replace("{run}", "run-other.a" if path.endswith("/log") else "run-other")
        answer = world.stranger(method, path, **parts)
        assert answer.status_code == (200 if need.role is Role.NOBODY else 401), (method, route, answer.text)
        for role, ask in world.people.items():
            answer = ask(method, path, **parts)
            where = (role.name, method, route, answer.status_code, answer.text[:300])
            if role >= need.role:
                assert 200 <= answer.status_code < 300, where
            else:
                assert answer.status_code == 403, where
                wanted = {"needs": need.role.name.lower(), "has": [role.name.lower()]}
                assert answer.json()["error"]["code"] == "forbidden" and details_of(answer) == wanted, where
                assert "www-authenticate" not in answer.headers
            tried += 1
    assert tried == 5 * (sum(len(route.methods) for route in routes(world.app)) - 1) > 150  # without /sessions


def test_a_reader_changes_nothing(world):
    """Whoever may submit runs code: no route that a reader may use writes anything down."""
    changing = [
        (method, route)
        for method, route, _, _, need in every_request(world)
        if method != "GET" and need.role <= Role.READER
    ]
    # Links to read are asked for in a body, since there may be a thousand; those to write take a submitter.
    # A preview makes nothing, and asks with a body as well.
    asking = {("POST", f"/{noun}/{{name}}/links") for noun in ("runs", "datastores", "models")}
    asking.add(("POST", "/schedules/preview"))
    asking.add(("POST", "/mlflow/logged-models/search"))
    asking.add(("POST", "/sign-ins"))  # lets a browser in as the reader who asks
    # v1 asks for several nodes in a body.
    of_nodes = ("Graph/Node/StatusCode", "Graph/AllNodes/Status", "Outputs", "Graph/Shareable/{log}")
    assert set(changing) == asking | {("POST", f"/PipelineRuns/{{name}}/{what}") for what in of_nodes}
    answer = world.people[Role.READER]("POST", f"{STORE}/links", json={"for": "write", "paths": ["x"]})
    assert answer.json()["error"]["details"] == {"needs": "submitter", "has": ["reader"]}


def test_a_script_gets_no_links_beyond_its_reach(world):
    def status(**asked: Any) -> int:
        return world.step("POST", f"{STORE}/links", json=asked).status_code

    assert status(paths=["data.csv", "azureml/run-mine.a/out/f.txt", "azureml/run-child.a/out/f.txt"]) == 200
    assert status(paths=["data.csv", "azureml/run-other.a/out/f.txt"]) == 404
    assert status(paths=["new.csv", "azureml/run-mine.a/out/g.txt"], **{"for": "write"}) == 200
    assert status(paths=["new.csv", "azureml/run-other.a/out/f.txt"], **{"for": "write", "overwrite": True}) == 404
    for other in ("run-other.a", "run-ended.a"):
        answer = world.step("PUT", f"{STORE}/files/azureml/{other}/out/f.txt", content=b"forged")
        assert answer.status_code == 404, other


# --- scripts that run


def all_of(run: str) -> list[str]:
    return [run, f"{run}.a", f"{run}.a.1", f"{run}.b"]


SEEN = [*all_of("run-mine"), *all_of("run-child"), *all_of("run-grandchild")]
OWN = [name for name in SEEN if name != "run-mine.b"]
UNSEEN = [*all_of("run-other"), *all_of("run-sisters"), *all_of("run-ended")]
NOT_THERE = ["run-nothing", "run-nothing.a", "run-mine.nothing", "run-mine.a.2", "run-mine.", "run", "..", "RUN-MINE"]


def test_each_route_treats_a_script_as_it_declares(world):
    """Within reach a script has the answer that an admin has; beyond it there is nothing, in the same words."""
    for method, route, path, parts, need in every_request(world):
        if need.role is Role.NOBODY:
            assert world.step(method, path, **parts).status_code == 200
        elif need.step is Reach.NOTHING:
            answer = world.step(method, path.replace("{run}", "run-mine"), **parts)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), (method, route)
            assert details_of(answer)["has"] == ["step"]
        elif need.step in (Reach.WORKSPACE, Reach.CHOSEN):
            assert "{run}" not in path
            assert 200 <= world.step(method, path, **parts).status_code < 300, (method, route)
        else:
            seen = SEEN if need.step is Reach.RUNS else OWN
            for name in seen:
                same = [ask(method, path.replace("{run}", name), **parts) for ask in (world.step, world.admin)]
                assert same[0].status_code == same[1].status_code, (method, route, name, same[0].text)
                assert same[0].status_code in (200, 202, 204, 404, 422), (method, route, name, same[0].text)
            for name in {*SEEN, *UNSEEN, *NOT_THERE} - {*seen}:
                answer = world.step(method, path.replace("{run}", name), **parts)
                assert answer.status_code in (404, 405), (method, route, name, answer.text)


def test_what_is_refused_to_scripts_is_what_would_reach_others(world):
    refused = {(method, route) for method, route, _, _, need in every_request(world) if need.step is Reach.NOTHING}
    assert refused == {
        ("GET", "/health"),  # for which nobody needs anything
        ("GET", "/ready"),
        ("GET", "/health/details"),
        ("GET", "/"),
        ("GET", "/portal/{path:path}"),
        ("GET", "/me"),  # a script has no session, and makes none
        ("POST", "/sign-ins"),
        ("GET", "/runs/{name}/diff/{other}"),
        ("GET", "/experiments/{name}/figures"),
        ("GET", "/audit"),
        ("POST", "/plans"),
        ("POST", "/runs/{name}/resume"),
        ("GET", "/runs/{name}/reasons"),
        ("GET", "/snapshots/{identity}"),
        ("GET", "/snapshots/{identity}/files/{path:path}"),
        ("GET", "/experiments"),
        ("PATCH", "/experiments/{name}"),
        ("PUT", "/datastores/default/{name}"),
        ("PUT", "/datastores/{name}"),
        ("DELETE", "/datastores/{name}"),
        ("PUT", "/workspace/environments/{mode}"),
        ("PUT", "/computes/{name}"),
        ("DELETE", "/computes/{name}"),
        ("DELETE", "/datasets/{name}"),
        ("DELETE", "/models/{name}"),
        ("PUT", "/secrets/{name}"),
        ("DELETE", "/secrets/{name}"),
        ("POST", "/environments/{name}"),
        ("POST", "/pipelines"),
        ("PATCH", "/pipelines/{identity}"),
        ("DELETE", "/pipelines/{identity}"),
        ("POST", "/endpoints"),
        ("PATCH", "/endpoints/{identity}"),
        ("DELETE", "/endpoints/{identity}"),
        ("PUT", "/endpoints/{identity}/versions/{pipeline}"),
        *(
            (method, route)
            for method, route, _, _, _ in every_request(world)
            if route.startswith(
                ("/drafts", "/schedules", "/webhooks", "/Schedules", "/PipelineDrafts", "/PipelineRuns/Schedule")
            )
        ),
        ("DELETE", "/runs/{name}"),
        ("DELETE", "/experiments/{name}"),
        ("POST", "/interactive"),
        ("POST", "/runs/{name}/end"),
        *((method, f"/retention{path}") for method, path in (("GET", ""), ("PUT", ""))),
        *((method, "/retention/clearing") for method in ("GET", "POST")),
        ("POST", "/submissions"),
        ("GET", "/submissions/dead"),
        ("POST", "/queues/{name}/receive"),
        ("GET", "/PipelineRuns/Pipeline/{pipeline}"),
        ("GET", "/Graphs/{identity}"),
        ("PUT", "/Pipelines/{identity}/status"),
        ("PUT", "/PipelineEndpoints/{identity}/status"),
    }


def test_another_run_and_no_run_are_told_in_the_same_words(world):
    for other, nothing in (("run-other", "run-othes"), ("run-other.a", "run-othes.a"), ("run-other.x", "run-othes.x")):
        answers = [world.step("GET", f"/runs/{name}").text for name in (other, nothing)]
        assert answers[0].replace("run-other", "run-othes") == answers[1]
    assert "run-other" not in world.step("GET", "/runs/run-o").text, "nor is the beginning of an id a way to find it"


def test_a_script_lists_and_submits_runs_below_its_own_step_only(world):
    def listed(**query: str) -> set[str]:
        return {run["id"] for run in world.step("GET", "/runs", params=query).json()}

    world.submit("run-of-another-attempt", "run-mine.a.2")
    assert listed() >= {"run-child"} and not listed() & {"run-mine", "run-other", "run-sisters", "run-grandchild"}
    assert listed(parent="run-child.a") == {"run-grandchild"} and listed(parent="run-mine.a.2")
    for parent in ("run-mine", "run-mine.b", "run-other", "run-other.a", "run-nothing", "x", "../x", ""):
        assert listed(parent=parent) <= listed(), parent

    for given in ({}, {"parent": "run-mine.a"}):
        answer = world.step("POST", "/runs", json=world.submission(**given))
        assert answer.status_code == 201 and answer.json()["parent"] == "run-mine.a"
        assert answer.json()["submitted_by"] == "run-mine.a"
        assert world.step("GET", answer.headers["location"].removeprefix(PREFIX)).status_code == 200
    for parent in ("run-mine", "run-mine.b", "run-other", "run-other.a", "run-child.a", "run-nothing"):
        answer = world.step("POST", "/runs", json=world.submission(parent=parent))
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), parent


def test_a_script_cannot_make_another_run_its_own_by_submitting_it_again(world):
    for taken in ("run-other", "run-sisters", "run-mine", "run-ended"):
        answer = world.step("POST", "/runs", json=world.submission(run_id=taken))
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "already_exists"), taken
    again = [world.step("POST", "/runs", json=world.submission(run_id="run-twice")) for _ in range(2)]
    assert [answer.status_code for answer in again] == [201, 201]


def test_a_script_reads_data_and_not_the_outputs_of_other_runs(world):
    def listed(prefix: str = "") -> set[str]:
        return {file["path"] for file in world.step("GET", f"{STORE}/files", params={"prefix": prefix}).json()}

    seen = {f"{folder}/{run}.a/out/f.txt" for folder in ("azureml", "dataset") for run in ("run-mine", "run-child")}
    assert {"data.csv"} | seen <= listed() and not any("other" in path or "sisters" in path for path in listed())
    assert listed("azureml/run-other") == set()
    for run in ("run-other", "run-sisters"):
        answer = world.step("GET", f"{STORE}/files/azureml/{run}.a/out/f.txt")
        missing = world.step("GET", f"{STORE}/files/azureml/{run}.a/out/g.txt")
        assert answer.status_code == missing.status_code == 404
        assert answer.text.replace("f.txt", "g.txt") == missing.text
        assert world.people[Role.READER]("GET", f"{STORE}/files/azureml/{run}.a/out/f.txt").status_code == 200
    for path in seen:
        assert world.step("GET", f"{STORE}/files/{path}").content == b"x"
    for odd in ("azureml//run-other.a/out/f.txt", "azureml/./run-other.a/out/f.txt", "./azureml/run-other.a/out/f.txt",
                "azureml/x/../run-other.a/out/f.txt", "azureml%2frun-other.a%2fout%2ff.txt"):  # fmt: skip
        assert world.step("GET", f"{STORE}/files/{odd}").status_code in (400, 404), odd
    name = "dataset/table.csv"  # has the form of a step run's id, and is none
    assert world.admin("PUT", f"{STORE}/files/{name}/part", content=b"x").status_code == 204
    assert world.step("GET", f"{STORE}/files/{name}/part").content == b"x"


def test_a_resumed_runs_script_reads_what_was_kept_for_it(world):
    for run_id in ("run-first", "run-stranger"):
        world.submit(run_id)
        world.leave_files(run_id)
        ends = [("a", Outcome.SUCCEEDED), ("b", Outcome.FAILED)]
        advance(world.ports, run_id, [StepEnded(run_id=run_id, node=n, attempt=1, outcome=how) for n, how in ends])
    resumed = world.admin("POST", "/runs/run-first/resume", json={"run_id": "run-second"})
    assert resumed.status_code == 201, resumed.text
    script = world.script(StepRunId("run-second", "b"))
    assert script("GET", f"{STORE}/files/azureml/run-first.a/out/f.txt").content == b"x"
    assert script("GET", f"{STORE}/files/azureml/run-first.b/out/f.txt").status_code == 404
    assert script("GET", f"{STORE}/files/azureml/run-stranger.a/out/f.txt").status_code == 404
    assert script("GET", "/runs/run-second.a/artifacts/f.txt").content == b"x", "its own run's step, whoever made it"
    assert script("GET", "/runs/run-first").status_code == 404


def test_an_earlier_attempts_script_writes_nothing_on_a_later_one(world):
    world.submit("run-again")
    late = world.script(StepRunId("run-again", "a", 2))
    for name, status in (("run-again.a", 404), ("run-again.a.1", 404), ("run-again", 204), ("run-again.b", 404)):
        assert late("POST", f"/runs/{name}/metrics", json=[A_POINT]).status_code == status, name
        assert late("GET", f"/runs/{name}/metrics").status_code == 200


def test_no_path_leads_out_of_a_run_that_a_script_may_read(world):
    for way in ("../../run-other/a/", "../b/", "/", "..", "../../../records/run-other/a/"):
        assert all(file["path"] in ("f.txt", "g.txt") for file in _files(world, "run-mine.a", way)), way
    for path in ("..%2f..%2frun-other/a/f.txt", "../../run-other/a/f.txt", "%2e%2e/%2e%2e/run-other/a/f.txt", "/f.txt"):
        assert world.step("GET", f"/runs/run-mine.a/artifacts/{path}").status_code in (400, 404), path
        assert world.step("PUT", f"/runs/run-mine.a/artifacts/{path}", content=b"y").status_code in (400, 404, 405), (
            path
        )
    assert world.admin("GET", "/runs/run-other.a/artifacts/f.txt").content == b"x"


def _files(world: World, name: str, prefix: str) -> list[dict[str, Any]]:
    answer = world.step("GET", f"/runs/{name}/artifacts", params={"prefix": prefix})
    return answer.json() if answer.status_code == 200 else []


# --- health


def test_health_tells_its_trouble_to_readers_and_nothing_of_it_to_others(world, monkeypatch):
    monkeypatch.setattr(type(world.app.state.guard), "trouble", lambda self: "the keys of x cannot be fetched")
    monkeypatch.setattr("api.health.KEPT_S", 0.0)
    for ask in (world.stranger, Client(world.app, token="x"), world.people[Role.NOBODY], world.step):
        said = ask("GET", "/health?nonce=n").json()
        assert said.keys() == {*("status", "workspace", "instance", "version", "audience", "authority", "proof")}
        assert (said["status"], said["proof"]) == ("ready", "")
        assert ask("GET", "/health/details").status_code in (401, 403)
    told = {
        check["name"]: check["trouble"]
        for check in world.people[Role.READER]("GET", "/health/details").json()["checks"]
    }
    assert told["tokens"] == "the keys of x cannot be fetched"


# --- who did what


def test_every_change_leaves_one_line_that_says_who_made_it(world, caplog):
    def lines() -> list[dict[str, Any]]:
        found = [json.loads(record.getMessage()) for record in caplog.records if record.name == "canalis.audit"]
        caplog.clear()
        return found

    caplog.set_level(logging.INFO)
    for method, route, path, parts, _ in every_request(world):
        path = path.replace("{run}", "run-other.a" if "/log" in path else "run-other")
        world.stranger(method, path, **parts)
        world.people[Role.NOBODY](method, path, **parts)
        assert lines() == [], (method, route)
        answer = world.admin(method, path, **parts)
        written = lines()
        assert len(written) == (method != "GET" or route in ("/secrets/{name}", "/datastores/{name}/credentials")), (
            method,
            route,
        )
        for line in written:
            assert line["event"] == "audit" and line["who"] == "ann@example.com" and line["role"] == "admin"
            assert line["ids"].keys() == {"oid", "appid", "tid"}
            assert (line["method"], line["status"]) == (method, answer.status_code)
            assert line["route"] == route and line["client"] == "127.0.0.1"
            named = line["name"]
            is_named = any(part in route for part in ("{name}", "{identity}", "{pipeline}"))
            assert named in path.split("/") if is_named else named == "", (method, route)
    answer = world.step("POST", "/runs", json=world.submission())
    (line,) = lines()
    assert (line["who"], line["role"], line["made"]) == ("run-mine.a", "step", answer.json()["id"])
    world.admin("POST", "/runs", content=b"{")
    world.admin("POST", "/runs/run-nothing/cancel")
    assert lines() == [], "what failed changed nothing"


def test_a_name_of_anybodys_choosing_writes_no_line_of_its_own(world, caplog):
    caplog.set_level(logging.INFO)
    with Issuer.start() as issuer:
        guard = guard_of(issuer)
        name = 'ann"}\n{"event": "audit", "who": "bob\x1b[31m\u2028\u202e'
        caller = guard.identify(issuer.token(["Canalis.Admin"], preferred_username=name * 100))
    assert len(caller.name) == 256
    world.admin("PUT", "/experiments/x%0A%7B%22event%22", json={})
    world.admin("PATCH", "/runs/run-other", json={"tags": {"a": "\n{}"}})
    for record in caplog.records:
        if record.name == "canalis.audit":
            text = record.getMessage()
            assert text.isascii() and text.isprintable() and json.loads(text)["event"] == "audit"


def test_where_a_change_came_from_is_what_the_front_end_adds_and_not_what_came_with_it():
    from starlette.requests import Request

    from api.audit import client_address

    def asked(client: Any, *headers: str) -> str:
        said = [(b"x-forwarded-for", header.encode()) for header in headers]
        return client_address(Request({"type": "http", "client": client, "headers": said}))

    assert asked(("10.0.0.1", 5), "6.6.6.6") == "10.0.0.1"
    assert asked(None, "6.6.6.6, 203.0.113.7:4711") == "203.0.113.7:4711"
    assert asked(None) == "" and len(asked(None, "x" * 9_000)) == 64
