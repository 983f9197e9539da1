"""Each bus with somebody at its other end, so that one suite can say what all of them promise."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

from adapters.clock import SystemClock
from adapters.sqlite import Database, SqliteBus
from canalis.contract.messages import Message, from_bytes
from canalis.contract.ports import BlobStore, Bus
from canalis.contract.submissions import ForOthers
from tests.contract.planted import planted

TOPIC = "news"


class Carrier(Protocol):
    """A bus and its other end."""

    bus: Bus

    def received(self, queue: str, count: int, within_s: float) -> list[Message]:
        """Messages of a queue, taken off it: as soon as there are so many, else those that came in time."""
        ...

    def published(self, target: str, count: int, within_s: float) -> list[ForOthers]:
        """Messages for others, taken as they take them."""
        ...

    def crash(self) -> None:
        """The sender is gone without a word; another one is there."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...


class SqliteCarrier:
    """The laptop's bus."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = Database(path)
        self.bus = planted(SqliteBus)(self._database, SystemClock())

    def received(self, queue: str, count: int, within_s: float) -> list[Message]:
        found: list[Message] = []
        until = time.monotonic() + within_s
        while len(found) < count and (left_s := until - time.monotonic()) > 0:
            taken = self.bus.take(queue, count - len(found), left_s)
            self.bus.complete(taken)
            found += [from_bytes(message.body) for message in taken]
        return found

    def published(self, target: str, count: int, within_s: float) -> list[ForOthers]:
        found: list[ForOthers] = []
        until = time.monotonic() + within_s
        while len(found) < count and time.monotonic() < until:
            found += self.bus.receive(target, count - len(found)) or time.sleep(0.02) or []
        return found

    def crash(self) -> None:
        self._database.close()
        self._database = Database(self._path)
        self.bus = SqliteBus(self._database, SystemClock())

    def close(self) -> None:
        self._database.close()


class AzureCarrier:
    """Azure's bus, or what stands for it."""

    def __init__(self, where: str, blobs: BlobStore) -> None:
        self._where = where
        self._blobs = blobs
        self._gone: list[Bus] = []
        self._open()

    def received(self, queue: str, count: int, within_s: float) -> list[Message]:
        from azure.servicebus import ServiceBusClient, ServiceBusReceiveMode

        from adapters.azure_bus import opened

        found: list[Message] = []
        with (
            ServiceBusClient.from_connection_string(self._where) as client,
            client.get_queue_receiver(queue, receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE) as receiver,
        ):
            until = time.monotonic() + within_s  # to open a receiver takes half a second
            while len(found) < count and (left_s := until - time.monotonic()) > 0:
                for message in receiver.receive_messages(count - len(found), max_wait_time=left_s):
                    found.append(from_bytes(opened(b"".join(message.body), self._blobs)))
        return found

    def published(self, target: str, count: int, within_s: float) -> list[ForOthers]:
        from azure.servicebus import ServiceBusClient, ServiceBusReceiveMode

        how = {"receive_mode": ServiceBusReceiveMode.RECEIVE_AND_DELETE}
        found: list[ForOthers] = []
        with ServiceBusClient.from_connection_string(self._where) as client:
            if target == TOPIC:
                receiver = client.get_subscription_receiver(target, "one", **how)
            else:
                receiver = client.get_queue_receiver(target, **how)
            with receiver:
                until = time.monotonic() + within_s
                while len(found) < count and (left_s := until - time.monotonic()) > 0:
                    found += map(_for_others, receiver.receive_messages(count - len(found), max_wait_time=left_s))
        return found

    def crash(self) -> None:
        self._gone.append(self.bus)  # its connections stay as they were, until the test is over
        self._open()

    def close(self) -> None:
        for bus in (*self._gone, self.bus):
            bus.close()

    def _open(self) -> None:
        from adapters.azure_bus import AzureBus

        self.bus = planted(AzureBus)(self._where, self._blobs, topics=[TOPIC])


def _for_others(message: Any) -> ForOthers:
    said = {key.decode(): str(value.decode()) for key, value in (message.application_properties or {}).items()}
    own = {name: getattr(message, name) for name in ("message_id", "correlation_id", "subject", "content_type")}
    said |= {name: value for name, value in own.items() if value}
    return ForOthers(properties=said, body=b"".join(message.body).decode())
