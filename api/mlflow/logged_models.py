"""MLflow's logged models, which MLflow 3 asks about whenever a model is logged: a folder among the files of a run."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Any

from fastapi import APIRouter

from api.access import Caller, GuardedRoute, Role, needs
from api.mlflow.shapes import (
    CreateLoggedModel,
    FinalizeLoggedModel,
    KeyValue,
    LoggedModel,
    LoggedModelAnswer,
    LoggedModelData,
    LoggedModelInfo,
    ModelParams,
    ModelTags,
    Nothing,
)
from api.mlflow.showing import artifact_uri
from api.mlflow.tracked import Tracked, tracked
from api.reach import Reach
from api.service import Asking, Here, Service
from canalis.contract.errors import Conflict, NotFound, NotSupported
from canalis.contract.mlflow_ids import child_of
from canalis.contract.ports import Document, Stored

router = APIRouter(prefix="/mlflow/logged-models", route_class=GuardedRoute, tags=["mlflow"])

MODELS = "mlflow_models"  # kind of the documents that say what a logged model is, by its id
_LOOK = [needs(Role.READER, step=Reach.CHOSEN)]
_WRITE = [needs(Role.SUBMITTER, step=Reach.CHOSEN)]
_TRIES = 8
_UNFINISHED = "LOGGED_MODEL_PENDING"


@router.post("", dependencies=_WRITE)
def create_logged_model(here: Here, who: Asking, asked: CreateLoggedModel) -> LoggedModelAnswer:
    """Say that a model is about to be logged. Its files are those of its run, in a folder of the model's name."""
    source = asked.source_run_id or (str(who.run) if who.run else "")
    if not source:
        raise NotSupported(
            "A model is logged on a run: log it within a step, or within mlflow.start_run(run_id=...) of one"
        )
    run = tracked(here, who, source, Reach.OWN)
    identity, now = f"m-{secrets.token_hex(16)}", int(here.ports.clock.now() * 1000)
    body = {
        "run": run.id,
        "experiment": run.experiment,
        "name": asked.name,
        "folder": _free_folder(here, run, child_of(asked.name) or "model"),
        "type": asked.model_type,
        "status": _UNFINISHED,
        "created": now,
        "updated": now,
        "tags": {tag.key: tag.value for tag in asked.tags},
        "params": {param.key: param.value for param in asked.params},
    }
    here.ports.documents.put(MODELS, identity, here.ports.vault.mask().hidden_in(body), if_absent=True)
    return _answer(identity, body, run)


@router.get("/{identity}", dependencies=_LOOK)
def get_logged_model(here: Here, who: Asking, identity: str) -> LoggedModelAnswer:
    """A logged model by its id."""
    found, run = _found(here, who, identity, Reach.RUNS)
    return _answer(identity, found.body, run)


@router.patch("/{identity}", dependencies=_WRITE)
def finalize_logged_model(here: Here, who: Asking, identity: str, said: FinalizeLoggedModel) -> LoggedModelAnswer:
    """Say that the files of a model are there, or will not be."""
    return _changed(here, who, identity, {"status": said.status})


@router.patch("/{identity}/tags", dependencies=_WRITE)
def tag_logged_model(here: Here, who: Asking, identity: str, said: ModelTags) -> LoggedModelAnswer:
    """Tag a model."""
    return _changed(here, who, identity, {"tags": {tag.key: tag.value for tag in said.tags}})


@router.delete("/{identity}/tags/{tag}", dependencies=_WRITE)
def untag_logged_model(here: Here, who: Asking, identity: str, tag: str) -> Nothing:
    """Take a tag off a model."""
    _changed(here, who, identity, {"tags": {tag: None}})
    return Nothing()


@router.post("/{identity}/params", dependencies=_WRITE)
def set_logged_model_params(here: Here, who: Asking, identity: str, said: ModelParams) -> Nothing:
    """Set parameters of a model."""
    _changed(here, who, identity, {"params": {param.key: param.value for param in said.params}})
    return Nothing()


def _found(here: Service, who: Caller, identity: str, reach: Reach) -> tuple[Stored, Tracked]:
    found = here.ports.documents.get(MODELS, identity)
    if found is not None:
        with suppress(NotFound):  # another run's is told as none at all
            return found, tracked(here, who, found.body["run"], reach)
    raise NotFound(f"There is no logged model {identity[:80]}", kind="logged model", name=identity[:80])


def _changed(here: Service, who: Caller, identity: str, news: dict[str, Any]) -> LoggedModelAnswer:
    for _ in range(_TRIES):
        found, run = _found(here, who, identity, Reach.OWN)
        body = dict(found.body) | {"updated": int(here.ports.clock.now() * 1000)}
        for part, value in here.ports.vault.mask().hidden_in(news).items():
            merged = {**body[part], **value} if isinstance(value, dict) else value
            body[part] = _without_none(merged) if isinstance(merged, dict) else merged
        with suppress(Conflict):
            here.ports.documents.put(MODELS, identity, body, etag=found.etag)
            return _answer(identity, body, run)
    raise Conflict(f"{identity} was changed by others {_TRIES} times in a row", name=identity)


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _free_folder(here: Service, run: Tracked, name: str) -> str:
    """A folder in which the run has no files yet: a model that is logged again does not write over the one before."""
    while any(True for _ in here.ports.blobs.list(f"{run.files}{name}/")):
        name = f"{name.partition('.')[0]}.{secrets.token_hex(3)}"
    return name


def _answer(identity: str, body: Document, run: Tracked) -> LoggedModelAnswer:
    info = LoggedModelInfo(
        model_id=identity,
        experiment_id=body["experiment"],
        name=body["name"] or body["folder"],
        creation_timestamp_ms=body["created"],
        last_updated_timestamp_ms=body["updated"],
        artifact_uri=f"{artifact_uri(run)}/{body['folder']}",
        status=body["status"],
        model_type=body["type"],
        source_run_id=run.id,
        tags=_pairs(body["tags"]),
    )
    return LoggedModelAnswer(model=LoggedModel(info=info, data=LoggedModelData(params=_pairs(body["params"]))))


def _pairs(values: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value) for key, value in values.items()]
