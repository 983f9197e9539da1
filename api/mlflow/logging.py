"""What MLflow's client logs on a run, kept where a run of ours keeps its own: metrics, tags, properties."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from api.mlflow.shapes import KEY_MAX, MetricSaid, ParamSaid, TagSaid
from api.mlflow.tracked import Tracked
from api.runs import Annotation, annotate_run, post_metrics
from api.service import Service
from canalis.contract.errors import BadRequest, TooLarge
from canalis.contract.metrics import NOT_FINITE
from canalis.contract.mlflow_ids import PARAMS
from canalis.contract.views import MetricPoint
from orchestrator.remarks import annotations_of

_SAID_MAX = 5_000  # tags and properties of a run: they are one document, which is read and written whole
MODEL_HISTORY = "mlflow.log-model.history"


def log_metrics(here: Service, run: Tracked, metrics: Iterable[MetricSaid]) -> None:
    """Log values on a run. What the client sends twice, since no answer reached it, is kept once."""
    points = [_point(run, said) for said in metrics]
    if points:
        post_metrics(here, run.run, points)


def log_params(here: Service, run: Tracked, params: Iterable[ParamSaid]) -> None:
    """Set parameters of a run, which are properties of it. Raises BadRequest where one has another value already."""
    wanted = {PARAMS + run.prefix + said.key: said.value for said in params}
    known = annotations_of(here.ports, run.run).get("properties", {})
    hidden = here.ports.vault.mask().hidden_in(wanted)
    changed = [name for name, value in hidden.items() if known.get(name, value) != value]
    if changed:
        named = ", ".join(
            f"{name[len(PARAMS + run.prefix) :]!r} was {known[name][:80]!r} and cannot become {hidden[name][:80]!r}"
            for name in changed
        )
        raise BadRequest(
            f"Parameters of run {run.id} do not change once they are set: {named}. Log the new value under another "
            "name, or in a nested run"
        )
    if new := {name: value for name, value in wanted.items() if name not in known}:
        _annotate(here, run, Annotation(properties=new))


def set_tags(here: Service, run: Tracked, tags: Iterable[TagSaid]) -> None:
    """Tag a run."""
    if said := {run.prefix + tag.key: tag.value for tag in tags}:
        _annotate(here, run, Annotation(tags=dict(said)))


def remove_tag(here: Service, run: Tracked, key: str) -> None:
    """Take a tag off a run."""
    annotate_run(here, run.run, Annotation(tags={run.prefix + key[:KEY_MAX]: None}))


def log_model(here: Service, run: Tracked, model_json: str) -> None:
    """Add a model's description to the run's history of them, as clients before MLflow 3 send it."""
    try:
        described = json.loads(model_json)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"model_json of run {run.id} is no JSON: {error}") from error
    key = run.prefix + MODEL_HISTORY
    known = annotations_of(here.ports, run.run).get("tags", {}).get(key) or "[]"
    _annotate(here, run, Annotation(tags={key: json.dumps([*json.loads(known), described])}))


def _annotate(here: Service, run: Tracked, said: Annotation) -> None:
    known = annotations_of(here.ports, run.run)
    count = len({*known.get("tags", {}), *said.tags}) + len({*known.get("properties", {}), *said.properties})
    if count > _SAID_MAX:
        raise TooLarge(
            f"{run.run} would have {count:,} tags and parameters, with those of its nested runs; {_SAID_MAX:,} is the "
            "most: log what differs as metrics, or write it to a file and log that as an artifact",
            most=_SAID_MAX,
        )
    annotate_run(here, run.run, said)


def _point(run: Tracked, said: MetricSaid) -> MetricPoint:
    value = said.value if said.value - said.value == 0 else {NOT_FINITE: str(said.value)}
    told = json.dumps([run.child, said.key, said.timestamp, said.step, str(said.value)])
    return MetricPoint(
        id="mlflow-" + hashlib.blake2b(told.encode(), digest_size=12).hexdigest(),
        time=said.timestamp / 1000,
        name=run.prefix + said.key,
        kind="scalar",
        value=value,
        step=said.step,
    )
