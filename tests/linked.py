"""Blobs in a folder to which links lead: a server on 127.0.0.1 that speaks HTTP as Blob storage does to who has a link.

What it keeps of Blob storage: PUT wants a Content-Length and x-ms-blob-type, If-None-Match: * refuses a second one with
409 BlobAlreadyExists, a blob is there whole or not at all, a link is good for one blob, one use and a time.
"""

from __future__ import annotations

import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from adapters.files import FileBlobs, FileStores
from canalis.contract.ports import BlobStore, Link


class LinkServer:
    """Serves what links were given for. `drop` requests in a row end without an answer: before it, or after the work."""

    def __init__(self) -> None:
        self.given: dict[str, tuple[FileBlobs, str, bool, float]] = {}
        self.seen: list[tuple[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.headers: list[dict[str, str]] = []
        self.drop, self.drop_after = 0, 0
        self.rest_s = 0.0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def give(self, blobs: FileBlobs, key: str, lifetime_s: float, write: bool) -> Link:
        token = secrets.token_hex(8)
        self.given[token] = (blobs, key, write, time.time() + lifetime_s)
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2026-02-06"} if write else {}
        return Link(f"http://127.0.0.1:{self._server.server_port}/{token}", headers)

    def count(self, method: str) -> int:
        return sum(seen == method for seen, _ in self.seen)

    def _begins(self, method: str, key: str, headers: dict[str, str]) -> bool:
        """Whether this request is to be dropped."""
        with self._lock:
            self.seen.append((method, key))
            self.headers.append(headers)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            if self.drop:
                self.drop -= 1
                return True
            return False

    def _ends(self) -> bool:
        with self._lock:
            self.at_once -= 1
            if self.drop_after:
                self.drop_after -= 1
                return True
            return False

    def _handler(server) -> Any:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                self._serve("PUT")

            def do_GET(self) -> None:
                self._serve("GET")

            def _serve(self, method: str) -> None:
                blobs, key, write, until = server.given.get(self.path.strip("/"), (None, "", False, 0.0))
                is_dropped = server._begins(method, key, {name.lower(): value for name, value in self.headers.items()})
                if is_dropped:
                    server._ends()
                    self.close_connection = True
                    return
                length = self.headers.get("Content-Length")
                body = self.rfile.read(int(length)) if method == "PUT" and length is not None else b""
                time.sleep(server.rest_s)
                status, answer = self._done(method, blobs, key, write, until, length, body)
                if server._ends():
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def _done(self, method, blobs, key, write, until, length, body) -> tuple[int, bytes]:
                if blobs is None or write != (method == "PUT") or time.time() > until:
                    return 403, b"AuthenticationFailed"
                if method == "GET":
                    return (404, b"BlobNotFound") if blobs.info(key) is None else (200, blobs.get(key))
                if length is None:
                    return 411, b"MissingContentLengthHeader"
                if self.headers.get("x-ms-blob-type") != "BlockBlob":
                    return 400, b"MissingRequiredHeader"
                if len(body) != int(length):
                    return 400, b"cut short"
                if self.headers.get("If-None-Match") == "*":
                    return (201, b"") if blobs.put_if_absent(key, body) else (409, b"BlobAlreadyExists")
                blobs.put(key, body)
                return 201, b""

            def log_message(self, *ignored: object) -> None:
                pass

        return Handler


class LinkedBlobs(FileBlobs):
    """A folder's blobs, with links to each of them."""

    def __init__(self, root: Path, server: LinkServer) -> None:
        super().__init__(root)
        self._server = server

    def link(self, key: str, lifetime_s: float, write: bool = False) -> Link:
        self._path(key)  # a key that leaves the folder is refused
        return self._server.give(self, key, lifetime_s, write)

    def folder(self) -> None:
        """None: as far as others know they lie elsewhere."""


class LinkedStores(FileStores):
    """Datastores of folders, with links to their files."""

    def __init__(self, root: Path, server: LinkServer) -> None:
        super().__init__(root)
        self._folder, self._server = root, server

    def open(self, name: str) -> BlobStore:
        found = super().open(name)
        assert isinstance(found, FileBlobs)
        return LinkedBlobs(found.root, self._server)
