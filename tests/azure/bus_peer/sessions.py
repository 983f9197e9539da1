"""Sessions of a queue: who has which, what is remembered for each, and who waits for one."""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop
from typing import TYPE_CHECKING, Protocol

from tests.azure.bus_peer.errors import Refused, SessionLockLost, SessionTaken, TimedOut
from tests.azure.bus_peer.leases import Leases

if TYPE_CHECKING:
    from tests.azure.bus_peer.queues import Queue


class SessionConsumer(Protocol):
    """A receiver's link that takes the messages of one session."""

    def accept(self, session_id: str, locked_until: float) -> None:
        """It has that session now, until then in seconds since 1970."""
        ...

    def close(self, error: Refused) -> None:
        """It has no session any more, or will not get one."""
        ...


class Sessions:
    """The sessions of one queue.

    states   what receivers keep with each session
    """

    def __init__(self, queue: Queue, loop: AbstractEventLoop) -> None:
        self.states: dict[str, bytes | None] = {}
        self._queue = queue
        self._loop = loop
        self._locks: Leases[str, SessionConsumer] = Leases(queue.settings.lock_s, loop, self._lock_ran_out)
        self._waiting: list[SessionConsumer] = []

    def lock(self, session_id: str, consumer: SessionConsumer) -> None:
        """Give it that session. Raises SessionTaken when another has it."""
        if session_id in self._locks:
            raise SessionTaken(
                f"The requested session '{session_id}' cannot be accepted. It may be locked by another receiver."
            )
        self._locks.take(session_id, consumer)
        consumer.accept(session_id, self.until(session_id))

    def lock_any(self, consumer: SessionConsumer, patience_s: float) -> None:
        """Give it the session that waits longest, now or within that time."""
        self._waiting.append(consumer)
        self._loop.call_later(patience_s, self._give_up, consumer)
        self.give_out()

    def give_out(self) -> None:
        """Sessions with messages, to those who wait for any."""
        if not self._waiting:
            return
        for session_id in self._queue.ready_sessions():
            if self._waiting and session_id not in self._locks:
                self.lock(session_id, self._waiting.pop(0))

    def until(self, session_id: str) -> float:
        """Until when it is locked, in seconds since 1970; now when it is not."""
        if session_id not in self._locks:
            return time.time()
        return time.time() + self._locks.until(session_id) - self._loop.time()

    def renew(self, session_id: str) -> float:
        """Lengthen the lock; until when, in seconds since 1970. Raises SessionLockLost."""
        if session_id not in self._locks:
            raise SessionLockLost
        self._locks.renew(session_id)
        return self.until(session_id)

    def leave(self, consumer: SessionConsumer, session_id: str | None) -> None:
        """It is gone. What it had of its session is free at once, and does not count as a delivery."""
        if consumer in self._waiting:
            self._waiting.remove(consumer)
        if session_id is not None and self._locks.get(session_id) is consumer:
            self._locks.release(session_id)
            self._queue.free_session(session_id, counts=False)

    def _lock_ran_out(self, session_id: str, consumer: SessionConsumer) -> None:
        self._queue.counts.locks_expired += 1
        self._queue.free_session(session_id, counts=True)
        consumer.close(SessionLockLost())
        self._queue.hand_out()

    def _give_up(self, consumer: SessionConsumer) -> None:
        if consumer in self._waiting:
            self._waiting.remove(consumer)
            consumer.close(TimedOut("The operation did not complete within the allotted timeout."))
