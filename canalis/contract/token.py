"""The token that opens the services of a home folder, and how a service proves that it knows it.

Both sides read it from one file. It is sent only to who has proved to know it already: the port of a service that
crashed may be another program's by now.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from canalis.contract.errors import StoreUnavailable

CHARACTERS_MIN = 32


def kept_token(home: Path) -> str:
    """The token of all workspaces of a home folder, made by the first who needs it.

    Raises StoreUnavailable for one that is too short to keep anybody out, as a crash of the machine may leave it
    """
    path = home / "token"
    if not path.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = home / f"token.{os.getpid()}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(part, path)  # whole, and only if nobody else was faster
        part.unlink()
    token = path.read_text().strip()
    if len(token) < CHARACTERS_MIN:
        raise StoreUnavailable(
            f"The token in {path} has {len(token)} characters, fewer than {CHARACTERS_MIN}: delete the file, and a "
            "new one is made"
        )
    return token


def proof(token: str, endpoint: str, nonce: str) -> str:
    """What only who knows the token can answer to a nonce.

    endpoint   where the one who answers listens, http://<address>:<port>, so that nobody can pass on another's answer
    """
    return hmac.new(token.encode(), f"canalis {endpoint} {nonce}".encode(), hashlib.sha256).hexdigest()
