"""What MLflow's client is shown of a run: made from what the run of ours has."""

from __future__ import annotations

from typing import Any

from api.mlflow.shapes import (
    KeyValue,
    MetricShown,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunShown,
    RunStatus,
)
from api.mlflow.tracked import Tracked, known_of
from api.runs import get_metrics, get_run
from api.service import Service
from canalis.contract.metrics import NOT_FINITE
from canalis.contract.mlflow_ids import PARAMS
from canalis.contract.views import MetricPoint, RunView, StepView

_STATUS: dict[str, RunStatus] = {
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "Canceled": "KILLED",
    "Running": "RUNNING",
    "Finalizing": "RUNNING",
    "CancelRequested": "RUNNING",
}


def artifact_uri(run: Tracked) -> str:
    """Where MLflow's client finds the files of a run, through this service."""
    return f"mlflow-artifacts:/{run.id}"


def run_info(here: Service, run: Tracked) -> RunInfo:
    """What is known of a run without its values."""
    return _info(here, run, get_run(here, run.run), known_of(here, run))


def run_shown(here: Service, run: Tracked) -> RunShown:
    """A run with its values."""
    view, known = get_run(here, run.run), known_of(here, run)
    begins = PARAMS + run.prefix
    params = {name[len(begins) :]: value for name, value in view.properties.items() if name.startswith(begins)}
    tags = {key[len(run.prefix) :]: value for key, value in view.tags.items() if key.startswith(run.prefix)}
    info = _info(here, run, view, known)
    tags |= known.get("tags", {}) | {"mlflow.runName": info.run_name}
    return RunShown(
        info=info,
        data=RunData(metrics=_last(here, run), params=_pairs(params), tags=_pairs(tags)),
        inputs=RunInputs(dataset_inputs=known.get("datasets", []), model_inputs=known.get("model_inputs", [])),
        outputs=RunOutputs(model_outputs=known.get("model_outputs", [])),
    )


def metric_history(here: Service, run: Tracked, key: str) -> list[MetricShown]:
    """Every value of a metric, in the order in which they were logged."""
    return [shown for shown in _shown(here, run) if shown.key == key]


def _last(here: Service, run: Tracked) -> list[MetricShown]:
    """The last value of each metric: that of the highest step, and of those the newest."""
    last: dict[str, MetricShown] = {}
    for shown in _shown(here, run):
        known = last.get(shown.key)
        if known is None or (shown.step, shown.timestamp) >= (known.step, known.timestamp):
            last[shown.key] = shown
    return list(last.values())


def _shown(here: Service, run: Tracked) -> list[MetricShown]:
    unique = {point.id: point for point in get_metrics(here, run.run) if point.name.startswith(run.prefix)}
    found = (_metric(run, point) for point in sorted(unique.values(), key=lambda point: point.time))
    return [shown for shown in found if shown is not None]


def _metric(run: Tracked, point: MetricPoint) -> MetricShown | None:
    """A point as MLflow shows it; None for what is no number: a table, an image."""
    value: Any = point.value
    if isinstance(value, dict) and value.keys() == {NOT_FINITE}:
        value = value[NOT_FINITE]
    elif point.kind != "scalar" or not isinstance(value, (int, float)):
        return None
    try:
        number, moment = float(value), int(point.time * 1000)
    except (TypeError, ValueError, OverflowError):  # what others may have logged over HTTP
        return None
    key = point.name[len(run.prefix) :]
    return MetricShown(key=key, value=number, timestamp=moment, step=point.step or 0, run_id=run.id)


def _info(here: Service, run: Tracked, view: RunView | StepView, known: dict[str, Any]) -> RunInfo:
    status = _STATUS.get(view.run_status_v1, "SCHEDULED")
    began, ended = getattr(view, "started_at", None) or view.submitted_at, view.ended_at
    name = view.display_name or getattr(view, "name", "") or run.run
    if run.child:
        name, status = known["name"], known["status"]
        began, ended = known["start_time"] / 1000, known.get("end_time") and known["end_time"] / 1000
    return RunInfo(
        run_id=run.id,
        run_uuid=run.id,
        run_name=name,
        experiment_id=run.experiment,
        user_id=known.get("user", ""),
        status=status,
        start_time=int(began * 1000),
        end_time=int(ended * 1000) if ended else None,
        artifact_uri=artifact_uri(run),
    )


def _pairs(values: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value) for key, value in values.items()]
