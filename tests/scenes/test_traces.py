"""One trace from a submission to the script of a step, as a collector hears it over the wire."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from canalis.workspace import Workspace
from tests.scenes.conftest import Author, log_of, process_of, until

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACE = f"00-{TRACE_ID}-b7ad6b7169203331-01"
SCRIPT = """
import json, os
from azureml.core import Run
Run.get_context()
context = json.load(open(os.environ["CANALIS_CONTEXT"]))
print("told:", os.environ.get("TRACEPARENT", "nothing"), context["trace"] or "nothing", os.environ.get("TRACESTATE"))
"""


class Collector:
    """Hears spans as an OpenTelemetry collector does: protobuf over HTTP."""

    def __init__(self) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
            ExportTraceServiceResponse,
        )

        spans: list = []
        services: set[str] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces", self.path
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    services.update(
                        a.value.string_value for a in resource.resource.attributes if a.key == "service.name"
                    )
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *words: object) -> None:
                pass

        self.spans, self.services = spans, services
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def named(self, name: str) -> list:
        return [span for span in list(self.spans) if span.name == name]


def attributes(span) -> dict[str, object]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


@pytest.fixture
def collector(monkeypatch) -> Iterator[Collector]:
    if importlib.util.find_spec("opentelemetry.exporter") is None:
        assert not os.environ.get("CI"), "OpenTelemetry's exporter is missing: scripts/setup-azure"
        pytest.skip("OpenTelemetry's exporter comes with scripts/setup-azure")
    found = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{found.server.server_port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_one_trace_leads_from_a_submission_into_the_scripts_of_its_steps(collector, own_home, project, monkeypatch):
    own = Author(Workspace.create("traced", show_output=False), project)
    monkeypatch.setenv("TRACEPARENT", TRACE)  # the author's script is itself a part of something
    first = own.step("first", SCRIPT)
    second = own.step("second", SCRIPT)
    second.run_after(first)
    run = own.runs(first, second)
    assert run.get_status() == "Finished"
    until(lambda: len(collector.named("work")) == 2 and len(collector.named("advance")) == 2)
    own.ws._client.close()

    assert collector.services == {"canalis"}
    (submitted,) = collector.named("submit")
    (asked,) = [span for span in collector.named("POST /api/v1/runs") if span.span_id == submitted.parent_span_id]
    assert asked.parent_span_id.hex() == TRACE[36:52] and asked.kind == 2
    works = {attributes(span)["canalis.step_name"]: span for span in collector.named("work")}
    hops = {span.span_id: span for span in (asked, submitted, *works.values(), *collector.named("advance"))}
    assert {span.trace_id.hex() for span in hops.values()} == {TRACE_ID}

    for name, span in works.items():
        said = attributes(span)
        assert (said["canalis.run_id"], said["canalis.attempt"], said["canalis.outcome"]) == (run.id, 1, "succeeded")
        assert said["canalis.backend"] == "process" and said["process.exit.code"] == 0
        told = log_of(run, name).split("told: ")[1].split()
        assert told[0] == told[1] and told[0].startswith(f"00-{TRACE_ID}-{span.span_id.hex()}-") and told[2] == "None"
    # second was ordered by who heard of the end of first, which was ordered by the submission
    assert works["first"].parent_span_id == submitted.span_id
    heard = hops[works["second"].parent_span_id]
    assert heard.name == "advance" and heard.parent_span_id == works["first"].span_id


def test_a_trace_goes_into_the_scripts_also_when_nobody_listens(own_home, project, monkeypatch):
    monkeypatch.setenv("TRACEPARENT", TRACE)
    monkeypatch.setenv("TRACESTATE", "of=whoever-started-the-service")
    own = Author(Workspace.create("quiet", show_output=False), project)
    run = own.runs(own.step("only", SCRIPT))
    assert log_of(run, "only").split("told: ")[1].split() == [TRACE, TRACE, "None"]

    monkeypatch.delenv("TRACEPARENT")
    run = own.runs(own.step("alone", SCRIPT))
    assert log_of(run, "alone").split("told: ")[1].split() == ["nothing", "nothing", "None"]
    own.ws._client.close()


def test_the_service_writes_its_log_as_it_is_told(own_home, project, monkeypatch):
    monkeypatch.setenv("CANALIS_LOG_FORMAT", "json")
    own = Author(Workspace.create("json", show_output=False), project)
    gate = project / "gate"
    text = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists():\n    time.sleep(0.02)"
    run = own.submits(own.step("waits", text, arguments=[gate]))
    until(lambda: [step.status for step in run.get_steps()] == ["Running"])
    os.kill(process_of(own.ws._root), signal.SIGKILL)
    gate.touch()
    run.wait_for_completion(show_output=False)

    lines = [line for line in (own.ws._root / "service.log").read_text().splitlines() if line.startswith("{")]
    (said,) = [json.loads(line) for line in lines if "took up 1 open runs" in line]
    assert said["level"] == "INFO" and said["logger"] == "canalis.local" and said["time"].endswith("Z")
    health = own.ws._client.get("/health/details")
    assert health["status"] == "ready" and [check["name"] for check in health["checks"]] == ["database", "steps"]
    own.ws._client.close()
