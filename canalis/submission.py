"""A pipeline goes to the service and becomes a run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from canalis.building import Draft, build, raise_faults, value_of
from canalis.contract.faults import faults
from canalis.contract.graph import DataPathValue, ParameterValue
from canalis.contract.parameters import assign
from canalis.contract.run import new_run_id
from canalis.installed import tell_what_is_missing
from canalis.snapshot import Snapshots
from canalis.telling import SOURCES
from canalis.within import Within

_NAMED_MAX = 30  # steps that are told one by one

# The runs that this process has submitted, for the command that runs the author's script.
submitted: list[Any] = []


def submit_draft(
    draft: Draft,
    experiment_name: str,
    parameters: dict[str, Any] | None = None,
    continue_on_step_failure: bool = False,
    regenerate_outputs: bool = False,
    parent: str | None = None,
    tags: dict[str, str] | None = None,
) -> Any:
    """Send the source files and the graph; the run that was started. Raises as Pipeline.submit says."""
    workspace = draft.workspace
    workspace._experiment(experiment_name)
    sketch = build(draft)
    raise_faults([str(fault) for fault in faults(sketch)])
    values = _values(parameters)
    assign(sketch.parameters, values)  # wrong ones are told before anything is sent
    snapshots = Snapshots(workspace._client)
    graph = build(draft, snapshots.id_of)
    if workspace._root is not None:  # else this interpreter is not that of the steps
        tell_what_is_missing(graph.environments.values())
    body = {
        "run_id": new_run_id(),
        "graph": graph.model_dump(mode="json", exclude_unset=True),
        "experiment": experiment_name,
        "parameters": _as_json(values),
        "continue_on_step_failure": continue_on_step_failure,
        "regenerate_outputs": regenerate_outputs,
        "interpreter": (sys.executable or None) if workspace._root is not None else None,
        "tags": {str(key): str(value) for key, value in (tags or {}).items()},
        "properties": {SOURCES: json.dumps(snapshots.folders())},
        "parent": parent or _surrounding_run(),
    }
    run = workspace._run(workspace._client.post_document("/runs", json.dumps(body).encode()))
    for node in graph.nodes[:_NAMED_MAX]:
        print(f"Step {node.name} will run" + ("" if node.key == node.name else f" as {node.key}"))
    if len(graph.nodes) > _NAMED_MAX:
        print(f"... and {len(graph.nodes) - _NAMED_MAX} steps more")
    print(f"Submitted run {run.id}: `canalis show {run.id[:8]}` shows it")
    submitted.append(run)
    return run


def resume_run(
    workspace: Within,
    run_id: str,
    from_steps: str | Iterable[str] = (),
    only_failed: bool = False,
    parameters: dict[str, Any] | None = None,
) -> Any:
    """Start the run that goes on from an ended one. Raises as PipelineRun.resubmit says."""
    body = {
        "run_id": new_run_id(),
        "from_steps": [from_steps] if isinstance(from_steps, str) else list(from_steps),
        "only_failed": only_failed,
        "parameters": _as_json(_values(parameters)),
        "parent": _surrounding_run(),
    }
    view = workspace._client.post(f"/runs/{quote(run_id)}/resume", body)
    kept = int(view["steps"].get("reused", 0))
    print(f"Kept {kept} of {sum(view['steps'].values())} steps of run {view['resumed_from']}; the others run")
    run = workspace._run(view)
    print(f"Submitted run {run.id}: `canalis show {run.id[:8]}` shows it")
    submitted.append(run)
    return run


def _values(parameters: dict[str, Any] | None) -> dict[str, ParameterValue]:
    given = parameters or {}
    return {name: value if isinstance(value, DataPathValue) else value_of(value) for name, value in given.items()}


def _as_json(values: dict[str, ParameterValue]) -> dict[str, Any]:
    return {name: value.model_dump() if isinstance(value, DataPathValue) else value for name, value in values.items()}


def _surrounding_run() -> str | None:
    """The run of the step in which this script runs, if it is one."""
    context = os.environ.get("CANALIS_CONTEXT")
    return str(json.loads(Path(context).read_text())["run_id"]) if context else None
