"""Somebody who listens to spans, in this process."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import Any

import pytest

from canalis.contract import trace


class Heard:
    """The spans that OpenTelemetry's SDK was told, as it gives them to an exporter."""

    def __init__(self) -> None:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        from canalis.contract.spans import OpenTelemetryTracer

        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        trace.tell(OpenTelemetryTracer(self.provider, "sqlite"))

    def all(self, name: str) -> list[Any]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> Any:
        (found,) = self.all(name)
        return found


@pytest.fixture
def heard() -> Iterator[Heard]:
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        assert not os.environ.get("CI"), "the SDK of OpenTelemetry is missing: scripts/setup-azure"
        pytest.skip("the SDK of OpenTelemetry comes with scripts/setup-azure")
    found = Heard()
    yield found
    trace.tell(None)


def parent_of(span: Any) -> str:
    return f"{span.parent.span_id:016x}" if span.parent else ""


def id_of(span: Any) -> str:
    return f"{span.context.span_id:016x}"


def traceparent_of(span: Any) -> str:
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"
