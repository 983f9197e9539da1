"""Steps as one-time runs of a Databricks workspace, over its Jobs API.

Source   Databricks REST API, Jobs 2.2: runs/submit, runs/get, runs/get-output, runs/cancel; reference section 10
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from canalis.contract.errors import SettingInvalid
from canalis.contract.graph import Argument, ParameterText, ServiceWork
from canalis.contract.masking import TARGETS
from canalis.contract.patterns import is_pattern, unescaped
from canalis.contract.places import Place
from canalis.contract.ports import Ports
from canalis.contract.status import Outcome
from canalis.contract.works import DATABRICKS
from steps.arguments import Values
from steps.backend import Ended, Work
from steps.databricks_files import upload
from steps.jobs import JobBackend, Refused, Seen
from steps.rest import Rest
from steps.storage import account_setting, uri_of
from steps.surroundings import Site

_JOBS = "/api/2.2/jobs/runs"
_CLOUDS = (".azuredatabricks.net", ".databricks.azure.us", ".databricks.azure.cn")
_OVER = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
_BEGUN = ("RUNNING", "TERMINATING", "TERMINATED")
_OUTCOMES = {
    "SUCCESS": Outcome.SUCCEEDED,
    "SUCCESS_WITH_FAILURES": Outcome.SUCCEEDED,
    "TIMEDOUT": Outcome.TIMED_OUT,
    "CANCELED": Outcome.CANCELLED,
}
_CODES = {Outcome.TIMED_OUT: "timed_out", Outcome.CANCELLED: "cancelled", Outcome.FAILED: "script_failed"}
_ASLEEP = ("TERMINATED", "TERMINATING", "ERROR")  # a cluster that a run would have to start


def make(ports: Ports, site: Site) -> JobBackend:
    """The backend."""
    return JobBackend(ports, site, DatabricksJobs(ports, site, os.environ), DATABRICKS)


class DatabricksJobs:
    """Runs of the Databricks workspaces that compute targets stand for."""

    def __init__(self, ports: Ports, site: Site, environment: Mapping[str, str]) -> None:
        self._ports = ports
        self._site = site
        self._known = _workspaces(environment.get("CANALIS_DATABRICKS_WORKSPACES", ""))
        self._hosts = tuple(environment.get("CANALIS_DATABRICKS_HOSTS", "").replace(",", " ").split())
        account = urlsplit(environment.get("CANALIS_BLOBS", ""))
        self._own_account = account.netloc if account.scheme == "https" else ""

    def submit(self, work: Work, token: str) -> str:
        """Begin the run, or find the one that an earlier call began: Databricks keeps one for each token."""
        rest, asked = self._rest(work), _asked(work)
        cluster = str(asked.get("existing_cluster_id") or "")
        if cluster and asked.get("permit_cluster_restart") is False:
            self._see_that_it_runs(rest, cluster)
        task = {"task_key": "step", **self._task(work, rest), "libraries": asked.get("libraries") or []}
        task |= {"existing_cluster_id": cluster} if cluster else {"new_cluster": asked["new_cluster"]}
        body = {
            "run_name": asked.get("run_name") or f"{work.request.experiment}: {work.node.name} ({work.step_run_id})",
            "idempotency_token": token,
            "tasks": [task],
            **({"timeout_seconds": asked["timeout_seconds"]} if asked.get("timeout_seconds") else {}),
        }
        return str(rest.post(f"{_JOBS}/submit", body)["run_id"])

    def look(self, work: Work, job: str) -> Seen:
        """How the run stands."""
        rest = self._rest(work)
        run = rest.get(f"{_JOBS}/get", run_id=job)
        life, result, message = _state(run)
        started_at = (run["start_time"] + run.get("setup_duration", 0)) / 1000 if run.get("start_time") else None
        address = str(run.get("run_page_url", ""))
        if life not in _OVER:
            return Seen(None, started_at if life in _BEGUN else None, address=address)
        outcome = _OUTCOMES.get(result, Outcome.FAILED) if life == "TERMINATED" else Outcome.FAILED
        output = _output(rest, run, job)
        text = _text(output)
        ended_at = run["end_time"] / 1000 if run.get("end_time") else None
        if outcome is Outcome.SUCCEEDED:
            return Seen(Ended(outcome, 0, started_at=started_at, ended_at=ended_at), started_at, text, address)
        reason = str(output.get("error") or message or "Databricks gave no reason").strip()
        reason += f" (Databricks ended run {job} as {result or life}: {address})"
        return Seen(Ended(outcome, None, _CODES[outcome], reason, started_at, ended_at), started_at, text, address)

    def cancel(self, work: Work, job: str) -> None:
        """End the run if it goes on."""
        self._rest(work).post(f"{_JOBS}/cancel", {"run_id": int(job)})

    def _rest(self, work: Work) -> Rest:
        name = work.target

        def token() -> str:
            kept = self._ports.vault.read(TARGETS + name)
            if not kept:
                raise Refused(f"No access token is kept for the compute target '{name}': attach it anew", status=401)
            return kept

        return Rest("Databricks", self._address(work), token, _reason)

    def _address(self, work: Work) -> str:
        settings = work.compute.settings
        named = str(settings.get("workspace_name") or "")
        url = str(settings.get("workspace_url") or self._known.get(named) or "")
        if not url:
            raise Refused(
                f"Nobody knows where the Databricks workspace '{named}' of '{work.target}' is: attach it with "
                "workspace_url='https://adb-....azuredatabricks.net', or name it in CANALIS_DATABRICKS_WORKSPACES"
            )
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host not in self._hosts and not (parts.scheme == "https" and host.endswith(_CLOUDS)):
            raise Refused(
                f"'{url}' of '{work.target}' is no https://adb-....azuredatabricks.net: "
                "any other host must stand in the service's setting CANALIS_DATABRICKS_HOSTS"
            )
        return url

    def _see_that_it_runs(self, rest: Rest, cluster: str) -> None:
        state = rest.get("/api/2.1/clusters/get", cluster_id=cluster).get("state", "")
        if state in _ASLEEP:
            raise Refused(
                f"The cluster {cluster} is {state}, and permit_cluster_restart=False says that it must not be started"
            )

    # What is to run ------------------------------------------------------------------------------------------------

    def _task(self, work: Work, rest: Rest) -> dict[str, Any]:
        assert isinstance(work.node.work, ServiceWork), work.node.work
        asked, data = _asked(work), self._data(work)
        values = Values(data, data, work.request.parameters)
        path = str(asked.get("path") or "")
        if asked["task"] == "notebook":
            widgets = data | self._helpers(work) | _widgets(work, values)
            return {"notebook_task": {"notebook_path": path, "base_parameters": widgets}}
        line = [part for name, uri in data.items() for part in (f"-{name}", uri)]
        line += [values.text(argument) for argument in work.node.arguments]
        folder = ""
        if work.node.work.script is not None:
            folder = upload(self._ports, rest, work, f"dbfs:/canalis/{self._site.workspace}")
            path = f"{folder}/{work.node.work.script}"
        line += [part for name, value in self._context(work, folder).items() for part in (f"--{name}", value)]
        if asked["task"] == "jar":
            return {"spark_jar_task": {"main_class_name": path, "parameters": line}}
        return {"spark_python_task": {"python_file": path, "parameters": line}}

    def _data(self, work: Work) -> dict[str, str]:
        """The addresses of inputs and outputs, by name."""
        found: dict[str, str] = {}
        for name, places in work.inputs.items():
            if len(places) != 1 or is_pattern(places[0].path):
                raise Refused(f"Input '{name}' is many files: Databricks is given one file or folder, by its address")
            found[name] = self._uri(Place(places[0].datastore, unescaped(places[0].path)))
        return found | {name: self._uri(place) for name, place in work.outputs.items()}

    def _uri(self, place: Place) -> str:
        return uri_of(place, self._store(place), self._own_account)

    def _store(self, place: Place) -> dict[str, Any]:
        stored = self._ports.documents.get("datastores", place.datastore)
        if stored is None:
            raise Refused(f"There is no datastore '{place.datastore}'")
        return stored.body

    def _helpers(self, work: Work) -> dict[str, str]:
        """v1's widgets that say how a notebook opens the account: the setting, and a secret in the scope amlscope."""
        found: dict[str, str] = {}
        ports = [(name, places[0]) for name, places in work.inputs.items()] + list(work.outputs.items())
        for name, place in ports:
            if setting := account_setting(place, self._store(place)):
                found |= {f"{name}_blob_secretname": place.datastore, f"{name}_blob_config": setting}
        return found

    def _context(self, work: Work, folder: str) -> dict[str, str]:
        """What v1 told a script of its run, in its arguments."""
        site = self._site
        found = {"AZUREML_SCRIPT_DIRECTORY_NAME": folder} if folder else {}
        found |= {
            "AZUREML_RUN_ID": str(work.step_run_id),
            "AZUREML_ROOT_RUN_ID": work.key.run_id,
            "AZUREML_ARM_SUBSCRIPTION": site.subscription_id,
            "AZUREML_ARM_RESOURCEGROUP": site.resource_group,
            "AZUREML_ARM_WORKSPACE_NAME": site.workspace,
            "AZUREML_ARM_PROJECT_NAME": work.request.experiment,
            "AZUREML_SERVICE_ENDPOINT": site.endpoint,
        }
        if site.endpoint.startswith("https://"):  # else it opens a service that nobody there can reach
            found["AZUREML_RUN_TOKEN"] = site.token(work.step_run_id)
        return found


