"""An HTTP proxy in front of Azurite: forwards, counts, and has the faults that it is told to have.

`python -m tests.azure.storage.proxy --target 127.0.0.1:PORT --service table`. Says its port in one line of JSON; then
takes orders from standard input and answers each, a line of JSON both ways; ends when standard input does.
Shared-key signatures are over the path and not over the host, so what clients sign for the proxy is good behind it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.azure.storage.faults import Drawer, Fault, Faults
from tests.azure.storage.operations import Operation, blob_operation, table_operation

HEAD_MAX = 1 << 17  # bytes
IDLE_S_MAX = 2.0  # Azurite closes a connection that is idle for 5 s; the client, who cannot see it, would ask twice
BUSY_BODY = {
    "table": b'{"odata.error":{"code":"ServerBusy","message":{"lang":"en-US","value":"The server is busy."}}}',
    "blob": b'<?xml version="1.0" encoding="utf-8"?><Error><Code>ServerBusy</Code><Message>The server is busy.</Message></Error>',
}


@dataclass
class Books:
    """What went through: by subject and kind; and faults by name. Retries of clients count like any request."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    batched: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    connections: int = 0  # to the storage

    def note(self, operation: Operation, fault: Fault) -> None:
        """One request."""
        self.requests[operation.subject, operation.kind] += 1
        for kind in operation.inner:
            self.batched[operation.subject, kind] += 1
        if fault is not Fault.NONE:
            self.faults[fault.value] += 1

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {"requests": _nested(self.requests), "batched": _nested(self.batched), "faults": dict(self.faults)} | {
            "connections": self.connections
        }


def _nested(counted: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (subject, kind), count in counted.items():
        nested.setdefault(subject, {})[kind] = count
    return nested


@dataclass
class Head:
    """The first lines of a request or a response, as they were sent."""

    raw: bytes
    first: list[str]
    headers: dict[str, str]  # names in lower case

    @classmethod
    async def read(cls, reader: asyncio.StreamReader) -> Head:
        """Raises IncompleteReadError when the other side has closed."""
        raw = await reader.readuntil(b"\r\n\r\n")
        first, *lines = raw[:-4].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return cls(raw, first.split(" ", 2), headers)

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this message."""
        return self.headers.get("connection", "").lower() == "close"


async def read_body(head: Head, reader: asyncio.StreamReader) -> bytes:
    """A whole body as it was sent, chunk sizes included."""
    if head.headers.get("transfer-encoding", "").lower() == "chunked":
        parts = []
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            parts += [line, await reader.readexactly(size + 2)]
            if size == 0:
                return b"".join(parts)
    length = int(head.headers.get("content-length", "0"))
    return await reader.readexactly(length) if length else b""


class Proxy:
    """One service's proxy."""

    def __init__(self, host: str, port: int, service: str) -> None:
        self.target = (host, port)
        self.service = service
        self.operation_of = {"table": table_operation, "blob": blob_operation}[service]
        self.books = Books()
        self.drawer = Drawer(Faults())

    async def serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """One connection of a client, with one of its own to the storage."""
        storage: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        used_at = 0.0
        try:
            while True:
                head = await Head.read(client)
                if head.headers.get("expect", "").lower() == "100-continue":
                    back.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await read_body(head, client)
                operation = self.operation_of(head.first[0], head.first[1], body)
                fault = self.drawer.draw(operation.kind)
                self.books.note(operation, fault)
                if self.drawer.faults.delay_s:
                    await asyncio.sleep(self.drawer.faults.delay_s)
                if fault in (Fault.THROTTLED, Fault.BUSY):
                    back.write(self._refusal(fault))
                    continue
                if fault is Fault.RESET_BEFORE:
                    back.transport.abort()
                    return
                if storage is not None and time.monotonic() - used_at > IDLE_S_MAX:
                    storage[1].close()
                    storage = None
                if storage is None:
                    storage = await asyncio.open_connection(*self.target, limit=HEAD_MAX)
                    self.books.connections += 1
                storage[1].write(head.raw + body)
                answer, answer_body = await self._answer(head.first[0], storage[0])
                if fault is Fault.SWALLOWED:
                    await asyncio.sleep(self.drawer.faults.swallow_s)
                    return
                if fault is Fault.RESET_AFTER:
                    back.transport.abort()
                    return
                used_at = time.monotonic()
                back.write(answer.raw + answer_body)
                await back.drain()
                if answer.closes:
                    storage[1].close()
                    storage = None
                if head.closes or answer.closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # one side has closed
        finally:
            for writer in (back, storage[1] if storage else None):
                if writer is not None:
                    writer.close()

    async def _answer(self, method: str, reader: asyncio.StreamReader) -> tuple[Head, bytes]:
        answer = await Head.read(reader)
        while answer.first[1] == "100":
            answer = await Head.read(reader)
        has_body = method != "HEAD" and answer.first[1] not in ("204", "304")
        return answer, await read_body(answer, reader) if has_body else b""

    def _refusal(self, fault: Fault) -> bytes:
        body = BUSY_BODY[self.service]
        status = "429 Too Many Requests" if fault is Fault.THROTTLED else "503 Server Busy"
        after = f"Retry-After: {self.drawer.faults.retry_after_s}\r\n" if fault is Fault.THROTTLED else ""
        kind = "application/json" if self.service == "table" else "application/xml"
        head = f"HTTP/1.1 {status}\r\n{after}Content-Type: {kind}\r\nx-ms-error-code: ServerBusy\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def obey(self, order: dict[str, Any]) -> Any:
        """Carry out one order: {"faults": {...}}, {"counts": true} or {"reset": true}."""
        if "faults" in order:
            self.drawer = Drawer(Faults.of(order["faults"]))
        told = self.books.told()
        if order.get("reset"):
            self.books = Books()
        return told


async def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True)
    parser.add_argument("--service", choices=("table", "blob"), required=True)
    given = parser.parse_args()
    host, _, port = given.target.rpartition(":")
    proxy = Proxy(host, int(port), given.service)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=HEAD_MAX)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        try:
            told: Any = proxy.obey(json.loads(line))
        except (ValueError, TypeError) as error:
            told = {"error": str(error)}
        print(json.dumps(told), flush=True)
    os._exit(0)  # connections that are open are not waited for


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
