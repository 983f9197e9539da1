"""Who hears of spans: nobody, unless the settings of OpenTelemetry or Azure Monitor name somebody.

    telemetry.switch_on(os.environ, "servicebus")    a door, at its start
    telemetry.switch_off()                           a door, when it closes

Nothing of OpenTelemetry is loaded before that.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from canalis.contract.trace import tell
from canalis.contract.version import VERSION

if TYPE_CHECKING:
    from canalis.contract.spans import OpenTelemetryTracer

EXPORTER = "OTEL_TRACES_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
AZURE = "APPLICATIONINSIGHTS_CONNECTION_STRING"
_EXPORTERS = ("", "otlp", "console")
_INSTALL = "pip install 'canalis[telemetry]'"
_INSTALL_AZURE = "pip install azure-monitor-opentelemetry"

_log = logging.getLogger("canalis.telemetry")


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the settings say that spans are to be told to somebody."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get(EXPORTER, "").lower() == "none":
        return False
    return any(environ.get(name) for name in (EXPORTER, *ENDPOINTS, AZURE))


def switch_on(environ: Mapping[str, str], system: str = "") -> bool:
    """Tell spans to whom the settings name; whether there is somebody.

    system   what carries the messages, by the field's word for it (`messaging.system`)
    """
    tracer = _tracer(environ, system) if is_wanted(environ) else None
    if tracer is not None:
        tell(tracer)
    return tracer is not None


def switch_off(wait_s: float = 2.0) -> None:
    """Tell nobody any more; what was not handed over yet is handed over now, if that does not take long."""
    before = tell(None)
    if before is not None:
        before.flush(wait_s)


def _tracer(environ: Mapping[str, str], system: str) -> OpenTelemetryTracer | None:
    """A provider that is there already, since the host or a distribution has set it, is used as it is."""
    try:
        from opentelemetry import trace

        from canalis.contract.spans import OpenTelemetryTracer

        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            _configure(environ)
        return OpenTelemetryTracer(trace.get_tracer_provider(), system)
    except ImportError as error:
        how = _INSTALL if any(environ.get(name) for name in (EXPORTER, *ENDPOINTS)) else _INSTALL_AZURE
        _log.warning("spans are wanted, and nobody hears them, since %s is missing: %s", error.name, how)
    except Exception as error:  # whoever watches is not to keep the service from its work
        _log.warning("spans are wanted, and nobody hears them: %r", error)
    return None


def _configure(environ: Mapping[str, str]) -> None:
    if not any(environ.get(name) for name in (EXPORTER, *ENDPOINTS)):
        from azure.monitor.opentelemetry import configure_azure_monitor

        configure_azure_monitor(connection_string=environ[AZURE], logger_name="canalis")
        return
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = environ.get("OTEL_SERVICE_NAME") or "canalis"
    provider = TracerProvider(resource=Resource.create({"service.name": name, "service.version": VERSION}))
    provider.add_span_processor(BatchSpanProcessor(_exporter(environ.get(EXPORTER, "").lower())))
    trace.set_tracer_provider(provider)


def _exporter(chosen: str) -> Any:
    if chosen not in _EXPORTERS:
        raise ValueError(f"{EXPORTER} is '{chosen}': it can be otlp, console or none")
    if chosen == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()  # reads endpoint, headers and the rest from OTEL_EXPORTER_OTLP_... itself
