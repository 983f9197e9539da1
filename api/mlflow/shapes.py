"""The JSON of MLflow's REST API: what its client sends, and what it reads. Names and limits are MLflow's.

Source   MLflow 3.17: mlflow/protos/service.proto, mlflow/utils/validation.py
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

METRICS_MAX = 1_000
PARAMS_MAX = 100
TAGS_MAX = 100
ENTITIES_MAX = 1_000
KEY_MAX = 250
PARAM_VALUE_MAX = 6_000
TAG_VALUE_MAX = 8_000
MODEL_TEXT_MAX = 100_000  # of what describes a model or a data set

RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
Key = Annotated[str, Field(min_length=1, max_length=KEY_MAX)]
Long = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class Shape(BaseModel):
    """A piece of MLflow's JSON. What it does not know is not looked at: clients of other versions send more."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())


def _status_word(said: object) -> object:
    words = get_args(RunStatus)  # in the order of their numbers, from 1 on
    return words[said - 1] if isinstance(said, int) and 1 <= said <= len(words) else said


def _as_json(value: object) -> object:
    """A number as MLflow writes it: what JSON has no number for is its name."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


class OfRun(Shape):
    """Something that is said of a run, which clients name in one of two fields."""

    run_id: str = ""
    run_uuid: str = ""

    @model_validator(mode="after")
    def _names_one(self) -> OfRun:
        if not self.run_id and not self.run_uuid:
            raise ValueError("run_id is missing: it says which run is meant")
        return self

    @property
    def named(self) -> str:
        """The run that is meant."""
        return self.run_id or self.run_uuid


class KeyValue(Shape):
    """A tag or parameter as it is shown."""

    key: str
    value: str = ""


class TagSaid(Shape):
    """A tag."""

    key: Key
    value: str = Field(default="", max_length=TAG_VALUE_MAX)


class ParamSaid(Shape):
    """A parameter, which does not change once it is set."""

    key: Key
    value: str = Field(default="", max_length=PARAM_VALUE_MAX)


class MetricSaid(Shape):
    """One value of a metric. `timestamp` is in milliseconds since 1970."""

    key: Key
    value: float
    timestamp: Long = 0
    step: Long = 0
    model_id: str = ""


class MetricShown(Shape):
    """One value of a metric, as MLflow writes numbers."""

    key: str
    value: Annotated[float | Literal["NaN", "Infinity", "-Infinity"], BeforeValidator(_as_json)]
    timestamp: int
    step: int
    run_id: str = ""


class LogMetric(OfRun, MetricSaid):
    """A metric of a run."""


class LogParam(OfRun, ParamSaid):
    """A parameter of a run."""


class SetTag(OfRun, TagSaid):
    """A tag of a run."""


class DeleteTag(OfRun):
    """A tag of a run that is taken off."""

    key: Key


class LogBatch(OfRun):
    """Several of each at once."""

    metrics: list[MetricSaid] = Field(default_factory=list, max_length=METRICS_MAX)
    params: list[ParamSaid] = Field(default_factory=list, max_length=PARAMS_MAX)
    tags: list[TagSaid] = Field(default_factory=list, max_length=TAGS_MAX)

    @model_validator(mode="after")
    def _not_too_many(self) -> LogBatch:
        count = len(self.metrics) + len(self.params) + len(self.tags)
        if count > ENTITIES_MAX:
            raise ValueError(f"a batch has {ENTITIES_MAX} metrics, params and tags at most together, not {count}")
        return self


class CreateRun(Shape):
    """A run that a script begins."""

    experiment_id: str = ""
    user_id: str = Field(default="", max_length=KEY_MAX)
    run_name: str = Field(default="", max_length=KEY_MAX)
    start_time: Long = 0
    tags: list[TagSaid] = Field(default_factory=list, max_length=TAGS_MAX)


class UpdateRun(OfRun):
    """How a run stands, and what it is called."""

    status: Annotated[RunStatus | None, BeforeValidator(_status_word)] = None
    end_time: Long | None = None
    run_name: str = Field(default="", max_length=KEY_MAX)


class LogModel(OfRun):
    """A model's description, of clients before MLflow 3."""

    model_json: str = Field(max_length=MODEL_TEXT_MAX)


