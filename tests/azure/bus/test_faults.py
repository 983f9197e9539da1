"""What was done is counted, and what goes wrong on purpose does so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.servicebus import (
    ServiceBusMessage,
)
from azure.servicebus.exceptions import (
    MessageLockLostError,
    ServiceBusError,
    ServiceBusServerBusyError,
)

from tests.azure.bus.desk import QUICK, a_client, until
from tests.azure.bus_peer.client import BusPeer
from tests.azure.conftest import needs_stack

needs_stack()
# The client leaves sockets open where a link is refused or a connection is reset.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

# Counts


def test_every_operation_is_counted(desk, peer):
    desk.senders["orders"].send_messages([ServiceBusMessage(f"b{number}") for number in range(4)])
    desk.send("orders", b"x" * 100_000)
    receiver = desk.receivers["orders"]
    first, second, third, fourth, large = desk.take("orders", 5)
    receiver.renew_message_lock(first)
    receiver.complete_message(first)
    receiver.abandon_message(second)
    receiver.defer_message(third)
    receiver.dead_letter_message(fourth)
    receiver.complete_message(large)

    counts = peer.counts()["orders"]
    assert (counts["transfers"], counts["messages"], counts["deliveries"]) == (2, 5, 5)
    settled = [counts[verb] for verb in ("completed", "abandoned", "deferred", "dead_lettered")]
    assert (settled, counts["settlements"]) == ([2, 1, 1, 1], 5)
    # The large message is two pieces of 64 KiB each time that it travels.
    assert (counts["requests"], counts["units"], counts["operations"]) == (1, 9, 15)
    assert peer.counts()["short"]["operations"] == 0


# Faults


def test_messages_are_lost_and_doubled_at_the_share_that_was_set_and_the_same_ones_again(desk, peer):
    def what_is_left() -> list[str]:
        peer.reset()
        peer.faults("once", drop=0.3, duplicate=0.2, seed=7)
        for number in range(100):
            desk.send("once", f"m{number}", message_id=f"m{number}")
        return [message["body"] for message in peer.peek("once", 200)]

    left = what_is_left()
    hits = peer.hits()["once"]
    assert 15 < hits["drop"] < 45
    assert 5 < hits["duplicate"] < 30
    assert len(left) == 100 - hits["drop"] + hits["duplicate"]
    assert len(set(left)) == 100 - hits["drop"]
    assert what_is_left() == left
    peer.faults("once", drop=0.3, duplicate=0.2, seed=8)
    assert peer.hits()["once"] == {}


def test_messages_that_are_delayed_come_later_and_in_another_order(desk, peer):
    peer.faults("orders", delay=1, delay_s=0.4, seed=1)
    sent = [f"m{number}" for number in range(10)]
    desk.send("orders", *sent)
    assert peer.queue("orders").scheduled > 0
    came = desk.complete("orders", 10)
    assert sorted(came) == sent
    assert came != sent


def test_a_share_of_sends_is_turned_down(desk, peer):
    peer.faults("orders", throttle=1)
    with pytest.raises(ServiceBusServerBusyError):
        desk.send("orders", "busy")
    peer.faults("orders", fail=1)
    with pytest.raises(ServiceBusError, match="unable to process"):
        desk.send("orders", "broken")
    assert peer.queue("orders").messages == 0

    peer.faults()
    desk.send("orders", "well again")
    assert desk.complete("orders") == ["well again"]
    assert peer.counts()["orders"]["refused"] == 2


def test_a_lock_is_lost_while_its_receiver_is_at_work(desk, peer):
    peer.faults("orders", lose_lock=1, lose_lock_s=60)
    desk.send("orders", "work")
    (message,) = desk.take("orders")
    assert peer.queue("orders").locked == 1
    with pytest.raises(MessageLockLostError):
        desk.receivers["orders"].renew_message_lock(message)

    (message,) = desk.take("orders")
    peer.faults()
    with pytest.raises(MessageLockLostError):
        desk.receivers["orders"].complete_message(message)
    (message,) = desk.take("orders")
    assert message.delivery_count == 2
    desk.receivers["orders"].complete_message(message)


def test_a_message_whose_lock_is_lost_goes_to_another_at_once(desk, peer):
    peer.faults("short", lose_lock=1)
    desk.send("short", "work")
    (first,) = desk.take("short")
    until(lambda: peer.queue("short").active == 1)
    peer.faults()
    (second,) = desk.take("short again")
    desk.receivers["short again"].complete_message(second)
    with pytest.raises(MessageLockLostError):
        desk.receivers["short"].complete_message(first)


def test_a_send_without_an_answer_may_have_arrived(peer):
    def send_with(fault: str, queue: str) -> None:
        client = a_client(peer, retry_total=1, retry_backoff_factor=0.01)
        with client.get_queue_sender(queue, **QUICK) as sender:
            peer.faults(queue, **{fault: 1})
            with pytest.raises(ServiceBusError):
                sender.send_messages(ServiceBusMessage("again and again"))
            peer.faults(queue)
            sender.send_messages(ServiceBusMessage("well"))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(send_with, ("detach", "cut"), ("orders", "short")))
    for queue in ("orders", "short"):
        assert [message["body"] for message in peer.peek(queue)] == ["again and again", "again and again", "well"]


def test_connections_are_refused(peer):
    peer.faults(refuse=1)
    with pytest.raises(ServiceBusError):
        a_client(peer, retry_total=0).get_queue_sender("orders").__enter__()
    assert peer.hits()[""]["refuse"] > 0


def test_links_and_connections_can_be_ended_at_a_moment_of_ones_own():
    with BusPeer({"orders": {}}) as peer:
        client = a_client(peer, retry_backoff_factor=0.01)
        with client.get_queue_sender("orders", **QUICK) as sender:
            sender.send_messages(ServiceBusMessage("before"))
            assert peer.detach("orders") == 1
            sender.send_messages(ServiceBusMessage("on a new link"))
            assert peer.cut() == 1
            sender.send_messages(ServiceBusMessage("on a new connection"))
        assert [message["body"] for message in peer.peek("orders")] == [
            "before",
            "on a new link",
            "on a new connection",
        ]
        client.close()
