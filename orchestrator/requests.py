"""What messages on the queue `submissions` ask for becomes runs, each of them once however often it is delivered.

The run's id is made of the key that the message brings, or of the message's own id. So a message that comes again finds
its run, and one that asks for something else under a known key is refused.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from canalis.contract.about import about
from canalis.contract.errors import AuthorError, BadRequest, KeyReused, NotFound, ParameterError, TooLarge
from canalis.contract.graph import ParameterType, ParameterValue
from canalis.contract.json_text import read_json
from canalis.contract.logs import masked
from canalis.contract.messages import SUBMISSIONS_QUEUE
from canalis.contract.parameters import value_from
from canalis.contract.ports import Ports, Run
from canalis.contract.published import Published, check_id
from canalis.contract.run import ComputeChoice, Origin, Reply
from canalis.contract.submissions import BODY_BYTES_MAX, REPLIES, SENDER, RunWanted, is_reply_queue
from canalis.contract.trace import CONSUMER, span
from canalis.contract.unreadable import in_words
from orchestrator.audit import keep
from orchestrator.notices.event import REFUSED, event
from orchestrator.pipelines.endpoints import behind, endpoint, endpoint_named
from orchestrator.pipelines.launch import Launch, launch
from orchestrator.pipelines.publish import graph_of, published

KIND = "Queue"  # of the origin of such runs
_RUNS = uuid.UUID("0d8d6a0b-7a0e-5c0f-8f39-6f5f1c1d5b52")  # of ids of runs that are made of keys and of ids of messages
_FAULTS_MAX = 10
_WHY_MAX = 1_000
_FORMS = {
    "idempotency_key": "it has 1 to 255 visible ASCII characters",
    "pipeline": "this is no id of a published pipeline",
    "reply_to": f"it is '{REPLIES}', or begins with '{REPLIES}-'",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_OF_MESSAGES: dict[str, str | int] = {
    "messaging.operation.type": "process",
    "messaging.destination.name": SUBMISSIONS_QUEUE,
}

_log = logging.getLogger("canalis.requests")


@dataclass(frozen=True, slots=True)
class Came:
    """A message that came on the queue.

    message_id   of the bus, the same each time that the message is delivered
    """

    body: bytes
    message_id: str


def start(ports: Ports, came: Came, computes: Mapping[str, ComputeChoice]) -> Run:
    """The run that a message asks for. Safe to call with the same message again: it is the same run.

    computes   what each compute target is just now, "" for steps that name none
    Raises     an AuthorError when it starts nothing, and never will
    """
    with span("request", kind=CONSUMER, attributes=_OF_MESSAGES):
        wanted, fingerprint = _read(came.body)
        run_id = run_id_of(wanted, came)
        with about(run_id=run_id):
            return _known(ports, run_id, fingerprint) or _launched(ports, run_id, wanted, came, computes, fingerprint)


def refuse(ports: Ports, came: Came, code: str, message: str) -> None:
    """Tell who sent a message why it starts nothing, if it says where: an event, once or more often."""
    found = _json_of(came.body)
    queue = found.get("reply_to")
    if not is_reply_queue(queue):
        return
    key = found.get("idempotency_key")
    data = {
        "submission": came.message_id,
        "idempotency_key": key if isinstance(key, str) else None,
        "error": {"code": code, "message": message},
    }
    identity = f"refused-{uuid.uuid5(_RUNS, came.message_id)}"
    told = event(ports, REFUSED, identity, came.message_id, ports.clock.now(), data, {"type": REFUSED})
    try:
        ports.bus.publish(str(queue), told.body, {**told.said, "correlation_id": came.message_id})
    except NotFound as error:  # there is nobody, and waiting brings nobody
        _log.warning("a refusal was not told: %s", error.message)


def why(error: AuthorError) -> str:
    """The reason for which a message was refused, as it is shown: one line without secrets, not without end."""
    return _CONTROL.sub(" ", masked(error.message[: 4 * _WHY_MAX]))[:_WHY_MAX]


def run_id_of(wanted: RunWanted, came: Came) -> str:
    """The run that belongs to a key, or to a message without one. Keys of callers over HTTP never meet these."""
    name = ["message", came.message_id] if wanted.idempotency_key is None else ["key", wanted.idempotency_key]
    return str(uuid.uuid5(_RUNS, json.dumps(name)))


def _read(body: bytes) -> tuple[RunWanted, str]:
    """What is asked for, and what tells it from all else, however its JSON is spelled."""
    if len(body) > BODY_BYTES_MAX:
        raise TooLarge(f"The message has {len(body)} bytes: at most {BODY_BYTES_MAX} are read")
    value = read_json(body, has_constants=False)
    if not isinstance(value, dict):
        raise BadRequest("The message is no JSON object")
    try:
        wanted = RunWanted.model_validate(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:_FAULTS_MAX]
        raise BadRequest("; ".join(in_words(fault, _FORMS) for fault in faults)) from None
    return wanted, hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _known(ports: Ports, run_id: str, fingerprint: str) -> Run | None:
    """The run, when the message was carried out before, whatever has become of its pipeline since."""
    try:
        run = ports.runs.load(run_id)
    except NotFound:
        return None
    if run.request.fingerprint != fingerprint:
        raise KeyReused(
            f"This idempotency key, or id of a message, has started run {run_id}, and with another body: "
            "take a new one for each run",
            run_id=run_id,
        )
    return run


def _launched(
    ports: Ports,
    run_id: str,
    wanted: RunWanted,
    came: Came,
    computes: Mapping[str, ComputeChoice],
    fingerprint: str,
) -> Run:
    pipeline, origin = _resolved(ports, wanted)
    asked = Launch(
        experiment=wanted.experiment,
        run_id=run_id,
        parameters=_values(ports, pipeline, wanted),
        tags=wanted.tags,
        continue_on_step_failure=wanted.continue_on_step_failure,
    )
    reply = Reply(queue=wanted.reply_to, to=came.message_id) if wanted.reply_to is not None else None
    run = launch(ports, pipeline, asked, computes, SENDER, origin, fingerprint, reply)
    keep(ports, {"who": SENDER, "route": "message", "name": pipeline.id, "made": run.run_id})
    return run


def _resolved(ports: Ports, wanted: RunWanted) -> tuple[Published, Origin]:
    """The published pipeline that runs, and what it was found by."""
    if wanted.pipeline is not None:
        return published(ports.documents, wanted.pipeline), Origin(kind=KIND)
    assert wanted.endpoint is not None, wanted
    try:
        found = endpoint(ports.documents, check_id("pipeline endpoint", wanted.endpoint))
    except NotFound:
        found = endpoint_named(ports.documents, wanted.endpoint)
    pipeline, chosen = behind(ports.documents, found, wanted.version)
    return pipeline, Origin(endpoint=found.id, version=chosen.version, kind=KIND)


def _values(ports: Ports, pipeline: Published, wanted: RunWanted) -> dict[str, ParameterValue]:
    """The values of parameters, each text read as the type that its parameter has."""
    types: dict[str, ParameterType] = {one.name: one.type for one in graph_of(ports, pipeline).parameters}
    found: dict[str, ParameterValue] = {**wanted.data_paths}
    for name, value in wanted.parameters.items():
        kind = types.get(name, "string")
        found[name] = value_from(name, kind, value) if isinstance(value, str) and kind != "string" else value
        if isinstance(found[name], float) and not math.isfinite(found[name]):  # type: ignore[arg-type]
            raise ParameterError(f"Parameter '{name}' is {found[name]}, which is no number", names=[name])
    return found


def _json_of(body: bytes) -> dict[str, Any]:
    """What can be read of a message that may be anything."""
    if len(body) > 2 * BODY_BYTES_MAX:
        return {}
    try:
        value = read_json(body)
    except BadRequest:
        return {}
    return value if isinstance(value, dict) else {}
