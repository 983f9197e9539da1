"""Locks that run out."""

from __future__ import annotations

import math
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Leases(Generic[K, V]):
    """What is locked, each for the same length from when it was locked or renewed.

    Since all have one length, the order in which they were locked is the order in which they run out: one timer does.

    length_s   `math.inf` when they do not run out by themselves
    ran_out    is told the key and the value, which is locked no more
    """

    def __init__(self, length_s: float, loop: AbstractEventLoop, ran_out: Callable[[K, V], None]) -> None:
        self._length_s = length_s
        self._loop = loop
        self._ran_out = ran_out
        self._held: dict[K, tuple[V, float]] = {}
        self._timer: TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: K) -> bool:
        return key in self._held

    def __iter__(self) -> Iterator[V]:
        return iter([value for value, _ in self._held.values()])

    def get(self, key: K) -> V | None:
        """What is locked under that key, if it is."""
        held = self._held.get(key)
        return held[0] if held else None

    def until(self, key: K) -> float:
        """When that lock runs out, by the loop's clock. Raises KeyError."""
        return self._held[key][1]

    def take(self, key: K, value: V) -> None:
        """Lock it."""
        until = self._loop.time() + self._length_s
        self._held[key] = (value, until)
        if self._timer is None and until < math.inf:
            self._timer = self._loop.call_at(until, self._look)

    def renew(self, key: K) -> None:
        """Lock it for its full length from now. Raises KeyError."""
        self.take(key, self._held.pop(key)[0])

    def release(self, key: K) -> V | None:
        """Lock it no more; what it was."""
        held = self._held.pop(key, None)
        return held[0] if held else None

    def clear(self) -> None:
        """Forget all of them, without a word."""
        self._held.clear()

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._held:
            key, (value, until) = next(iter(self._held.items()))
            if until > now:
                self._timer = self._timer or self._loop.call_at(until, self._look)
                return
            del self._held[key]
            self._ran_out(key, value)
