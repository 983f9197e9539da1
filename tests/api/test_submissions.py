"""Messages by way of HTTP: onto the queue, and from the queues of others."""

from __future__ import annotations

import json

import pytest

from adapters.sqlite.others import unpacked
from api.app import make_app
from canalis.contract.submissions import BODY_BYTES_MAX
from tests.api.conftest import Client


def test_what_is_posted_is_on_the_queue_as_it_was_written(app, ask):
    asked = {"pipeline": "pipe-one", "tags": {"who": "Zoë 😀"}, "nobody": "knows this"}
    answer = ask("POST", "/submissions", json=asked)
    assert answer.status_code == 202
    (taken,) = app.state.service.ports.bus.take("submissions", 9, 0.0)
    body, said = unpacked(taken.body)
    assert json.loads(body) == asked and said["message_id"] == answer.json()["id"]
    assert ask("POST", "/submissions", json=asked).json()["id"] != answer.json()["id"]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"hello", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b'{"a": NaN}', 400, "bad_request"),
        (b'{"a": 1, "a": 2}', 400, "bad_request"),
        (b'{"a": "\\ud800"}', 400, "bad_request"),
        (b'{"a": ' + b"[" * 100_000, 400, "bad_request"),
        (b'{"a": "' + "é".encode() * (BODY_BYTES_MAX // 2) + b'"}', 413, "too_large"),
    ],
)
def test_what_is_no_json_object_or_too_large_is_refused_at_once(app, ask, content, status, code):
    answer = ask("POST", "/submissions", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert app.state.service.ports.bus.take("submissions", 9, 0.0) == []


def test_what_others_would_get_is_taken_in_order_and_once(app, ask):
    for number in range(3):
        app.state.service.ports.bus.publish("replies-erp", b'{"n": %d}' % number, {"message_id": f"m-{number}"})
    assert ask("POST", "/queues/replies-erp/receive?count=2").json() == [
        {"properties": {"message_id": "m-0"}, "body": '{"n": 0}'},
        {"properties": {"message_id": "m-1"}, "body": '{"n": 1}'},
    ]
    assert len(ask("POST", "/queues/replies-erp/receive?count=100").json()) == 1
    assert ask("POST", "/queues/replies-erp/receive").json() == []
    assert ask("POST", "/queues/replies-erp/receive?count=101").status_code == 400
    app.state.service.ports.bus.publish("submissions", b"{}", {"message_id": "m"})
    for own in ("submissions", "orchestrator", "steps-process", "%2e%2e"):
        assert ask("POST", f"/queues/{own}/receive").json() == [], own


def test_where_the_bus_is_one_of_its_own_it_is_read_there(app):
    import dataclasses

    plain = dataclasses.replace(app.state.service, receive=None, set_aside=None)
    ask = Client(make_app(plain, app.state.guard))
    for method, path in (("GET", "/submissions/dead"), ("POST", "/queues/replies/receive")):
        answer = ask(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_supported")
        assert "Service Bus" in answer.text


def test_what_was_set_aside_is_shown_the_last_first(app, ask):
    bus = app.state.service.ports.bus
    for number in range(2):
        bus.publish("submissions", b"{}", {"message_id": f"m-{number}"})
        bus.set_aside(bus.take("submissions", 1, 0.0)[0], f"reason {number}")
    shown = ask("GET", "/submissions/dead").json()
    assert [(one["id"], one["reason"], one["body"]) for one in shown] == [
        ("m-1", "reason 1", "{}"),
        ("m-0", "reason 0", "{}"),
    ]
