"""Statements that only this service can have made: JSON under a seal, as one word that goes into a header.

    <prefix><payload>.<seal>

payload   canonical JSON in URL-safe Base64 without padding
seal      HMAC-SHA256 over everything before it, in the same letters
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any


def sealed(key: bytes, prefix: str, payload: dict[str, Any]) -> str:
    """A statement under the seal of that key."""
    signed = prefix + _letters(json.dumps(payload, sort_keys=True, separators=(",", ":")).encode())
    return f"{signed}.{_seal(key, signed)}"


def opened(keys: Sequence[bytes], prefix: str, statement: str, characters_max: int) -> dict[str, Any] | None:
    """What a statement says; None for one that none of these keys has sealed."""
    if not statement.startswith(prefix) or not statement.isascii() or len(statement) > characters_max:
        return None
    signed, _, seal = statement.rpartition(".")
    if not any(hmac.compare_digest(_seal(key, signed).encode(), seal.encode()) for key in keys):
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(signed.removeprefix(prefix) + "=="))
    except (binascii.Error, ValueError):
        return None  # ours, but of another version
    return payload if isinstance(payload, dict) else None


def _seal(key: bytes, signed: str) -> str:
    return _letters(hmac.new(key, signed.encode(), hashlib.sha256).digest())


def _letters(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
