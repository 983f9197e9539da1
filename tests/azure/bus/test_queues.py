"""The peer keeps the promises of Service Bus's queues, to Microsoft's own client."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import (
    AutoLockRenewer,
    ServiceBusMessage,
    ServiceBusReceiveMode,
)
from azure.servicebus.aio import ServiceBusClient as AsyncClient
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
)

from tests.azure.bus.desk import LOCK_S, QUICK, WINDOW_S, soon, take, until
from tests.azure.conftest import needs_stack

needs_stack()
# The client leaves sockets open where a link is refused or a connection is reset.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_a_message_arrives_with_all_that_was_written_on_it(desk, peer):
    properties = {"number": 1, "share": 1.5, "text": "x", "yes": True}
    sent = ServiceBusMessage(
        b"\x00bin",
        message_id="m1",
        subject="s",
        correlation_id="c",
        content_type="application/json",
        reply_to="r",
        to="t",
        time_to_live=timedelta(minutes=5),
        application_properties=properties,
    )

    desk.send("orders", sent)
    (message,) = desk.take("orders")

    assert b"".join(message.body) == b"\x00bin"
    assert (message.message_id, message.subject, message.correlation_id) == ("m1", "s", "c")
    assert (message.content_type, message.reply_to, message.to) == ("application/json", "r", "t")
    assert message.time_to_live == timedelta(minutes=5)
    assert {key.decode(): value for key, value in message.application_properties.items()} == {
        **properties,
        "text": b"x",
    }
    assert abs((message.enqueued_time_utc - datetime.now(UTC)).total_seconds()) < 5
    assert 50 < (message.locked_until_utc - datetime.now(UTC)).total_seconds() <= 60
    assert (message.delivery_count, message.sequence_number) == (0, message.enqueued_sequence_number)
    assert peer.queue("orders").locked == 1
    desk.receivers["orders"].complete_message(message)
    assert peer.queue("orders").messages == 0


def test_lists_and_batches_arrive_in_order(desk):
    sender = desk.senders["orders"]
    batch = sender.create_message_batch()
    assert batch.max_size_in_bytes == 262_144
    for number in range(100):
        batch.add_message(
            ServiceBusMessage(f"b{number}", message_id=f"b{number}", application_properties={"n": number})
        )

    sender.send_messages([ServiceBusMessage(f"l{number}") for number in range(50)])
    sender.send_messages(batch)

    assert desk.complete("orders", 150) == [f"l{n}" for n in range(50)] + [f"b{n}" for n in range(100)]


def test_a_message_that_is_abandoned_too_often_is_a_dead_letter(desk, peer):
    desk.send("short", "poison")
    counts = []
    for _ in range(3):
        (message,) = desk.take("short")
        counts.append(message.delivery_count)
        desk.receivers["short"].abandon_message(message)
    assert counts == [0, 1, 2]
    assert (peer.queue("short").messages, peer.queue("short").dead) == (0, 1)

    (dead,) = desk.take("short dead")
    assert (dead.dead_letter_reason, dead.dead_letter_source) == ("MaxDeliveryCountExceeded", "short")
    assert "3 delivery attempts" in dead.dead_letter_error_description
    desk.receivers["short dead"].complete_message(dead)
    assert peer.queue("short").dead == 0


def test_a_receiver_can_make_a_message_a_dead_letter_and_say_why(desk):
    desk.send("orders", "dl", application_properties={"k": "v"})
    (message,) = desk.take("orders")
    desk.receivers["orders"].dead_letter_message(message, reason="why", error_description="told")

    (dead,) = desk.take("orders dead")
    assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("why", "told")
    assert dead.application_properties[b"k"] == b"v"
    desk.receivers["orders dead"].complete_message(dead)


def test_a_lock_that_runs_out_gives_the_message_to_another_and_the_first_comes_too_late(desk, peer):
    desk.send("short", "slow")
    (first,) = desk.take("short")
    began = time.monotonic()
    (second,) = desk.take("short again")

    assert LOCK_S - 0.1 < time.monotonic() - began < LOCK_S + 1.0
    assert second.delivery_count == 1
    with pytest.raises(MessageLockLostError):
        desk.receivers["short"].complete_message(first)
    desk.receivers["short again"].complete_message(second)
    assert peer.queue("short").messages == 0
    assert peer.counts()["short"]["locks_expired"] == 1


def test_a_lock_that_is_renewed_does_not_run_out(desk, peer):
    desk.send("short", "long")
    (message,) = desk.take("short")
    first_until = message.locked_until_utc
    for _ in range(3):
        time.sleep(LOCK_S / 2)
        desk.receivers["short"].renew_message_lock(message)
    assert message.locked_until_utc > first_until
    desk.receivers["short"].complete_message(message)
    assert peer.counts()["short"]["locks_expired"] == 0


def test_the_clients_own_renewer_keeps_a_lock(desk, peer):
    desk.send("renewed", "long")
    (message,) = desk.take("renewed")
    first_until = message.locked_until_utc
    with AutoLockRenewer() as renewer:
        renewer.register(desk.receivers["renewed"], message, max_lock_renewal_duration=30)
        until(lambda: peer.counts()["renewed"]["requests"] >= 1)
    assert message.locked_until_utc > first_until
    desk.receivers["renewed"].complete_message(message)


def test_a_message_that_was_settled_can_not_be_renewed(desk):
    desk.send("short", "done")
    (message,) = desk.take("short")
    desk.receivers["short"].complete_message(message)
    message._settled = False
    with pytest.raises(MessageLockLostError):
        desk.receivers["short"].renew_message_lock(message)


def test_scheduled_messages_come_when_they_are_due_and_not_when_they_are_taken_back(desk, peer):
    desk.send("orders", ServiceBusMessage("by annotation", scheduled_enqueue_time_utc=soon(0.8)))
    numbers = desk.senders["orders"].schedule_messages(
        [ServiceBusMessage("first"), ServiceBusMessage("second")], soon(0.8)
    )
    desk.senders["orders"].cancel_scheduled_messages(numbers[1])
    assert (peer.queue("orders").scheduled, peer.queue("orders").active) == (2, 0)

    began = time.monotonic()
    assert sorted(desk.complete("orders", 2)) == ["by annotation", "first"]
    assert 0.3 < time.monotonic() - began < 3
    assert peer.queue("orders").messages == 0
    with pytest.raises(MessageNotFoundError):
        desk.senders["orders"].cancel_scheduled_messages(numbers[1])


def test_a_deferred_message_is_had_by_its_number_only(desk, peer):
    receiver = desk.receivers["orders"]
    desk.send("orders", "later")
    (message,) = desk.take("orders")
    receiver.defer_message(message)
    assert (peer.queue("orders").deferred, peer.queue("orders").active) == (1, 0)

    (again,) = receiver.receive_deferred_messages(message.sequence_number)
    assert str(again) == "later"
    receiver.abandon_message(again)
    assert peer.queue("orders").deferred == 1
    (again,) = receiver.receive_deferred_messages(message.sequence_number)
    assert again.delivery_count == 1
    receiver.complete_message(again)
    with pytest.raises(MessageNotFoundError):
        receiver.receive_deferred_messages(message.sequence_number)


def test_peeking_takes_nothing(desk, peer):
    desk.send("orders", "p0", "p1", "p2")
    assert [str(message) for message in desk.receivers["orders"].peek_messages(10)] == ["p0", "p1", "p2"]
    assert peer.queue("orders").active == 3
    assert desk.complete("orders", 3) == ["p0", "p1", "p2"]
    assert desk.receivers["orders"].peek_messages(10) == []


def test_receive_and_delete_leaves_nothing(desk, peer):
    desk.send("orders", "p0", "p1", "p2")
    with desk.client.get_queue_receiver("orders", receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE) as receiver:
        assert [str(message) for message in take(receiver, 3)] == ["p0", "p1", "p2"]
    assert peer.queue("orders").messages == 0
    assert peer.counts()["orders"]["settlements"] == 0


def test_an_iterator_with_prefetch_sees_every_message_once(desk, peer):
    desk.senders["orders"].send_messages([ServiceBusMessage(f"p{number}") for number in range(20)])
    seen = []
    with desk.client.get_queue_receiver("orders", prefetch_count=10, max_wait_time=0.3, **QUICK) as receiver:
        for message in receiver:
            receiver.complete_message(message)
            seen.append(str(message))
    assert seen == [f"p{number}" for number in range(20)]
    assert peer.queue("orders").messages == 0


def test_a_queue_that_is_not_there_is_told_so(desk):
    with pytest.raises(MessagingEntityNotFoundError), desk.client.get_queue_sender("nope") as sender:
        sender.send_messages(ServiceBusMessage("x"))


def test_a_message_may_have_256_kilobytes_and_no_more(desk, peer):
    body = os.urandom(200_000)
    desk.send("orders", body)
    (message,) = desk.take("orders")
    assert b"".join(message.body) == body
    desk.receivers["orders"].complete_message(message)

    with pytest.raises(MessageSizeExceededError):
        desk.send("orders", b"x" * 262_144)
    assert peer.queue("orders").messages == 0
    assert peer.counts()["orders"]["refused"] == 1
    desk.send("orders", "the link goes on")
    assert desk.complete("orders") == ["the link goes on"]


def test_a_message_id_is_taken_once_within_the_window(desk, peer):
    desk.send("once", "first", message_id="a")
    desk.send("once", "again", message_id="a")
    desk.send("once", "other", message_id="b")
    desk.send("once", "nameless")
    assert [message["body"] for message in peer.peek("once")] == ["first", "other", "nameless"]
    assert desk.complete("once", 3) == ["first", "other", "nameless"]
    desk.send("once", "completed is not forgotten", message_id="a")
    assert peer.counts()["once"]["duplicates"] == 2

    time.sleep(WINDOW_S)
    desk.send("once", "after the window", message_id="a")
    assert desk.complete("once") == ["after the window"]


def test_a_message_whose_time_is_over_is_gone_or_a_dead_letter(desk, peer):
    for queue in ("orders", "expiring"):
        desk.send(queue, "brief", time_to_live=timedelta(seconds=1))  # the client knows whole seconds only
        desk.send(queue, "stays", time_to_live=timedelta(seconds=60))
        assert peer.queue(queue).active == 2
    until(lambda: peer.queue("orders").active == peer.queue("expiring").active == 1)

    assert desk.complete("orders") == desk.complete("expiring") == ["stays"]
    assert peer.queue("orders").dead == 0
    (dead,) = desk.take("expiring dead")
    assert (str(dead), dead.dead_letter_reason) == ("brief", "TTLExpiredException")


def test_the_asynchronous_client_is_served_as_well(desk, peer):
    async def work() -> list[str]:
        async with AsyncClient.from_connection_string(peer.connection_string) as client:
            sender = client.get_queue_sender("orders", **QUICK)
            receiver = client.get_queue_receiver("orders", max_wait_time=0.3)
            await asyncio.gather(sender.__aenter__(), receiver.__aenter__())
            await sender.send_messages([ServiceBusMessage(f"a{number}") for number in range(10)])
            seen = []
            async for message in receiver:
                await receiver.complete_message(message)
                seen.append(str(message))
            await asyncio.gather(sender.close(), receiver.close())
        return seen

    assert asyncio.run(work()) == [f"a{number}" for number in range(10)]
    assert peer.queue("orders").messages == 0
