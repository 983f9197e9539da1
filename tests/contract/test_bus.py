"""What every bus promises to the service."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from canalis.contract.messages import GoOn, Send, StepEnded
from canalis.contract.status import Outcome
from canalis.contract.submissions import BODY_BYTES_MAX
from tests.contract.carriers import TOPIC

SOON_S = 20.0  # how long a test waits for what must come
QUIET_S = 0.5  # and for what must not


def send(carrier, *run_ids: str, queue: str = "q", delay_s: float = 0.0, name: str = "") -> None:
    carrier.bus.send([Send(queue=queue, message=GoOn(run_id=run_id), delay_s=delay_s) for run_id in run_ids], name)


def names(messages) -> list[str]:
    return sorted(message.run_id for message in messages)


def test_what_was_sent_arrives_whole_and_once(carrier):
    said = StepEnded(run_id="r-1", node="a", attempt=2, outcome=Outcome.FAILED, exit_code=1, error="é\n\0")
    carrier.bus.send([Send(queue="q", message=said)])

    assert carrier.received("q", 2, QUIET_S) == [said]
    assert carrier.received("q", 1, QUIET_S) == []


def test_each_message_goes_to_its_own_queue(carrier):
    carrier.bus.send([Send(queue=queue, message=GoOn(run_id=f"r-{queue}")) for queue in ("q", "other", "q")])

    assert names(carrier.received("q", 3, QUIET_S)) == ["r-q", "r-q"]
    assert names(carrier.received("other", 2, QUIET_S)) == ["r-other"]


def test_nothing_to_send_is_no_fault(carrier):
    carrier.bus.send([])
    assert carrier.received("q", 1, QUIET_S) == []


def test_what_was_sent_outlives_its_sender(carrier):
    send(carrier, "1", "2")
    send(carrier, "3", delay_s=0.5)
    carrier.crash()

    send(carrier, "4")
    assert names(carrier.received("q", 4, SOON_S)) == ["1", "2", "3", "4"]


def test_a_delayed_message_comes_when_it_is_due_and_holds_up_no_other(carrier):
    sent_at = time.monotonic()
    send(carrier, "later", delay_s=2.0)
    send(carrier, "now")

    assert names(carrier.received("q", 1, SOON_S)) == ["now"]
    if time.monotonic() - sent_at < 1.0:  # else the machine is too busy to tell
        assert carrier.received("q", 1, 0.5) == []
    assert names(carrier.received("q", 1, SOON_S)) == ["later"]
    assert time.monotonic() - sent_at >= 1.9


def test_more_than_a_batch_holds_arrives_as_well(carrier):
    said = [
        StepEnded(run_id=f"r-{n}", node="a", attempt=1, outcome=Outcome.FAILED, error="x" * 60_000) for n in range(9)
    ]
    carrier.bus.send([Send(queue="q", message=message) for message in said])

    assert names(carrier.received("q", 9, SOON_S)) == [f"r-{n}" for n in range(9)]


def test_a_message_larger_than_any_bus_carries_arrives_whole(carrier):
    said = StepEnded(run_id="r-1", node="a", attempt=1, outcome=Outcome.FAILED, error="é" * 300_000)
    carrier.bus.send([Send(queue="q", message=said)])

    assert carrier.received("q", 1, SOON_S) == [said]


def test_a_batch_that_is_sent_again_is_there_all_the_same(carrier):
    send(carrier, "1", "2", name="r.1")
    send(carrier, "1", "2", name="r.1")
    send(carrier, "3", name="r.2")

    assert set(names(carrier.received("q", 5, QUIET_S))) == {"1", "2", "3"}


def test_many_threads_send_at_once(carrier):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: send(carrier, f"r-{n:02d}", queue=("q", "other")[n % 2]), range(40)))

    found = carrier.received("q", 20, SOON_S) + carrier.received("other", 20, SOON_S)
    assert names(found) == [f"r-{n:02d}" for n in range(40)]


SAID = {
    "message_id": "run-1-ended",
    "correlation_id": "7",
    "subject": "run-1",
    "content_type": "application/json",
    "type": "x",
}


@pytest.mark.parametrize("target", ["q", TOPIC])
def test_what_is_published_comes_to_others_whole_and_with_what_is_said_of_it(carrier, target):
    body = '{"text": "é\\n\\u2028 😀"}\n\n'
    carrier.bus.publish(target, body.encode(), SAID)

    (found,) = carrier.published(target, 1, SOON_S)
    assert (found.body, found.properties) == (body, SAID)
    assert carrier.published(target, 1, QUIET_S) == []


def test_what_is_published_outlives_who_did_and_is_taken_in_order(carrier):
    for number in range(3):
        carrier.bus.publish("q", f"{number}".encode(), {})
    carrier.crash()

    assert [found.body for found in carrier.published("q", 2, SOON_S)] == ["0", "1"]
    assert [found.body for found in carrier.published("q", 2, QUIET_S)] == ["2"]


def test_as_much_can_be_published_as_a_submission_may_have(carrier):
    body = "x" * BODY_BYTES_MAX
    carrier.bus.publish("q", body.encode(), SAID)
    (found,) = carrier.published("q", 1, SOON_S)
    assert found.body == body
