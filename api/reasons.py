"""Why steps run, or need not: of a graph that somebody may submit, and of runs."""

from __future__ import annotations

from fastapi import APIRouter

from api.access import GuardedRoute, Role, needs
from api.computes import choices
from api.datastores import with_default_store
from api.service import Here
from canalis.contract.errors import NotFound
from canalis.contract.reasons import ReasonView
from canalis.contract.run import split_step_run_id
from orchestrator.reasons import planned, reasons_of
from orchestrator.settled import settle
from orchestrator.submit import Submission

router = APIRouter(route_class=GuardedRoute, tags=["reasons"])


@router.post("/plans", dependencies=[needs(Role.SUBMITTER)])
def post_plan(here: Here, asked: Submission) -> list[ReasonView]:
    """Say of each step of a graph whether it would run if it were submitted now, and why. Nothing is started."""
    graph = with_default_store(here, asked.graph)
    settled = settle(here.ports, graph, asked.parameters, choices(here))
    return planned(here.ports, asked.model_copy(update={"graph": graph}), settled)


@router.get("/runs/{name}/reasons", dependencies=[needs(Role.READER)])
def get_reasons(here: Here, name: str) -> list[ReasonView]:
    """Say of each step of a run, or of one step's run, why it ran or did not."""
    run_id, node, _ = split_step_run_id(name) or (name, None, None)
    found = reasons_of(here.ports, here.ports.runs.load(run_id), node)
    if not found:
        raise NotFound(f"Run {run_id} has no step '{node}'", kind="step", name=name)
    return found
