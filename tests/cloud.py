"""A service as it is deployed, but on this machine: opened by access tokens, with files that go past it by links.

It runs steps as a laptop does. What is other than there: nobody who asks knows its folder or its token file.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from pathlib import Path

import uvicorn

import canalis
from adapters.datastores import RegisteredStores
from api.access import Caller, Role
from api.app import make_app
from api.service import Service, WorkspaceView
from canalis.contract.errors import NotAllowed
from canalis.contract.version import VERSION
from local_engine import Engine
from steps import backends
from steps.surroundings import Site
from tests.linked import LinkedBlobs, LinkedStores, LinkServer

AUDIENCE = "api://canalis-test"
AUTHORITY = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555"


def access_token(name: str, audience: str = AUDIENCE, lifetime_s: float = 3600.0, number: int = 0) -> str:
    """An access token as Entra ID writes them, unsigned."""
    claims = {"aud": audience, "upn": name, "exp": int(time.time() + lifetime_s), "uti": number}
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


class KnownTokens:
    """Lets in whoever brings a token that it knows."""

    waits = False

    def __init__(self) -> None:
        self.callers: dict[str, Caller] = {}
        self.brought: list[str] = []

    def knows(self, name: str, role: Role = Role.SUBMITTER, **claims: object) -> str:
        """A token of somebody's."""
        token = access_token(name, **claims)
        self.callers[token] = Caller(name, role)
        return token

    def caller(self, request) -> Caller:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.brought.append(given)
        if given not in self.callers:
            raise NotAllowed("This access token is not good here")
        return self.callers[given]

    def prove(self, endpoint: str, nonce: str) -> str:
        return ""

    def session(self, who: object) -> str:
        return ""

    def trouble(self) -> str:
        return ""


class Cloud:
    """A service, its links, and who may use it.

    ports   other storage for what the routes read and write; no step can run then
    """

    def __init__(
        self, root: Path, with_links: bool = True, audience: str = AUDIENCE, authority: str = AUTHORITY, **ports: object
    ) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.links = LinkServer()
        self.in_front: list[tuple[int, dict[str, str]]] = []  # what a front end answers in the place of the service
        self.guard = KnownTokens()
        config = uvicorn.Config(
            self._app, port=0, log_level="warning", access_log=False, lifespan="off", interface="asgi3"
        )
        self._server = uvicorn.Server(config)
        socket = config.bind_socket()
        self.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        imports = (Path(canalis.__file__).parent / "alias",)
        site = Site("cloud-ws", "sub", "group", "westeurope", self.url, self._run_token, root / "blobs", imports)
        self.engine = Engine(root, site)
        self.ports = self.engine.ports
        if with_links:
            blobs, stores = LinkedBlobs(root / "blobs", self.links), LinkedStores(root / "datastores", self.links)
            known = RegisteredStores(stores, self.ports.documents, self.ports.vault, is_local=False)
            self.ports = self.ports.with_changes(blobs=blobs, stores=known)
        self.ports = self.ports.with_changes(**ports)
        workspace = WorkspaceView(name="cloud-ws", subscription_id="sub", resource_group="group", location="westeurope")
        service = Service(
            self.ports,
            workspace,
            "i",
            False,
            2,
            VERSION,
            self.engine.counted,
            audience=audience,
            authority=authority,
            backends=("process", *backends.names()),
        )
        self._made = make_app(service, self.guard)
        self._thread = threading.Thread(target=self._server.run, args=([socket],), daemon=True)
        self.engine.start()
        self._thread.start()

    async def _app(self, scope, receive, send) -> None:
        if not self.in_front:
            await self._made(scope, receive, send)
            return
        status, headers = self.in_front.pop(0)
        pairs = [(name.encode(), value.encode()) for name, value in {"content-type": "text/html", **headers}.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": b"<html>"})

    def _run_token(self, step_run: object) -> str:
        """What a step's script opens the service with."""
        return self.guard.knows(f"run {step_run}")

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self.engine.close()
        self.engine.database.close()
        self.links.close()

    def writes_config(self, folder: Path, name: str = "cloud-ws") -> Path:
        """A config.json that names this service."""
        path = folder / "config.json"
        body = {"subscription_id": "sub", "resource_group": "group", "workspace_name": name, "canalis_url": self.url}
        path.write_text(json.dumps(body))
        return path

    def incoming(self) -> list[str]:
        """What waits to be taken in."""
        return [found.key for found in self.ports.blobs.list("incoming/")]
