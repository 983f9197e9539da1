"""The peer that stands for Service Bus keeps the promises of Service Bus, to Microsoft's own client."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    AutoLockRenewer,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceiveMode,
    ServiceBusReceiver,
    ServiceBusSender,
)
from azure.servicebus.aio import ServiceBusClient as AsyncClient
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    OperationTimeoutError,
    ServiceBusError,
    ServiceBusServerBusyError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from tests.azure.bus_peer.client import BusPeer, BusPeerError
from tests.azure.conftest import needs_stack
from tests.azure.parts import ROOT

needs_stack()
# The client leaves sockets open where a link is refused or a connection is reset.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

LOCK_S = 0.6  # of queues in which a lock is to run out
WINDOW_S = 1.0
QUEUES = {
    "orders": {},
    "short": {"lock_s": LOCK_S, "deliveries_max": 3},
    "renewed": {"lock_s": 2},  # the client's renewer renews after half of it
    "once": {"duplicates_s": WINDOW_S},
    "expiring": {"dead_letter_expired": True},
    "sessions": {"sessions": True},
    "brief sessions": {"sessions": True, "lock_s": 1},
}
STANDING = {  # links that stay open, since the client needs half a second to open one
    "orders": {},
    "short": {},
    "short again": {"queue_name": "short"},
    "renewed": {},
    "once": {},
    "expiring": {},
    "session B": {"queue_name": "sessions", "session_id": "B"},
    "orders dead": {"queue_name": "orders", "sub_queue": "deadletter"},
    "short dead": {"queue_name": "short", "sub_queue": "deadletter"},
    "expiring dead": {"queue_name": "expiring", "sub_queue": "deadletter"},
}


QUICK = {"keep_alive": 0}  # without the client's thread that sleeps a second while its link is to be closed


def a_client(peer: BusPeer, **settings: float) -> ServiceBusClient:
    return ServiceBusClient.from_connection_string(peer.connection_string, **settings)


class Desk:
    """Who sends and receives: a client with its links open."""

    def __init__(self, peer: BusPeer) -> None:
        self.client = a_client(peer, retry_total=0)
        self.senders = {name: self.client.get_queue_sender(name, **QUICK) for name in QUEUES}
        self.receivers = {
            name: self.client.get_queue_receiver(**{"queue_name": name, "max_wait_time": 5, **wanted})
            for name, wanted in STANDING.items()
        }
        self._each(lambda link: link.__enter__())

    def close(self) -> None:
        """All links."""
        self._each(lambda link: link.close())
        self.client.close()

    def _each(self, do: Callable[[ServiceBusSender | ServiceBusReceiver], object]) -> None:
        links = [*self.senders.values(), *self.receivers.values()]
        with ThreadPoolExecutor(len(links)) as pool:
            list(pool.map(do, links))

    def send(self, queue: str, *bodies: str | bytes | ServiceBusMessage, **properties: object) -> None:
        """One transfer for each."""
        for body in bodies:
            message = body if isinstance(body, ServiceBusMessage) else ServiceBusMessage(body, **properties)
            self.senders[queue].send_messages(message)

    def take(self, receiver: str, count: int = 1) -> list:
        """That many messages, locked."""
        return take(self.receivers[receiver], count)

    def complete(self, receiver: str, count: int = 1) -> list[str]:
        """That many messages, done with; their bodies."""
        messages = self.take(receiver, count)
        for message in messages:
            self.receivers[receiver].complete_message(message)
        return [str(message) for message in messages]


def take(receiver: ServiceBusReceiver, count: int = 1) -> list:
    taken: list = []
    while len(taken) < count:
        came = receiver.receive_messages(count - len(taken), max_wait_time=5)
        assert came, f"{len(taken)} of {count} came"
        taken += came
    return taken


@pytest.fixture(scope="module")
def module_peer() -> Iterator[BusPeer]:
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    with BusPeer(QUEUES) as peer:
        yield peer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def module_desk(module_peer) -> Iterator[Desk]:
    desk = Desk(module_peer)
    yield desk
    desk.close()


@pytest.fixture
def peer(module_peer) -> BusPeer:
    module_peer.reset()
    return module_peer


@pytest.fixture
def desk(module_desk, peer) -> Desk:
    return module_desk


def until(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


# What Service Bus does


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


# Sessions


def test_a_session_is_one_receivers_with_its_order_and_its_state(desk, peer):
    sent = [ServiceBusMessage(f"{name}{number}", session_id=name) for number in range(3) for name in "AB"]
    desk.senders["sessions"].send_messages(sent)
    receiver = desk.receivers["session B"]
    messages = desk.take("session B", 3)
    assert [(str(message), message.session_id) for message in messages] == [(f"B{n}", "B") for n in range(3)]
    with pytest.raises(SessionCannotBeLockedError):
        desk.client.get_queue_receiver("sessions", session_id="B").__enter__()

    receiver.session.set_state(b"kept")
    assert receiver.session.get_state() == b"kept"
    first_until = receiver.session.locked_until_utc
    receiver.session.renew_lock()
    assert receiver.session.locked_until_utc > first_until
    for message in messages:
        receiver.complete_message(message)
    assert peer.queue("sessions").active == 3


def test_each_who_wants_any_session_gets_one_while_there_are_some(desk):
    desk.senders["sessions"].send_messages(
        [ServiceBusMessage("1", session_id="A"), ServiceBusMessage("2", session_id="C")]
    )

    def session_of_its_own(_: int) -> str:
        any_session = {"session_id": NEXT_AVAILABLE_SESSION, "max_wait_time": 0.5}
        with desk.client.get_queue_receiver("sessions", **any_session) as receiver:
            had = f"{receiver.session.session_id}: {take(receiver)[0]}"
            until(lambda: too_late.is_set())
            return had

    too_late = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        wanted = [pool.submit(session_of_its_own, number) for number in range(3)]
        until(lambda: any(each.done() for each in wanted))
        too_late.set()
    failures = [each.exception() for each in wanted if each.exception()]
    assert [type(failure) for failure in failures] == [OperationTimeoutError]
    assert sorted(each.result() for each in wanted if not each.exception()) == ["A: 1", "C: 2"]


def test_a_session_whose_lock_runs_out_is_free_with_its_messages(desk, peer):
    desk.send("brief sessions", "s", session_id="A")
    with desk.client.get_queue_receiver("brief sessions", session_id="A") as receiver:
        (message,) = take(receiver)
        until(lambda: peer.queue("brief sessions").active == 1)
        with pytest.raises(SessionLockLostError):
            receiver.complete_message(message)
    assert peer.peek("brief sessions")[0]["deliveries"] == 1


def test_who_uses_sessions_wrongly_is_told_so(desk):
    with pytest.raises(ServiceBusError, match="requires sessions"):
        desk.client.get_queue_receiver("sessions").__enter__()
    with pytest.raises(ServiceBusError, match="SessionId was not set"):
        desk.send("sessions", "x")


# Clients that die

CLIENT = """
import sys
from concurrent.futures import ThreadPoolExecutor
from azure.servicebus import ServiceBusClient
client = ServiceBusClient.from_connection_string(sys.argv[1])
receivers = [client.get_queue_receiver("short"), client.get_queue_receiver("sessions", session_id="A")]
with ThreadPoolExecutor(2) as pool:
    list(pool.map(lambda receiver: receiver.receive_messages(1), receivers))
