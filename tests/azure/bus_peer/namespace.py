"""The namespace: its queues, who is connected, and what goes wrong for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.azure.bus_peer.errors import NotFound
from tests.azure.bus_peer.faults import Faults, FaultSettings
from tests.azure.bus_peer.queues import Queue, Topic
from tests.azure.bus_peer.settings import QueueSettings

if TYPE_CHECKING:
    from tests.azure.bus_peer.connections import Connection

DEAD_LETTERS = "/$deadletterqueue"


class Namespace:
    """All queues and topics by their names, which have no case.

    topics   by name, with the names of their subscriptions
    faults   those that are not of one queue: connections that are refused
    """

    def __init__(
        self,
        queues: Mapping[str, QueueSettings],
        loop: asyncio.AbstractEventLoop,
        topics: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.loop = loop
        self.faults = Faults("")
        self.connections: set[Connection] = set()
        self._queues: dict[str, Queue] = {}
        for name, settings in queues.items():
            dead = Queue(name + "/$DeadLetterQueue", QueueSettings(lock_s=settings.lock_s), loop)
            self._queues[name.lower()] = Queue(name, settings, loop, dead)
            self._queues[name.lower() + DEAD_LETTERS] = dead
        for name, subscriptions in (topics or {}).items():
            readers = [Queue(f"{name}/Subscriptions/{one}", QueueSettings(), loop) for one in subscriptions]
            self._queues |= {reader.name.lower(): reader for reader in readers}
            self._queues[name.lower()] = Topic(name, readers, loop)

    def queue(self, name: str) -> Queue:
        """The queue of that name, or the dead letters of one. Raises NotFound."""
        found = self._queues.get(name.lower())
        if found is None:
            raise NotFound(name)
        return found

    def main_queues(self) -> list[Queue]:
        """Queues that were declared. Topics and their subscriptions are others' affair."""
        return [queue for queue in self._queues.values() if queue.dead_letters is not None]

    def set_faults(self, name: str | None, settings: FaultSettings) -> None:
        """For one queue or, without a name, for all that were declared and for connections. Raises NotFound."""
        if name is not None:
            self.queue(name).faults.set(replace(settings, refuse=0.0))
            return
        self.faults.set(settings)
        for queue in self.main_queues():
            queue.faults.set(settings)