class DatasetSaid(Shape):
    """Data that a run has read. It is a description; no data is sent."""

    name: Annotated[str, Field(max_length=500)] = ""
    digest: Annotated[str, Field(max_length=36)] = ""
    source_type: Annotated[str, Field(max_length=500)] = ""
    source: Annotated[str, Field(max_length=MODEL_TEXT_MAX)] = ""
    schema_: Annotated[str, Field(alias="schema", max_length=MODEL_TEXT_MAX)] = ""
    profile: Annotated[str, Field(max_length=MODEL_TEXT_MAX)] = ""

    model_config = ConfigDict(extra="ignore", protected_namespaces=(), serialize_by_alias=True)


class DatasetInput(Shape):
    """Data that a run has read, and as what."""

    tags: list[KeyValue] = Field(default_factory=list, max_length=TAGS_MAX)
    dataset: DatasetSaid


class ModelOutput(Shape):
    """A model that a run has made, or read."""

    model_id: str
    step: int = 0


class LogInputs(OfRun):
    """What a run has read."""

    datasets: list[DatasetInput] = Field(default_factory=list, max_length=100)
    models: list[ModelOutput] = Field(default_factory=list, max_length=100)


class LogOutputs(OfRun):
    """The models that a run has made."""

    models: list[ModelOutput] = Field(default_factory=list, max_length=100)


class RunInfo(Shape):
    """What MLflow shows of a run. Times are in milliseconds since 1970."""

    run_id: str
    run_uuid: str
    run_name: str
    experiment_id: str
    user_id: str = ""
    status: RunStatus
    start_time: int
    end_time: int | None = None
    artifact_uri: str
    lifecycle_stage: Literal["active"] = "active"


class RunData(Shape):
    """The last value of each metric, and all parameters and tags."""

    metrics: list[MetricShown] = Field(default_factory=list)
    params: list[KeyValue] = Field(default_factory=list)
    tags: list[KeyValue] = Field(default_factory=list)


class RunInputs(Shape):
    """What a run has read."""

    dataset_inputs: list[DatasetInput] = Field(default_factory=list)
    model_inputs: list[ModelOutput] = Field(default_factory=list)


class RunOutputs(Shape):
    """What a run has made."""

    model_outputs: list[ModelOutput] = Field(default_factory=list)


class RunShown(Shape):
    """A run."""

    info: RunInfo
    data: RunData
    inputs: RunInputs = Field(default_factory=RunInputs)
    outputs: RunOutputs = Field(default_factory=RunOutputs)


class RunAnswer(Shape):
    """A run, as an answer has it."""

    run: RunShown


class RunInfoAnswer(Shape):
    """What is known of a run without its values."""

    run_info: RunInfo


class MetricsAnswer(Shape):
    """Every value of a metric."""

    metrics: list[MetricShown]


class Experiment(Shape):
    """An experiment: its name is its id."""

    experiment_id: str
    name: str
    artifact_location: str = "mlflow-artifacts:/"
    lifecycle_stage: Literal["active"] = "active"
    creation_time: int = 0
    last_update_time: int = 0
    tags: list[KeyValue] = Field(default_factory=list)


class ExperimentAnswer(Shape):
    """An experiment, as an answer has it."""

    experiment: Experiment


class CreateExperiment(Shape):
    """An experiment that shall be there."""

    name: str


class ExperimentMade(Shape):
    """Its id."""

    experiment_id: str


class FileShown(Shape):
    """A file or folder of a run."""

    path: str
    is_dir: bool
    file_size: int | None = None


class FilesAnswer(Shape):
    """What is in a folder of a run."""

    root_uri: str = ""
    files: list[FileShown]


class Nothing(Shape):
    """That it was done: MLflow's client wants an object."""
