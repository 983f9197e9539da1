"""An Azure Key Vault's secrets over HTTPS: the documented routes, sign-in by challenge, soft delete, pages and throttling.

    with KeyVault(Authority(folder)) as vault:
        SecretClient(vault.url, vault, connection_verify=..., verify_challenge_resource=False)

Source   https://learn.microsoft.com/rest/api/keyvault/secrets, api-version 7.4 and later
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import AccessToken

from tests.receivers import Authority

NAME = re.compile(r"[0-9a-zA-Z-]{1,127}", re.ASCII)
VALUE_BYTES_MAX = 25 * 1024
PAGE = 25
MOVING_S = 0.3  # how long a secret is on its way into what is deleted, or back: some seconds in Azure


class KeyVault:
    """A vault that runs from `with` to its end, and the credential that it lets in."""

    def __init__(self, authority: Authority) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}  # by its name in small letters: those of Azure know no case
        self.deleted: dict[str, dict[str, Any]] = {}
        self._moving: dict[str, float] = {}  # until when, in seconds of the clock that only goes forward
        self.asked: Counter[str] = Counter()
        self.throttled = 0  # so many requests from now on
        self.refuses = False  # whoever it is
        self.token = uuid.uuid4().hex
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Asked", (_Asked,), {"vault": self}))
        self._server.socket = authority.server("127.0.0.1", "localhost").wrap_socket(
            self._server.socket, server_side=True
        )
        self.url = f"https://localhost:{self._server.server_port}"

    def __enter__(self) -> KeyVault:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A token of somebody who may everything here."""
        assert scopes == ("https://vault.azure.net/.default",), scopes
        return AccessToken(self.token, int(time.time()) + 3600)

    def write(self, name: str, value: str, enabled: bool = True, managed: bool = False) -> None:
        """A secret that somebody keeps by other ways than ours."""
        self.secrets[name.lower()] = self._bundle(name, value, {"enabled": enabled}, managed)

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> tuple[int, Any]:
        """The status and the document of an answer."""
        parts = path.strip("/").split("/")
        self.asked[f"{method} {parts[0]}{' one' if len(parts) > 1 else ''}"] += 1
        if len(parts) == 1:
            return self._page(self.deleted if parts[0] == "deletedsecrets" else self.secrets, parts[0], query)
        name = parts[1].lower()
        if not NAME.fullmatch(parts[1]):
            return _fault(400, "BadParameter", f"The request URI contains an invalid name: {parts[1]}")
        if self._moving.get(name, 0.0) > time.monotonic():
            code = "ObjectIsBeingDeleted" if name in self.deleted else "ObjectIsBeingRecovered"
            return (
                (404, _not_found(parts[1]))
                if method == "GET"
                else _fault(409, "Conflict", f"{parts[1]} is moving", code)
            )
        if parts[0] == "deletedsecrets":
            return self._of_deleted(method, parts[1], name, "recover" in parts)
        return self._of_one(method, parts[1], name, body)

    def _of_one(self, method: str, given: str, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        if method == "PUT":
            if name in self.deleted:
                return _fault(409, "Conflict", f"Secret {given} is currently in a deleted but recoverable state, and its "
                              "name cannot be reused", "ObjectIsDeletedButRecoverable")  # fmt: skip
            if len(body.get("value", "").encode()) > VALUE_BYTES_MAX:
                return _fault(400, "BadParameter", "Secret value is too long")
            self.secrets[name] = self._bundle(given, body["value"], body.get("attributes") or {})
            return 200, self.secrets[name]
        found = self.secrets.get(name)
        if found is None:
            return 404, _not_found(given)
        if method == "DELETE":
            self.deleted[name] = self.secrets.pop(name) | {"recoveryId": f"{self.url}/deletedsecrets/{given}"}
            self._moving[name] = time.monotonic() + MOVING_S
            return 200, {key: value for key, value in self.deleted[name].items() if key != "value"}
        if not found["attributes"]["enabled"]:
            return _fault(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return 200, found

    def _of_deleted(self, method: str, given: str, name: str, recover: bool) -> tuple[int, Any]:
        found = self.deleted.get(name)
        if found is None:
            return 404, _not_found(given)
        if recover:
            self.secrets[name] = {key: value for key, value in self.deleted.pop(name).items() if key != "recoveryId"}
            self._moving[name] = time.monotonic() + MOVING_S
            return 200, {key: value for key, value in self.secrets[name].items() if key != "value"}
        if method == "DELETE":
            del self.deleted[name]
            return 204, None
        return 200, found

    def _page(self, of: dict[str, dict[str, Any]], where: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        start, size = int(query.get("$skiptoken", ["0"])[0]), int(query.get("maxresults", [str(PAGE)])[0])
        names = sorted(of)
        items = [
            {key: value for key, value in of[name].items() if key != "value"} for name in names[start : start + size]
        ]
        for item in items:
            item["id"] = item["id"].rpartition("/")[0]  # a list names no versions
        more = start + size < len(names)
        following = f"{self.url}/{where}?api-version=7.4&$skiptoken={start + size}&maxresults={size}" if more else None
        return 200, {"value": items, "nextLink": following}

    def _bundle(self, name: str, value: str, attributes: dict[str, Any], managed: bool = False) -> dict[str, Any]:
        now = int(time.time())
        held = {"enabled": True, "created": now, "updated": now, "recoveryLevel": "Recoverable+Purgeable"}
        bundle: dict[str, Any] = {"value": value, "id": f"{self.url}/secrets/{name}/{uuid.uuid4().hex}"}
        return bundle | {"attributes": held | attributes} | ({"managed": True} if managed else {})


class _Asked(BaseHTTPRequestHandler):
    vault: KeyVault
    protocol_version = "HTTP/1.1"

    def _carry(self) -> None:
        vault, where = self.vault, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with vault.lock:
            if self.headers.get("Authorization") != f"Bearer {vault.token}":
                self._send(401, _error("Unauthorized", "AKV10000: Request is missing a Bearer or PoP token."))
            elif vault.refuses:
                self._send(403, _error("Forbidden", "Caller is not authorized to perform action", "ForbiddenByRbac"))
            elif vault.throttled:
                vault.throttled -= 1
                self._send(429, _error("Throttled", "Too many requests"))
            else:
                assert "api-version" in parse_qs(where.query), self.path
                self._send(*vault.answer(self.command, where.path, parse_qs(where.query), json.loads(body or b"{}")))

    do_GET = do_PUT = do_POST = do_DELETE = _carry

    def _send(self, status: int, document: Any) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        if status == 401:
            tenant = "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000001"
            said = f'Bearer authorization="{tenant}", resource="https://vault.azure.net"'
            self.send_header("WWW-Authenticate", said)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: requests are counted instead."""


def _fault(status: int, code: str, message: str, inner: str = "") -> tuple[int, Any]:
    return status, _error(code, message, inner)


def _error(code: str, message: str, inner: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message} | ({"innererror": {"code": inner}} if inner else {})}


def _not_found(name: str) -> dict[str, Any]:
    return _error("SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
