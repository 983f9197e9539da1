"""MLflow's experiments, which are ours; the name of one is its id.

A script is in the experiment of its own run, whichever it asks for: scripts that ran elsewhere set one of their own,
and what they log after that must still find the step's run.
"""

from __future__ import annotations

from fastapi import APIRouter

from api import named
from api.access import GuardedRoute, Role, needs
from api.callers import Caller
from api.mlflow.shapes import CreateExperiment, Experiment, ExperimentAnswer, ExperimentMade, KeyValue
from api.reach import Reach
from api.service import Asking, Here, Service

router = APIRouter(prefix="/mlflow/experiments", route_class=GuardedRoute, tags=["mlflow"])

_LOOK = [needs(Role.READER, step=Reach.CHOSEN)]


@router.get("/get", dependencies=_LOOK)
def get_experiment(here: Here, who: Asking, experiment_id: str) -> ExperimentAnswer:
    """An experiment by its id. A script is given its own run's."""
    return _shown(here, who, experiment_id)


@router.get("/get-by-name", dependencies=_LOOK)
def get_experiment_by_name(here: Here, who: Asking, experiment_name: str) -> ExperimentAnswer:
    """An experiment by its name. A script is given its own run's: mlflow.set_experiment() there changes nothing."""
    return _shown(here, who, experiment_name)


@router.post("/create", dependencies=[needs(Role.SUBMITTER, step=Reach.CHOSEN)])
def create_experiment(here: Here, who: Asking, asked: CreateExperiment) -> ExperimentMade:
    """Create an experiment, or find that it is there. A script is given its own run's."""
    name = _own(here, who) if who.run is not None else named.put_experiment(here, asked.name)["name"]
    return ExperimentMade(experiment_id=name)


def _own(here: Service, who: Caller) -> str:
    """The experiment of the run that a script runs in."""
    assert who.run is not None, who
    return here.ports.runs.load(who.run.run_id).request.experiment


def _shown(here: Service, who: Caller, name: str) -> ExperimentAnswer:
    found = named.get_experiment(here, _own(here, who) if who.run is not None else name)
    created = int(float(found.get("created_at") or 0) * 1000)
    tags = [KeyValue(key=key, value=str(value)) for key, value in found.get("tags", {}).items()]
    experiment = Experiment(
        experiment_id=found["name"], name=found["name"], creation_time=created, last_update_time=created, tags=tags
    )
    return ExperimentAnswer(experiment=experiment)
