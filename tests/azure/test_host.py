"""The Functions host: a small app in a real worker, over a bus that is there."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from azure.servicebus import ServiceBusMessage  # noqa: E402

from tests.azure.host.client import FunctionsHost, HostFailed  # noqa: E402
from tests.azure.host_scene import APP, Scene  # noqa: E402


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A scene for what leaves nothing behind."""
    scene = Scene(tmp_path_factory.mktemp("host"))
    try:
        scene.host.start()
        yield scene
    finally:
        scene.stop()


def test_functions_are_listed_with_their_bindings_and_settings_are_put_in(shared):
    functions = {told["name"]: told["bindings"] for told in shared.host.functions()}
    assert list(functions) == [
        "http_app_func", "plain", "fails", "sleeps", "one", "many", "given_up", "hops", "echo", "trivial", "ticks",
        "at_startup",
    ]  # fmt: skip
    assert functions["given_up"][0]["queueName"] == "one/$deadletterqueue"
    assert functions["ticks"][0]["schedule"] == "0 0 0 1 1 *"
    assert [binding["type"] for binding in functions["one"]] == ["serviceBusTrigger", "serviceBus"]


def test_a_request_reaches_the_web_app_with_its_whole_url_and_its_headers(shared):
    status, headers, body = shared.request("/items/7?x=a%2Fb", headers={"X-Asked": "yes"})
    told = json.loads(body)
    assert status == 200 and headers["content-type"] == "application/json"
    assert told["number"] == 7 and told["asked"] == "yes"
    assert told["url"] == f"{shared.host.url}/items/7?x=a%2Fb"
    assert shared.request("/items/no-number")[0] == 422
    assert shared.request("/nothing/here")[0] == 404


def test_a_large_body_goes_in_and_status_headers_and_cookies_come_out(shared):
    status, headers, body = shared.request("/bytes", "PUT", b"0123456789" * 3_000_000)
    assert (status, headers["x-size"], body) == (201, "30000000", b"0123456789")
    assert sorted(value for name, value in headers["all"] if name == "set-cookie") == [
        "a=1; HttpOnly; Path=/",
        "b=2; Path=/",
    ]
    assert shared.request("/bytes", "PUT", b"\0" * (100 * 2**20 + 1))[0] == 413


def test_a_route_of_a_function_comes_before_the_one_that_catches_all(shared):
    status, headers, body = shared.request("/plain/x%20y?q=1&e=", "POST", b"hi")
    assert status == 202 and headers["content-type"].startswith("application/json")
    assert json.loads(body) == {"route": {"name": "x y"}, "query": {"q": "1", "e": ""}, "body": "hi"}
    assert json.loads(shared.request("/plain/x/y")[2])["route"] == {"name": "x", "tail": "y"}


def test_a_function_that_raises_is_a_500_without_its_words_and_its_reason_is_written_down(shared):
    status, _, body = shared.request("/fails")
    assert (status, body) == (500, b"")
    assert shared.host.failures()[-1]["why"] == "ValueError: it went wrong"


def test_the_host_says_that_it_is_running(shared):
    status, _, body = shared.request("/admin/host/status")
    assert status == 200 and json.loads(body)["state"] == "Running"


def test_the_app_has_its_settings_and_nothing_of_ours_in_its_environment(shared):
    environment = json.loads(shared.request("/environment")[2])
    assert environment["ONE"] == "one" and environment["WEBSITE_INSTANCE_ID"]
    assert "PYTEST_CURRENT_TEST" in os.environ
    assert not [name for name in environment if name.startswith(("PYTEST", "VIRTUAL", "PYTHONPATH"))]


def test_a_message_comes_with_all_that_the_bus_knows_of_it_and_is_completed(shared):
    before = time.time()
    shared.send("one", "plain", application_properties={"kind": "x", "n": 3}, subject="s", correlation_id="c")
    shared.host.wait_until(lambda: [told for told in shared.seen("one") if told["id"] == "plain"] != [])

    (told,) = [told for told in shared.seen("one") if told["id"] == "plain"]
    assert told["body"] == "plain" and told["delivery_count"] == 1
    assert told["properties"] == told["user_properties"] == {"kind": "x", "n": 3}
    assert told["subject"] == "s" and told["correlation_id"] == "c"
    assert told["sequence_number"] >= 1 and len(told["lock_token"]) == 36
    assert told["enqueued"].startswith(time.strftime("%Y-%m-%d", time.gmtime(before)))
    shared.host.wait_until(lambda: shared.bus.queue("one").messages == 0)


def test_log_lines_of_a_function_have_its_invocation_whether_it_is_async_or_not(shared):
    shared.send("one", "logged")
    shared.send("many", "logged")
    shared.request("/plain/x")

    def lines(text: str) -> list[dict[str, Any]]:
        return [line for line in shared.host.logs() if line["message"] == text]

    shared.host.wait_until(lambda: all(map(lines, ("one has logged", "many has 1", "plain was called"))))
    (told,) = [told for told in shared.seen("one") if told["id"] == "logged"]
    assert lines("one has logged")[0]["invocation_id"] == told["invocation_id"]
    assert len(lines("many has 1")[0]["invocation_id"]) == 36
    assert len(lines("plain was called")[0]["invocation_id"]) == 36


