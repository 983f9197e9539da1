"""Sessions, and what becomes of a message when its receiver dies."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusMessage,
)
from azure.servicebus.exceptions import (
    OperationTimeoutError,
    ServiceBusError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from tests.azure.bus.desk import take, until
from tests.azure.conftest import needs_stack

needs_stack()
# The client leaves sockets open where a link is refused or a connection is reset.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


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
