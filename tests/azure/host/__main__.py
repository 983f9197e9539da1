"""Hosts an app: `python -m tests.azure.host --app DIR --settings FILE`. Ends when its standard input does."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path

import uvicorn

from tests.azure.host.control_door import ControlDoor
from tests.azure.host.host import Host
from tests.azure.host.http_door import HttpDoor
from tests.azure.host.settings import SettingsError, read_app_settings


def main() -> int:
    """Start, say on which ports in one line of JSON, serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", type=Path, required=True, help="folder with function_app.py and host.json")
    parser.add_argument("--settings", type=Path, required=True, help="JSON file with the app settings")
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--instances", type=int, default=1)
    parser.add_argument("--logs", type=Path, help="folder for what the workers print")
    parser.add_argument("--no-timers", action="store_true", help="timers fire only when asked to")
    given = parser.parse_args()
    logs = given.logs or Path(tempfile.mkdtemp(prefix="functions-host-"))
    logs.mkdir(parents=True, exist_ok=True)
    # Threads hand messages on to each other: with the usual 5 ms, whoever computes would hold up each of them.
    sys.setswitchinterval(0.0005)
    try:
        settings = read_app_settings(given.settings)
        host = Host(given.app, settings, logs, timers=not given.no_timers)
        host.start(given.instances)
    except SettingsError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    try:
        asyncio.run(serve(host, given.http_port, logs))
    finally:
        host.stop()
    return 0


async def serve(host: Host, port: int, logs: Path) -> None:
    """Both doors, until standard input ends."""
    doors = (HttpDoor(host), ControlDoor(host))
    sockets = (listening(port), listening(0))
    servers = [
        uvicorn.Server(uvicorn.Config(door, lifespan="off", log_level="warning", access_log=False, ws="none"))
        for door in doors
    ]
    for server in servers:
        # They would take signals for themselves; here the end of standard input ends both.
        setattr(server, "capture_signals", contextlib.nullcontext)  # noqa: B010
    told = {"url": address(sockets[0]), "control": address(sockets[1]), "logs": str(logs), "pid": os.getpid()}
    print(json.dumps(told), flush=True)

    def end() -> None:
        sys.stdin.buffer.read()
        for server in servers:
            server.should_exit = True
            server.force_exit = True

    threading.Thread(target=end, daemon=True).start()
    await asyncio.gather(*(server.serve(sockets=[one]) for server, one in zip(servers, sockets, strict=True)))


def listening(port: int) -> socket.socket:
    """A socket that listens on 127.0.0.1."""
    made = socket.create_server(("127.0.0.1", port), backlog=512)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def address(listener: socket.socket) -> str:
    """The URL that leads to a socket."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # threads that wait at sockets are not waited for
