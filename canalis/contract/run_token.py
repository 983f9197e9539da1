"""The token of a run: what a step's script opens the service with, good for its own step run and for nothing else.

    canalis-run.<payload>.<seal>

payload   {"attempt", "expires_at", "node", "run"}, as canalis/contract/signed.py writes it; seal likewise

Whoever holds the key can make tokens, so it is kept where only the service can read it. A token is not kept anywhere:
it is good until it expires, or until its key is taken away.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from canalis.contract.errors import SettingInvalid
from canalis.contract.run import RUN_ID, StepRunId
from canalis.contract.signed import opened, sealed

PREFIX = "canalis-run."
KEY_BYTES_MIN = 32  # as many as the hash has: RFC 2104, section 3
_CHARACTERS_MAX = 2_048  # a run id and a node's key have a few hundred at most


def sign(key: bytes, owner: StepRunId, expires_at: float) -> str:
    """A token for the script of that step run.

    expires_at   seconds since 1970; no later than the step's limit of time lets it work
    Raises       SettingInvalid for a key that is too short
    """
    assert math.isfinite(expires_at), expires_at
    payload = {"attempt": owner.attempt, "expires_at": expires_at, "node": owner.node, "run": owner.run_id}
    return sealed(check_key(key), PREFIX, payload)


def read(key: bytes | Sequence[bytes], token: str, now: float) -> StepRunId | None:
    """Whose token it is; None for one that was not made with a key of ours, or has expired.

    key   one, or several while they are being changed: the new one is added first and the old one removed later
    now   seconds since 1970
    """
    keys = [check_key(one) for one in ([key] if isinstance(key, bytes) else key)]
    payload = opened(keys, PREFIX, token, _CHARACTERS_MAX)
    if payload is None:
        return None
    try:
        owner = StepRunId(payload["run"], payload["node"], payload["attempt"])
        is_good = (
            now < payload["expires_at"] and RUN_ID.fullmatch(owner.run_id) and StepRunId.parse(str(owner)) == owner
        )
    except (ValueError, KeyError, TypeError):
        return None  # ours, but of another version
    return owner if is_good else None


def key_of(token: str) -> bytes:
    """The key of the tokens of runs where one token opens the whole service: who knows that one may make them."""
    return hashlib.sha256(b"canalis runs " + token.encode()).digest()


def check_key(key: bytes) -> bytes:
    """The key itself. Raises SettingInvalid for one that could be guessed."""
    if len(key) < KEY_BYTES_MIN:
        raise SettingInvalid(f"The key of run tokens has {len(key)} bytes; it must have {KEY_BYTES_MIN} or more")
    return key
