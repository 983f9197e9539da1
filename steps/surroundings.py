"""What a script on this machine finds around it: its environment, and what the SDK in it knows without asking."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from canalis.contract.layout import METRICS, artifacts, records
from canalis.contract.mlflow_ids import mlflow_id
from canalis.contract.run import StepRunId
from canalis.contract.run_token import PREFIX as TOKEN_PREFIX
from canalis.contract.trace import VARIABLES as TRACE_VARIABLES
from canalis.contract.trace import current
from steps.backend import Work
from steps.processes import MARK
from steps.stage import Staged

_PR_SET_DUMPABLE = 4
_STORE = "MLFLOW_TRACKING_URI"
_TOKEN_S = 30 * 24 * 3600  # what v1 would say of its token; a workspace's own does not run out


@dataclass(frozen=True, slots=True)
class Site:
    """What a script on this machine must know of where it runs.

    endpoint         of the service
    token            what opens the service for the script of that step run
    kept             folder in which the records and artifacts of attempts are written, under their keys as blobs
    import_folders   put on the script's import path, for the azureml alias
    home             the workspace's folder, where a new endpoint can be read; None for a service that stays there
    tracking_token   what MLflow's client in the script is given, which knows no home; None: `token`
    inherited        this process's variables that scripts get; None: all but those that are ours
    interpreter      the one that steps run in; None: the one that their run was submitted in
    environments     folder in which environments are built; None: they are recorded, and nothing is built
    """

    workspace: str
    subscription_id: str
    resource_group: str
    location: str
    endpoint: str
    token: Callable[[StepRunId], str]
    kept: Path
    import_folders: tuple[Path, ...]
    home: Path | None = None
    inherited: tuple[str, ...] | None = None
    interpreter: str | None = None
    tracking_token: Callable[[StepRunId], str] | None = None
    environments: Path | None = None


def hide_this_process() -> None:
    """Keep the scripts of steps, which run as the same user, from reading this process's environment and memory.

    Source   prctl(2), PR_SET_DUMPABLE: what lies in /proc of a process that is not dumpable is root's
    """
    with contextlib.suppress(OSError, AttributeError):  # a system without it
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


@lru_cache(64)
def _surroundings(site: Site, interpreter: str, experiment: str) -> dict[str, str]:
    """The part of a script's environment that is the same for all steps of an experiment in an interpreter.

    Source   reference section 14
    """
    found = {name: value for name, value in os.environ.items() if not name.startswith(("CANALIS_", "AZUREML_"))}
    if site.inherited is not None:
        found = {name: value for name, value in found.items() if name in site.inherited}
    if found.get("MLFLOW_TRACKING_TOKEN", "").startswith(TOKEN_PREFIX):  # this service was begun by a script of a step
        found = {name: value for name, value in found.items() if not name.startswith("MLFLOW_")}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONSAFEPATH", "VIRTUAL_ENV", "PYTHONHOME", *TRACE_VARIABLES):
        # Without bytecode every step compiles its libraries again; and the trace is that of whoever started us.
        found.pop(name, None)
    program = Path(interpreter)
    if (program.parent.parent / "pyvenv.cfg").exists():
        found["VIRTUAL_ENV"] = str(program.parent.parent)
    return found | {
        "PATH": os.pathsep.join((str(program.parent), found.get("PATH", os.defpath))),
        "PYTHONUNBUFFERED": "1",
        "AZUREML_ARM_SUBSCRIPTION": site.subscription_id,
        "AZUREML_ARM_RESOURCEGROUP": site.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": site.workspace,
        "AZUREML_ARM_PROJECT_NAME": experiment,
        "AZUREML_EXPERIMENT_ID": experiment,
        "AZUREML_WORKSPACE_ID": site.workspace,
        "AZUREML_SERVICE_ENDPOINT": site.endpoint,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{site.endpoint}/discovery",
    }


def environment(site: Site, work: Work, staged: Staged, context_file: Path, interpreter: str) -> dict[str, str]:
    """The environment of a script before its own variables: this machine's, and what v1 promises."""
    surroundings = _surroundings(site, interpreter, work.request.experiment)
    imports = [str(staged.source), *map(str, site.import_folders), surroundings.get("PYTHONPATH", "")]
    run_id, trace = str(work.step_run_id), current()
    # Who has a store of their own gets none of ours: the run is not in that one, and the token not for it.
    has_store = _STORE in work.node.environment_variables or _STORE in surroundings
    return (
        surroundings
        | ({} if has_store else _tracking(site, work))
        | ({TRACE_VARIABLES[0]: trace} if trace else {})
        | {
            "PYTHONPATH": os.pathsep.join(part for part in imports if part),
            MARK: run_id,
            "CANALIS_CONTEXT": str(context_file),
            "AZUREML_RUN_ID": run_id,
            "AZUREML_RUN_TOKEN": site.token(work.step_run_id),
            "AZUREML_ROOT_RUN_ID": work.key.run_id,
            "AZUREML_RUN_TOKEN_EXPIRY": str(int(time.time()) + _TOKEN_S),
        }
    )


def _tracking(site: Site, work: Work) -> dict[str, str]:
    """Where MLflow's client finds the step's run."""
    return {
        "MLFLOW_TRACKING_URI": site.endpoint,
        "MLFLOW_TRACKING_TOKEN": (site.tracking_token or site.token)(work.step_run_id),
        "MLFLOW_RUN_ID": mlflow_id(str(work.step_run_id)),
        "MLFLOW_EXPERIMENT_NAME": work.request.experiment,
        "MLFLOW_EXPERIMENT_ID": work.request.experiment,
    }


def context(site: Site, work: Work, staged: Staged) -> dict[str, object]:
    """What the SDK inside the script knows without asking the service."""
    owner = work.step_run_id
    service = {"service": {"url": site.endpoint, "token": site.token(owner)}}
    return {
        "run_id": str(owner),
        "pipeline_run_id": owner.run_id,
        "node": owner.node,
        "attempt": owner.attempt,
        "trace": current(),
        "name": work.node.name,
        "experiment": work.request.experiment,
        "workspace": site.workspace,
        "subscription_id": site.subscription_id,
        "resource_group": site.resource_group,
        "location": site.location,
        **({"home": str(site.home)} if site.home else service),
        "metrics": str(site.kept / (records(owner) + METRICS)),
        "artifacts": str(site.kept / artifacts(owner)),
        "folder": str(staged.source),
        "inputs": {
            port.name: {
                "path": staged.inputs[port.name],
                "mode": port.mode,
                "style": port.style,
                "places": [[place.datastore, place.path] for place in work.inputs[port.name]],
                **({"dataset": work.registered[port.name].model_dump()} if port.name in work.registered else {}),
                **({"table": work.tables[port.name].model_dump(mode="json")} if port.name in work.tables else {}),
            }
            for port in work.node.inputs
        },
        "outputs": {port.name: {"path": staged.outputs[port.name], "style": port.style} for port in work.node.outputs},
    }
