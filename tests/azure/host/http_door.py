"""The public door: HTTP requests become invocations, and what functions return becomes responses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from tests.azure.host.functions import Function
from tests.azure.host.host import Host
from tests.azure.host.protos import messages
from tests.azure.host.pump import InvocationFailed

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# Source: Microsoft's page "Azure Functions HTTP trigger", limits: a request has at most 100 MB
BODY_MAX = 100 * 1024 * 1024
AT_ONCE = 100  # requests; host.json's maxConcurrentRequests has this default
OF_THE_CONNECTION = {"content-length", "transfer-encoding", "connection"}


class HttpDoor:
    """An ASGI app over a host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        assert scope["type"] == "http", scope["type"]
        # Percent-encoded slashes stay what they are: the path that was sent decides, not the decoded one.
        path = scope["raw_path"].decode("latin-1").partition("?")[0]
        if path == "/admin/host/status":
            await answer(send, 200, self.host.status())
            return
        found = self.host.routes.find(scope["method"], path)
        if found is None:
            await answer(send, 404, None)
            return
        function, parameters = found
        if str(function.trigger.properties.get("authLevel", "function")).lower() != "anonymous":
            await answer(send, 401, None)  # there are no function keys here
            return
        body = await read(receive)
        if body is None:
            await answer(send, 413, None)
            return
        request = request_of(scope, path, parameters, body)
        response = await asyncio.get_running_loop().run_in_executor(self._pool, self._call, function, request)
        if response is None:
            await answer(send, 503, None)
        elif isinstance(response, str):
            self.host.books.log(-1, f"{function.name}: {response}", level=4)
            await answer(send, 500, None)
        else:
            await give(send, response)

    def _call(self, function: Function, request: Any) -> Any:
        """The function's response; a text when it failed, None when no instance takes requests."""
        instance = self.host.pick()
        if instance is None:
            return None
        try:
            return instance.run(function, messages.TypedData(http=request)).return_value
        except InvocationFailed as error:
            return str(error)


async def read(receive: Receive) -> bytes | None:
    """A request's body; None when it is larger than Functions takes."""
    parts = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= BODY_MAX:
            parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts) if size <= BODY_MAX else None


def request_of(scope: Scope, path: str, parameters: dict[str, str], body: bytes) -> Any:
    """A request as the worker gets it: full URL, headers in lower case, those that came twice joined."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    query = scope["query_string"].decode("latin-1")
    url = f"{scope['scheme']}://{headers.get('host', '127.0.0.1')}{path}" + (f"?{query}" if query else "")
    request = messages.RpcHttp(
        method=scope["method"],
        url=url,
        headers=headers,
        params=parameters,
        query=dict(parse_qsl(query, keep_blank_values=True)),
    )
    if body:
        request.body.bytes = body
    return request


async def give(send: Send, value: Any) -> None:
    """Send a function's return value as a response."""
    if value.WhichOneof("data") != "http":
        kind = value.WhichOneof("data")
        await respond(send, 200 if kind else 204, [], bytes_of(value))
        return
    http = value.http
    headers = [
        (name.lower().encode("latin-1"), text.encode("latin-1"))
        for name, text in http.headers.items()
        if name.lower() not in OF_THE_CONNECTION
    ]
    headers += [(b"set-cookie", cookie_header(cookie).encode("latin-1")) for cookie in http.cookies]
    await respond(send, int(http.status_code), headers, bytes_of(http.body))


def bytes_of(data: Any) -> bytes:
    """The bytes in a value of the protocol."""
    kind = data.WhichOneof("data")
    value = getattr(data, kind) if kind else b""
    return value if isinstance(value, bytes) else str(value).encode()


def cookie_header(cookie: Any) -> str:
    """A cookie as a Set-Cookie header."""
    jar: SimpleCookie = SimpleCookie()
    jar[cookie.name] = cookie.value
    morsel = jar[cookie.name]
    if cookie.domain.value:
        morsel["domain"] = cookie.domain.value
    if cookie.path.value:
        morsel["path"] = cookie.path.value
    if cookie.HasField("max_age"):
        morsel["max-age"] = int(cookie.max_age.value)
    if cookie.secure.value:
        morsel["secure"] = True
    if cookie.http_only.value:
        morsel["httponly"] = True
    return morsel.OutputString()


async def answer(send: Send, status: int, told: Any) -> None:
    """An answer of the host's own."""
    body = json.dumps(told).encode() if told is not None else b""
    await respond(send, status, [(b"content-type", b"application/json")] if body else [], body)


async def respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """One whole response."""
    if status not in (204, 304):
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
