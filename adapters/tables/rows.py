"""A run, its attempts and its messages, as properties of rows and back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from json.scanner import make_scanner

from adapters.tables.table import PROPERTY_BYTES_MAX, Insert, Operation, Row, Value
from canalis.contract.errors import TooLarge
from canalis.contract.messages import Send
from canalis.contract.ports import Attempt, AttemptKey, Document, Fact, Run
from canalis.contract.run import RunRequest, RunState

_PIECES_MAX = 46  # of a request: 2.9 MiB, which travel as 3.9 MiB of base64
# json.loads looks for white space around, of which we write none, and takes three times as long.
_scan = make_scanner(json.JSONDecoder())  # type: ignore[arg-type]  # typeshed wants a scanner to make one of
_FACT = "f_"


def run_properties(version: int, state: RunState, now: float, stopping_since: float | None) -> dict[str, Value]:
    """Of a run's row. A property holds 64 KiB, and the state of 50,000 steps may need more: it goes into several."""
    properties: dict[str, Value] = {"version": version, "status": state.status.value, "updated_at": now}
    packed = state.pack()
    for number, at in enumerate(range(0, len(packed), PROPERTY_BYTES_MAX)):
        properties[_state_name(number)] = packed[at : at + PROPERTY_BYTES_MAX]
    if state.status.is_terminal:
        properties["ended_at"] = now
    if stopping_since is not None:
        properties["stopping_since"] = stopping_since
    return properties


def request_rows(request: RunRequest) -> list[Operation]:
    """What was asked for, in pieces. Raises TooLarge."""
    body = zlib.compress(request.model_dump_json(exclude_defaults=True).encode(), 1)
    pieces = [body[at : at + PROPERTY_BYTES_MAX] for at in range(0, len(body), PROPERTY_BYTES_MAX)]
    if len(pieces) > _PIECES_MAX:
        most = _PIECES_MAX * PROPERTY_BYTES_MAX
        raise TooLarge(f"What is asked of this run takes {len(body)} bytes: at most {most} can be kept with it")
    return [Insert(f"request:{number:02d}", {"body": piece}) for number, piece in enumerate(pieces)]


def outbox_rows(version: int, sends: Sequence[Send]) -> list[Operation]:
    """Messages of a commit; no row when there are none."""
    if not sends:
        return []
    body = zlib.compress(json.dumps([send.model_dump(mode="json") for send in sends]).encode(), 1)
    return [Insert(out_key(version), {"sends": body})]


def sends_of(row: Row) -> list[Send]:
    """The messages of such a row."""
    body = row.properties["sends"]
    assert isinstance(body, bytes), row.key
    return [Send.model_validate(send) for send in json.loads(zlib.decompress(body))]


def to_run(run_id: str, request: RunRequest, row: Row) -> Run:
    """The run of a row."""
    known: Mapping[str, Value] = row.properties
    version, updated_at = known["version"], known["updated_at"]
    assert isinstance(version, int) and isinstance(updated_at, float), run_id
    ended_at, stopping_since = known.get("ended_at"), known.get("stopping_since")
    return Run(
        run_id,
        request,
        RunState.unpack(b"".join(_state_pieces(known))),
        version,
        updated_at,
        float(ended_at) if ended_at is not None else None,
        float(stopping_since) if stopping_since is not None else None,
        str(known.get("attention", "")),
    )


def hidden_at(row: Row) -> float:
    """Since when a run is hidden; 0.0 for one that is not."""
    return float(row.properties.get("hidden_at", 0.0))


def changed(run: Run, state: RunState, version: int, now: float, stopping_since: float | None) -> Run:
    """The run after a commit."""
    return Run(run.run_id, run.request, state, version, now, now if state.status.is_terminal else None, stopping_since)


def to_attempt(run_id: str, row: Row) -> Attempt:
    """The attempt of a row."""
    known = row.properties
    _, node, number = row.key.split(":")
    facts = {name[len(_FACT) :]: _fact(str(value)) for name, value in known.items() if name.startswith(_FACT)}
    return Attempt(
        AttemptKey(run_id, node, int(number)),
        str(known.get("owner", "")),
        int(known.get("fence", 0)),
        float(known.get("lease_until", 0.0)),
        bool(known.get("ended", False)),
        facts,
    )


def _fact(text: str) -> object:
    value, end = _scan(text, 0)
    if end != len(text):
        raise ValueError(f"A fact goes on after its end: {text[end : end + 40]!r}")
    return value


def claim_properties(attempt: Attempt) -> dict[str, Value]:
    """Who has an attempt, and what is known of it."""
    claim: dict[str, Value] = {"owner": attempt.owner, "fence": attempt.fence, "lease_until": attempt.lease_until}
    return claim | facts_as_properties(attempt.facts)


def fact_properties(fact: Fact) -> dict[str, Value]:
    """What a commit says of an attempt."""
    properties = facts_as_properties(fact.facts)
    return properties | {"ended": True} if fact.ended else properties


def facts_as_properties(facts: Document) -> dict[str, Value]:
    """Facts for people, each cut to what a property holds: an error without end must not keep a run from going on."""
    return {f"{_FACT}{name}": _fitting(value) for name, value in facts.items()}


def _fitting(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    while isinstance(value, str) and len(text.encode("utf-16-le", "surrogatepass")) > PROPERTY_BYTES_MAX:
        value = value[: len(value) // 2]
        text = json.dumps(value, ensure_ascii=False)
    return text


def _state_name(number: int) -> str:
    return f"state{number}" if number else "state"


def _state_pieces(known: Mapping[str, Value]) -> Iterator[bytes]:
    for number in count():
        piece = known.get(_state_name(number))
        if piece is None:
            return
        assert isinstance(piece, bytes), number
        yield piece


def is_still(attempt: Attempt, row: Row) -> bool:
    """Whether nobody has claimed it since, and it has not ended."""
    return row.properties.get("fence", 0) == attempt.fence and not row.properties.get("ended", False)


def out_key(version: int) -> str:
    """Of the messages of a commit."""
    return f"out:{version:08d}"


def try_key(node: str, attempt: int) -> str:
    """Of an attempt."""
    return f"try:{node}:{attempt:03d}"