print("has both", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_client_had_is_locked_until_the_lock_runs_out_and_its_session_is_free_at_once(desk, peer):
    desk.send("sessions", "of a session", session_id="A")
    command = [sys.executable, "-c", CLIENT, peer.connection_string]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        until(lambda: peer.queue("short").consumers == 3, 20)
        desk.send("short", "plain")
        assert client.stdout.readline() == b"has both\n"
    finally:
        client.send_signal(signal.SIGKILL)
        client.communicate()
    until(lambda: peer.queue("sessions").active == 1, 1.0)
    assert peer.peek("sessions")[0]["deliveries"] == 0

    (message,) = desk.take("short")
    assert (str(message), message.delivery_count) == ("plain", 1)
    desk.receivers["short"].complete_message(message)
    until(lambda: peer.queue("short").consumers == 2)


def test_bytes_that_are_no_amqp_end_their_connection_and_nothing_else(desk, peer):
    with socket.create_connection(("127.0.0.1", peer.port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
    desk.send("orders", "still here")
    assert desk.complete("orders") == ["still here"]


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


# The peer as a program


def test_the_door_for_tests_says_what_was_wrong(peer):
    with pytest.raises(BusPeerError, match="no such fault: 'dorp'"):
        peer.faults("orders", dorp=1)
    with pytest.raises(BusPeerError, match="share from 0 to 1"):
        peer.faults("orders", drop=2)
    with pytest.raises(BusPeerError, match="'nope' could not be found"):
        peer.peek("nope")


def test_settings_that_are_wrong_are_named(capfd):
    with pytest.raises(BusPeerError, match="did not start"):
        BusPeer({"orders": {"lock": 5}})
    assert "no such setting: 'lock'" in capfd.readouterr().err


STARTER = """
import os
from tests.azure.bus_peer.client import BusPeer
print(BusPeer({"orders": {}}).process.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_the_peer_ends_with_who_started_it():
    ended = subprocess.run([sys.executable, "-c", STARTER], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert ended.returncode == -signal.SIGKILL
    peer = int(ended.stdout)
    until(lambda: not _runs(peer))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"
