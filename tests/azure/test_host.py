"""The Functions host: a small app in real workers, over a bus that is there."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from azure.servicebus import ServiceBusClient, ServiceBusMessage  # noqa: E402

from tests.azure.bus_peer.client import BusPeer  # noqa: E402
from tests.azure.host.client import FunctionsHost, HostFailed  # noqa: E402
from tests.azure.parts import ROOT  # noqa: E402

APP = ROOT / "tests/azure/host_app"
QUEUES: dict[str, dict[str, Any]] = {
    "one": {"lock_s": 2, "deliveries_max": 3},
    "many": {},
    "answers": {},
    "hops": {},
    "echo": {},
    "trivial": {},
}


class Scene:
    """A host over the small app, a bus, and what the app's functions have seen."""

    def __init__(self, folder: Path, **host: Any) -> None:
        self.seen_file = folder / "seen"
        self.bus = BusPeer(QUEUES)
        self.client = ServiceBusClient.from_connection_string(self.bus.connection_string)
        self.settings = {
            "CANALIS_BUS": self.bus.connection_string,
            "ONE": "one",
            "TICK": "0 0 0 1 1 *",
            "SEEN": str(self.seen_file),
        } | host.pop("settings", {})
        self.host = FunctionsHost(APP, self.settings, folder=folder, **host)

    def send(self, queue: str, *bodies: str, **properties: Any) -> None:
        with self.client.get_queue_sender(queue) as sender:
            sender.send_messages([ServiceBusMessage(body, message_id=body, **properties) for body in bodies])

    def receive(self, queue: str) -> str:
        with self.client.get_queue_receiver(queue, max_wait_time=10) as receiver:
            message = next(receiver)
            receiver.complete_message(message)
            return str(message)

    def seen(self, function: str) -> list[dict[str, Any]]:
        """What a function has seen, oldest first."""
        lines = self.seen_file.read_text().splitlines() if self.seen_file.exists() else []
        return [told for told in map(json.loads, lines) if told["function"] == function]

    def wait_for(self, function: str, **counts: int) -> None:
        """Until a function has had that many invocations of each outcome."""
        self.host.wait_until(lambda: self.host.counts().get(function) == counts)

    def request(
        self, path: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any], bytes]:
        where = urlsplit(self.host.url)
        connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        told = response.status, dict(response.getheaders()) | {"all": response.getheaders()}, response.read()
        connection.close()
        return told

    def stop(self) -> None:
        self.host.stop()
        self.client.close()
        self.bus.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A scene for what leaves nothing behind."""
    scene = Scene(tmp_path_factory.mktemp("host"))
    try:
        scene.host.start()
        yield scene
    finally:
        scene.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Scene]:
    """A scene of one's own, with two instances; what it does to them is its business."""
    scene = Scene(tmp_path, instances=2)
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


def test_the_app_has_its_settings_and_nothing_of_ours_in_its_environment(shared, monkeypatch):
    environment = json.loads(shared.request("/environment")[2])
    assert environment["ONE"] == "one" and environment["WEBSITE_INSTANCE_ID"]
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


def test_a_timer_fires_by_the_clock_on_one_instance(tmp_path):
    scene = Scene(tmp_path, instances=2, settings={"TICK": "* * * * * *"})
    try:
        with scene.host:
            began = time.monotonic()
            scene.host.wait_until(lambda: len(scene.seen("ticks")) >= 3)
            assert time.monotonic() - began > 1.5
            assert scene.host.counts()["ticks"]["succeeded"] == len(scene.seen("ticks"))
    finally:
        scene.stop()


def test_two_instances_share_requests_and_messages(own):
    pids = {json.loads(own.request("/items/1")[2])["pid"] for _ in range(10)}
    assert pids == {told["pid"] for told in own.host.instances()} and len(pids) == 2
    own.send("one", *(f"sleep 0.3 {number}" for number in range(12)))
    own.host.wait_until(lambda: own.host.counts().get("one") == {"succeeded": 12})
    assert {told["pid"] for told in own.seen("one")} == pids


