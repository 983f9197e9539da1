"""Pumps: receive from a queue, have a function called, settle.

A slot is a thread with a receiver of its own, since a receiver serves one thread. Of a function's slots one leads: it
alone waits at the queue. When it has a message the next one leads, and it works. So idle slots cost nothing, and no
slot that works has asked for a message that it can not look at.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from azure.servicebus import ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver, ServiceBusSubQueue

from tests.azure.host.functions import Function
from tests.azure.host.settings import HostSettings
from tests.azure.host.trigger_data import many_messages, one_message

WAIT_S = 0.5  # how long a receive waits; how soon a pump that is stopped notices
GATHER_S = 0.003  # how long a batch waits for one more message, once it has one
SPARE = 2  # slots that are ready while others work; opening one takes half a second
AGAIN_S = 0.5  # after an error of the bus


class Caller(Protocol):
    """What a pump needs of its instance."""

    lost: bool

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Whether there is a worker to call."""

    def run(self, function: Function, data: Any, metadata: dict[str, Any], attend: Callable[[], float]) -> Any:
        """Call a function. Raises InvocationFailed. Calls `attend`, which says after how many seconds again."""

    def note(self, message: str) -> None:
        """Write a line into the host's log."""


class InvocationFailed(Exception):
    """A function raised, was out of time, or lost its worker; or its outputs could not be sent."""


class Pump:
    """Carries messages from one queue to one function of one instance."""

    def __init__(self, caller: Caller, function: Function, connection: str, settings: HostSettings) -> None:
        self.caller = caller
        self.function = function
        self.settings = settings
        self.slots_max = 1 if function.takes_many else settings.concurrent_calls_max
        self._client = ServiceBusClient.from_connection_string(connection)
        self._lead = threading.Lock()
        self._changed = threading.Lock()
        self._stopping = threading.Event()
        self._slots: list[threading.Thread] = []
        self._working = 0

    def start(self) -> None:
        """Begin to receive."""
        for _ in range(min(1 + SPARE, self.slots_max)):
            self._add_slot()

    def stop_receiving(self) -> None:
        """Take no more messages; what is in work goes on. Returns at once."""
        self._stopping.set()

    def wait(self, timeout_s: float) -> bool:
        """Whether all slots have ended within that time."""
        deadline = time.monotonic() + timeout_s
        for slot in list(self._slots):
            slot.join(max(0.0, deadline - time.monotonic()))
        return not any(slot.is_alive() for slot in self._slots)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _add_slot(self) -> None:
        slot = threading.Thread(target=self._slot, daemon=True, name=f"{self.function.name}-{len(self._slots)}")
        self._slots.append(slot)
        slot.start()

    def _slot(self) -> None:
        """One slot's life: a receiver, and again a receiver when the bus has failed."""
        while not self._stopping.is_set():
            try:
                with self._receiver() as receiver:
                    while not self._stopping.is_set():
                        batch = self._next(receiver)
                        if batch:
                            self._work(receiver, batch)
            except Exception as error:  # the client library has many for a connection that goes away under it
                self.caller.note(f"{self.function.name}: a receiver failed, another one is opened: {error!r}")
                self._stopping.wait(AGAIN_S)

    def _receiver(self) -> ServiceBusReceiver:
        sub_queue = ServiceBusSubQueue.DEAD_LETTER if self.function.reads_dead_letters else None
        return self._client.get_queue_receiver(self.function.queue, sub_queue=sub_queue)

    def _next(self, receiver: ServiceBusReceiver) -> list[ServiceBusReceivedMessage]:
        """Lead until there is something to do. Empty when the pump is stopping."""
        with self._lead:
            while not self._stopping.is_set():
                if not self.caller.wait_until_ready(WAIT_S):
                    continue
                batch = receiver.receive_messages(1, max_wait_time=WAIT_S)
                if batch and self.function.takes_many:
                    batch += more(receiver, self.settings.batch_max - 1)
                if batch:
                    self._grow()
                    return batch
        return []

    def _grow(self) -> None:
        with self._changed:
            self._working += 1
            if len(self._slots) < min(self._working + SPARE, self.slots_max):
                self._add_slot()

    def _work(self, receiver: ServiceBusReceiver, batch: list[ServiceBusReceivedMessage]) -> None:
        data, metadata = many_messages(batch) if self.function.takes_many else one_message(batch[0])
        locks = Locks(receiver, batch, self.settings.lock_renewal_s, self.caller.note)
        settle = receiver.complete_message
        try:
            self.caller.run(self.function, data, metadata, locks.attend)
        except InvocationFailed:
            settle = receiver.abandon_message
        finally:
            with self._changed:
                self._working -= 1
        if self.settings.auto_complete and not self.caller.lost:
            for message in batch:
                try:
                    settle(message)
                except Exception as error:  # it comes again when its lock runs out
                    self.caller.note(f"{self.function.name}: {message.message_id} could not be settled: {error!r}")


class Locks:
    """Renews the locks of messages while a function works on them."""

    def __init__(
        self,
        receiver: ServiceBusReceiver,
        batch: list[ServiceBusReceivedMessage],
        renew_for_s: float,
        note: Callable[[str], None],
    ) -> None:
        self.receiver = receiver
        self.batch = batch
        self.note = note
        self.until = time.monotonic() + renew_for_s
        self._due = time.monotonic() + self._rest()

    def attend(self) -> float:
        """Renew what is due. Returns after how many seconds to call again."""
        if time.monotonic() >= self._due:
            for message in self.batch:
                try:
                    self.receiver.renew_message_lock(message)
                except Exception as error:
                    self.note(f"the lock of {message.message_id} could not be renewed: {error!r}")
            self._due = time.monotonic() + max(self._rest(), 0.2)
        if self._due > self.until:
            return float("inf")
        return max(0.0, self._due - time.monotonic())

    def _rest(self) -> float:
        """Two thirds of what the locks still last, in seconds."""
        ends = min(message.locked_until_utc for message in self.batch if message.locked_until_utc is not None)
        return (ends - datetime.now(UTC)).total_seconds() * 2 / 3


def more(receiver: ServiceBusReceiver, most: int) -> list[ServiceBusReceivedMessage]:
    """What else is in the queue at this moment, at most `most` messages.

    The library's own way waits 0.2 s for one more message once it has one, which would be the latency of every
    single message; and it leaves its unused credit with the bus, which would go on to send messages that nobody looks at.
    Both are set through attributes that are not public.
    """
    if most < 1:
        return []
    handler: Any = receiver._handler
    sock = handler._connection._transport.sock
    usual_s = sock.gettimeout()
    sock.settimeout(GATHER_S)
    receiver._further_pull_receive_timeout = GATHER_S
    found: list[ServiceBusReceivedMessage] = []
    try:
        found += receiver.receive_messages(most, max_wait_time=GATHER_S)
        if receiver._handler is handler:
            sock.settimeout(usual_s)
            handler._link.flow(link_credit=0)
    except Exception:  # the link is closed; the next receive opens another one, or says why not
        receiver._further_pull_receive_timeout = GATHER_S
    arrived = handler._received_messages  # over a link that is closed by now; they are locked for us all the same
    while not arrived.empty():
        found.append(receiver._build_received_message(arrived.get()))
    return found
