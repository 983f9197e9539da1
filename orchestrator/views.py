"""What people see of runs. Reads only; everything that shows a run shows it through here."""

from __future__ import annotations

from collections import Counter

from canalis.contract.errors import NotFound
from canalis.contract.graph import Graph
from canalis.contract.graphs import stored_graph
from canalis.contract.ports import Ports, Run, RunQuery
from canalis.contract.run import StepRunId, check_run_id, split_step_run_id
from canalis.contract.status import RunStatus, StepStatus, pipeline_word, run_word
from canalis.contract.views import ErrorView, RunView
from orchestrator.remarks import annotations_of, merged

_PREFIX_MIN = 4  # characters of an id that may stand for it


def find(ports: Ports, name: str) -> Run | StepRunId:
    """The pipeline run or step run of that id, or of the only id that begins so.

    A step's id that names no attempt stands for the attempt that the step is at.
    Raises NotFound, also when several begin so, and for an attempt that has not been.
    """
    named = split_step_run_id(name)
    if named is None:
        return find_run(ports, name)
    run_id, key, attempt = named
    run = find_run(ports, run_id)
    graph = stored_graph(ports.blobs, run.request.graph)
    if key not in graph.places:
        names = ", ".join(list(graph.places)[:20])
        raise NotFound(f"Run {run.run_id} has no step '{key}' (it has: {names})", kind="step", name=name)
    current = current_step_run(run, graph, key)
    if attempt is None:
        return current
    if not 1 <= attempt <= current.attempt:
        raise NotFound(f"Step '{key}' has no attempt {attempt}: it is at {current.attempt}", kind="step", name=name)
    return StepRunId(run.run_id, key, attempt)


def current_step_run(run: Run, graph: Graph, key: str) -> StepRunId:
    """The attempt that a step is at."""
    return StepRunId(run.run_id, key, max(1, run.state.attempts[graph.places[key]]))


def find_run(ports: Ports, name: str) -> Run:
    """The pipeline run of that id, or of the only id that begins so."""
    try:
        return ports.runs.load(check_run_id(name))
    except NotFound:
        if len(name) < _PREFIX_MIN:
            raise
    found = ports.runs.find(RunQuery(id_prefix=name, limit=2))
    if len(found) != 1:
        what = f"Several runs begin with '{name}'" if found else f"There is no run {name}"
        raise NotFound(what, kind="run", name=name)
    return found[0]


def run_view(ports: Ports, run: Run, with_error: bool = True) -> RunView:
    """A run as it stands. `with_error` also looks for the step that made it fail, which costs a query."""
    notes = annotations_of(ports, run.run_id)
    counted = Counter(run.state.steps)
    return RunView(
        id=run.run_id,
        experiment=run.request.experiment,
        status=run.state.status.value,
        status_v1=pipeline_word(run.state.status),
        run_status_v1=run_word(run.state.status),
        display_name=notes.get("display_name") or run.request.display_name,
        description=notes.get("description") or run.request.description,
        parameters=run.request.parameters,
        tags=merged(run.request.tags, notes.get("tags", {})),
        properties=merged(run.request.properties, notes.get("properties", {})),
        parent=run.request.parent,
        resumed_from=run.request.resumed_from,
        resumed_by=_oldest_first(notes.get("resumed_by", {})),
        origin=run.request.origin,
        graph=run.request.graph,
        continue_on_step_failure=run.request.continue_on_step_failure,
        submitted_by=run.request.submitted_by,
        submitted_at=run.request.submitted_at,
        number=run.request.number,
        updated_at=run.updated_at,
        ended_at=run.ended_at,
        attention=run.attention,
        steps={StepStatus(status).name.lower(): count for status, count in sorted(counted.items())},
        version=run.version,
        error=_run_error(ports, run) if with_error else None,
    )


def _oldest_first(submitted_at: dict[str, float]) -> tuple[str, ...]:
    return tuple(sorted(submitted_at, key=lambda run_id: submitted_at[run_id]))


def _run_error(ports: Ports, run: Run) -> ErrorView | None:
    """Why a run failed: what its first failed step said."""
    if run.state.status not in (RunStatus.FAILED, RunStatus.FAILING):
        return None
    graph = stored_graph(ports.blobs, run.request.graph)
    failed = [
        attempt
        for attempt in ports.runs.attempts(run.run_id)
        if run.state.step(graph.places[attempt.key.node]) is StepStatus.FAILED
        and attempt.key.attempt == run.state.attempts[graph.places[attempt.key.node]]
    ]
    if not failed:
        return None
    first = min(failed, key=lambda attempt: float(attempt.facts.get("ended_at", 0.0)))
    step = StepRunId(run.run_id, first.key.node, first.key.attempt)
    others = f" ({len(failed) - 1} more steps failed)" if len(failed) > 1 else ""
    words = first.facts.get("error", "") + others
    return ErrorView(code=first.facts.get("error_code", ""), message=words, step=str(step))
