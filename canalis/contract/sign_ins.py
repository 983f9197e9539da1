"""How somebody who is known here comes to be known in a browser, without a token on the way that is good for long.

Who has a token asks for a code, and opens the portal with it; the page gives the code back and is given a session.
A code is good once. A session is a statement that the service has sealed, so it is kept nowhere.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from pydantic import Field, StrictInt

from canalis.contract.graph import Part
from canalis.contract.signed import opened, sealed

PREFIX = "canalis-session."
CODE_S = 900.0  # how long a link waits for its browser
SESSION_S = 12 * 3600.0  # a working day; a role that is taken away lives on for so long
_CHARACTERS_MAX = 4_096


class SignIn(Part):
    """Who asked for a code, and until when a session that is made of it may last."""

    name: str
    role: StrictInt
    ids: dict[str, str] = Field(default_factory=dict)
    expires_at: float


class SignInView(Part):
    """A code for a browser.

    path         where the portal takes it, below the service's address: it stands behind `#`, and is never sent there
    expires_at   seconds since 1970
    """

    code: str
    path: str
    expires_at: float


class SessionAsked(Part):
    """A code that is to become a session."""

    code: str = Field(max_length=200)


class SessionView(Part):
    """A session: who one is here, and the token to send until `expires_at`; "" where it is known already."""

    token: str = ""
    name: str
    role: str
    expires_at: float | None = None


def key_of(run_key: bytes) -> bytes:
    """The key that seals sessions: whoever can make tokens of runs may make these."""
    return hashlib.sha256(b"canalis sessions " + run_key).digest()


def sign(key: bytes, who: SignIn) -> str:
    """A token for the session of that person, good until `who.expires_at`."""
    assert math.isfinite(who.expires_at), who.expires_at
    return sealed(key, PREFIX, who.model_dump())


def read(keys: Sequence[bytes], token: str, now: float) -> SignIn | None:
    """Whose session it is; None for one that was not made with such a key, or is over."""
    payload = opened(keys, PREFIX, token, _CHARACTERS_MAX)
    try:
        found = None if payload is None else SignIn.model_validate(payload)
    except ValueError:
        return None  # ours, but of another version
    return found if found is not None and now < found.expires_at else None
