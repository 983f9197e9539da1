"""A pipeline goes to the service and becomes a run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from canalis.building import Drawn, compute_names, raise_faults, value_of
from canalis.contract.faults import faults
from canalis.contract.graph import DataPathValue, DatasetValue, Graph, ParameterText, ParameterValue
from canalis.contract.parameters import assign
from canalis.contract.run import new_run_id
from canalis.contract.value_faults import value_faults
from canalis.installed import look_at_environments
from canalis.planning import PlannedStep, plan_of, stop_before, stop_if_planning
from canalis.snapshot import Snapshots
from canalis.telling import SOURCES
from canalis.within import Within

_NAMED_MAX = 30  # steps that are told one by one

# The runs that this process has submitted, for the command that runs the author's script.
submitted: list[Any] = []


def submit_draft(
    draft: Drawn,
    experiment_name: str,
    parameters: dict[str, Any] | None = None,
    continue_on_step_failure: bool = False,
    regenerate_outputs: bool = False,
    parent: str | None = None,
    tags: dict[str, str] | None = None,
    idempotency_key: str | None = None,
    properties: dict[str, str] | None = None,
) -> Any:
    """Send the source files and the graph; the run that was started. Raises as Pipeline.submit says.

    idempotency_key   makes a submission that comes again the same run
    """
    workspace = draft.workspace
    workspace._experiment(experiment_name)
    values = values_of(parameters)
    sent = send_sources(draft, values)
    body = {
        **sent.as_json(),
        "run_id": new_run_id(),
        "experiment": experiment_name,
        "parameters": as_json(values),
        "continue_on_step_failure": continue_on_step_failure,
        "regenerate_outputs": regenerate_outputs,
        "tags": as_texts(tags),
        "parent": parent or surrounding_run(),
    }
    stop_if_planning(workspace, body)
    body["properties"] |= properties or {}
    if idempotency_key is not None:
        # Only what was asked for: not the run's id, which the key stands for, nor the folder of this checkout.
        body |= {"run_id": None, "properties": {}}
    view = workspace._client.post_document("/runs", json.dumps(body).encode(), idempotency_key)
    run = workspace._run(view)
    tell_what_runs(sent.graph, workspace._client.get(f"/runs/{run.id}/steps") if view["steps"].get("reused") else ())
    return tell_submitted(run)


def tell_what_runs(graph: Graph, steps: Iterable[dict[str, Any]]) -> None:
    """Say of each step of a run whether it runs. `steps` are its views, when an earlier result stands in for any."""
    kept = {step["node"]: step["kept_from"] for step in steps if step["kept_from"]}
    for node in graph.nodes[:_NAMED_MAX]:
        word = f"is reused from run {kept[node.key].partition('.')[0][:8]}" if node.key in kept else "will run"
        print(f"Step {node.name} {word}" + ("" if node.key == node.name else f" as {node.key}"))
    if len(graph.nodes) > _NAMED_MAX:
        print(f"... and {len(graph.nodes) - _NAMED_MAX} steps more")


def plan_draft(
    draft: Drawn, experiment_name: str, parameters: dict[str, Any] | None = None, regenerate_outputs: bool = False
) -> list[PlannedStep]:
    """What of a pipeline would run. The source files are sent as for a run. Raises as Pipeline.submit says."""
    values = values_of(parameters)
    sent = send_sources(draft, values)
    asked = {"experiment": experiment_name, "parameters": as_json(values), "regenerate_outputs": regenerate_outputs}
    return plan_of(draft.workspace, {**sent.as_json(), **asked})


@dataclass(frozen=True)
class Sent:
    """A pipeline whose source files the service has.

    interpreter   of command steps; None where that is not this machine's
    properties    that its runs have
    """

    graph: Graph
    interpreter: str | None
    properties: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """What a submission and a publication both say of it."""
        return {
            "graph": self.graph.model_dump(mode="json", exclude_unset=True),
            "interpreter": self.interpreter,
            "properties": self.properties,
        }


def send_sources(draft: Drawn, values: dict[str, ParameterValue] | None = None) -> Sent:
    """Check a pipeline, and send its source files. What is wrong with it is told before anything is sent.

    values   that its parameters shall have, checked as well
    """
    workspace = draft.workspace
    sketch = draft.graph()
    raise_faults([str(fault) for fault in faults(sketch)])
    are_chosen = any(isinstance(node.compute, ParameterText) for node in sketch.nodes)
    computes = compute_names(workspace, sketch) if are_chosen else None
    found = value_faults(sketch, assign(sketch.parameters, values or {}), computes)
    raise_faults([str(fault) for fault in found])
    is_here = workspace._root is not None  # else this interpreter is not that of the steps
    if is_here:
        raise_faults(look_at_environments(workspace, sketch))
    snapshots = Snapshots(workspace._client)
    graph = draft.graph(snapshots.id_of)
    interpreter = sys.executable if is_here else ""
    return Sent(graph, interpreter or None, {SOURCES: json.dumps(snapshots.folders())})


def tell_submitted(run: Any) -> Any:
    """Say that a run was started, and remember it for the command that runs the author's script; the run."""
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
        "parameters": as_json(values_of(parameters)),
        "parent": surrounding_run(),
    }
    stop_before(f"goes on from run {run_id}")
    view = workspace._client.post(f"/runs/{quote(run_id)}/resume", body)
    kept = int(view["steps"].get("reused", 0))
    print(f"Kept {kept} of {sum(view['steps'].values())} steps of run {view['resumed_from']}; the others run")
    return tell_submitted(workspace._run(view))


def values_of(parameters: dict[str, Any] | None) -> dict[str, ParameterValue]:
    """Values of parameters as an author gives them, as the graph and a run know them."""
    given = parameters or {}
    known = (DataPathValue, DatasetValue)
    return {name: value if isinstance(value, known) else value_of(value) for name, value in given.items()}


def as_texts(tags: dict[str, Any] | None) -> dict[str, str]:
    """Tags or properties as they are kept: texts."""
    return {str(key): str(value) for key, value in (tags or {}).items()}


def as_json(values: dict[str, ParameterValue]) -> dict[str, Any]:
    """Values of parameters as they travel."""
    documents = (DataPathValue, DatasetValue)
    return {
        name: value.model_dump(mode="json") if isinstance(value, documents) else value for name, value in values.items()
    }


def values_in(views: dict[str, Any]) -> dict[str, ParameterValue]:
    """The values that `as_json` made travel."""
    return {name: _value_in(value) if isinstance(value, dict) else value for name, value in views.items()}


def _value_in(document: dict[str, Any]) -> ParameterValue:
    return DatasetValue(**document) if "places" in document else DataPathValue(**document)


def surrounding_run() -> str | None:
    """The run of the step in which this script runs, if it is one."""
    context = os.environ.get("CANALIS_CONTEXT")
    return str(json.loads(Path(context).read_text())["run_id"]) if context else None
