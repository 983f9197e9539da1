"""MLflow's logged models, which MLflow 3 asks about whenever a model is logged: a folder among the files of a run."""

from __future__ import annotations

import hashlib
import re
import secrets
from contextlib import suppress
from typing import Any

from fastapi import APIRouter

from api.access import Caller, GuardedRoute, Role, needs
from api.mlflow.model_shapes import (
    CreateLoggedModel,
    FinalizeLoggedModel,
    LoggedModel,
    LoggedModelAnswer,
    LoggedModelData,
    LoggedModelInfo,
    LoggedModelsAnswer,
    ModelParams,
    ModelTags,
    SearchLoggedModels,
)
from api.mlflow.shapes import KeyValue, Nothing
from api.mlflow.showing import artifact_uri
from api.mlflow.tracked import Tracked, tracked
from api.reach import Reach
from api.service import Asking, Here, Service
from canalis.contract.errors import BadRequest, Conflict, NotFound, NotSupported
from canalis.contract.mlflow_ids import child_of
from canalis.contract.ports import Document, Stored

router = APIRouter(prefix="/mlflow/logged-models", route_class=GuardedRoute, tags=["mlflow"])

MODELS = "mlflow_models"  # kind of the documents that say what a logged model is, by its id
_LOOK = [needs(Role.READER, step=Reach.CHOSEN)]
_WRITE = [needs(Role.SUBMITTER, step=Reach.CHOSEN)]
_TRIES = 8
_PAGE_MAX = 1_000
_PAGE_DIGITS = 10
_NAME_IS = re.compile(r"\s*(?:attributes\.)?name\s*=\s*(['\"])(.*)\1\s*", re.DOTALL)
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
    identity, now = f"{_begin(run.experiment)}{secrets.token_hex(10)}", int(here.ports.clock.now() * 1000)
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
    body = here.ports.vault.mask().hidden_in(body)
    here.ports.documents.put(MODELS, identity, body, if_absent=True)
    return _answer(identity, body, run)


@router.post("/search", dependencies=_LOOK)
def search_logged_models(here: Here, who: Asking, asked: SearchLoggedModels) -> LoggedModelsAnswer:
    """The logged models of experiments, the newest first, all or those of a name: `name = 'model'`."""
    name = _name_wanted(asked.filter)
    found = [
        stored
        for experiment in dict.fromkeys(asked.experiment_ids)
        for stored in here.ports.documents.list(MODELS, _begin(experiment))
        if stored.body["experiment"] == experiment and name in (None, stored.body["name"])
    ]
    found.sort(key=lambda stored: (-stored.body["created"], stored.name))
    skipped = int(asked.page_token) if asked.page_token.isdecimal() and len(asked.page_token) < _PAGE_DIGITS else 0
    end = skipped + min(max(asked.max_results, 1), _PAGE_MAX)
    shown = []
    for stored in found[skipped:end]:
        with suppress(NotFound):  # another run's, to a script
            shown.append(_model(stored.name, stored.body, tracked(here, who, stored.body["run"], Reach.RUNS)))
    return LoggedModelsAnswer(models=shown, next_page_token=str(end) if end < len(found) else "")


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


def _begin(experiment: str) -> str:
    """How the ids of an experiment's models begin, so that they are found without looking at those of others."""
    return "m-" + hashlib.blake2b(experiment.encode(), digest_size=6).hexdigest()


def _name_wanted(said: str) -> str | None:
    """The name that a filter asks for, None for any. Raises BadRequest for what is not understood."""
    if not said.strip():
        return None
    found = _NAME_IS.fullmatch(said)
    if found is None:
        raise BadRequest(f"The filter {said[:200]!r} is not understood here. Logged models are found by name = '...'")
    return found[2]


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
    return LoggedModelAnswer(model=_model(identity, body, run))


def _model(identity: str, body: Document, run: Tracked) -> LoggedModel:
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
    return LoggedModel(info=info, data=LoggedModelData(params=_pairs(body["params"])))


def _pairs(values: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value) for key, value in values.items()]
