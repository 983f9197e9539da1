"""What travels on the bus. Ids only: a message gives no authority, and the run's own record is the truth.

News for the orchestrator are events, named in the past. Orders for the workers are commands, named in the imperative.
Every message may come twice, late, out of order or never.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from canalis.contract.graph import Part
from canalis.contract.status import Outcome
from canalis.contract.times import Mark

ORCHESTRATOR_QUEUE = "orchestrator"
SET_ASIDE_QUEUE = "dead-letters"  # messages that are none of ours, with the reason
DEAD_LETTERS = "/$deadletterqueue"  # behind a queue's name: what the bus itself has given up


def steps_queue(backend: str) -> str:
    """The queue of the workers of a backend."""
    return f"steps-{backend}"


class RunSubmitted(Part):
    """A run was created. Its first orders were written with it, so this only makes sure."""

    kind: Literal["run_submitted"] = "run_submitted"
    run_id: str


class StepEnded(Part):
    """An attempt of a step has ended, for good.

    exit_code       of the script as a shell counts it (128 + n when signal n killed it); None when none ran
    error_code      stable word for why it did not succeed, with `error` in plain words
    started_at, ended_at   seconds since 1970, UTC; started_at None when the author's code never began
    marks           which segment of its time began when, in order, from when a worker had it in hand
    """

    kind: Literal["step_ended"] = "step_ended"
    run_id: str
    node: str
    attempt: int
    outcome: Outcome
    exit_code: int | None = None
    error_code: str = ""
    error: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    marks: tuple[Mark, ...] = ()


class CancelRequested(Part):
    """Somebody wants the run to stop."""

    kind: Literal["cancel_requested"] = "cancel_requested"
    run_id: str
    by: str = ""


class StepAbandoned(Part):
    """An attempt was ordered to stop, and nobody has said within the time for it that it did."""

    kind: Literal["step_abandoned"] = "step_abandoned"
    run_id: str
    node: str
    attempt: int


class GoOn(Part):
    """There was more to decide than one commit may hold."""

    kind: Literal["go_on"] = "go_on"
    run_id: str


class StartStep(Part):
    """Work on this attempt, unless somebody has it or it is no longer wanted."""

    kind: Literal["start_step"] = "start_step"
    run_id: str
    node: str
    attempt: int


class CheckStep(Part):
    """Look how the job of this attempt is getting on.

    fence   of the claim under which it was last looked at: a second chain of looks at one job ends by itself
    """

    kind: Literal["check_step"] = "check_step"
    run_id: str
    node: str
    attempt: int
    fence: int


class RecallStep(Part):
    """See to it that this attempt does not begin, unless it has."""

    kind: Literal["recall_step"] = "recall_step"
    run_id: str
    node: str
    attempt: int


class StopStep(Part):
    """End this attempt, or see to it that it never starts."""

    kind: Literal["stop_step"] = "stop_step"
    run_id: str
    node: str
    attempt: int


Event = RunSubmitted | StepEnded | StepAbandoned | CancelRequested | GoOn
Command = StartStep | CheckStep | RecallStep | StopStep
Message = Event | Command

_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


class Send(Part):
    """A message on its way to a queue, not before `delay_s` from now."""

    queue: str
    message: Annotated[Message, Field(discriminator="kind")]
    delay_s: float = Field(default=0.0, ge=0.0)


def to_bytes(message: Message) -> bytes:
    """A message as it travels: UTF-8 JSON."""
    return message.model_dump_json(exclude_none=True).encode()


def from_bytes(body: bytes) -> Message:
    """The message of these bytes. Raises pydantic's ValidationError when it is none of ours."""
    return _MESSAGE.validate_json(body)
