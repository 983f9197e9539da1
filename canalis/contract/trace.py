"""The trace that the work of this moment belongs to: from an HTTP request over the queues into a step's process.

    with span("advance", parent=message_trace) as told:
        told.set({"canalis.messages": 3})
        send(..., trace=current())

A trace is a W3C `traceparent`. Off, as it is until a door switches it on, this carries along what came in and tells
nobody; OpenTelemetry is not even imported then. On, each span becomes one of OpenTelemetry's.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from typing import Any, Protocol

VARIABLES = ("TRACEPARENT", "TRACESTATE")  # by which a process hears of the trace that it belongs to

INTERNAL, SERVER, CONSUMER = "internal", "server", "consumer"

# Source: W3C Trace Context, 3.2. Later versions may have more behind it, and are read as this one.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_LENGTH = 55
_LENGTH_MAX = 512

Attributes = Mapping[str, str | int | float | bool]

carried: ContextVar[str] = ContextVar("canalis.trace", default="")


class Span:
    """A piece of work that is going on. This one is told to nobody."""

    __slots__ = ()

    def set(self, attributes: Attributes) -> None:
        """Say more about it."""

    def rename(self, name: str) -> None:
        """Call it by a name that is known only now."""

    def failed(self, why: str) -> None:
        """It did not succeed. `why` is a stable word, since texts may hold what is the author's alone."""

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *raised: object) -> None:
        return None


_QUIET = Span()


class Tracer(Protocol):
    """Tells spans to somebody (canalis/contract/spans.py)."""

    def span(
        self, name: str, parent: str, links: Sequence[str], kind: str, attributes: Attributes
    ) -> AbstractContextManager[Span]:
        """A span from here to the end of the block."""
        ...

    def continued(self, parent: str) -> AbstractContextManager[object]:
        """Go on with a trace that came from elsewhere."""
        ...

    def record(self, name: str, began_at: float, ended_at: float, attributes: Attributes, why: str) -> None:
        """A span that is over."""
        ...

    def flush(self, wait_s: float) -> None:
        """Hand over what has not been handed over yet."""
        ...


_tracer: Tracer | None = None


class _Carrying:
    """Has a trace carried along to the end of the block."""

    __slots__ = ("_token", "_trace")

    def __init__(self, trace: str) -> None:
        self._trace = parsed(trace)
        self._token: Token[str] | None = None

    def __enter__(self) -> Span:
        if self._trace:
            self._token = carried.set(self._trace)
        return _QUIET

    def __exit__(self, *raised: object) -> None:
        if self._token is not None:
            carried.reset(self._token)


def span(
    name: str,
    parent: str = "",
    links: Sequence[str] = (),
    kind: str = INTERNAL,
    attributes: Attributes | None = None,
) -> AbstractContextManager[Span]:
    """A piece of work, from here to the end of the block. Run, step and attempt are added from what it is about.

    parent   the trace that it goes on with; "" goes on with the current one
    links    traces of what else has led to it
    kind     INTERNAL, SERVER for a request, CONSUMER for a message
    """
    if _tracer is None:
        return _Carrying(parent) if parent else _QUIET
    return _tracer.span(name, parent, links, kind, attributes or {})


def current() -> str:
    """The traceparent of the work of this moment; "" when it belongs to no trace."""
    return carried.get()


def continued(parent: str) -> AbstractContextManager[object]:
    """Go on with a trace to the end of the block, without a span. "" goes on as before."""
    if not parent:
        return _QUIET
    return _Carrying(parent) if _tracer is None else _tracer.continued(parent)


def record(name: str, began_at: float, ended_at: float, attributes: Attributes, failed: str = "") -> None:
    """Tell of a piece of work that was done elsewhere and is over. Times in seconds since 1970."""
    if _tracer is not None:
        _tracer.record(name, began_at, ended_at, attributes, failed)


def parsed(text: str) -> str:
    """A traceparent as we carry it on; "" for what is none. Whoever sent it may have written anything.

    >>> parsed("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    >>> parsed("00-00000000000000000000000000000000-b7ad6b7169203331-01")
    ''
    """
    if len(text) < _LENGTH or len(text) > _LENGTH_MAX:
        return ""
    found = _TRACEPARENT.fullmatch(text, 0, _LENGTH)
    if found is None or (len(text) > _LENGTH and (text.startswith("00") or text[_LENGTH] != "-")):
        return ""
    return f"00-{found[1]}-{found[2]}-{found[3]}"


def trace_id(trace: str) -> str:
    """The 32 digits that all spans of a trace share; "" of no trace."""
    return trace[3:35]


def of_this_process() -> str:
    """The trace that a script belongs to: of its own span, if it is instrumented, or the one that it was given."""
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is not None:
        own = api.get_current_span().get_span_context()
        if own.is_valid:
            return f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"
    return parsed(os.environ.get(VARIABLES[0], ""))


def tell(tracer: Tracer | None) -> Tracer | None:
    """Tell spans to this one from now on, or to nobody; who heard of them before."""
    global _tracer
    before, _tracer = _tracer, tracer
    return before
