"""Values of AMQP 1.0 as bytes and back, as far as Service Bus uses them.

The AMQP library hands out binary values as views of memory that it frees, and takes 50 us to read a small map. So
messages and requests are read and written here, and the library carries only whole transfers.

Source   AMQP 1.0, part 1 (types)
"""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

# Bytes that follow a format code of fixed width; the others say their own length in one byte or four.
_WIDTH = {0x40: 0, 0x41: 0, 0x42: 0, 0x43: 0, 0x44: 0, 0x45: 0, 0x50: 1, 0x51: 1, 0x52: 1, 0x53: 1, 0x54: 1, 0x55: 1}
_WIDTH |= {0x56: 1, 0x60: 2, 0x61: 2, 0x70: 4, 0x71: 4, 0x72: 4, 0x73: 4, 0x74: 4, 0x80: 8, 0x81: 8, 0x82: 8, 0x83: 8}
_WIDTH |= {0x84: 8, 0x94: 16, 0x98: 16}
_SHORT = frozenset((0xA0, 0xA1, 0xA3, 0xC0, 0xC1, 0xE0))
_CONSTANT = {0x40: None, 0x41: True, 0x42: False, 0x43: 0, 0x44: 0}
_NUMBER = {
    code: struct.Struct(layout)
    for code, layout in {
        0x50: ">B", 0x51: ">b", 0x52: ">B", 0x53: ">B", 0x54: ">b", 0x55: ">b", 0x56: ">?", 0x60: ">H", 0x61: ">h",
        0x70: ">I", 0x71: ">i", 0x72: ">f", 0x80: ">Q", 0x81: ">q", 0x82: ">d", 0x83: ">q",
    }.items()
}  # fmt: skip
_U32 = struct.Struct(">I")


class Symbol(str):
    """A name that the protocol or Service Bus has fixed."""

    __slots__ = ()


class Int(int):
    """A number that travels in four bytes; plain ones travel in eight."""

    __slots__ = ()


class UInt(int):
    """The same, without a sign."""

    __slots__ = ()


class UByte(int):
    """A number that travels in one byte, without a sign."""

    __slots__ = ()


class Timestamp(int):
    """Milliseconds since 1970."""

    __slots__ = ()

    @classmethod
    def of(cls, seconds: float) -> Timestamp:
        """From seconds since 1970."""
        return cls(seconds * 1000)


class Array(list[Any]):
    """Values of one type; told from the first, since Service Bus sends none that are empty."""

    __slots__ = ()


def end_of(data: bytes, at: int) -> int:
    """Where the value that begins at `at` ends, without reading it."""
    code = data[at]
    width = _WIDTH.get(code)
    if width is not None:
        return at + 1 + width
    if code == 0:
        return end_of(data, end_of(data, at + 1))
    if code in _SHORT:
        return at + 2 + data[at + 1]
    return at + 5 + int(_U32.unpack_from(data, at + 1)[0])


def decode(data: bytes, at: int = 0) -> Any:
    """The value that begins at `at`; a described one without its descriptor.

    Raises   ValueError when these are no bytes of AMQP
    """
    try:
        return _read(data, at)[0]
    except (IndexError, struct.error, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"no AMQP value at byte {at} of {len(data)}: {error!r}") from None


def _read(data: bytes, at: int) -> tuple[Any, int]:
    code = data[at]
    if code in _CONSTANT:
        return _CONSTANT[code], at + 1
    if code == 0x45:
        return [], at + 1
    if code == 0:
        return _read(data, end_of(data, at + 1))
    return _read_body(code, data, at + 1)


def _read_body(code: int, data: bytes, at: int) -> tuple[Any, int]:
    """A value whose format code has been read already, as it stands in an array."""
    if code in _NUMBER:
        return _NUMBER[code].unpack_from(data, at)[0], at + _WIDTH[code]
    if code in _CONSTANT:
        return _CONSTANT[code], at
    if code == 0x98:
        return UUID(bytes=bytes(data[at : at + 16])), at + 16
    if code in _WIDTH:  # decimals and characters, which nobody sends
        return bytes(data[at : at + _WIDTH[code]]), at + _WIDTH[code]
    wide = code not in _SHORT
    size = _U32.unpack_from(data, at)[0] if wide else data[at]
    start = at + 4 if wide else at + 1
    end = start + size
    if end > len(data):
        raise IndexError(end)
    kind = code & 0x0F
    if kind == 0:
        if code in (0xA0, 0xB0):
            return bytes(data[start:end]), end
        items = _items(data, start, wide, array=code in (0xE0, 0xF0))
        return items, end
    if kind == 1 and code in (0xC1, 0xD1):
        flat = _items(data, start, wide, array=False)
        return dict(zip(flat[::2], flat[1::2], strict=True)), end
    text = bytes(data[start:end]).decode("ascii" if kind == 3 else "utf-8")
    return (Symbol(text) if kind == 3 else text), end


def _items(data: bytes, at: int, wide: bool, array: bool) -> list[Any]:
    """What a list, a map or an array holds, one after the other."""
    count = _U32.unpack_from(data, at)[0] if wide else data[at]
    at += 4 if wide else 1
    items = []
    if not array:
        for _ in range(count):
            item, at = _read(data, at)
            items.append(item)
        return items
    code = data[at]
    at += 1
    for _ in range(count):
        item, at = _read_body(code, data, at)
        items.append(item)
    return items


def encode(value: Any) -> bytes:
    """A value of Python as the AMQP type that Service Bus uses for it."""
    if value is None:
        return b"\x40"
    if isinstance(value, bool):
        return b"\x41" if value else b"\x42"
    if isinstance(value, int):
        return _encode_number(value)
    if isinstance(value, float):
        return b"\x82" + struct.pack(">d", value)
    if isinstance(value, str):
        return _sized(0xA3 if isinstance(value, Symbol) else 0xA1, value.encode())
    if isinstance(value, (bytes, bytearray)):
        return _sized(0xA0, bytes(value))
    if isinstance(value, UUID):
        return b"\x98" + value.bytes
    if isinstance(value, Array):
        items = [encode(item) for item in value]
        return _compound(0xF0, len(items), items[0][:1] + b"".join(item[1:] for item in items))
    if isinstance(value, dict):
        pairs = b"".join(encode(key) + encode(item) for key, item in value.items())
        return _compound(0xD1, 2 * len(value), pairs)
    assert isinstance(value, list), value
    return _compound(0xD0, len(value), b"".join(map(encode, value)))


def _encode_number(value: int) -> bytes:
    if isinstance(value, Timestamp):
        return b"\x83" + struct.pack(">q", value)
    if isinstance(value, Int):
        return b"\x71" + struct.pack(">i", value)
    if isinstance(value, UInt):
        return b"\x70" + struct.pack(">I", value)
    if isinstance(value, UByte):
        return b"\x50" + struct.pack(">B", value)
    return b"\x81" + struct.pack(">q", value)


def _sized(short: int, data: bytes) -> bytes:
    if len(data) < 256:
        return bytes((short, len(data))) + data
    return bytes((short + 0x10,)) + _U32.pack(len(data)) + data


def _compound(wide: int, count: int, body: bytes) -> bytes:
    return bytes((wide,)) + _U32.pack(4 + len(body)) + _U32.pack(count) + body
