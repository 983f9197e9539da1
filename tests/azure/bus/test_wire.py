"""What the peer reads and writes by itself is AMQP, as the library understands it."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.azure.bus_peer.sections import ANNOTATIONS, Content, queue_annotations, split, unpack_batch
from tests.azure.bus_peer.wire import Array, Int, Symbol, Timestamp, UByte, UInt, decode, encode
from tests.azure.conftest import needs_stack

needs_stack()

import proton  # noqa: E402

ID = UUID("00112233-4455-6677-8899-aabbccddeeff")
VALUES = [
    None, True, False, 0, -1, 2**62, 1.5, "", "é" * 200, b"\x00" * 300, ID, Symbol("name"), Timestamp(1_700_000_000_000),
    Int(-5), UInt(5), UByte(200), [], [1, "a", [None]], {"a": {"b": [1]}}, Array([1, 2, 3]), Array([Timestamp(1), Timestamp(2)]),
]  # fmt: skip


def by_library(data: bytes):
    read = proton.Data()
    read.decode(data)
    read.rewind()
    read.next()
    found = read.get_object()
    if isinstance(found, memoryview):
        return bytes(found)
    return list(found.elements) if isinstance(found, proton.Array) else found


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_the_library_reads_what_we_write_and_so_do_we(value):
    data = encode(value)
    assert by_library(data) == value
    assert decode(data) == value


@pytest.mark.parametrize(
    "value",
    [7, proton.ulong(7), proton.ulong(300), proton.int32(-7), proton.byte(-7), proton.short(-700), proton.ushort(700),
     proton.float32(1.5), {"a": ["b", {"c": 1}]}, [], [1] * 300, proton.symbol("s"), "x" * 300,
     proton.Array(proton.UNDESCRIBED, proton.Data.UUID, ID, ID)],
    ids=repr,
)  # fmt: skip
def test_we_read_what_the_library_writes(value):
    written = proton.Data()
    written.put_object(value)
    assert decode(written.encode()) == (list(value.elements) if isinstance(value, proton.Array) else value)


@pytest.mark.parametrize(
    "data", [b"", b"\xa1\x05ab", b"\xb1\x00\x00", b"\xff\x00", b"\xd1\x00\x00\x00\x09\x00\x00\x00\x03\x40"]
)
def test_bytes_that_are_no_value_are_refused(data):
    with pytest.raises(ValueError, match="no AMQP value"):
        decode(data)


def a_message() -> proton.Message:
    return proton.Message(
        id="m1",
        body=b"body",
        inferred=True,
        ttl=5.0,
        durable=True,
        priority=7,
        group_id="s",
        annotations={proton.symbol("x-opt-partition-key"): "p"},
        properties={"k": "v"},
    )


def test_a_message_keeps_what_its_sender_wrote_and_gets_what_the_queue_says():
    content = Content(a_message().encode())
    assert (content.message_id, content.session_id, content.ttl_s, content.scheduled_at) == ("m1", "s", 5.0, None)
    content.add_properties({"DeadLetterReason": "why"})

    received = proton.Message()
    received.decode(content.delivered(3, *queue_annotations(100.0, 42, 1, 160.0)))

    assert bytes(received.body) == b"body"
    assert (received.id, received.group_id, received.ttl, received.delivery_count) == ("m1", "s", 5.0, 3)
    assert (received.durable, received.priority) == (True, 7)
    assert received.properties == {"k": "v", "DeadLetterReason": "why"}
    assert received.annotations == {
        "x-opt-partition-key": "p",
        "x-opt-enqueued-time": 100_000,
        "x-opt-sequence-number": 42,
        "x-opt-enqueue-sequence-number": 42,
        "x-opt-message-state": 1,
        "x-opt-locked-until": 160_000,
    }


def test_a_batch_is_told_from_a_message_whose_body_is_bytes():
    one = a_message().encode()
    assert unpack_batch(one) == [one]
    batch = b"".join(b"\x00\x53\x75" + encode(one) for _ in range(3))
    assert unpack_batch(batch) == [one] * 3


def test_a_message_that_is_cut_short_is_refused_wherever_it_is_cut():
    whole = a_message().encode()
    boundaries = {0}
    for code, value in split(whole):
        boundaries.add(max(boundaries) + 3 + len(value))
        assert code >= ANNOTATIONS or code == 0x70
    for length in set(range(len(whole))) - boundaries:
        with pytest.raises(ValueError, match=r"not whole|no section|no AMQP value"):
            split(whole[:length])
