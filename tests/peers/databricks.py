"""A Databricks workspace: one-time runs with their states, DBFS, clusters.

Source   Databricks REST API: Jobs 2.2 (2.0 and 2.1 alike), DBFS 2.0, Clusters 2.1
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.server import Peer, Wrong, now_ms

TOKEN = "dapi-0123456789abcdef"
_STORAGE_BYTES_MAX = 2**20
_TOKEN_MAX = 64


@dataclass
class Plan:
    """How a run goes whose path ends so.

    pending_s, running_s   how long it is PENDING, and RUNNING after that
    result                 of the run; a word of life_cycle_state ends it as that
    runs                   whether a Python script is truly run, from DBFS; its exit code then says the result
    """

    pending_s: float = 0.0
    running_s: float = 0.0
    result: str = "SUCCESS"
    message: str = ""
    output: dict[str, Any] = field(default_factory=dict)
    runs: bool = False


@dataclass
class Run:
    """A run of a peer."""

    run_id: int
    body: dict[str, Any]
    plan: Plan
    began: float
    began_ms: int
    result: str = ""
    ended_ms: int = 0
    cancelled: float | None = None
    output: dict[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> dict[str, Any]:
        return self.body["tasks"][0]

    @property
    def what(self) -> str:
        """What it runs."""
        task = self.task
        for kind, key in (
            ("notebook_task", "notebook_path"),
            ("spark_python_task", "python_file"),
            ("spark_jar_task", "main_class_name"),
        ):
            if kind in task:
                return str(task[kind][key])
        raise AssertionError(task)


class DatabricksPeer(Peer):
    """A workspace at `url` that is opened by `token`.

    plans   how runs go, by the end of what they run
    runs    every run that there was
    """

    def __init__(self) -> None:
        super().__init__()
        self.token = TOKEN
        self.plans: dict[str, Plan] = {}
        self.runs: dict[int, Run] = {}
        self.tokens: dict[str, int] = {}
        self.files: dict[str, bytes] = {}
        self.clusters: dict[str, str] = {"0101-there": "RUNNING"}
        self._open: dict[int, tuple[str, bytearray]] = {}
        for version in ("2.0", "2.1", "2.2"):
            jobs = f"/api/{version}/jobs/runs"
            self.routes |= {
                ("POST", f"{jobs}/submit"): self.submit,
                ("GET", f"{jobs}/get"): self.get,
                ("GET", f"{jobs}/get-output"): self.get_output,
                ("GET", f"{jobs}/list"): self.list,
                ("POST", f"{jobs}/cancel"): self.cancel,
                ("POST", f"{jobs}/delete"): self.delete,
                ("GET", f"/api/{version}/clusters/get"): self.get_cluster,
            }
        self.routes |= {
            ("POST", "/api/2.0/dbfs/put"): self.put,
            ("POST", "/api/2.0/dbfs/create"): self.create,
            ("POST", "/api/2.0/dbfs/add-block"): self.add_block,
            ("POST", "/api/2.0/dbfs/close"): self.close_file,
            ("GET", "/api/2.0/dbfs/get-status"): self.get_status,
            ("GET", "/api/2.0/dbfs/read"): self.read,
        }

    def check(self, headers: Mapping[str, str]) -> None:
        if headers.get("authorization") != f"Bearer {self.token}":
            raise Wrong(403, {"error_code": "403", "message": "Invalid access token."})

    def fault_body(self, status: int) -> Mapping[str, Any]:
        words = {
            429: ("REQUEST_LIMIT_EXCEEDED", "Current request has to be retried"),
            503: ("TEMPORARILY_UNAVAILABLE", "The service at /api/2.2/jobs/runs is temporarily unavailable"),
        }
        code, message = words.get(status, ("INTERNAL_ERROR", "An internal error occurred"))
        return {"error_code": code, "message": message}

    # Runs ----------------------------------------------------------------------------------------------------------

    def submit(self, body: dict[str, Any]) -> Mapping[str, Any]:
        token = body.get("idempotency_token", "")
        if len(token) > _TOKEN_MAX:
            raise _invalid(f"The idempotency token can be at most {_TOKEN_MAX} characters")
        if token in self.tokens:
            known = self.tokens[token]
            if known not in self.runs:
                raise _invalid(f"Run {known} with this idempotency token was deleted")
            return {"run_id": known}
        for task in body.get("tasks") or [
            _refuse("One of job_cluster_key, new_cluster... and a task must be specified")
        ]:
            self._check_task(task)
        number = 1000 + len(self.tokens) + len(self.runs)
        run = Run(number, body, Plan(), time.monotonic(), now_ms())
        run.plan = next((plan for end, plan in self.plans.items() if run.what.endswith(end)), Plan())
        self.runs[number] = run
        if token:
            self.tokens[token] = number
        if run.plan.runs:
            self._run_script(run)
        return {"run_id": number}

    def get(self, asked: dict[str, Any]) -> Mapping[str, Any]:
        run = self._found(asked)
        life, result, message = self._state(run)
        started_ms = run.began_ms
        state = {
            "life_cycle_state": life,
            "state_message": message,
            "user_cancelled_or_timedout": result in ("CANCELED", "TIMEDOUT"),
        }
        if result:
            state["result_state"] = result
        found = {
            "job_id": run.run_id * 7,
            "run_id": run.run_id,
            "run_name": run.body.get("run_name", "Untitled"),
            "run_page_url": f"{self.url}/#job/{run.run_id * 7}/run/{run.run_id}",
            "run_type": "SUBMIT_RUN",
            "state": state,
            "start_time": started_ms,
            "setup_duration": int(run.plan.pending_s * 1000) if life != "PENDING" else 0,
            "execution_duration": 0,
            "cleanup_duration": 0,
            "end_time": run.ended_ms,
            "creator_user_name": "ada@example.com",
            "format": "MULTI_TASK",
        }
        task = {"run_id": run.run_id + 500_000, "task_key": run.task["task_key"], "state": state}
        return {**found, "tasks": [{**run.task, **task, "start_time": started_ms, "attempt_number": 0}]}

    def get_output(self, asked: dict[str, Any]) -> Mapping[str, Any]:
        number = int(asked["run_id"])
        if number in self.runs:
            raise _invalid(
                "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of each individual task run instead."
            )
        run = self._found({"run_id": number - 500_000})
        self._state(run)
        return {"metadata": self.get({"run_id": run.run_id})["tasks"][0], **run.plan.output, **run.output}

    def list(self, asked: dict[str, Any]) -> Mapping[str, Any]:
        found = [self.get({"run_id": number}) for number in sorted(self.runs, reverse=True)]
        return {"runs": found[: int(asked.get("limit", 20))], "has_more": False}

    def cancel(self, asked: dict[str, Any]) -> Mapping[str, Any]:
        run = self._found(asked)
        if run.cancelled is None and not run.ended_ms:
            run.cancelled = time.monotonic()
        return {}

    def delete(self, asked: dict[str, Any]) -> Mapping[str, Any]:
        run = self._found(asked)
        if not self._state(run)[1]:
            raise _invalid(f"Run {run.run_id} is active and cannot be deleted")
        del self.runs[run.run_id]
        return {}

    def lose(self, number: int) -> None:
        """A run is not there any more, as after 60 days."""
        del self.runs[number]

    @property
    def only_run(self) -> Run:
        """The one run that there was."""
        (run,) = self.runs.values()
        return run

    def _found(self, asked: dict[str, Any]) -> Run:
        number = int(asked["run_id"])
        if number not in self.runs:
            raise Wrong(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": f"Run {number} does not exist."})
        return self.runs[number]

    def _check_task(self, task: dict[str, Any]) -> None:
        kinds = [kind for kind in ("notebook_task", "spark_python_task", "spark_jar_task") if kind in task]
        if len(kinds) != 1 or not task.get("task_key"):
            raise _invalid("Exactly one task type and a task_key must be specified")
        cluster = task.get("existing_cluster_id")
        if (cluster is None) == ("new_cluster" not in task):
            raise _invalid("Exactly one of existing_cluster_id and new_cluster must be specified")
        if cluster is not None and cluster not in self.clusters:
            raise _invalid(f"Cluster {cluster} does not exist")
        if cluster is None:
            asked = task["new_cluster"]
            if "spark_version" not in asked or not {"node_type_id", "instance_pool_id"} & set(asked):
                raise _invalid("Cluster validation error: Missing required field: settings.cluster_spec.new_cluster")
            if ("num_workers" in asked) == ("autoscale" in asked):
                raise _invalid("Cluster validation error: exactly one of num_workers and autoscale")
        parameters = task[kinds[0]].get("base_parameters" if kinds[0] == "notebook_task" else "parameters") or ()
        texts = parameters.values() if isinstance(parameters, dict) else parameters
        if not all(isinstance(text, str) for text in texts):
            raise Wrong(400, {"error_code": "MALFORMED_REQUEST", "message": "Parameters must be strings"})

    def _state(self, run: Run) -> tuple[str, str, str]:
        """Life cycle, result and message, as time has passed."""
        age = time.monotonic() - run.began
        if not run.result:
            if run.cancelled is not None:
                self._end(run, "CANCELED", "Run cancelled.")
            elif run.body.get("timeout_seconds") and age > run.body["timeout_seconds"]:
                self._end(run, "TIMEDOUT", "Run timed out.")
            elif age < run.plan.pending_s:
                return "PENDING", "", "Waiting for cluster"
            elif age < run.plan.pending_s + run.plan.running_s:
                return "RUNNING", "", "In run"
            else:
                self._end(run, run.plan.result, run.plan.message)
        if run.result in ("SKIPPED", "INTERNAL_ERROR"):
            return run.result, "FAILED" if run.result == "INTERNAL_ERROR" else "", run.plan.message
        return "TERMINATED", run.result, run.plan.message

    def _end(self, run: Run, result: str, message: str) -> None:
        run.result, run.ended_ms = result, now_ms()
        run.plan.message = run.plan.message or message

    def _run_script(self, run: Run) -> None:
        """Truly run a script of DBFS, with its neighbours."""
        task = run.task["spark_python_task"]
        folder, _, name = str(task["python_file"]).rpartition("/")
        with tempfile.TemporaryDirectory() as made:
            for path, content in self.files.items():
                if path.startswith(f"{folder}/"):
                    there = Path(made) / path.removeprefix(f"{folder}/")
                    there.parent.mkdir(parents=True, exist_ok=True)
                    there.write_bytes(content)
            line = [sys.executable, name, *task.get("parameters", [])]
            done = subprocess.run(line, cwd=made, capture_output=True, text=True, timeout=30)
        run.output = {"logs": done.stdout, "logs_truncated": False}
        run.plan = Plan(result="SUCCESS" if done.returncode == 0 else "FAILED")
        if done.returncode:
            run.output |= {"error": done.stderr.strip().splitlines()[-1], "error_trace": done.stderr}

    # Files and clusters --------------------------------------------------------------------------------------------

    def put(self, body: dict[str, Any]) -> Mapping[str, Any]:
        if len(base64.b64decode(body.get("contents", ""))) > _STORAGE_BYTES_MAX:
            raise Wrong(400, {"error_code": "MAX_BLOCK_SIZE_EXCEEDED", "message": "The block of data exceeds 1 MB"})
        if body["path"] in self.files and not body.get("overwrite"):
            raise Wrong(400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": f"A file {body['path']} exists"})
        self.files[body["path"]] = base64.b64decode(body.get("contents", ""))
        return {}

    def create(self, body: dict[str, Any]) -> Mapping[str, Any]:
        handle = len(self._open) + 1
        self._open[handle] = (body["path"], bytearray())
        return {"handle": handle}

    def add_block(self, body: dict[str, Any]) -> Mapping[str, Any]:
        if len(base64.b64decode(body["data"])) > _STORAGE_BYTES_MAX:
            raise Wrong(400, {"error_code": "MAX_BLOCK_SIZE_EXCEEDED", "message": "The block of data exceeds 1 MB"})
        self._open[body["handle"]][1].extend(base64.b64decode(body["data"]))
        return {}

    def close_file(self, body: dict[str, Any]) -> Mapping[str, Any]:
        path, content = self._open.pop(body["handle"])
        self.files[path] = bytes(content)
        return {}

    def get_status(self, asked: dict[str, Any]) -> Mapping[str, Any]:
        content = self._file(asked["path"])
        return {"path": asked["path"], "is_dir": False, "file_size": len(content), "modification_time": now_ms()}

    def read(self, asked: dict[str, Any]) -> Mapping[str, Any]:
        first = int(asked.get("offset", 0))
        piece = self._file(asked["path"])[first : first + int(asked.get("length", 500_000))]
        return {"bytes_read": len(piece), "data": base64.b64encode(piece).decode()}

    def get_cluster(self, asked: dict[str, Any]) -> Mapping[str, Any]:
        name = asked["cluster_id"]
        if name not in self.clusters:
            raise _invalid(f"Cluster {name} does not exist")
        return {"cluster_id": name, "state": self.clusters[name], "spark_version": "10.4.x-scala2.12"}

    def _file(self, path: str) -> bytes:
        found = self.files.get(path, self.files.get(f"dbfs:{path}"))
        if found is None:
            raise Wrong(
                404,
                {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"No file or directory exists on path {path}."},
            )
        return found


def _invalid(message: str) -> Wrong:
    return Wrong(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message})


def _refuse(message: str) -> dict[str, Any]:
    raise _invalid(message)
