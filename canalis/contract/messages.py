"""What travels on the bus. Ids only: a message gives no authority, and the run's own record is the truth.

News for the orchestrator are events, named in the past. Orders for the workers are commands, named in the imperative.
Every message may come twice, late, out of order or never.

On the bus a message is a JSON object: its own keys, the version of the schema in `v`, and in `trace` the W3C
traceparent of the work that it follows from, where there is one.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, NamedTuple, NoReturn

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from canalis.contract.errors import MessageUnreadable
from canalis.contract.graph import Part
from canalis.contract.run import ATTEMPTS_MAX, RUN_ID
from canalis.contract.status import Outcome
from canalis.contract.times import Mark
from canalis.contract.trace import parsed

ORCHESTRATOR_QUEUE = "orchestrator"
SET_ASIDE_QUEUE = "dead-letters"  # messages that are none of ours, with the reason
WATCH_QUEUE = "watch"  # calls to look after open runs; whoever calls, and with what, is all the same
SUBMISSIONS_QUEUE = "submissions"  # what others want started, in the words of canalis/contract/submissions.py
NOTICES_QUEUE = "notices"  # that somebody is to hear of the end of a run
DEAD_LETTERS = "/$deadletterqueue"  # behind a queue's name: what the bus itself has given up
VERSION = 1  # of the schema; one that a reader of before would misunderstand, or refuse, is another
BODY_BYTES_MAX = 2**20  # ours have a few hundred; the longest error is cut long before (steps/report.py)
_WHY_MAX = 500

# A forged message must not reach a key, a path or a query with what no run, step or attempt can be called.
RunId = Annotated[str, Field(pattern="^[0-9a-z][0-9a-z-]{0,62}$")]
NodeKey = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$")]
Number = Annotated[int, Field(ge=0, le=ATTEMPTS_MAX)]
Listener = Annotated[str, Field(pattern="^[a-z]{1,20}(:[0-9a-z][0-9a-z-]{2,62})?$")]


class _Message(Part):
    model_config = ConfigDict(allow_inf_nan=False)


def steps_queue(backend: str) -> str:
    """The queue of the workers of a backend."""
    return f"steps-{backend}"


class RunSubmitted(_Message):
    """A run was created. Its first orders were written with it, so this only makes sure."""

    kind: Literal["run_submitted"] = "run_submitted"
    run_id: RunId


class StepEnded(_Message):
    """An attempt of a step has ended, for good.

    exit_code       of the script as a shell counts it (128 + n when signal n killed it); None when none ran
    error_code      stable word for why it did not succeed, with `error` in plain words
    started_at, ended_at   seconds since 1970, UTC; started_at None when the author's code never began
    marks           which segment of its time began when, in order, from when a worker had it in hand
    left            by output, the imprint of what lay there at the end (canalis/contract/places.py)
    """

    kind: Literal["step_ended"] = "step_ended"
    run_id: RunId
    node: NodeKey
    attempt: Number
    outcome: Outcome
    exit_code: int | None = None
    error_code: str = ""
    error: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    marks: tuple[Mark, ...] = ()
    left: dict[str, str] = Field(default_factory=dict)


class CancelRequested(_Message):
    """Somebody wants the run to stop."""

    kind: Literal["cancel_requested"] = "cancel_requested"
    run_id: RunId
    by: str = ""


class StepAbandoned(_Message):
    """An attempt was ordered to stop, and nobody has said within the time for it that it did."""

    kind: Literal["step_abandoned"] = "step_abandoned"
    run_id: RunId
    node: NodeKey
    attempt: Number


class GoOn(_Message):
    """There was more to decide than one commit may hold."""

    kind: Literal["go_on"] = "go_on"
    run_id: RunId


class StartStep(_Message):
    """Work on this attempt, unless somebody has it or it is no longer wanted."""

    kind: Literal["start_step"] = "start_step"
    run_id: RunId
    node: NodeKey
    attempt: Number


class CheckStep(_Message):
    """Look how the job of this attempt is getting on.

    fence   of the claim under which it was last looked at: a second chain of looks at one job ends by itself
    """

    kind: Literal["check_step"] = "check_step"
    run_id: RunId
    node: NodeKey
    attempt: Number
    fence: int


class RecallStep(_Message):
    """See to it that this attempt does not begin, unless it has."""

    kind: Literal["recall_step"] = "recall_step"
    run_id: RunId
    node: NodeKey
    attempt: Number


class StopStep(_Message):
    """End this attempt, or see to it that it never starts."""

    kind: Literal["stop_step"] = "stop_step"
    run_id: RunId
    node: NodeKey
    attempt: Number


class RunEnded(_Message):
    """A run has ended, and somebody may want to hear of it."""

    kind: Literal["run_ended"] = "run_ended"
    run_id: RunId


class DeliverNotice(_Message):
    """Tell one listener of the end of a run.

    turn   of the tries and rests; what is of an earlier turn than the record says ends by itself
    """

    kind: Literal["deliver_notice"] = "deliver_notice"
    run_id: RunId
    listener: Listener
    turn: Annotated[int, Field(ge=0)] = 0


Event = RunSubmitted | StepEnded | StepAbandoned | CancelRequested | GoOn
Command = StartStep | CheckStep | RecallStep | StopStep
Telling = RunEnded | DeliverNotice
Message = Event | Command | Telling

_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


class Send(Part):
    """A message on its way to a queue, not before `delay_s` from now.

    trace   of the work that it follows from, as a traceparent; "" when that belongs to none
    """

    queue: str
    message: Annotated[Message, Field(discriminator="kind")]
    delay_s: float = Field(default=0.0, ge=0.0)
    trace: str = ""

    def to_bytes(self) -> bytes:
        """The message as it travels."""
        return to_bytes(self.message, self.trace)


def stamped(sends: list[Send], trace: str) -> list[Send]:
    """The same, as what follows from the work of that trace."""
    return [send.model_copy(update={"trace": trace}) for send in sends] if trace else sends


class Received(NamedTuple):
    """A message as it came, with the trace of the work that it follows from; "" for none."""

    message: Message
    trace: str = ""


def to_bytes(message: Message, trace: str = "") -> bytes:
    """A message as it travels: UTF-8 JSON. What is no traceparent is left out."""
    own = message.model_dump_json(exclude_none=True)
    known = parsed(trace) if trace else ""
    envelope = f'{{"v":{VERSION},"trace":"{known}",' if known else f'{{"v":{VERSION},'
    return (envelope + own[1:]).encode()


def from_bytes(body: bytes) -> Message:
    """The message of these bytes. Raises MessageUnreadable when it is none of ours, or of a newer schema."""
    return received(body).message


def received(body: bytes) -> Received:
    """The message of these bytes and its trace. Raises MessageUnreadable, which names the run when the bytes do.

    One without a version was kept by a service of before there was one. Keys that the schema does not have are
    refused: whoever adds one gives the schema another version.
    """
    return _as_we_write(body) or _as_it_may_come(body)


_HEAD = f'{{"v":{VERSION},'.encode()
_TRACE = b'"trace":"'
_TRACE_AT, _TRACE_ENDS = len(_HEAD) + len(_TRACE), len(_HEAD) + len(_TRACE) + 55
_SPACED = re.compile(rb'"[ \t\r\n]')


def _as_we_write(body: bytes) -> Received | None:
    """What a body holds that `to_bytes` may have written, in a third of the time; None for all that is not sure to be.

    Two of these are read in each step, so it is most of what an envelope costs.
    """
    if not body.startswith(_HEAD) or len(body) > BODY_BYTES_MAX:
        return None
    rest, trace = body[len(_HEAD) :], ""
    if rest.startswith(_TRACE):
        trace = parsed(body[_TRACE_AT:_TRACE_ENDS].decode("latin-1"))
        if not trace or body[_TRACE_ENDS : _TRACE_ENDS + 2] != b'",':
            return None
        rest = body[_TRACE_ENDS + 2 :]
    try:
        message: Message = _MESSAGE.validator.validate_json(b"{" + rest)
    except ValidationError:
        return None  # why not is said by who reads it carefully
    # Pydantic takes the last of two keys. Without spaces behind quotes a key is what `":` ends; a text with `\":` in it
    # only makes us look again.
    is_once = rest.count(b'":') == len(message.__pydantic_fields_set__) and _SPACED.search(rest) is None
    return Received(message, trace) if is_once else None


def _as_it_may_come(body: bytes) -> Received:
    found = _object_of(body)
    run_id = _run_id_in(found)
    version, trace = found.pop("v", VERSION), found.pop("trace", "")
    if type(version) is not int or version < 1:
        raise MessageUnreadable("It has a version that no schema has", run_id=run_id)
    if version > VERSION:
        raise MessageUnreadable(
            f"It is of schema {version}, and this service knows {VERSION}: a newer one has sent it", run_id=run_id
        )
    try:
        message = _MESSAGE.validate_python(found)
    except ValidationError as error:
        said = error.errors(include_url=False, include_context=False, include_input=False)
        why = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in said[:3])
        raise MessageUnreadable(f"It is none of ours: {why[:_WHY_MAX]!r}", run_id=run_id) from None
    return Received(message, parsed(trace) if isinstance(trace, str) else "")


def named_run(body: bytes) -> str | None:
    """The run that a message names, also one that cannot be carried out; None when nobody can tell."""
    try:
        return _run_id_in(_object_of(body))
    except MessageUnreadable:
        return None


def _run_id_in(found: dict[str, Any]) -> str | None:
    named = found.get("run_id")
    return named if isinstance(named, str) and RUN_ID.fullmatch(named) else None


def _object_of(body: bytes) -> dict[str, Any]:
    if len(body) > BODY_BYTES_MAX:
        raise MessageUnreadable(f"It has {len(body)} bytes; ours have at most {BODY_BYTES_MAX}")
    try:
        found = _JSON.decode(body.decode())
    except RecursionError:
        raise MessageUnreadable("It is nested too deeply") from None
    except ValueError as error:
        raise MessageUnreadable(f"It is no JSON: {str(error)[:_WHY_MAX]!r}") from None
    if not isinstance(found, dict):
        raise MessageUnreadable("It is no JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in an object")  # of which each reader might take another one
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number)
