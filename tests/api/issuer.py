"""An issuer of tokens that stands for Entra ID: real RSA keys, served over real HTTP on this machine.

with Issuer.start() as issuer:
    environment |= issuer.settings()
    headers = {"Authorization": f"Bearer {issuer.token(roles=['Canalis.Submitter'])}"}
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

TENANT = "aaaaaaaa-1111-4111-8111-111111111111"
AUDIENCE = "22222222-2222-4222-8222-222222222222"
PROGRAM = "33333333-3333-4333-8333-333333333333"


class Issuer:
    """Gives tokens, and the keys to check them with; can be made to misbehave.

    asked   how often its keys were fetched
    """

    def __init__(self) -> None:
        self.asked = 0
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.current = ""
        self._answer: tuple[int, dict[str, str], bytes] | None = None
        self._pause_s = 0.0
        self._leaving = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.name = f"{self.url}/{TENANT}/v2.0"
        self.rotate()

    @classmethod
    def start(cls) -> Issuer:
        """One that listens. Close it, or use it with `with`."""
        issuer = cls()
        issuer._thread.start()
        return issuer

    def close(self) -> None:
        """No longer listen."""
        self._leaving.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Issuer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def settings(self) -> dict[str, str]:
        """What the door must be told to let in whom this issuer gives tokens."""
        return {
            "CANALIS_TENANTS": TENANT,
            "CANALIS_AUDIENCE": AUDIENCE,
            "CANALIS_ISSUERS": f"{self.name}={self.url}/keys",
        }

    def claims(self, roles: list[str] | None = None, app: bool = False, **changed: Any) -> dict[str, Any]:
        """What a token says: of a person who uses a program, or with `app` of the program itself; None leaves out."""
        now = int(time.time())
        said: dict[str, Any] = {
            "iss": self.name,
            "aud": AUDIENCE,
            "tid": TENANT,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "ver": "2.0",
            "azp": PROGRAM,
            "oid": str(uuid.UUID(int=7)),
            "sub": "pairwise",
            "roles": [] if roles is None else roles,
        }
        said |= {"idtyp": "app"} if app else {"scp": "access_as_user", "preferred_username": "ann@example.com"}
        return {name: value for name, value in (said | changed).items() if value is not None}

    def token(self, roles: list[str] | None = None, app: bool = False, kid: str = "", **changed: Any) -> str:
        """An access token with these roles ("Canalis.Reader"...), signed with the newest key, or that of `kid`."""
        return self.sign(self.claims(roles, app, **changed), kid=kid)

    def sign(self, claims: dict[str, Any], kid: str = "", **header: Any) -> str:
        """A token that says just that."""
        kid = kid or self.current
        text = json.dumps(claims).encode()  # whatever it says: a library that makes tokens would refuse some
        return jwt.PyJWS().encode(text, self.keys[kid], algorithm="RS256", headers={"kid": kid, **header})

    def rotate(self, keep: bool = True) -> str:
        """Make a new key, with which is signed from now on; its id. Without `keep` the old ones are withdrawn."""
        self.keys = dict(self.keys) if keep else {}
        self.current = f"key-{uuid.uuid4().hex[:8]}"
        self.keys[self.current] = rsa.generate_private_key(65537, 2048)
        return self.current

    def jwks(self) -> dict[str, Any]:
        """Its keys as it serves them."""
        described = [(kid, RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)) for kid, key in self.keys.items()]
        return {"keys": [one | {"kid": kid, "use": "sig"} for kid, one in described]}

    def misbehave(self, status: int = 500, body: bytes = b"", pause_s: float = 0.0, **headers: str) -> None:
        """Answer so from now on; `pause_s` passes before each KiB of the body."""
        self._answer, self._pause_s = (status, headers, body), pause_s

    def behave(self) -> None:
        """Answer with the keys again."""
        self._answer, self._pause_s = None, 0.0

    def _answer_to(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked += 1
        status, headers, body = self._answer or (200, {}, json.dumps(self.jwks()).encode())
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()  # without a length: the body ends with the connection
        for start in range(0, len(body), 1024):
            if self._pause_s and self._leaving.wait(self._pause_s):
                return
            handler.wfile.write(body[start : start + 1024])


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(OSError):  # who asked has had enough
                issuer._answer_to(self)

        def log_message(self, *ignored: object) -> None:
            pass

    return Handler
