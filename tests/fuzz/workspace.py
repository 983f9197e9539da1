"""A workspace that has something of everything, and the names that requests may mean."""

from __future__ import annotations

import json
import random
from typing import Any

from fastapi import FastAPI

from api.mlflow.base import MLFLOW_PREFIX
from canalis.contract.layout import METRICS, artifacts, records
from canalis.contract.mlflow_ids import mlflow_id
from canalis.contract.run import StepRunId
from tests.api.conftest import Client, a_run

KNOWN_OF_TEN = 7  # requests that name what is there
_NIGHTLY = {"id": "schedule-one", "experiment": "e", "trigger": {"kind": "cron", "expression": "0 2 * * *"}}


class Furnished:
    """What is in the workspace of an app, by what it may be called in a path or a body."""

    def __init__(self, app: FastAPI) -> None:
        ask = Client(app)

        def there_is(method: str, path: str, **body: Any) -> Any:
            answer = ask(method, path, **body)
            assert answer.is_success, answer.text
            return answer.json() if answer.content else None

        run = a_run(ask)
        self.graph = ask("GET", f"/runs/{run['id']}/graph").json()
        step = StepRunId(run["id"], "a")
        blobs = app.state.service.ports.blobs
        blobs.put(artifacts(step) + "outputs/f.txt", b"x")
        blobs.put(records(step) + METRICS, json.dumps({"id": "1", "time": 1.0, "name": "x", "value": 1}).encode())
        there_is("PUT", "/datastores/workspaceblobstore/files/data.csv", content=b"x")
        there_is("PUT", "/computes/cpu", json={})
        there_is("PUT", "/secrets/one", json={"value": "a secret of one"})
        there_is("POST", "/environments/env", json={"x": 1})
        there_is("POST", "/datasets/data", json={"places": [{"datastore": "workspaceblobstore", "path": "*.csv"}]})
        snapshot = self.graph["nodes"][0]["snapshot"]
        there_is("POST", "/models/model", json={"snapshot": snapshot})
        hook = there_is("POST", "/webhooks", json={"url": "http://127.0.0.1:1024/nobody-listens"})
        for identity in ("pipe-one", "pipe-two"):
            there_is("POST", "/pipelines", json={"id": identity, "graph": self.graph, "name": identity})
        there_is("POST", "/endpoints", json={"id": "end-one", "name": "one", "pipeline": "pipe-one"})
        there_is("POST", "/schedules", json=_NIGHTLY | {"pipeline": "pipe-one"})
        draft = {"id": "draft-one", "name": "one", "pipeline": "pipe-one", "experiment": "e"}
        there_is("POST", "/drafts", json=draft)
        self.run, self.step = run["id"], str(step)
        self.mlflow_run = mlflow_id(str(step))
        at = f"http://test{MLFLOW_PREFIX}/mlflow/logged-models"
        logged = there_is("POST", at, json={"source_run_id": self.mlflow_run, "name": "model"})
        files = ("data.csv", "outputs/f.txt", "train.py", "a.py")
        self._of_path = {"path": files, "sha256": ("0" * 64,), "log": ("STDOUT", "JobLog")}
        self._of_noun = {
            "runs": (self.run, self.step),
            "PipelineRuns": (self.run, self.step),
            "pipelines": ("pipe-one", "pipe-two"),
            "endpoints": ("end-one", "one"),
            "schedules": ("schedule-one",),
            "drafts": ("draft-one",),
            "datastores": ("workspaceblobstore",),
            "computes": ("cpu", "local"),
            "secrets": ("one",),
            "environments": ("env",),
            "experiments": ("e",),
            "datasets": ("data", "data:1"),
            "models": ("model", "model:1", "model-two"),
            "logged-models": (logged["model"]["info"]["model_id"],),
            "artifacts": (self.mlflow_run,),
            "webhooks": (hook["id"],),
            "queues": ("replies", "run-finished"),
            "snapshots": (snapshot,),
            "Pipelines": ("pipe-one",),
            "PipelineSubmit": ("pipe-one",),
            "Pipeline": ("pipe-one",),
            "PipelineEndpoints": ("end-one",),
            "Schedules": ("schedule-one",),
            "Schedule": ("schedule-one",),
            "PipelineDrafts": ("draft-one",),
            "Id": ("end-one",),
            "versions": ("pipe-one",),
            "diff": ("pipe-two",),
            "subscriptions": ("s",),
            "resourceGroups": ("r",),
            "workspaces": ("w",),
        }
        self._of_body = {
            "pipeline": ("pipe-one",),
            "endpoint": ("end-one", "one"),
            "run": (self.run,),
            "source_run_id": (self.mlflow_run,),
            "run_id": ("a-run-of-mine", self.mlflow_run),
            "parent": (self.step, self.run),
            "experiment": ("e",),
            "ExperimentName": ("e",),
            "datastore": ("workspaceblobstore",),
            "compute": ("cpu", "local"),
            "snapshot": (snapshot,),
            "graph": (self.graph,),
            "expression": ("* * * * *", "0 2 * * 1-5"),
            "time_zone": ("Europe/Berlin", "Pacific Standard Time"),
        }

    def in_path(self, path: str, values: dict[str, Any], chance: random.Random) -> dict[str, Any]:
        """The values of a path's parameters, of which most are changed to such as mean something."""
        parts = path.split("/")
        found = dict(values)
        for name in values:
            at = parts.index(f"{{{name}}}")
            known = self._of_path.get(name) or self._of_noun.get(parts[at - 1])
            of_place = name in ("subscription", "group", "workspace")
            if known and (of_place or chance.randrange(10) < KNOWN_OF_TEN):
                found[name] = chance.choice(known)
        return found

    def in_body(self, value: Any, chance: random.Random) -> Any:
        """A body, of which much is changed to what means something."""
        if isinstance(value, list):
            return [self.in_body(inner, chance) for inner in value]
        if not isinstance(value, dict):
            return value
        return {
            key: chance.choice(self._of_body[key])
            if key in self._of_body and inner is not None and chance.randrange(10) < KNOWN_OF_TEN
            else self.in_body(inner, chance)
            for key, inner in value.items()
        }
