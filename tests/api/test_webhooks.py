"""Webhooks over HTTP."""

from __future__ import annotations

import time

import pytest
from standardwebhooks import Webhook

from canalis.contract.messages import StepEnded, received
from canalis.contract.status import Outcome
from orchestrator.advance import advance
from orchestrator.notices import carry
from tests.api.conftest import SOURCE, a_run
from tests.cloud_events import read_event
from tests.receivers import Receiver


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def hook(ask, receiver, **more) -> dict:
    answer = ask("POST", "/webhooks", json={"url": f"http://127.0.0.1:{receiver.port}/hook", **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def ends(app, run: dict) -> None:
    """A run ends, and who wants to hears of it."""
    ports = app.state.service.ports
    advance(ports, run["id"], [StepEnded(run_id=run["id"], node="a", attempt=1, outcome=Outcome.SUCCEEDED)])
    taken = ports.bus.take("notices", 90, 0.0)
    for message in taken:
        carry.tell(ports, *received(message.body))
    ports.bus.complete(taken)
    if taken:
        ends(app, run)


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(ask, receiver):
    made = hook(ask, receiver, name="erp", experiment="nightly", status=["failed"])
    assert made["secret"].startswith("whsec_")
    shown = ask("GET", f"/webhooks/{made['id']}").json()
    assert shown == {key: value for key, value in made.items() if key != "secret"}
    assert (shown["name"], shown["experiment"], shown["status"], shown["created_by"]) == (
        "erp",
        "nightly",
        ["failed"],
        "me",
    )
    assert ask("GET", "/webhooks").json() == [shown]
    for answer in (ask("GET", "/webhooks"), ask("PATCH", f"/webhooks/{made['id']}", json={"name": "x"})):
        assert made["secret"] not in answer.text and "whsec_" not in answer.text


def test_the_end_of_a_run_comes_signed_and_what_became_of_it_is_shown(app, ask, receiver):
    made = hook(ask, receiver)
    run = a_run(ask)
    ends(app, run)

    (came,) = receiver.came
    Webhook(made["secret"]).verify(came.body, came.headers)
    event = read_event(came.body, came.headers["content-type"])
    assert (event.get_subject(), event.get_source()) == (run["id"], SOURCE)
    shown = ask("GET", f"/webhooks/{made['id']}").json()
    (last,) = shown["last"]
    assert (last["run"], last["ok"], last["status"], shown["attention"]) == (run["id"], True, 200, "")
    assert abs(last["at"] - time.time()) < 60


def test_a_test_is_sent_at_once_and_says_how_it_went(ask, receiver):
    made = hook(ask, receiver, enabled=False)
    said = ask("POST", f"/webhooks/{made['id']}/test").json()
    assert (said["ok"], said["status"], said["run"], said["why"]) == (True, 200, "", "")
    (came,) = receiver.came
    assert Webhook(made["secret"]).verify(came.body, came.headers)["type"] == "io.canalis.webhook.test"

    receiver.answer = (302, {"Location": "http://127.0.0.1:1/elsewhere"}, b"a secret of the other side")
    answer = ask("POST", f"/webhooks/{made['id']}/test")
    assert (answer.json()["ok"], answer.json()["why"]) == (False, "It answered 302") and "other side" not in answer.text
    assert len(receiver.came) == 2, "nothing is followed"
    assert [one["ok"] for one in ask("GET", f"/webhooks/{made['id']}").json()["last"]] == [False, True]


def test_a_webhook_is_changed_switched_off_and_deleted(app, ask, receiver):
    made = hook(ask, receiver, experiment="nightly")
    path = f"/webhooks/{made['id']}"
    assert ask("PATCH", path, json={"experiment": None, "enabled": False}).json()["experiment"] is None
    ends(app, a_run(ask))
    assert receiver.came == []
    ask("PATCH", path, json={"enabled": True})
    ends(app, a_run(ask, b"print(2)"))
    assert len(receiver.came) == 1

    assert ask("DELETE", path).status_code == ask("DELETE", path).status_code == 204
    ends(app, a_run(ask, b"print(3)"))
    assert len(receiver.came) == 1 and ask("GET", path).status_code == 404
    assert app.state.service.ports.vault.names() == []


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"url": "https://10.0.0.1/x"}, 422, "address_refused"),
        ({"url": "http://example.com/x"}, 422, "address_refused"),
        ({"url": "https://metadata.internal/x"}, 422, "address_refused"),
        ({"url": "https://user:pass@example.com/"}, 422, "address_refused"),
        ({"url": ""}, 400, "bad_request"),
        ({}, 400, "bad_request"),
        ({"url": "http://127.0.0.1:9999/", "status": ["ended"]}, 400, "bad_request"),
        ({"url": "http://127.0.0.1:9999/", "secret": "whsec_mine"}, 400, "bad_request"),
        ({"url": "http://127.0.0.1:9999/", "id": "../x"}, 400, "bad_request"),
        ({"url": "http://127.0.0.1:9999/" + "x" * 3_000}, 400, "bad_request"),
    ],
)
def test_what_cannot_be_a_webhook_is_refused(ask, asked, status, code):
    answer = ask("POST", "/webhooks", json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ask("GET", "/webhooks").json() == []
    assert "user:pass" not in answer.text


def test_a_request_that_comes_twice_makes_one_webhook(ask, receiver):
    first, again = (hook(ask, receiver, id="hook-one") for _ in range(2))
    assert first["id"] == again["id"] and first["secret"] and again["secret"] is None
    assert len(ask("GET", "/webhooks").json()) == 1


def test_a_run_that_was_submitted_before_there_was_a_webhook_is_not_told(app, ask, receiver):
    run = a_run(ask)
    hook(ask, receiver)
    ends(app, run)
    assert receiver.came == []


def test_there_are_so_many_webhooks_and_no_more(ask, receiver, monkeypatch):
    monkeypatch.setattr("orchestrator.notices.webhooks.WEBHOOKS_MAX", 1)
    hook(ask, receiver)
    refused = ask("POST", "/webhooks", json={"url": f"http://127.0.0.1:{receiver.port}/hook"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many")
