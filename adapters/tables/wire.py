"""How rows travel to Azure Table storage: keys, typed properties, transactions, limits. Pure.

Keys are written in an encoding of ours, since Azure refuses some characters in them. It keeps the order of code points
and what begins how, so that ranges of keys stay ranges; and what it writes has no quote, so that a key can end no text
in a query. Letters, digits and most signs stand for themselves: `try:train:001` is written so.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from adapters.tables.table import (
    KEY_BYTES_MAX,
    OPERATIONS_MAX,
    PROPERTIES_MAX,
    PROPERTY_BYTES_MAX,
    ROW_BYTES_MAX,
    TRANSACTION_BYTES_MAX,
    Delete,
    Insert,
    Merge,
    Operation,
    Properties,
    Replace,
    Row,
    Value,
)
from canalis.contract.errors import TooLarge

WRITE = "_write"  # the property that says which request wrote a row
_INT32 = 2**31
_SYSTEM = ("PartitionKey", "RowKey", "Timestamp", WRITE)
_PART = re.compile(rb"HTTP/1\.[01] (\d{3})")
_ETAG = re.compile(rb"^etag: *(.*?)\r?$", re.IGNORECASE | re.MULTILINE)
_CODE = re.compile(rb'"code" *: *"([^"]*)"')


# ---------------------------------------------------------------------------------------------------------------- keys


def _byte_codes() -> list[str]:
    """What each byte of a key's UTF-8 is written as, in the same order."""
    codes = [chr(byte) for byte in range(128)] + [""] * 128
    for byte in range(0x22):  # control characters, the blank and "!"
        codes[byte] = f"!{byte:02X}"
    for byte in range(0x7E, 256):  # "~" and what is no ASCII
        codes[byte] = f"~{byte:02X}"
    for refused in b"#%'/?\\":
        before = chr(refused - 1)  # the one place in the order where it can go
        codes[refused - 1], codes[refused] = f"{before}0", f"{before}1"
    return codes


_CODES = _byte_codes()
_BYTES = {code: byte for byte, code in enumerate(_CODES)}
_CODE_AT = re.compile("|".join(sorted(map(re.escape, _BYTES), key=len, reverse=True)))


def encoded(key: str) -> str:
    """The key as Azure has it. Raises TooLarge."""
    text = "".join(map(_CODES.__getitem__, key.encode("utf-8", "surrogatepass")))
    if 2 * len(text) > KEY_BYTES_MAX:
        raise TooLarge(f"The name {key[:40]}... is too long to be stored: {len(key)} characters", length=len(key))
    return text


def decoded(text: str) -> str:
    """The key that was written so."""
    return bytes(_BYTES[code] for code in _CODE_AT.findall(text)).decode("utf-8", "surrogatepass")


def key_range(partition: str, prefix: str, start: str) -> str:
    """The query for keys of a partition that begin so, from `start` on."""
    terms = [f"PartitionKey eq '{encoded(partition)}'"]
    if lowest := max(encoded(prefix), encoded(start)):
        terms.append(f"RowKey ge '{lowest}'")
    if prefix:
        beginning = encoded(prefix)  # its last character is never "~", nor one that goes before a refused one
        terms.append(f"RowKey lt '{beginning[:-1]}{chr(ord(beginning[-1]) + 1)}'")
    return " and ".join(terms)


def row_path(table: str, partition: str, key: str) -> str:
    """Where a row is, below the account's address."""
    return f"/{table}(PartitionKey='{quote(encoded(partition), safe='')}',RowKey='{quote(encoded(key), safe='')}')"


# ---------------------------------------------------------------------------------------------------------- properties


