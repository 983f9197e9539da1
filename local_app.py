"""The door on a laptop: one process that serves HTTP, carries messages and keeps time. Wiring, and little else.

    python local_app.py --root .canalis/local

The workspace's folder holds everything: canalis.db (runs, documents, messages), blobs/, datastores/, work/,
and service.json, which says where the service is. The token that opens it lies beside the workspaces' folders.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any, TextIO

import uvicorn

from api.access import KeptToken
from api.app import make_app
from api.service import Service, WorkspaceView
from canalis.contract import logs, run_token, telemetry
from canalis.contract.errors import CanalisError
from canalis.contract.token import kept_token
from canalis.contract.version import VERSION
from local_engine import RENEW_S, Engine
from orchestrator.sweep import SWEEP_S
from steps import backends
from steps.surroundings import Site

_TOKEN_S = 30 * 24 * 3600.0  # of a script whose step has no limit of time
ENVIRONMENTS = ".environments"  # beside the workspaces' folders, of which none begins with a dot
_AGAIN_S = 1.0  # rest of whoever keeps time after something has failed

_log = logging.getLogger("canalis.local")


class AlreadyServed(Exception):
    """Another process serves this workspace."""


class Door:
    """The service of one workspace on this machine, from opening its folder to leaving it."""

    def __init__(self, root: Path, port: int | None = None, idle_exit_s: float | None = None) -> None:
        self.root = root.absolute()
        self.instance = uuid.uuid4().hex
        self._idle_exit_s = idle_exit_s
        self._last_request = time.monotonic()
        self._closing = threading.Event()
        self._server: uvicorn.Server | None = None
        self._called = threading.Event()  # somebody wants schedules looked after
        self._lock = _take_lock(self.root)
        self.token = kept_token(self.root.parent)
        logs.hide(self.token)
        self.socket = _listen(port if port is not None else _last_port(self.root))
        self.endpoint = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

        workspace = _workspace(self.root)
        self.engine = Engine(self.root, _site(workspace, self.endpoint, self.token, self.root))
        service = Service(
            self.engine.ports,
            workspace,
            self.instance,
            is_local=True,
            default_slots=os.cpu_count() or 1,
            version=VERSION,
            url=self.endpoint,
            counted=self.engine.counted,
            counts=self.engine.meter.counts,
            trouble=self.engine.trouble,
            checks=self.engine.checks,
            call=self._called.set,
            receive=self.engine.bus.receive,
            set_aside=self.engine.bus.those_set_aside,
            backends=("process", *backends.names()),
            is_leaving=lambda: self._server is not None and self._server.should_exit,
        )
        self.app = make_app(service, KeptToken(self.token, name=os.environ.get("USER", "author")))

    def serve(self) -> None:
        """Serve until told to stop, by a signal or by having had nothing to do for long."""
        self._server = server = uvicorn.Server(
            uvicorn.Config(
                self._watched,
                log_config=None,  # else its lines would go past ours
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_keep_alive=120,
                interface="asgi3",
            )
        )
        self.engine.start()
        threading.Thread(target=self._keep_time, args=(server,), name="timer", daemon=True).start()
        _announce(self.root, self.endpoint, self.instance)
        server.run(sockets=[self.socket])

    def close(self) -> None:
        """Take nothing further. Steps that run go on, and the next service finds them."""
        self._closing.set()
        self._called.set()
        self.engine.close()
        telemetry.switch_off()
        (self.root / "service.json").unlink(missing_ok=True)
        self._lock.close()

    def _keep_time(self, server: uvicorn.Server) -> None:
        """Do what is to be done every so often, and look after schedules when one is due."""
        renew_at, sweep_at = time.monotonic(), time.monotonic() + SWEEP_S
        while True:
            self._called.wait(max(0.0, min(RENEW_S, renew_at - time.monotonic(), self.engine.due_in_s())))
            self._called.clear()
            if self._closing.is_set():
                return
            now = time.monotonic()
            try:
                if now >= renew_at:
                    renew_at = now + RENEW_S
                    self.engine.renew()
                if now >= sweep_at:
                    sweep_at = now + SWEEP_S
                    self.engine.tick()
                self.engine.keep_schedules()
            except Exception as error:
                _log.warning("the sweep will try again: %r", error)
                self._closing.wait(_AGAIN_S)
            server.should_exit = server.should_exit or self._is_idle()

    def _is_idle(self) -> bool:
        if self._idle_exit_s is None or time.monotonic() - self._last_request < self._idle_exit_s:
            return False
        return self.engine.is_idle()

    async def _watched(self, scope: Any, receive: Any, send: Any) -> None:
        self._last_request = time.monotonic()
        await self.app(scope, receive, send)


def main() -> int:
    """Serve the workspace whose folder is named. Returns the exit code: 3 when it is served already."""
    parser = argparse.ArgumentParser(prog="local_app")
    parser.add_argument("--root", type=Path, required=True, help="the workspace's folder")
    parser.add_argument("--port", type=int, help="the last one used, or any, when not given")
    parser.add_argument("--idle-exit-s", type=float, help="end after so many seconds with nothing to do")
    asked = parser.parse_args()
    try:
        logs.set_up(os.environ)
        telemetry.switch_on(os.environ, "sqlite")
        door = Door(asked.root, asked.port, asked.idle_exit_s)
    except AlreadyServed as error:
        print(error, file=sys.stderr)
        return 3
    except (CanalisError, OSError) as error:
        print(f"Canalis cannot start: {error}", file=sys.stderr)
        return 1
    print(f"Canalis serves workspace '{_workspace(door.root).name}' at {door.endpoint}", file=sys.stderr, flush=True)
    gc.freeze()  # what is loaded by now stays; and graphs come in thousands of objects that are no garbage
    gc.set_threshold(50_000, 20, 50)
    # uvicorn raises a signal that ended it once more. The usual effect of this one would be to skip `close`.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            door.serve()
    finally:
        door.close()
    return 0


def _take_lock(root: Path) -> TextIO:
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o700)  # what runs print and write is their author's
    lock = (root / "service.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise AlreadyServed(f"Another service serves {root} already") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _last_port(root: Path) -> int:
    """The port of the service before: steps that outlived it still know it."""
    try:
        return int((root / "port").read_text())
    except (OSError, ValueError):
        return 0


def _listen(port: int) -> socket.socket:
    # With the protocol named asyncio switches Nagle's algorithm off; without, each answer may wait 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError:
        listening.bind(("127.0.0.1", 0))
    return listening


def _workspace(root: Path) -> WorkspaceView:
    try:
        return WorkspaceView.model_validate_json((root / "workspace.json").read_bytes())
    except FileNotFoundError:
        return WorkspaceView(name=root.name, subscription_id="local", resource_group="local", location="local")


def _site(workspace: WorkspaceView, endpoint: str, token: str, root: Path) -> Site:
    here = Path(__file__).parent
    return Site(
        workspace=workspace.name,
        subscription_id=workspace.subscription_id,
        resource_group=workspace.resource_group,
        location=workspace.location,
        endpoint=endpoint,
        token=lambda step_run: token,
        kept=root / "blobs",
        import_folders=(here / "canalis" / "alias",),
        home=root,
        tracking_token=lambda step_run: run_token.sign(run_token.key_of(token), step_run, time.time() + _TOKEN_S),
        environments=root.parent / ENVIRONMENTS,
    )


def _announce(root: Path, endpoint: str, instance: str) -> None:
    port = endpoint.rpartition(":")[2]
    (root / "port").write_text(port)
    body = {"endpoint": endpoint, "pid": os.getpid(), "instance": instance, "version": VERSION}
    part = root / "service.json.part"
    part.write_text(json.dumps(body))
    part.replace(root / "service.json")


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that wait for steps would otherwise hold the process until the last step has ended
