"""Each request as a part of the trace that it comes with, and as a span when telemetry is on."""

from __future__ import annotations

from typing import Any

from canalis.contract.trace import SERVER, Span, continued, current, parsed, span

_QUIET = ("/health", "/ready")  # asked every few seconds by whoever watches over the service


class Traced:
    """An app whose requests go on with their caller's trace (`traceparent`, W3C Trace Context).

    prefix   of the API's paths
    """

    def __init__(self, app: Any, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parent = _parent(scope)
        if scope["path"].endswith(_QUIET):
            with continued(parent):
                await self._app(scope, receive, send)
            return
        said = {"http.request.method": scope["method"], "url.path": scope["path"], "url.scheme": scope["scheme"]}
        with span(scope["method"], parent, kind=SERVER, attributes=said) as told:
            scope.setdefault("state", {})["trace"] = current()  # an error is told of after this block
            try:
                await self._app(scope, receive, _told(send, told))
            finally:
                _name(told, scope, self._prefix)


def _parent(scope: dict[str, Any]) -> str:
    found = [value for name, value in scope["headers"] if name == b"traceparent"]
    return parsed(found[0].decode("latin-1")) if len(found) == 1 else ""


def _told(send: Any, told: Span) -> Any:
    async def telling(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            told.set({"http.response.status_code": status})
            if status >= 500:
                told.failed(str(status))
        await send(message)

    return telling


def _name(told: Span, scope: dict[str, Any], prefix: str) -> None:
    """By its route, which is known by now: a name with a run's id in it would be another one each time."""
    route = getattr(scope.get("route"), "path", "")
    if route:
        if scope["path"].startswith(prefix) and not route.startswith(prefix):
            route = prefix + route  # FastAPI's later versions leave to a route the path that its router gave it
        told.rename(f"{scope['method']} {route}")
        told.set({"http.route": route})