def test_a_worker_that_is_killed_is_replaced_and_its_messages_are_delivered_again(own):
    own.send("one", "sleep 1 a")
    own.host.wait_until(lambda: own.seen("one") != [])
    pid = own.seen("one")[0]["pid"]
    number = next(told["number"] for told in own.host.instances() if told["pid"] == pid)

    own.host.kill(number)
    own.host.wait_until(lambda: any(told.get("slept") for told in own.seen("one")))
    own.host.wait_until(lambda: all(told["ready"] for told in own.host.instances()))

    assert own.host.counts()["one"] == {"lost": 1, "succeeded": 1}
    assert [told["delivery_count"] for told in own.seen("one") if "body" in told] == [1, 2]
    assert {told["number"]: told["starts"] for told in own.host.instances()}[number] == 2
    assert own.bus.queue("one").messages == 0


def test_an_instance_that_is_lost_settles_nothing_and_its_message_comes_back_when_its_lock_runs_out(own):
    own.send("one", "sleep 1 a")
    own.host.wait_until(lambda: own.seen("one") != [])
    pid = own.seen("one")[0]["pid"]
    began = time.monotonic()

    own.host.lose(next(told["number"] for told in own.host.instances() if told["pid"] == pid))
    own.host.wait_until(lambda: len([told for told in own.seen("one") if "body" in told]) == 2)

    assert time.monotonic() - began > 0.8  # an abandoned one is there again at once
    assert [told["delivery_count"] for told in own.seen("one") if "body" in told] == [1, 2]
    assert len(own.host.instances()) == 1


def test_an_instance_that_is_drained_ends_its_work_and_takes_no_more(own):
    own.send("one", *(f"sleep 1 {number}" for number in range(4)))
    own.host.wait_until(lambda: len(own.seen("one")) >= 4)
    assert own.host.drain(0, wait_s=10) is True
    assert own.host.drain(1, wait_s=10) is True
    assert own.host.counts()["one"] == {"succeeded": 4}
    own.send("one", "later")
    time.sleep(1)
    assert own.bus.queue("one").active == 1

    assert own.host.add_instance() == 2
    own.host.wait_until(lambda: any(told.get("body") == "later" for told in own.seen("one")))


def test_an_instance_that_can_not_be_drained_in_time_is_ended_and_its_message_comes_back(own):
    own.send("one", "sleep 4 a")
    own.host.wait_until(lambda: own.seen("one") != [])
    pid = own.seen("one")[0]["pid"]
    assert own.host.drain(next(t["number"] for t in own.host.instances() if t["pid"] == pid), wait_s=0.2) is False
    own.host.wait_until(lambda: len([told for told in own.seen("one") if "body" in told]) == 2)
    assert not Path(f"/proc/{pid}").exists()
    assert own.seen("one")[1]["pid"] != pid


def test_a_function_that_takes_too_long_loses_its_worker(own):
    began = time.monotonic()
    assert own.request("/sleeps?s=60")[0] == 500
    assert 4.5 < time.monotonic() - began < 15  # functionTimeout is 5 s
    assert own.host.counts()["sleeps"] == {"timed_out": 1}
    pid = own.seen("sleeps")[0]["pid"]
    own.host.wait_until(lambda: [told["ready"] for told in own.host.instances()] == [True, True])
    assert pid not in {told["pid"] for told in own.host.instances()}
    assert own.request("/items/1")[0] == 200


def test_the_pumps_go_on_when_the_bus_cuts_their_connections(own):
    own.send("one", "before")
    own.wait_for("one", succeeded=1)
    assert own.bus.cut() > 0
    own.send("one", "after")
    own.wait_for("one", succeeded=2)


def test_the_host_and_its_workers_end_when_the_test_dies(tmp_path):
    scene = Scene(tmp_path)
    try:
        scene.host.start()
        process = scene.host._process
        (pid,) = [told["pid"] for told in scene.host.instances()]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}").exists()
    finally:
        scene.stop()


def test_an_app_that_can_not_be_loaded_says_why(tmp_path):
    (tmp_path / "function_app.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    with pytest.raises(HostFailed, match="nothing_of_this_name"):
        FunctionsHost(tmp_path, {}, folder=tmp_path / "host").start()


def test_a_setting_that_is_missing_is_named(tmp_path):
    with pytest.raises(HostFailed, match="'%ONE%' does not resolve"):
        FunctionsHost(APP, {"CANALIS_BUS": "x", "TICK": "0 0 0 1 1 *"}, folder=tmp_path).start()
