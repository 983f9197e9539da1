"""The envelope of messages: what is written around them, and what is refused whoever sent it."""

from __future__ import annotations

import json
import random
from typing import get_args

import pytest

from canalis.contract import messages
from canalis.contract.errors import MessageUnreadable
from canalis.contract.messages import (
    BODY_BYTES_MAX,
    CheckStep,
    GoOn,
    Message,
    Send,
    StartStep,
    StepEnded,
    from_bytes,
    named_run,
    received,
    stamped,
    to_bytes,
)
from canalis.contract.status import Outcome

RUN = "7f3c0000-aaaa"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ENDED = StepEnded(
    run_id=RUN, node="train", attempt=2, outcome=Outcome.FAILED, exit_code=1, error="a 'quoted\"\\\n\u2028 text",
    started_at=1.5, ended_at=2.25, marks=(("data_in", 1.0), ("user_code", 1.5)),
)  # fmt: skip


def body(**changes: object) -> bytes:
    parts = {"v": 1, "kind": "start_step", "run_id": RUN, "node": "train", "attempt": 1, **changes}
    return json.dumps({name: value for name, value in parts.items() if value is not None}).encode()


def why(forged: bytes) -> str:
    with pytest.raises(MessageUnreadable) as raised:
        from_bytes(forged)
    assert raised.value.code == "message_unreadable"
    assert len(str(raised.value)) < 1000 and "\n" not in str(raised.value)
    return str(raised.value)


def one_of_each() -> list[Message]:
    known = {"run_id": RUN, "node": "train", "attempt": 1, "outcome": "succeeded", "fence": 3, "listener": "topic"}
    return [kind(**{name: known[name] for name in kind.model_fields if name in known}) for kind in get_args(Message)]


@pytest.mark.parametrize("trace", ["", TRACE])
def test_every_message_says_its_schema_and_comes_out_as_it_went_in(trace):
    for message in [*one_of_each(), ENDED]:
        travels = to_bytes(message, trace)
        assert json.loads(travels)["v"] == 1
        assert json.loads(travels).get("trace", "") == trace
        assert received(travels) == (message, trace)
        assert named_run(travels) == RUN


def test_a_message_that_a_service_of_before_has_kept_is_read():
    assert received(ENDED.model_dump_json(exclude_none=True).encode()) == (ENDED, "")


def test_a_newer_schema_is_refused_and_names_its_run():
    newer = body(v=2, kind="something_new", detail={"deep": [1]})
    assert "schema 2, and this service knows 1" in why(newer)
    assert named_run(newer) == RUN
    with pytest.raises(MessageUnreadable) as raised:
        from_bytes(newer)
    assert raised.value.run_id == RUN


@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1", [], {}])
def test_a_version_that_none_can_have_is_refused(version):
    assert "version that no schema has" in why(body(v=version))


def test_a_key_that_the_schema_does_not_have_is_refused():
    assert "priority: Extra inputs are not permitted" in why(body(priority=9))


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe{", "no JSON"),
        (b"null", "no JSON object"),
        (b"[]", "no JSON object"),
        (b"{}", "none of ours"),
        (b'{"v":1,"kind":"go_on","run_id":"r-1","run_id":"r-2"}', "a key stands twice"),
        (b'{"v":1,"v":2,"kind":"go_on","run_id":"r-1"}', "a key stands twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 40_000, "nested too deeply"),
        (b'{"v":' + b"9" * 6000 + b"}", "no JSON"),
        (body(kind="step_ended", outcome="succeeded").replace(b'"attempt": 1', b'"attempt": NaN'), "no number"),
        (body(kind="step_ended", outcome="succeeded", ended_at=1).replace(b": 1}", b": 1e999}"), "none of ours"),
        (body(kind="step_ended", outcome="succeeded", ended_at="nan"), "none of ours"),
        (body(kind="step_ended", outcome="bored"), "none of ours"),
        (body(kind="rm -rf"), "none of ours"),
        (body(attempt=256), "none of ours"),
        (body(attempt=2**70), "none of ours"),
        (body(node="../../etc"), "none of ours"),
        (body(node="a\n"), "none of ours"),
        (body(run_id="x' or PartitionKey ne '"), "none of ours"),
        (body(run_id="a/b#c?"), "none of ours"),
        (body(run_id=7), "none of ours"),
        (body(node="\ud800"), "none of ours"),
        (b" " * 10 * 2**20, "at most"),
        (body(node="a" * (10 * 2**20)), "at most"),
    ],
)
def test_what_was_forged_is_refused_in_words(forged, said):
    assert said in why(forged)


def test_text_of_any_kind_is_read_or_refused_and_nothing_else():
    choose = random.Random(1)
    good = to_bytes(ENDED, TRACE)
    for _ in range(3_000):
        forged = bytearray(good)
        for _ in range(choose.randint(1, 6)):
            at = choose.randrange(len(forged))
            forged[at : at + choose.randint(0, 4)] = choose.randbytes(choose.randint(0, 4))
        try:
            received(bytes(forged))
        except MessageUnreadable:
            named_run(bytes(forged))


def test_a_trace_that_is_none_is_left_out_and_costs_no_message():
    for forged in ("", "00-zz", TRACE.upper(), TRACE + "\r\n", "x" * 100_000, '","run_id":"other'):
        assert received(to_bytes(GoOn(run_id=RUN), forged)) == (GoOn(run_id=RUN), "")
    assert received(body(trace='"}{')).trace == ""
    assert received(body(trace=7)).trace == ""


def test_a_run_is_named_only_by_what_can_be_the_name_of_one():
    assert named_run(body(run_id="../" * 9)) is None
    assert named_run(body(run_id=None)) is None
    assert named_run(b"{") is None
    assert named_run(b"[1]") is None
    assert named_run(body(pad="x" * BODY_BYTES_MAX)) is None


def test_a_send_carries_its_trace_and_one_that_was_kept_before_has_none():
    sends = [Send(queue="q", message=StartStep(run_id=RUN, node="a", attempt=1), delay_s=2.0)]
    assert stamped(sends, "") is sends
    (after,) = stamped(sends, TRACE)
    assert received(after.to_bytes()).trace == TRACE and after.delay_s == 2.0
    kept = sends[0].model_dump(mode="json")
    kept.pop("trace")
    assert Send.model_validate(kept) == sends[0]


def test_the_longest_text_of_an_error_still_fits_into_a_message():
    from steps.report import _ERROR_MAX, _fitting

    error = _fitting("\x00" * (4 * _ERROR_MAX) + "\udcff")
    assert received(to_bytes(ENDED.model_copy(update={"error": error}), TRACE)).message.error == error
    assert _fitting("caf\udce9") == "caf?"


def test_a_message_of_ours_is_small():
    assert len(to_bytes(CheckStep(run_id=RUN, node="a", attempt=1, fence=1), TRACE)) < 200
    assert messages.VERSION == 1
