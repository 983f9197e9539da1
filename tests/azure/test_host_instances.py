"""Instances of the Functions host: shared work, kills, losses, scaling in, time-outs."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from tests.azure.host_scene import Scene  # noqa: E402


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Scene]:
    """A scene of one's own, with two instances; what it does to them is its business."""
    scene = Scene(tmp_path, instances=2)
    try:
        scene.host.start()
        yield scene
    finally:
        scene.stop()


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
    own.host.wait_until(lambda: own.host.counts()["one"] == {"lost": 1, "succeeded": 1})

    assert [told["delivery_count"] for told in own.seen("one") if "body" in told] == [1, 2]
    assert {told["number"]: told["starts"] for told in own.host.instances()}[number] == 2
    own.host.wait_until(lambda: own.bus.queue("one").messages == 0)


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
    with ThreadPoolExecutor(2) as pool:
        requests = [pool.submit(own.request, "/sleeps?s=1") for _ in range(2)]
        own.host.wait_until(lambda: len(own.seen("sleeps")) == 2)
        assert own.host.drain(0, wait_s=10) is True
        assert own.host.drain(1, wait_s=10) is True
    assert [request.result()[0] for request in requests] == [200, 200]
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
