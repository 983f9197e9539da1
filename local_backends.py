"""Backends for services elsewhere, on a laptop: orders are carried out beside the pump, since each may take long."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from adapters.sqlite import SqliteBus, Taken, dead
from canalis.contract.errors import CanalisError, MessageUnreadable, NotFound, WorldError
from canalis.contract.messages import Command, Received, received, steps_queue
from canalis.contract.ports import Ports
from steps import backends, worker
from steps.backend import Backend
from steps.surroundings import Site

_AT_ONCE = 16  # calls to services at the same time; each job is asked for and looked at in one
_DEAD_MAX = 90

_log = logging.getLogger("canalis.local")


class Backends:
    """Takes orders for every backend but `process` off the pump's hands.

    What is claimed here is claimed under a name of its own each time, as in Azure: a lease says whether it goes on.
    """

    def __init__(self, ports: Ports, bus: SqliteBus, site: Site) -> None:
        self._ports = ports
        self._bus = bus
        self._site = site
        self._names = {steps_queue(name): name for name in backends.names()}
        self._made: dict[str, Backend] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_AT_ONCE, "services")

    @property
    def takers(self) -> dict[str, Callable[[Taken], None]]:
        """By queue: who takes an order at once, and carries it out later."""
        return dict.fromkeys(self._names, self._later)

    def face_dead_letters(self) -> None:
        """Orders that failed again and again become something that their run shows."""
        for queue in self._names:
            for message in self._bus.take(dead(queue), _DEAD_MAX, 0.0):
                self._carry(message, partial(self._give_up, message))

    def close(self) -> None:
        """Take nothing further. What was taken and not begun comes again with the next service."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _later(self, message: Taken) -> None:
        try:
            self._threads.submit(self._carry, message, partial(self._work, message))
        except RuntimeError:  # it is closing
            _log.info("message %s waits for the next service", message.seq)

    def _carry(self, message: Taken, handle: Callable[[Command, str], None]) -> None:
        try:
            order = self._read(message)
            if order is not None and isinstance(order.message, Command):
                handle(order.message, order.trace)
        except Exception as error:
            if not (isinstance(error, NotFound) and error.details.get("kind") == "run"):
                _log.warning("a message will come again: %r", error, exc_info=not isinstance(error, CanalisError))
                self._bus.abandon([message], repr(error), counts=not isinstance(error, WorldError))
                return
            _log.warning("dropped a message about what is not there: %s", error)
        self._bus.complete([message])

    def _work(self, message: Taken, order: Command, trace: str) -> None:
        worker.work(self._ports, self._backend(message.queue), uuid.uuid4().hex, order, trace)

    def _give_up(self, message: Taken, order: Command, trace: str) -> None:
        queue = next(queue for queue in self._names if message.queue in (queue, dead(queue)))
        worker.give_up(self._ports, self._backend(queue), uuid.uuid4().hex, order, message.reason, trace)

    def _backend(self, queue: str) -> Backend:
        with self._lock:
            if queue not in self._made:
                self._made[queue] = backends.make(self._names[queue], self._ports, self._site)
            return self._made[queue]

    def _read(self, message: Taken) -> Received | None:
        try:
            return received(message.body)
        except MessageUnreadable as error:
            _log.error("message %s is dropped: %s", message.seq, error)
            return None
