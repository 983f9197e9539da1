"""Runs beside each other: what was logged in them, and what is other in one than in another."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query

from api.access import GuardedRoute, Role, needs
from api.reach import Reach
from api.service import Here
from api.snapshots import files_of
from canalis.contract.differences import Difference
from canalis.contract.graphs import stored_graph
from canalis.contract.ports import RunQuery
from canalis.contract.views import FiguresView, LoggedView
from orchestrator import views
from orchestrator.logged import figures, logged
from orchestrator.pipelines.differences import compare

router = APIRouter(route_class=GuardedRoute, tags=["runs"])


@router.get("/runs/{name}/logged", dependencies=[needs(Role.READER, step=Reach.RUNS)])
def get_logged(here: Here, name: str) -> list[LoggedView]:
    """What was logged on a run and on its steps, the first hundred of them; at most a mebibyte of each."""
    return logged(here.ports, views.find_run(here.ports, name))


@router.get("/runs/{name}/diff/{other}", dependencies=[needs(Role.READER)])
def compare_runs(here: Here, name: str, other: str) -> Difference:
    """All that is other in what the `other` run ran than in what this one did."""
    runs = [views.find_run(here.ports, one) for one in (name, other)]
    graphs = [stored_graph(here.ports.blobs, run.request.graph) for run in runs]
    values = [
        {parameter.name: parameter.default for parameter in graph.parameters} | run.request.parameters
        for run, graph in zip(runs, graphs, strict=True)
    ]
    changes = compare(graphs[0], graphs[1], (values[0], values[1]), partial(files_of, here.ports.blobs))
    return Difference(before=runs[0].run_id, after=runs[1].run_id, changes=tuple(changes))


@router.get("/experiments/{name}/figures", dependencies=[needs(Role.READER)])
def list_figures(
    here: Here, name: str, before: float | None = None, limit: Annotated[int, Query(ge=1, le=100)] = 25
) -> list[FiguresView]:
    """The last values of what was logged in the runs of an experiment, newest first; `before` as for runs."""
    found = here.ports.runs.find(RunQuery(experiment=name, before=before, limit=limit))
    return [figures(here.ports, run) for run in found]
