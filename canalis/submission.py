"""A pipeline goes to the service and becomes a run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canalis.building import build, raise_faults, value_of
from canalis.contract.faults import faults
from canalis.contract.graph import DataPathValue
from canalis.contract.parameters import assign
from canalis.snapshot import Snapshots

if TYPE_CHECKING:
    from canalis.pipeline import Pipeline
    from canalis.run import PipelineRun

_NAMED_MAX = 30  # steps that are told one by one

# The runs that this process has submitted, for the command that runs the author's script.
submitted: list[PipelineRun] = []


def submit_pipeline(
    pipeline: Pipeline,
    experiment_name: str,
    parameters: dict[str, Any] | None = None,
    continue_on_step_failure: bool = False,
    regenerate_outputs: bool = False,
    parent: str | None = None,
    tags: dict[str, str] | None = None,
) -> PipelineRun:
    """Send the source files and the graph; the run that was started. Raises as Pipeline.submit says."""
    from canalis.experiment import Experiment
    from canalis.run import PipelineRun

    experiment = Experiment(pipeline.workspace, experiment_name)
    client = pipeline.workspace._client
    raise_faults([str(fault) for fault in faults(pipeline.graph)])
    values = {name: value_of(value) for name, value in (parameters or {}).items()}
    assign(pipeline.graph.parameters, values)  # wrong ones are told before anything is sent
    graph = build(pipeline._draft, Snapshots(client).id_of)
    body = {
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
    view = client.post_document("/runs", json.dumps(body).encode())
    run = PipelineRun(experiment, view["id"], _view=view)
    for node in graph.nodes[:_NAMED_MAX]:
        print(f"Step {node.name} [{node.key}] will run")
    if len(graph.nodes) > _NAMED_MAX:
        print(f"... and {len(graph.nodes) - _NAMED_MAX} steps more")
    print(f"Submitted run {run.id}")
    print(f"Look at it: {run.get_portal_url()}")
    submitted.append(run)
    return run


def _surrounding_run() -> str | None:
    """The run of the step in which this script runs, if it is one."""
    context = os.environ.get("CANALIS_CONTEXT")
    return str(json.loads(Path(context).read_text())["run_id"]) if context else None
