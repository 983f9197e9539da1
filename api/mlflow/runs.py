"""MLflow's runs: those of steps, those that scripts begin below them, and what is logged on them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.access import GuardedRoute, Role, needs
from api.mlflow import logging, showing
from api.mlflow.shapes import (
    CreateRun,
    DeleteTag,
    LogBatch,
    LogInputs,
    LogMetric,
    LogModel,
    LogOutputs,
    LogParam,
    MetricsAnswer,
    Nothing,
    RunAnswer,
    RunInfoAnswer,
    SetTag,
    UpdateRun,
)
from api.mlflow.tracked import Tracked, begin_child, remember, tracked
from api.reach import Reach
from api.runs import Annotation, annotate_run
from api.service import Asking, Here

router = APIRouter(prefix="/mlflow", route_class=GuardedRoute, tags=["mlflow"])

_LOOK = [needs(Role.READER, step=Reach.CHOSEN)]
_WRITE = [needs(Role.SUBMITTER, step=Reach.CHOSEN)]
_PLAIN: dict[str, Any] = {"response_model_exclude_none": True}
_DONE = Nothing()


@router.get("/runs/get", dependencies=_LOOK, **_PLAIN)
def get_run(here: Here, who: Asking, run_id: str = "", run_uuid: str = "") -> RunAnswer:
    """A run, with the last value of each metric."""
    return RunAnswer(run=showing.run_shown(here, tracked(here, who, run_id or run_uuid, Reach.RUNS)))


@router.post("/runs/create", dependencies=_WRITE, **_PLAIN)
def create_run(here: Here, who: Asking, asked: CreateRun) -> RunAnswer:
    """Begin a run below the run of a step. Its values land there, under its name: `trial/loss`."""
    run = begin_child(here, who, asked)
    logging.set_tags(here, run, [tag for tag in asked.tags if not tag.key.startswith("mlflow.")])
    return RunAnswer(run=showing.run_shown(here, run))


@router.post("/runs/update", dependencies=_WRITE, **_PLAIN)
def update_run(here: Here, who: Asking, said: UpdateRun) -> RunInfoAnswer:
    """Say how a nested run ended, or what a run is called. How a step ends is said by its script's exit code alone."""
    run = tracked(here, who, said.named, Reach.OWN)
    if run.child:
        news = {"status": said.status, "end_time": said.end_time, "name": said.run_name}
        remember(here, run, {part: value for part, value in news.items() if value})
    elif said.run_name:
        annotate_run(here, run.run, Annotation(display_name=said.run_name))
    return RunInfoAnswer(run_info=showing.run_info(here, run))


@router.post("/runs/log-metric", dependencies=_WRITE)
def log_metric(here: Here, who: Asking, said: LogMetric) -> Nothing:
    """Log a value of a metric."""
    logging.log_metrics(here, tracked(here, who, said.named, Reach.OWN), [said])
    return _DONE


@router.post("/runs/log-parameter", dependencies=_WRITE)
def log_param(here: Here, who: Asking, said: LogParam) -> Nothing:
    """Set a parameter, which is kept as the property `params.<key>` of the run."""
    logging.log_params(here, tracked(here, who, said.named, Reach.OWN), [said])
    return _DONE


@router.post("/runs/set-tag", dependencies=_WRITE)
def set_tag(here: Here, who: Asking, said: SetTag) -> Nothing:
    """Tag a run."""
    logging.set_tags(here, tracked(here, who, said.named, Reach.OWN), [said])
    return _DONE


@router.post("/runs/delete-tag", dependencies=_WRITE)
def delete_tag(here: Here, who: Asking, said: DeleteTag) -> Nothing:
    """Take a tag off a run."""
    logging.remove_tag(here, tracked(here, who, said.named, Reach.OWN), said.key)
    return _DONE


@router.post("/runs/log-batch", dependencies=_WRITE)
def log_batch(here: Here, who: Asking, said: LogBatch) -> Nothing:
    """Log up to 1,000 values, 100 parameters and 100 tags at once."""
    run = tracked(here, who, said.named, Reach.OWN)
    logging.log_params(here, run, said.params)  # first: it is what may be refused
    logging.set_tags(here, run, said.tags)
    logging.log_metrics(here, run, said.metrics)
    return _DONE


@router.post("/runs/log-model", dependencies=_WRITE)
def log_model(here: Here, who: Asking, said: LogModel) -> Nothing:
    """Say of a model that it is among the files of a run, as clients before MLflow 3 do."""
    logging.log_model(here, tracked(here, who, said.named, Reach.OWN), said.model_json)
    return _DONE


@router.post("/runs/log-inputs", dependencies=_WRITE)
def log_inputs(here: Here, who: Asking, said: LogInputs) -> Nothing:
    """Say what data and models a run has read."""
    read = {"datasets": [data.model_dump() for data in said.datasets], "model_inputs": _dumped(said.models)}
    _remember(here, tracked(here, who, said.named, Reach.OWN), read)
    return _DONE


@router.post("/runs/outputs", dependencies=_WRITE)
def log_outputs(here: Here, who: Asking, said: LogOutputs) -> Nothing:
    """Say which models a run has made."""
    _remember(here, tracked(here, who, said.named, Reach.OWN), {"model_outputs": _dumped(said.models)})
    return _DONE


@router.get("/metrics/get-history", dependencies=_LOOK)
def get_metric_history(here: Here, who: Asking, metric_key: str, run_id: str = "", run_uuid: str = "") -> MetricsAnswer:
    """Every value of a metric, in the order in which they were logged."""
    run = tracked(here, who, run_id or run_uuid, Reach.RUNS)
    return MetricsAnswer(metrics=showing.metric_history(here, run, metric_key))


def _dumped(models: list[Any]) -> list[dict[str, Any]]:
    return [model.model_dump() for model in models]


def _remember(here: Here, run: Tracked, added: dict[str, list[Any]]) -> None:
    if any(added.values()):
        remember(here, run, {}, added)
