"""An app in this process, and clients that speak to it over HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from adapters.clock import SystemClock
from adapters.datastores import RegisteredStores
from adapters.files import FileBlobs, FileStores
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from api.access import Guard, KeptToken
from api.app import PREFIX, make_app
from api.mlflow.base import MLFLOW_PREFIX
from api.service import Service, WorkspaceView
from canalis.contract.announcements import Listening
from canalis.contract.ports import Ports
from tests.outside import outside

TOKEN = "the-token"
SOURCE = "https://here.example.com"
# Where v1's contract is of the workspace that these tests have.
V1_PATH = "/pipelines/v1.0/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w"
V1 = f"http://test{V1_PATH}"


def path_of(route: str) -> str:
    """The whole path of a route; those of v1's contract begin with a capital, MLflow's with its name."""
    if route == "/":
        return route
    if route.startswith("/mlflow"):
        return MLFLOW_PREFIX + route
    return (V1_PATH if route[1:2].isupper() else PREFIX) + route


@contextlib.contextmanager
def an_app(folder: Path, guard: Guard) -> Iterator[FastAPI]:
    clock = SystemClock()
    database = Database(folder / "canalis.db")
    bus = SqliteBus(database, clock)
    (folder / "stores" / "workspaceblobstore").mkdir(parents=True)
    documents = SqliteDocuments(database)
    documents.put("datastores", "workspaceblobstore", {"type": "AzureBlob"})
    known = outside(documents, may_reach_this_machine=True)
    ports = Ports(
        SqliteRuns(database, bus, clock),
        documents,
        FileBlobs(folder / "blobs"),
        RegisteredStores(FileStores(folder / "stores"), documents, known["vault"], is_local=True),
        bus,
        clock,
        **known,
        listening=Listening(SOURCE),
    )
    workspace = WorkspaceView(name="w", subscription_id="s", resource_group="r", location="l")
    kept = {"receive": bus.receive, "set_aside": bus.those_set_aside}
    yield make_app(Service(ports, workspace, "i", True, 2, "0", **kept), guard)
    database.close()


@pytest.fixture
def app(tmp_path: Path):
    with an_app(tmp_path, KeptToken(TOKEN, "me")) as made:
        yield made


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[tuple[str, int]]:
    """Where an app listens, over real HTTP."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield listening.getsockname()
    server.should_exit = True
    thread.join(10)
    listening.close()


class Client:
    """Speaks to an app in this process, as any HTTP client would."""

    def __init__(self, app: FastAPI, token: str | None = TOKEN) -> None:
        self._app, self.token = app, token
        self._headers = {"Authorization": f"Bearer {token}"} if token is not None else {}

    def __call__(self, method: str, path: str, **parts: object) -> httpx2.Response:
        import asyncio

        async def ask() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self._app, raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=self._headers) as client:
                return await client.request(method, path if "://" in path else PREFIX + path, **parts)

        return asyncio.run(ask())


@pytest.fixture
def ask(app):
    return Client(app)


def a_run(ask, script: bytes = b"print(1)") -> dict:
    sha256 = hashlib.sha256(script).hexdigest()
    files = {"files": {"a.py": {"sha256": sha256, "size": len(script)}}}
    first = ask("POST", "/snapshots", json=files).json()
    assert first["missing"] == [sha256]
    assert ask("PUT", f"/content/{sha256}", content=script).status_code == 204
    again = ask("POST", "/snapshots", json=files).json()
    assert again == {"id": first["id"], "missing": [], "links": {}}
    node = {"key": "a", "name": "a", "work": {"kind": "python", "script": "a.py"}, "snapshot": again["id"]}
    answer = ask("POST", "/runs", json={"experiment": "e", "graph": {"nodes": [node]}})
    assert answer.status_code == 201, answer.text
    return answer.json()


def snapshot_of(ask, files: dict[str, bytes]) -> str:
    """The id of a snapshot of these files, which are there."""
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    for path, content in files.items():
        assert ask("PUT", f"/content/{hashes[path]}", content=content).status_code == 204
    said = {path: {"sha256": hashes[path], "size": len(content)} for path, content in files.items()}
    answer = ask("POST", "/snapshots", json={"files": said}).json()
    assert answer["missing"] == []
    return answer["id"]
