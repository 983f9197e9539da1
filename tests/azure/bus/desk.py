"""Who sends to the peer and receives from it, in the tests of what it promises."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceiver,
    ServiceBusSender,
)

from tests.azure.bus_peer.client import BusPeer

LOCK_S = 0.6  # of queues in which a lock is to run out
WINDOW_S = 1.0
QUEUES = {
    "orders": {},
    "short": {"lock_s": LOCK_S, "deliveries_max": 3},
    "renewed": {"lock_s": 2},  # the client's renewer renews after half of it
    "once": {"duplicates_s": WINDOW_S},
    "expiring": {"dead_letter_expired": True},
    "sessions": {"sessions": True, "lock_s": 300},
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


def until(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
