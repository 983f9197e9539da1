"""Requests as parts of their callers' traces."""

from __future__ import annotations

import json
import logging

import pytest

from canalis.contract import trace
from canalis.contract.logs import JsonLines
from canalis.contract.messages import received
from tests.api.conftest import Client, a_run
from tests.unit.conftest import Heard, heard, id_of, parent_of, traceparent_of  # noqa: F401

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACE = f"00-{TRACE_ID}-b7ad6b7169203331-01"


def first_order(app):
    (taken,) = app.state.service.ports.bus.take("steps-process", 10, 0.0)
    return received(taken.body)


class Traced:
    """A caller whose requests have headers of their own."""

    def __init__(self, app, **headers: str) -> None:
        self.ask = Client(app)
        self.ask._headers |= headers

    def __call__(self, method: str, path: str, **parts: object):
        return self.ask(method, path, **parts)


def test_off_a_request_hands_its_trace_on(app):
    a_run(Traced(app, traceparent=TRACE))
    assert first_order(app).trace == TRACE


@pytest.mark.parametrize("forged", ["", "x", "00-" + "0" * 53, TRACE + "\x7f", "é" * 55, "a" * 5000])
def test_a_header_that_is_no_trace_does_no_harm(app, forged):
    ask = Traced(app)
    ask.ask._headers = list(ask.ask._headers.items()) + [("traceparent", forged.encode("utf-8"))]
    a_run(ask)
    assert first_order(app).trace == ""


def test_on_a_request_is_a_span_by_its_route(app, heard):  # noqa: F811
    run = a_run(Traced(app, traceparent=TRACE))
    told = [span for span in heard.all("POST /api/v1/runs") if span.attributes.get("http.response.status_code") == 201]
    (asked,) = told
    assert (f"{asked.context.trace_id:032x}", parent_of(asked), asked.kind.name) == (TRACE_ID, TRACE[36:52], "SERVER")
    submitted = heard.one("submit")
    assert parent_of(submitted) == id_of(asked)
    assert first_order(app).trace == traceparent_of(submitted)

    Client(app)("GET", f"/runs/{run['id']}?secret=sesame")
    got = heard.one("GET /api/v1/runs/{name}")
    assert parent_of(got) == "" and got.attributes["http.route"] == "/api/v1/runs/{name}"
    assert "sesame" not in got.to_json()


def test_what_fails_here_is_an_error_and_what_was_asked_wrongly_is_not(app, heard, monkeypatch):  # noqa: F811
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Lines()
    handler.setFormatter(JsonLines())
    logging.getLogger("canalis.api").addHandler(handler)
    with monkeypatch.context() as broken:
        broken.setattr(app.state.service.ports.runs, "find", lambda query: 1 / 0)
        assert Traced(app, traceparent=TRACE)("GET", "/runs").status_code == 500
    logging.getLogger("canalis.api").removeHandler(handler)
    told = heard.one("GET /api/v1/runs")
    assert told.status.status_code.name == "ERROR" and told.status.description == "ZeroDivisionError"
    assert told.events == ()
    assert json.loads(lines[0])["trace"] == TRACE_ID, "the line in the log finds its trace"

    assert Client(app)("GET", "/runs/00000000-0000").status_code == 404
    assert heard.one("GET /api/v1/runs/{name}").status.status_code.name == "UNSET"
    assert trace.current() == ""


def test_who_only_looks_whether_we_live_is_not_told_of(app, heard):  # noqa: F811
    for path in ("/health", "/ready"):
        assert Client(app)("GET", path).status_code == 200
    assert heard.exporter.get_finished_spans() == ()