def _widgets(work: Work, values: Values) -> dict[str, str]:
    """A notebook's parameters. What a pipeline parameter gives travels under v1's internal name as well."""
    found = {}
    for name, argument in work.node.parameters.items():
        found[name] = values.text(argument)
        if _is_of_run(argument):
            found[f"_AML_PARAMETER_{name}"] = found[name]
    return found


def _is_of_run(argument: Argument) -> bool:
    return any(isinstance(piece, ParameterText) for piece in argument)


def _asked(work: Work) -> dict[str, Any]:
    assert isinstance(work.node.work, ServiceWork), work.node.work
    return dict(work.node.work.asked)


def _state(run: Mapping[str, Any]) -> tuple[str, str, str]:
    """Life cycle, result and message of a run."""
    state = run.get("state") or {}
    life, result = state.get("life_cycle_state"), state.get("result_state")
    return str(life or ""), str(result or ""), str(state.get("state_message") or "")


def _output(rest: Rest, run: Mapping[str, Any], job: str) -> dict[str, Any]:
    """What the run's one task has left, as far as Databricks kept it."""
    tasks = run.get("tasks") or [{"run_id": job}]
    try:
        found: dict[str, Any] = rest.get(f"{_JOBS}/get-output", run_id=tasks[0]["run_id"])
    except Refused as error:  # it never began, or it is too old
        return {"canalis": error.message}
    return found


def _text(output: Mapping[str, Any]) -> str:
    """What of that is for the step's log."""
    notebook = output.get("notebook_output") or {}
    parts = [output.get("logs"), output.get("error_trace")]
    if notebook.get("result"):
        parts.append(f"The notebook's result: {notebook['result']}")
    if notebook.get("truncated") or output.get("logs_truncated"):
        parts.append("canalis: Databricks has kept a part of the output only")
    return "".join(f"{str(part).rstrip()}\n" for part in parts if part)


def _reason(said: Mapping[str, Any]) -> str:
    return f"{said.get('error_code', '')}: {said['message']}".removeprefix(": ")


def _workspaces(said: str) -> dict[str, str]:
    """Addresses by name of workspace. Raises SettingInvalid."""
    found = {}
    for pair in filter(None, said.replace(",", " ").split()):
        name, _, url = pair.partition("=")
        if not name or not url:
            raise SettingInvalid(
                f"CANALIS_DATABRICKS_WORKSPACES has '{pair}': it must be <workspace name>=<https address>"
            )
        found[name] = url.rstrip("/")
    return found
