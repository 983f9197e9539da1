"""The JSON of MLflow's logged models.

Source   MLflow 3.17: mlflow/protos/service.proto, mlflow/utils/validation.py
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

from api.mlflow.shapes import KEY_MAX, PARAMS_MAX, TAGS_MAX, KeyValue, Long, ParamSaid, Shape, TagSaid

ModelStatus = Literal[
    "LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"
]


def _model_status_word(said: object) -> object:
    words = get_args(ModelStatus)
    return words[said] if isinstance(said, int) and 0 <= said < len(words) else said


class CreateLoggedModel(Shape):
    """A model whose files a script is about to log."""

    experiment_id: str = ""
    name: str = Field(default="", max_length=KEY_MAX)
    model_type: str = Field(default="", max_length=KEY_MAX)
    source_run_id: str = ""
    params: list[ParamSaid] = Field(default_factory=list, max_length=PARAMS_MAX)
    tags: list[TagSaid] = Field(default_factory=list, max_length=TAGS_MAX)


class SearchLoggedModels(Shape):
    """Which models are looked for."""

    experiment_ids: list[str] = Field(default_factory=list, max_length=100)
    filter: str = Field(default="", max_length=1_000)
    max_results: Long = 100
    page_token: str = ""


class FinalizeLoggedModel(Shape):
    """That the files of a model are there, or will not be."""

    status: Annotated[ModelStatus, BeforeValidator(_model_status_word)]


class ModelTags(Shape):
    """Tags of a model."""

    tags: list[TagSaid] = Field(default_factory=list, max_length=TAGS_MAX)


class ModelParams(Shape):
    """Parameters of a model."""

    params: list[ParamSaid] = Field(default_factory=list, max_length=PARAMS_MAX)


class LoggedModelInfo(Shape):
    """What is known of a model. Times are in milliseconds since 1970."""

    model_id: str
    experiment_id: str
    name: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    artifact_uri: str
    status: ModelStatus
    model_type: str = ""
    source_run_id: str
    tags: list[KeyValue] = Field(default_factory=list)


class LoggedModelData(Shape):
    """Values of a model. Its metrics are those of its run."""

    params: list[KeyValue] = Field(default_factory=list)


class LoggedModel(Shape):
    """A model whose files are among those of a run."""

    info: LoggedModelInfo
    data: LoggedModelData


class LoggedModelAnswer(Shape):
    """A model, as an answer has it."""

    model: LoggedModel


class LoggedModelsAnswer(Shape):
    """Models, the newest first. `next_page_token` is "" on the last page."""

    models: list[LoggedModel]
    next_page_token: str = ""
