"""A message in a queue, and who can be given it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from tests.azure.bus_peer.sections import Content, queue_annotations

ACTIVE, DEFERRED, SCHEDULED = 0, 1, 2  # as x-opt-message-state says it


class Consumer(Protocol):
    """Who takes messages from a queue: a receiver's link.

    session_id   the session that it has locked, in a queue with sessions
    deletes      whether what it is given is gone at once
    """

    session_id: str | None
    deletes: bool

    def credit(self) -> int:
        """How many more it wants now."""
        ...

    def deliver(self, message: Message, locked_until: float | None) -> None:
        """Take it. `locked_until` is in seconds since 1970."""
        ...


@dataclass(slots=True, eq=False)
class Message:
    """One message in a queue.

    deliveries   how often it was delivered in vain
    expires_at   by the loop's clock
    token        of its lock; None when nobody has it
    doomed       whether its lock is worth nothing, by a fault
    """

    content: Content
    sequence: int = 0
    enqueued_at: float = 0.0
    state: int = ACTIVE
    deliveries: int = 0
    expires_at: float = math.inf
    token: bytes | None = None
    doomed: bool = False

    def __lt__(self, other: Message) -> bool:
        return self.sequence < other.sequence

    def wire(self, locked_until: float | None = None) -> bytes:
        """The message as it travels to a receiver."""
        annotations, count = queue_annotations(self.enqueued_at, self.sequence, self.state, locked_until)
        return self.content.delivered(self.deliveries, annotations, count)
