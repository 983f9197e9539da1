"""Spans as OpenTelemetry's. Imported only when telemetry is switched on, since loading it takes longer than a step."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import Span as ApiSpan

from canalis.contract.about import what
from canalis.contract.trace import (
    CONSUMER,
    INTERNAL,
    SERVER,
    Attributes,
    Span,
    carried,
    parsed,
)
from canalis.contract.version import VERSION

_KINDS = {INTERNAL: SpanKind.INTERNAL, SERVER: SpanKind.SERVER, CONSUMER: SpanKind.CONSUMER}


class Telling(Span):
    """A span that somebody hears of."""

    __slots__ = ("_span",)

    def __init__(self, span: ApiSpan) -> None:
        self._span = span

    def set(self, attributes: Attributes) -> None:
        """Say more about it."""
        self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        """Call it by a name that is known only now."""
        self._span.update_name(name)

    def failed(self, why: str) -> None:
        """It did not succeed."""
        self._span.set_status(Status(StatusCode.ERROR, why))
        self._span.set_attribute("error.type", why)


class OpenTelemetryTracer:
    """Tells spans to OpenTelemetry's global provider."""

    def __init__(self, provider: trace.TracerProvider, system: str = "") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("canalis", VERSION)
        self._of_messages = {"messaging.system": system} if system else {}

    @contextmanager
    def span(self, name: str, parent: str, links: Sequence[str], kind: str, attributes: Attributes) -> Iterator[Span]:
        """A span from here to the end of the block; an error that leaves the block is its error."""
        told = self._tracer.start_span(
            name,
            _context_of(parent),
            _KINDS[kind],
            {**_about(), **(self._of_messages if kind == CONSUMER else {}), **attributes},
            [Link(found) for link in links if (found := _span_context(link)) is not None],
        )
        here = Telling(told)
        attached = context.attach(trace.set_span_in_context(told))
        kept = carried.set(_traceparent(told.get_span_context()))
        try:
            yield here
        except Exception as error:
            # Its kind only: the text may hold what is the author's alone. The log has it.
            here.failed(getattr(error, "code", "") or type(error).__qualname__)
            raise
        finally:
            carried.reset(kept)
            context.detach(attached)
            told.end()

    @contextmanager
    def continued(self, parent: str) -> Iterator[None]:
        """Go on with a trace that came from elsewhere."""
        found = _span_context(parent)
        if found is None:
            yield
            return
        attached = context.attach(trace.set_span_in_context(NonRecordingSpan(found)))
        kept = carried.set(_traceparent(found))
        try:
            yield
        finally:
            carried.reset(kept)
            context.detach(attached)

    def record(self, name: str, began_at: float, ended_at: float, attributes: Attributes, why: str) -> None:
        """A span that is over."""
        began_ns = int(began_at * 1e9)
        told = self._tracer.start_span(
            name, _context_of(""), attributes={**_about(), **attributes}, start_time=began_ns
        )
        if why:
            Telling(told).failed(why)
        told.end(max(began_ns, int(ended_at * 1e9)))

    def flush(self, wait_s: float) -> None:
        """Hand over what has not been handed over yet."""
        flush = getattr(self._provider, "force_flush", None)
        if flush is not None:
            # In a thread: whoever receives may not answer, and the exporter then waits longer than it was told to.
            handing_over = threading.Thread(target=flush, args=(int(wait_s * 1000),), daemon=True)
            handing_over.start()
            handing_over.join(wait_s)


def _about() -> dict[str, str | int]:
    now = what()
    known: dict[str, str | int] = {
        "canalis.run_id": now.run_id,
        "canalis.step": now.step,
        "canalis.attempt": now.attempt,
        "faas.invocation_id": now.invocation,
    }
    return {name: value for name, value in known.items() if value}


def _context_of(parent: str) -> context.Context | None:
    """The context of a parent: the one that is named, else the current one of OpenTelemetry, else what is carried."""
    if not parent:
        if trace.get_current_span().get_span_context().is_valid:
            return None
        parent = carried.get()
    found = _span_context(parent)
    return None if found is None else trace.set_span_in_context(NonRecordingSpan(found))


def _span_context(text: str) -> SpanContext | None:
    known = parsed(text)
    if not known:
        return None
    return SpanContext(int(known[3:35], 16), int(known[36:52], 16), True, TraceFlags(int(known[53:55], 16)))


def _traceparent(found: SpanContext) -> str:
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}" if found.is_valid else ""
