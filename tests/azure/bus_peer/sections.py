"""The sections of a message: what the queue reads, and the bytes it delivers.

Sections that are not ours to change stay the bytes that came. Annotations and application properties are added to
without being read: their items go on as they are, and ours come behind.

Source   AMQP 1.0, part 3 (message format); Service Bus's annotations as its AMQP guide lists them
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from tests.azure.bus_peer.wire import UByte, decode, encode, end_of

HEADER, ANNOTATIONS, PROPERTIES, APPLICATION, DATA, VALUE = 0x70, 0x72, 0x73, 0x74, 0x75, 0x77

_DELIVERY_COUNT = 4  # places of what we read in the header and in the properties
_TTL = 2
_MESSAGE_ID, _GROUP_ID = 0, 10
_SCHEDULED = b"x-opt-scheduled-enqueue-time"


def split(data: bytes) -> list[tuple[int, bytes]]:
    """A message's sections: the code of each, and its value as bytes. Raises ValueError."""
    found, at = [], 0
    try:
        while at < len(data):
            if data[at] != 0:
                raise ValueError(f"no section at byte {at}")
            code = data[at + 2] if data[at + 1] == 0x53 else data[at + 9]
            start = end_of(data, at + 1)
            at = end_of(data, start)
            if at > len(data):
                raise ValueError("the last section is not whole")
            found.append((code, data[start:at]))
    except (IndexError, struct.error):
        raise ValueError("the last section is not whole") from None
    return found


def section(code: int, value: bytes) -> bytes:
    """A section as it stands in a message."""
    return bytes((0, 0x53, code)) + value


def unpack_batch(data: bytes) -> list[bytes]:
    """The messages of a transfer: those of a batch, or the one that it is.

    The library hides a transfer's message format. A batch is known by what its data sections hold: whole messages.
    """
    parts = split(data)
    if not parts or any(code != DATA for code, _ in parts if code not in (ANNOTATIONS, PROPERTIES)):
        return [data]
    payloads = [decode(value) for code, value in parts if code == DATA]
    if payloads and all(len(p) > 3 and p[:2] == b"\x00\x53" and 0x70 <= p[2] <= 0x78 for p in payloads):
        return payloads
    return [data]


class Content:
    """What a sender has written, ready to be delivered again and again.

    message_id     "" when the sender gave none
    ttl_s          how long it may wait; None for ever
    scheduled_at   seconds since 1970; None for at once
    size           bytes of the message as it came
    """

    __slots__ = ("_annotations", "_application", "_header", "_rest", "message_id", "scheduled_at", "session_id", "size", "ttl_s")  # fmt: skip

    def __init__(self, data: bytes) -> None:
        header: list[Any] = []
        properties: list[Any] = []
        self._annotations = self._application = b""
        rest = []
        for code, value in split(data):
            if code == HEADER:
                header = decode(value)
            elif code == ANNOTATIONS:
                self._annotations = value
            elif code == APPLICATION:
                self._application = value
            else:
                if code == PROPERTIES:
                    properties = decode(value)
                rest.append(section(code, value))
        self._rest = b"".join(rest)
        self.size = len(data)
        ttl_ms = header[_TTL] if len(header) > _TTL else None
        self.ttl_s = None if ttl_ms is None else ttl_ms / 1000
        durable, priority = (header + [None, None])[:2]
        self._header = _header_start(durable, priority, ttl_ms)
        self.message_id = str(properties[_MESSAGE_ID] or "") if properties else ""
        self.session_id: str | None = properties[_GROUP_ID] if len(properties) > _GROUP_ID else None
        self.scheduled_at: float | None = None
        if _SCHEDULED in self._annotations:
            at = decode(self._annotations).get(_SCHEDULED.decode())
            self.scheduled_at = None if at is None else at / 1000

    def delivered(self, deliveries: int, annotations: bytes, count: int) -> bytes:
        """The message as a receiver gets it.

        deliveries    how often it was delivered before
        annotations   `count` keys and values of ours, behind those of the sender
        """
        header = self._header + struct.pack(">I", deliveries)
        return b"".join(
            (
                b"\x00\x53\x70\xd0" + struct.pack(">II", 4 + len(header), 5),
                header,
                section(ANNOTATIONS, _add_to_map(self._annotations, annotations, count)),
                section(APPLICATION, self._application) if self._application else b"",
                self._rest,
            )
        )

    def add_properties(self, properties: Mapping[str, str]) -> None:
        """Write into its application properties, as a dead letter's reason is."""
        if properties:
            ours = b"".join(encode(key) + encode(value) for key, value in properties.items())
            self._application = _add_to_map(self._application, ours, 2 * len(properties))

    def add_annotation(self, name: bytes, value: bytes) -> None:
        """Write an annotation that stays; both as AMQP values."""
        self._annotations = _add_to_map(self._annotations, name + value, 2)

    def described(self) -> dict[str, Any]:
        """What a person wants to see of it: body, application properties and message id, as JSON can hold them."""
        parts = split(self._rest)
        data = b"".join(decode(value) for code, value in parts if code == DATA)
        body = data.decode("utf-8", "backslashreplace")
        for code, value in parts:
            body = str(decode(value)) if code == VALUE else body
        application = decode(self._application) if self._application else {}
        properties = {_text(key): _text(value) for key, value in application.items()}
        return {"message_id": self.message_id, "session_id": self.session_id, "body": body, "properties": properties}


def _text(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _header_start(durable: bool | None, priority: int | None, ttl_ms: int | None) -> bytes:
    """The header's items before the delivery count, which comes behind as four bytes."""
    ttl = b"\x40" if ttl_ms is None else b"\x70" + struct.pack(">I", ttl_ms)
    return encode(durable) + encode(None if priority is None else UByte(priority)) + ttl + b"\x40\x70"


def _add_to_map(value: bytes, items: bytes, count: int) -> bytes:
    """A map with `count` more keys and values. A key that is there already is told twice: the last one counts."""
    if not value:
        had, body = 0, b""
    elif value[0] == 0xC1:
        had, body = value[2], value[3:]
    else:
        had, body = struct.unpack_from(">I", value, 5)[0], value[9:]
    body += items
    return b"\xd1" + struct.pack(">II", 4 + len(body), had + count) + body


_ENQUEUED = b"\xa3\x13x-opt-enqueued-time\x83"
_SEQUENCE = b"\xa3\x15x-opt-sequence-number\x81"
_ENQUEUE_SEQUENCE = b"\xa3\x1dx-opt-enqueue-sequence-number\x81"
_STATE = b"\xa3\x13x-opt-message-state\x71"
_LOCKED_UNTIL = b"\xa3\x12x-opt-locked-until\x83"
_LONG = struct.Struct(">q")


def queue_annotations(enqueued_at: float, sequence: int, state: int, locked_until: float | None) -> tuple[bytes, int]:
    """What the queue tells of a message; the bytes, and how many keys and values they are. Times in seconds of 1970."""
    number = _LONG.pack(sequence)
    ours = b"".join(
        (
            _ENQUEUED,
            _LONG.pack(int(enqueued_at * 1000)),
            _SEQUENCE,
            number,
            _ENQUEUE_SEQUENCE,
            number,
            _STATE,
            struct.pack(">i", state),
        )
    )
    if locked_until is None:
        return ours, 8
    return ours + _LOCKED_UNTIL + _LONG.pack(int(locked_until * 1000)), 10
