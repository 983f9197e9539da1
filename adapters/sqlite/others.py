"""Messages of others in the table of messages: what they get from us, what they send us, what of that was set aside.

With each is kept what is said beside its body: a line of JSON, and behind that the body as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from canalis.contract.submissions import ForOthers, SetAside

OUT = "out/"  # before the name of a queue or topic of others
SHOWN_BYTES = 4_000  # of what was set aside, with the little that is said beside it


def packed(body: bytes, properties: Mapping[str, str]) -> bytes:
    """A message with what is said beside its body, as it is kept."""
    return json.dumps(dict(properties)).encode() + b"\n" + body


def unpacked(kept: bytes) -> tuple[bytes, dict[str, str]]:
    """The body, and what is said beside it."""
    said, _, body = kept.partition(b"\n")
    return body, json.loads(said)


def for_others(kept: bytes) -> ForOthers:
    """A message as others get it."""
    body, properties = unpacked(kept)
    return ForOthers(properties=properties, body=body.decode(errors="replace"))


def as_set_aside(at: float, reason: str, kept: bytes) -> SetAside:
    """A message that started nothing, or the beginning of it."""
    body, properties = unpacked(kept)
    return SetAside(id=properties.get("message_id", ""), at=at, reason=reason, body=body.decode(errors="replace"))
