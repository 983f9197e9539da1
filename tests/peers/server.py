"""What all peers have in common: routes over HTTP and JSON, and faults that a test asks for."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Answer = tuple[int, Mapping[str, Any]]


class Wrong(Exception):
    """What a peer answers when a request is wrong."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body)
        self.status, self.body, self.headers = status, body, headers or {}


@dataclass
class Fault:
    """What happens to the next requests for a path.

    status     that is answered in the place of what was asked; 0 breaks the connection
    is_done    whether it is carried out before: the answer alone is lost
    times      how many requests it happens to
    headers    of the answer
    """

    path: str
    status: int = 503
    is_done: bool = False
    times: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)


class Peer:
    """A service on this machine. Routes are methods, by verb and path.

    asked   every request that came: verb, path and body
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.routes: dict[tuple[str, str], Callable[[dict[str, Any]], Mapping[str, Any]]] = {}
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                peer._serve(self, "GET")

            def do_POST(self) -> None:
                peer._serve(self, "POST")

            def log_message(self, *said: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fails(self, path: str, status: int = 503, times: int = 1, is_done: bool = False, **headers: str) -> None:
        """The next requests for paths that end so fail."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(path, status, is_done, times, named))

    def count(self, path: str) -> int:
        """How many requests came for paths that end so."""
        return sum(asked.endswith(path) for _, asked, _ in self.asked)

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises Wrong for who may not ask."""

    def fault_body(self, status: int) -> Mapping[str, Any]:
        """What this service says beside a status of its own."""
        return {"message": f"status {status}"}

    def _serve(self, request: BaseHTTPRequestHandler, verb: str) -> None:
        parts = urlsplit(request.path)
        length = int(request.headers.get("content-length") or 0)
        sent = request.rfile.read(length)
        body: dict[str, Any] = dict(parse_qsl(parts.query)) | (json.loads(sent) if sent else {})
        with self.lock:
            self.asked.append((verb, parts.path, body))
            fault = next((one for one in self.faults if parts.path.endswith(one.path) and one.times > 0), None)
            if fault is not None:
                fault.times -= 1
                if fault.is_done:
                    self._answer(verb, parts.path, body, request.headers)
        if fault is not None and fault.status == 0:
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault is not None:
            status, answer, headers = fault.status, self.fault_body(fault.status), fault.headers
        else:
            with self.lock:
                status, answer, headers = self._answer(verb, parts.path, body, request.headers)
        data = json.dumps(answer).encode()
        request.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(data))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)

    def _answer(
        self, verb: str, path: str, body: dict[str, Any], headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, Any], Mapping[str, str]]:
        try:
            self.check(headers)
            route = self.routes.get((verb, path))
            if route is None:
                raise Wrong(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": f"No API found for '{verb} {path}'"})
            return 200, route(body), {}
        except Wrong as wrong:
            return wrong.status, wrong.body, wrong.headers


def now_ms() -> int:
    """The time of day, as services of the cloud write it."""
    return int(time.time() * 1000)
