"""A pipeline goes to the service and becomes a run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from canalis.building import Draft, build, raise_faults, value_of
from canalis.contract.faults import faults
from canalis.contract.graph import DataPathValue
from canalis.contract.parameters import assign
from canalis.contract.run import new_run_id
from canalis.installed import tell_what_is_missing
from canalis.snapshot import Snapshots

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
    values = {name: value_of(value) for name, value in (parameters or {}).items()}
    assign(sketch.parameters, values)  # wrong ones are told before anything is sent
    graph = build(draft, Snapshots(workspace._client).id_of)
    tell_what_is_missing(graph.environments.values())
    body = {
        "run_id": new_run_id(),
        "graph": graph.model_dump(mode="json", exclude_unset=True),
        "experiment": experiment_name,
        "parameters": {
            name: value.model_dump() if isinstance(value, DataPathValue) else value for name, value in values.items()
        },
        "continue_on_step_failure": continue_on_step_failure,
        "regenerate_outputs": regenerate_outputs,
        "interpreter": sys.executable or None,
        "tags": {str(key): str(value) for key, value in (tags or {}).items()},
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


def _surrounding_run() -> str | None:
    """The run of the step in which this script runs, if it is one."""
    context = os.environ.get("CANALIS_CONTEXT")
    return str(json.loads(Path(context).read_text())["run_id"]) if context else None
