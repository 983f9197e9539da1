"""A queue: its messages, who has locked them, and what becomes of them."""

from __future__ import annotations

import heapq
import math
import time
import uuid
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Sequence
from copy import copy
from typing import Any

from tests.azure.bus_peer.counts import Counts
from tests.azure.bus_peer.errors import MessageLockLost, MessageNotFound, Refused, SessionLockLost
from tests.azure.bus_peer.faults import Faults
from tests.azure.bus_peer.leases import Leases
from tests.azure.bus_peer.messages import ACTIVE, DEFERRED, SCHEDULED, Consumer, Message
from tests.azure.bus_peer.sections import Content
from tests.azure.bus_peer.sessions import Sessions
from tests.azure.bus_peer.settings import QueueSettings
from tests.azure.bus_peer.wire import encode

_SOURCE = encode("x-opt-deadletter-source")
_NO_SESSION = (
    "The SessionId was not set on a message, and it cannot be sent to the entity. Entities that have session support "
    "enabled can only receive messages that have the SessionId set to a valid value."
)


class Queue:
    """One queue, with its dead letters behind it.

    consumers   who is given messages, each in turn
    """

    def __init__(
        self, name: str, settings: QueueSettings, loop: AbstractEventLoop, dead_letters: Queue | None = None
    ) -> None:
        self.name = name
        self.settings = settings
        self.dead_letters = dead_letters
        self.faults = Faults(name.lower())
        self.counts = Counts()
        self.consumers: deque[Consumer] = deque()
        self.sessions = Sessions(self, loop) if settings.sessions else None
        self._loop = loop
        self._last_sequence = 0
        self._ready: dict[str | None, list[Message]] = {}  # by session, each a heap by sequence; never empty
        self._locked: Leases[bytes, Message] = Leases(
            math.inf if settings.sessions else settings.lock_s, loop, self._lock_ran_out
        )
        self._deferred: dict[int, Message] = {}
        self._scheduled: dict[int, Message] = {}
        self._seen: dict[str, float] = {}  # message id -> when it was seen first, oldest first

    # What senders do

    def send(self, contents: Sequence[Content]) -> list[int]:
        """Take all of these messages or, when one is not for this queue, none; their numbers, 0 for one that is dropped."""
        if self.sessions and any(content.session_id is None for content in contents):
            raise Refused(_NO_SESSION)
        numbers = [self._take_in(content) for content in contents]
        self.hand_out()
        return numbers

    def cancel(self, sequence: int) -> None:
        """Take a scheduled message back. Raises MessageNotFound."""
        if self._scheduled.pop(sequence, None) is None:
            raise MessageNotFound(f"There is no scheduled message with the sequence number {sequence}.")

    def _take_in(self, content: Content) -> int:
        self.counts.messages += 1
        if self._is_duplicate(content.message_id):
            self.counts.duplicates += 1
            return 0
        if self.faults.strikes("drop"):
            return 0
        number = self._put(content)
        if self.faults.strikes("duplicate"):
            self._put(copy(content))
        return number

    def _is_duplicate(self, message_id: str) -> bool:
        window_s, now = self.settings.duplicates_s, self._loop.time()
        if not window_s or not message_id:
            return False
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] + window_s > now:
                break
            del self._seen[oldest]
        if message_id in self._seen:
            return True
        self._seen[message_id] = now
        return False

    def _put(self, content: Content) -> int:
        message = Message(content, self._next_sequence(), time.time())
        wait_s = max(0.0, (content.scheduled_at or 0.0) - message.enqueued_at)
        if wait_s:
            message.state = SCHEDULED
        if self.faults.strikes("delay"):
            wait_s += self.faults.length_s("delay")
        if wait_s:
            self._scheduled[message.sequence] = message
            self._loop.call_later(wait_s, self._come_due, message)
        else:
            self._arrive(message)
        return message.sequence

    def _come_due(self, message: Message) -> None:
        if self._scheduled.get(message.sequence) is not message:
            return
        del self._scheduled[message.sequence]
        message.sequence, message.enqueued_at = self._next_sequence(), time.time()
        self._arrive(message)
        self.hand_out()

    def _arrive(self, message: Message) -> None:
        message.state = ACTIVE
        if message.content.ttl_s is not None and self.dead_letters is not None:
            message.expires_at = self._loop.time() + message.content.ttl_s
            self._loop.call_at(message.expires_at, self._expire, message)
        self._make_ready(message)

    def _next_sequence(self) -> int:
        self._last_sequence += 1
        return self._last_sequence

    # What receivers do

    def hand_out(self) -> None:
        """Give what is ready to those who want it, each in turn."""
        if self.sessions:
            self.sessions.give_out()
        without = 0
        while self._ready and without < len(self.consumers):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            message = self._take_next(consumer.session_id) if consumer.credit() > 0 else None
            if message is None:
                without += 1
                continue
            without = 0
            self._deliver(consumer, message)

    def remove(self, consumer: Consumer) -> None:
        """It takes no more. What it has stays locked until the locks run out, as nobody knows whether it is at work."""
        if consumer in self.consumers:
            self.consumers.remove(consumer)

    def settle(self, token: bytes, verb: str, reason: str | None = None, description: str | None = None) -> None:
        """End a delivery. Raises MessageLockLost.

        verb     complete, abandon, release (the same, but the delivery does not count), defer, dead_letter
        reason   for a dead letter, with a description
        """
        message = self._held(token)
        self.counts.settled(verb)
        if verb in ("abandon", "release"):
            return self._free(message, counts=verb == "abandon")
        self._locked.release(token)
        message.token = None
        if verb == "defer":
            message.state = DEFERRED
            self._deferred[message.sequence] = message
            return None
        self._deferred.pop(message.sequence, None)
        if verb == "dead_letter":
            self._bury(message, reason, description)
        return self.hand_out() if self.sessions else None

    def renew(self, token: bytes) -> float:
        """Lengthen the lock; until when, in seconds since 1970. Raises MessageLockLost."""
        self._held(token)
        self._locked.renew(token)
        return self._wall(self._locked.until(token))

    def receive_deferred(self, sequence: int) -> tuple[Message, float | None]:
        """Lock a deferred message; with when the lock runs out. Raises MessageNotFound."""
        message = self._deferred.get(sequence)
        if message is None or message.token is not None:
            raise MessageNotFound(f"There is no deferred message with the sequence number {sequence}.")
        until = self._lock(message)
        self.counts.delivered(message.content.size)
        return message, until

    def peek(self, first: int = 0, count: int = 100, session_id: str | None = None) -> list[Message]:
        """Messages as they lie there, from that number on, without taking them."""
        ready = [message for heap in self._ready.values() for message in heap]
        everything = [*ready, *self._locked, *self._deferred.values(), *self._scheduled.values()]
        found = {message.sequence: message for message in everything if message.sequence >= first}
        fitting = [m for _, m in sorted(found.items()) if session_id in (None, m.content.session_id)]
        return fitting[:count]

    # How messages change hands

    def first_of(self, session_id: str | None) -> int | None:
        """The number of the first message of that session that is ready."""
        heap = self._ready.get(session_id)
        return heap[0].sequence if heap else None

    def ready_sessions(self) -> list[str]:
        """Sessions with messages that are ready, the longest waiting first."""
        return [str(session_id) for session_id in sorted(self._ready, key=lambda name: self._ready[name][0])]

    def free_session(self, session_id: str, counts: bool) -> None:
        """What is locked of a session goes back, when its receiver has gone or has lost it."""
        for message in list(self._locked):
            if message.content.session_id == session_id:
                self._free(message, counts, hand_out=False)

    def _deliver(self, consumer: Consumer, message: Message) -> None:
        self.counts.delivered(message.content.size)
        if consumer.deletes:
            message.token = uuid.uuid4().bytes_le
            return consumer.deliver(message, None)
        until = self._lock(message)
        if self.faults.strikes("lose_lock"):
            message.doomed = True
            self._loop.call_later(self.faults.length_s("lose_lock"), self._lose, message, message.token)
        return consumer.deliver(message, until)

    def _lock(self, message: Message) -> float:
        """Lock it; until when, in seconds since 1970."""
        message.token = uuid.uuid4().bytes_le  # 16 random bytes; they travel as the delivery's tag
        message.doomed = False
        self._locked.take(message.token, message)
        if self.sessions and message.content.session_id is not None:
            return self._wall(self.sessions.until(message.content.session_id))
        return self._wall(self._locked.until(message.token))

    def _held(self, token: bytes) -> Message:
        message = self._locked.get(token)
        if message is None:
            raise SessionLockLost if self.sessions else MessageLockLost
        if message.doomed:
            self._lose(message, token)
            raise MessageLockLost
        return message

    def _lose(self, message: Message, token: bytes | None) -> None:
        if message.token == token:
            self._free(message, counts=True)

    def _lock_ran_out(self, _: bytes, message: Message) -> None:
        self.counts.locks_expired += 1
        self._free(message, counts=True)

    def _free(self, message: Message, counts: bool, hand_out: bool = True) -> None:
        """Nobody has it any more: it is ready again, or dead after too many deliveries."""
        self._locked.release(message.token or b"")
        message.token = None
        message.deliveries += counts
        if message.deliveries >= self.settings.deliveries_max and self.dead_letters is not None:
            self._deferred.pop(message.sequence, None)
            text = f"Message could not be consumed after {self.settings.deliveries_max} delivery attempts."
            self.counts.dead_lettered += 1
            return self._bury(message, "MaxDeliveryCountExceeded", text)
        if message.expires_at <= self._loop.time():
            self._deferred.pop(message.sequence, None)
            return self._end(message)
        if message.state != DEFERRED:
            self._make_ready(message)
        return self.hand_out() if hand_out else None

    def _expire(self, message: Message) -> None:
        """Its time to live is over. One that is locked has until it is freed."""
        if message.token is None and self._withdraw(message):
            self._end(message)

    def _end(self, message: Message) -> None:
        self.counts.expired += 1
        if self.settings.dead_letter_expired:
            self._bury(message, "TTLExpiredException", "The message expired and was dead lettered.")

    def _withdraw(self, message: Message) -> bool:
        """Take it from where it waits; False when it has left already."""
        if self._deferred.get(message.sequence) is message:
            del self._deferred[message.sequence]
            return True
        heap = self._ready.get(self._key(message), [])
        if message not in heap:
            return False
        heap.remove(message)
        heapq.heapify(heap)
        if not heap:
            del self._ready[self._key(message)]
        return True

    def _bury(self, message: Message, reason: str | None, description: str | None) -> None:
        """Make it a dead letter. One that is dead already is gone."""
        if self.dead_letters is None:
            return
        told = {"DeadLetterReason": reason, "DeadLetterErrorDescription": description}
        message.content.add_properties({key: value for key, value in told.items() if value})
        message.content.add_annotation(_SOURCE, encode(self.name))
        message.state, message.expires_at = ACTIVE, math.inf
        message.sequence = self.dead_letters._next_sequence()
        self.dead_letters._make_ready(message)
        self.dead_letters.hand_out()

    def _key(self, message: Message) -> str | None:
        return message.content.session_id if self.sessions else None

    def _make_ready(self, message: Message) -> None:
        heapq.heappush(self._ready.setdefault(self._key(message), []), message)

    def _take_next(self, session_id: str | None) -> Message | None:
        heap = self._ready.get(session_id)
        if not heap:
            return None
        message = heapq.heappop(heap)
        if not heap:
            del self._ready[session_id]
        return message

    def _wall(self, moment: float) -> float:
        """A moment of the loop's clock in seconds since 1970."""
        return time.time() + moment - self._loop.time()

    # What tests look at

    def state(self) -> dict[str, Any]:
        """How many messages are where. Those that a fault delays are scheduled."""
        dead = self.dead_letters
        return {
            "active": sum(map(len, self._ready.values())),
            "locked": len(self._locked),
            "deferred": sum(message.token is None for message in self._deferred.values()),
            "scheduled": len(self._scheduled),
            "dead": len(dead._locked) + len(dead._deferred) + sum(map(len, dead._ready.values())) if dead else 0,
            "consumers": len(self.consumers),
        }

    def purge(self) -> None:
        """Nothing is in it any more; what was delivered can not be settled."""
        self._ready.clear()
        self._locked.clear()
        self._deferred.clear()
        self._scheduled.clear()
        self._seen.clear()
        if self.dead_letters is not None:
            self.dead_letters.purge()


class Topic(Queue):
    """What is sent to it goes to each of its subscriptions, which are queues."""

    def __init__(self, name: str, subscriptions: Sequence[Queue], loop: AbstractEventLoop) -> None:
        super().__init__(name, QueueSettings(duplicates_s=600.0), loop)
        self._subscriptions = subscriptions

    def _put(self, content: Content) -> int:
        for subscription in self._subscriptions:
            subscription.send([copy(content)])
        return self._next_sequence()
