"""The JSON of v1's REST contract: its names and letter case, and what each is made of.

Source   reference sections 12, 13 and 15
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from canalis.contract.published import DESCRIPTION_MAX
from canalis.contract.views import RunView, StepView

_STATUSES = ("Active", "Deprecated", "Disabled")  # v1's enum of them, in the order of its numbers


class Shape(BaseModel):
    """A piece of v1's JSON. What it does not know is not looked at: callers of v1 send more than it names."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True, extra="ignore", serialize_by_alias=True)


class StoredPath(Shape):
    """A place in a datastore. `DataStoreName` and `RelativePath`, as v1 spells them."""

    data_store_name: str = Field(alias="DataStoreName")
    relative_path: str = ""


class SubmitRequest(Shape):
    """What a caller asks for who starts a published pipeline. Only the experiment's name must be said.

    Names of parameters that the pipeline does not have are no error; the answer warns of them.
    """

    experiment_name: str
    display_name: str = ""
    description: Annotated[str | None, Field(max_length=DESCRIPTION_MAX)] = None
    run_source: Annotated[str | None, Field(max_length=200)] = None
    run_type: Annotated[str, Field(max_length=40)] | int | None = None
    parameter_assignments: dict[str, Any] | None = None
    data_path_assignments: dict[str, Any] | None = None
    data_set_definition_value_assignments: dict[str, Any] | None = Field(
        default=None, alias="DataSetDefinitionValueAssignments"
    )
    schedule_id: str | None = None
    continue_run_on_step_failure: bool | None = None
    regenerate_outputs: bool | None = None
    enable_notification: bool | None = None
    tags: dict[str, Any] | None = Field(default=None, alias="tags")
    step_tags: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    az_dev_ops_call_back_info: dict[str, Any] | None = Field(default=None, alias="AzDevOpsCallBackInfo")


class Status(Shape):
    """How a run or a node stands."""

    status_code: str
    status_detail: str | None = None
    creation_time: str | None = None
    end_time: str | None = None


class RunEntity(Shape):
    """A run of a pipeline. Who only wants to find it again reads its Id."""

    id: str
    description: str = ""
    status: Status
    graph_id: str
    is_submitted: bool = True
    has_errors: bool = False
    has_warnings: bool = False
    warnings: list[str] = Field(default_factory=list)
    upload_state: str = "Completed"
    parameter_assignments: dict[str, str] = Field(default_factory=dict)
    data_path_assignments: dict[str, StoredPath] = Field(default_factory=dict)
    data_set_definition_value_assignments: dict[str, Any] = Field(
        default_factory=dict, alias="DataSetDefinitionValueAssignments"
    )
    run_history_experiment_name: str
    pipeline_id: str | None = None
    run_source: str | None = None
    run_type: str | None = None
    total_run_steps: int
    schedule_id: str | None = None
    continue_run_on_step_failure: bool = False
    tags: dict[str, str] = Field(default_factory=dict, alias="tags")
    properties: dict[str, str] = Field(default_factory=dict)
    entity_status: Literal["Active", "Deprecated", "Disabled"] = "Active"
    etag: str = ""
    created_date: str
    last_modified_date: str


def moment(seconds: float | None) -> str | None:
    """A moment as v1 writes it: UTC in ISO 8601, with a Z."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _status_word(said: object) -> object:
    """v1's word for a status that came as one of its numbers, as number or text, or within an object."""
    if isinstance(said, dict):
        said = said.get("EntityStatus", said.get("entityStatus", said.get("Status")))
    text = str(said)
    return _STATUSES[int(text)] if text in ("0", "1", "2") else said


EntityStatusSaid = Annotated[Literal["Active", "Deprecated", "Disabled"], BeforeValidator(_status_word)]


def status_of(view: RunView | StepView) -> Status:
    """How a run or a step stands, in v1's words."""
    error = view.error
    return Status(
        status_code=view.status_v1,
        status_detail=error.message if error else None,
        creation_time=moment(view.submitted_at),
        end_time=moment(view.ended_at),
    )
