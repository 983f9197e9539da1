"""Runs that nobody works on but who has begun them: a notebook logs, and says itself how it has ended.

Such a run has one step, whose attempt its author has claimed before anybody is ordered to begin it. When the author is
not heard of for a month, the claim runs out, and a worker does the step: it fails, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping

from canalis.contract.errors import NotFound, NotSupported
from canalis.contract.graph import CommandWork, Graph, Node, Settings
from canalis.contract.messages import CancelRequested, StepEnded
from canalis.contract.ports import AttemptKey, Ports, Run
from canalis.contract.run import ALONE, INTERACTIVE, ComputeChoice, check_experiment_name, check_run_id, new_run_id
from canalis.contract.status import Outcome, Phase
from orchestrator.advance import advance
from orchestrator.remarks import annotate
from orchestrator.submit import Asked, Submission, submit

LEASE_S = 30 * 24 * 3600.0
_OWNER = "its author"
_KEY = "interactive"
_LINE = "echo 'Nobody has said for 30 days how this run has ended' >&2; exit 1"


def begin(ports: Ports, asked: Asked, computes: Mapping[str, ComputeChoice], by: str = "") -> Run:
    """A run that is under way from now on, until somebody ends it. Raises as `submit` does."""
    check_experiment_name(asked.experiment)
    run_id = check_run_id(asked.run_id or new_run_id())
    attempt = None if _is_there(ports, run_id) else ports.runs.claim(AttemptKey(run_id, _KEY, 1), _OWNER, LEASE_S)
    node = Node(key=_KEY, name=_KEY, work=CommandWork(line=(_LINE,)), settings=Settings(reuse=False))
    said = asked.model_dump() | {"run_id": run_id, "properties": asked.properties | {ALONE: _KEY, INTERACTIVE: "true"}}
    run = submit(ports, Submission(**said, graph=Graph(nodes=(node,))), computes, by=by)
    if attempt is not None:  # else this request came before
        ports.runs.note(attempt, {"phase": Phase.RUNNING.value, "started_at": ports.clock.now()})
        # Its author sees the step, so what he says of the run is said of that.
        annotate(ports, f"{run_id}.{_KEY}", {"display_name": asked.display_name, "tags": asked.tags})
    return run


def _is_there(ports: Ports, run_id: str) -> bool:
    try:
        ports.runs.load(run_id)
    except NotFound:
        return False
    return True


def end(ports: Ports, run: Run, outcome: Outcome, error: str = "", error_code: str = "", by: str = "") -> Run:
    """The run as it has ended. Of one that has ended already, as it did then. Raises NotSupported for another kind."""
    if INTERACTIVE not in run.request.properties:
        raise NotSupported(f"Run {run.run_id} ends with its steps: nobody else can say how", run=run.run_id)
    known = ports.runs.attempt(AttemptKey(run.run_id, _KEY, 1))
    news = StepEnded(
        run_id=run.run_id,
        node=_KEY,
        attempt=1,
        outcome=outcome,
        error=error,
        error_code=error_code or ("" if outcome is Outcome.SUCCEEDED else "said_by_author"),
        started_at=known.facts.get("started_at") if known is not None else None,
        ended_at=ports.clock.now(),
    )
    if outcome is Outcome.CANCELLED:  # its step is told to stop first: only then has it stopped
        advance(ports, run.run_id, [CancelRequested(run_id=run.run_id, by=by)])
    advance(ports, run.run_id, [news])
    return ports.runs.load(run.run_id)