def test_what_a_function_puts_out_or_returns_is_sent(shared):
    shared.send("one", "answer")
    assert json.loads(shared.receive("answers")) == {"to": "answer"}
    shared.send("echo", "hello")
    assert shared.receive("answers") == "echo of hello"


def test_a_message_whose_function_fails_comes_back_with_a_higher_count(shared):
    shared.send("one", "fail once")
    shared.host.wait_until(lambda: len([told for told in shared.seen("one") if told["id"] == "fail once"]) == 2)
    assert [told["delivery_count"] for told in shared.seen("one") if told["id"] == "fail once"] == [1, 2]


def test_a_message_that_fails_too_often_is_read_from_the_dead_letter_queue(shared):
    shared.send("one", "fail")
    shared.host.wait_until(lambda: shared.seen("given_up") != [])
    (told,) = shared.seen("given_up")
    assert told["id"] == "fail" and told["reason"] == "MaxDeliveryCountExceeded"
    assert [seen["delivery_count"] for seen in shared.seen("one") if seen["id"] == "fail"] == [1, 2, 3]
    shared.host.wait_until(lambda: shared.bus.queue("one").dead == 0)


def test_many_messages_come_together_and_no_more_than_the_host_json_says(shared):
    shared.send("many", "sleep")
    shared.host.wait_until(lambda: shared.host.counts().get("many", {}).get("running") == 1)
    numbers = [f"n{number:03}" for number in range(120)]
    shared.send("many", *numbers, application_properties={"n": 1})
    shared.host.wait_until(lambda: shared.bus.queue("many").messages == 0)

    batches = [told["messages"] for told in shared.seen("many")]
    ours = [[message["body"] for message in batch if message["body"].startswith("n")] for batch in batches]
    assert sorted(body for batch in ours for body in batch) == numbers
    assert 10 < max(map(len, ours)) <= 50  # it is not waited long for one more
    first = next(message for batch in batches for message in batch if message["body"] == "n000")
    assert first["properties"] == {"n": 1} and first["delivery_count"] == 1 and len(first["lock_token"]) == 36


def test_a_single_message_is_not_kept_waiting_for_others(shared):
    took_s = []
    with shared.client.get_queue_sender("many") as sender:
        for number in range(12):
            sent = time.monotonic()
            sender.send_messages(ServiceBusMessage(f"quick {number}"))
            shared.host.wait_until(
                lambda body=f"quick {number}": any(
                    message["body"] == body for told in shared.seen("many") for message in told["messages"]
                )
            )
            took_s.append(time.monotonic() - sent)
    assert min(took_s) < 0.1  # the client library's own way of receiving many waits 0.2 s for the next one


def test_a_lock_is_renewed_while_a_function_works(shared):
    shared.send("one", "sleep 4")  # twice the queue's lock
    shared.host.wait_until(lambda: any(told.get("slept") for told in shared.seen("one")))
    shared.host.wait_until(lambda: shared.bus.queue("one").messages == 0)
    assert [told["delivery_count"] for told in shared.seen("one") if told.get("body") == "sleep 4"] == [1]


def test_no_more_calls_run_at_once_than_the_host_json_says(shared):
    done = shared.host.counts()["one"]["succeeded"]
    shared.send("one", *(f"sleep 0.5 {number}" for number in range(24)))
    most = 0
    deadline = time.monotonic() + 30
    while shared.host.counts()["one"]["succeeded"] < done + 24 and time.monotonic() < deadline:
        most = max(most, shared.host.counts()["one"].get("running", 0))
        time.sleep(0.02)
    assert most == 8


def test_a_timer_fires_when_asked_and_on_start_up_where_it_says_so(shared):
    assert len(shared.seen("at_startup")) == 1 and shared.seen("ticks") == []
    assert shared.host.fire("ticks") == ""
    (told,) = shared.seen("ticks")
    assert told["past_due"] is False and told["schedule"]["Next"].endswith("-01-01T00:00:00.000000Z")
    with pytest.raises(HostFailed, match="no_such_timer"):
        shared.host.fire("no_such_timer")


def test_an_app_that_can_not_be_loaded_says_why(tmp_path):
    (tmp_path / "function_app.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    with pytest.raises(HostFailed, match="nothing_of_this_name"):
        FunctionsHost(tmp_path, {}, folder=tmp_path / "host").start()


def test_a_setting_that_is_missing_is_named(tmp_path):
    with pytest.raises(HostFailed, match="'%ONE%' does not resolve"):
        FunctionsHost(APP, {"CANALIS_BUS": "x", "TICK": "0 0 0 1 1 *"}, folder=tmp_path).start()