def to_json(properties: Properties) -> dict[str, Any]:
    """Properties with their types: a whole number beyond 32 bits and bytes need theirs said, a float always has it."""
    body: dict[str, Any] = {}
    for name, value in properties.items():
        if isinstance(value, bool):
            body[name] = value
        elif isinstance(value, bytes):
            body[name], body[f"{name}@odata.type"] = b64encode(value).decode(), "Edm.Binary"
        elif isinstance(value, float):
            is_number = value - value == 0
            body[name] = value if is_number else {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[str(value)]
            body[f"{name}@odata.type"] = "Edm.Double"
        elif isinstance(value, int) and not -_INT32 <= value < _INT32:
            body[name], body[f"{name}@odata.type"] = str(value), "Edm.Int64"
        else:
            body[name] = value
    return body


def to_row(body: Mapping[str, Any]) -> Row:
    """A row of what Azure says of it."""
    found: dict[str, Value] = {}
    for name, value in body.items():
        if "odata." in name or name in _SYSTEM:
            continue
        sort = body.get(f"{name}@odata.type")
        if sort == "Edm.Binary":
            value = b64decode(value)
        elif sort == "Edm.Int64":
            value = int(value)
        elif sort == "Edm.Double":
            value = float(value)
        found[name] = value
    return Row(decoded(body["RowKey"]), str(body.get("odata.etag", "")), found)


# -------------------------------------------------------------------------------------------------------------- limits


def check_limits(operations: Sequence[Operation]) -> None:
    """Raises TooLarge when Azure would refuse these operations for their size; an emulator might not."""
    keys = {operation.key for operation in operations}
    assert operations and len(keys) == len(operations), [operation.key for operation in operations]
    if len(operations) > OPERATIONS_MAX:
        raise TooLarge(f"{len(operations)} rows at once: at most {OPERATIONS_MAX} can be written together")
    total = sum(_checked_bytes(operation) for operation in operations)
    if total > TRANSACTION_BYTES_MAX:
        raise TooLarge(f"{total} bytes at once: at most {TRANSACTION_BYTES_MAX} can be written together")


def _checked_bytes(operation: Operation) -> int:
    if isinstance(operation, Delete):
        return 0
    properties = operation.properties
    if len(properties) > PROPERTIES_MAX:
        raise TooLarge(f"{operation.key} has {len(properties)} properties: at most {PROPERTIES_MAX} can be stored")
    total = 0
    for name, value in properties.items():
        size = 2 * len(value) if isinstance(value, str) else len(value) if isinstance(value, bytes) else 8
        if size > PROPERTY_BYTES_MAX:
            raise TooLarge(f"{name} of {operation.key} takes {size} bytes: at most {PROPERTY_BYTES_MAX} can be stored")
        total += size + 2 * len(name) + 8
    if total > ROW_BYTES_MAX:
        raise TooLarge(f"{operation.key} takes {total} bytes: at most {ROW_BYTES_MAX} can be stored")
    return total


# ------------------------------------------------------------------------------------------------------------ requests


def request(table: str, partition: str, operation: Operation, write_id: str) -> tuple[str, str, dict[str, str], bytes]:
    """An operation as method, path, headers and body; `write_id` marks what it writes, unless it is ""."""
    path = row_path(table, partition, operation.key)
    if isinstance(operation, Delete):
        return "DELETE", path, {"If-Match": operation.etag or "*"}, b""
    body = {"PartitionKey": encoded(partition), "RowKey": encoded(operation.key), **to_json(operation.properties)}
    if write_id:
        body[WRITE] = write_id
    headers = {"Content-Type": "application/json;odata=nometadata"}
    if isinstance(operation, Insert):
        headers["Prefer"] = "return-no-content"
        return "POST", f"/{table}", headers, _dumped(body)
    if isinstance(operation, Replace) or operation.etag is not None:
        headers["If-Match"] = str(operation.etag)
    return ("PUT" if isinstance(operation, Replace) else "PATCH"), path, headers, _dumped(body)


def batch(url: str, table: str, partition: str, operations: Sequence[Operation], write_id: str) -> tuple[str, bytes]:
    """Operations as one transaction: the content's type, and the content."""
    outer, inner = f"batch_{write_id}", f"changeset_{write_id}"
    lines = [f"--{outer}", f"Content-Type: multipart/mixed; boundary={inner}", ""]
    for number, operation in enumerate(operations):
        method, path, headers, body = request(table, partition, operation, write_id if is_guarded(operation) else "")
        lines += [f"--{inner}", "Content-Type: application/http", "Content-Transfer-Encoding: binary"]
        lines += [f"Content-ID: {number}", "", f"{method} {url}{path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Accept: application/json;odata=minimalmetadata", "DataServiceVersion: 3.0"]
        lines += [f"Content-Length: {len(body)}", "", body.decode()]  # JSON of ours is ASCII
    lines += [f"--{inner}--", "", f"--{outer}--", ""]
    return f"multipart/mixed; boundary={outer}", "\r\n".join(lines).encode()


def answers(content: bytes) -> Iterator[tuple[int, str, str]]:
    """Status, Azure's word for a failure, and entity tag of each answer in a transaction's answer."""
    starts = [found.start() for found in _PART.finditer(content)]
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        yield answer(int(content[start + 9 : start + 12]), content[start:end])


def answer(status: int, content: bytes, etag: str = "") -> tuple[int, str, str]:
    """Status, Azure's word for a failure, and entity tag."""
    code = _CODE.search(content) if status >= 300 else None
    tag = _ETAG.search(content) if not etag else None
    return status, code[1].decode() if code else "", etag or (tag[1].decode() if tag else "")


def is_guarded(operation: Operation) -> bool:
    """Whether it fails when somebody else wrote first."""
    return isinstance(operation, Insert | Replace) or (isinstance(operation, Merge) and operation.etag is not None)


def _dumped(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
