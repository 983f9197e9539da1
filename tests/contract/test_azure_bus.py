"""The bus in Azure: what travels beside a message, what is dropped, and what a broken connection does."""

from __future__ import annotations

import gc
import time
import warnings

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from azure.servicebus import ServiceBusClient, ServiceBusReceiveMode  # noqa: E402

from adapters.azure_bus import BODY_BYTES_MAX, AzureBus, opened  # noqa: E402
from adapters.files import FileBlobs  # noqa: E402
from canalis.contract.errors import NotFound, StoreUnavailable, TooLarge  # noqa: E402
from canalis.contract.messages import GoOn, Send, StepEnded, from_bytes  # noqa: E402
from canalis.contract.status import Outcome  # noqa: E402

# The client leaves the socket of a broken connection to the collector, which may come at any time.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def peer(bus_peer):
    bus_peer.reset()
    return bus_peer


@pytest.fixture
def blobs(tmp_path):
    return FileBlobs(tmp_path / "blobs")


@pytest.fixture
def bus(peer, blobs):
    bus = AzureBus(peer.connection_string, blobs)
    yield bus
    bus.close()
    with warnings.catch_warnings():  # no other test shall hear of it
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def go_on(run_id: str, queue: str = "q") -> Send:
    return Send(queue=queue, message=GoOn(run_id=run_id))


def received(peer, queue: str, count: int):
    with (
        ServiceBusClient.from_connection_string(peer.connection_string) as client,
        client.get_queue_receiver(queue, receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE) as receiver,
    ):
        return receiver.receive_messages(count, max_wait_time=5)


def test_a_message_says_what_it_is(bus, peer):
    bus.send([go_on("r-1")], "r-1.7")
    (message,) = received(peer, "q", 1)

    assert message.message_id == "r-1.7.0"
    assert message.content_type == "application/json"
    assert message.application_properties == {b"schema": 1}
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    bus.send([Send(queue="q", message=GoOn(run_id="r-1"), trace=trace)])
    (message,) = received(peer, "q", 1)
    assert message.application_properties == {b"schema": 1, b"traceparent": trace.encode()}


def test_what_is_sent_again_under_its_name_is_dropped_and_nothing_else(bus, peer):
    for name in ("r.1", "r.1", "r.2", "", ""):
        bus.send([go_on("a", "once"), go_on("b", "once")], name)

    assert peer.queue("once").messages == 8


def test_a_large_message_lies_in_a_blob_until_it_is_opened(bus, peer, blobs):
    said = StepEnded(run_id="r-1", node="a", attempt=1, outcome=Outcome.FAILED, error="x" * BODY_BYTES_MAX)
    bus.send([Send(queue="q", message=said)])

    (message,) = received(peer, "q", 1)
    body = b"".join(message.body)
    assert len(body) < 200
    assert from_bytes(opened(body, blobs)) == said
    assert opened(b"any other", blobs) == b"any other"

    blobs.delete("messages")
    with pytest.raises(NotFound):
        opened(body, blobs)


def test_after_its_connection_broke_the_bus_sends_on(bus, peer):
    bus.send([go_on("1")])
    peer.cut()
    for number in range(5):  # what is refused is sent again by whoever wanted it sent
        try:
            bus.send([go_on("2")])
            break
        except StoreUnavailable:
            time.sleep(0.1 * number)
    assert peer.queue("q").messages >= 2

    peer.detach("q")
    bus.send([go_on("3")])
    assert {from_bytes(b"".join(one.body)).run_id for one in received(peer, "q", 9)} == {"1", "2", "3"}


def test_a_queue_that_is_not_there_is_named_and_no_other_is_held_up(bus, peer):
    with pytest.raises(StoreUnavailable, match="no queue nothere"):
        bus.send([go_on("1", "nothere")])
    bus.send([go_on("2")])
    assert peer.queue("q").messages == 1


def test_what_is_published_where_nothing_is_says_so_and_holds_nobody_up(bus, peer):
    for _ in range(2):
        with pytest.raises(NotFound, match="no queue replies-x"):
            bus.publish("replies-x", b"{}", {})
    bus.publish("q", b"{}", {})
    assert peer.queue("q").messages == 1
    with pytest.raises(TooLarge):
        bus.publish("q", b"x" * (BODY_BYTES_MAX + 1), {})


def test_what_is_published_twice_under_its_id_is_kept_once(bus, peer):
    for message_id in ("a", "a", "b"):
        bus.publish("once", b"{}", {"message_id": message_id})
    assert peer.queue("once").messages == 2


def test_a_bus_that_nobody_answers_for_is_unavailable(blobs):
    key = "SharedAccessKeyName=a;SharedAccessKey=b"
    nobody = AzureBus(f"Endpoint=sb://127.0.0.1:9;{key};UseDevelopmentEmulator=true;", blobs)
    with pytest.raises(StoreUnavailable, match="queue q"):
        nobody.send([go_on("1")])
    nobody.close()


def test_senders_that_were_warmed_up_send_at_once(bus, peer):
    bus.warm_up(["q", "other"])
    before = time.monotonic()
    bus.send([go_on("1"), go_on("2", "other")])
    assert time.monotonic() - before < 0.5
    assert peer.queue("q").messages == peer.queue("other").messages == 1
