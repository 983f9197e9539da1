"""What goes wrong on purpose, how often, and in an order that can be had again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from random import Random
from typing import Any


@dataclass(frozen=True)
class FaultSettings:
    """Shares from 0 to 1, and the lengths that go with them.

    throttle    of sends: turned down with server-busy
    fail        of sends: turned down with an internal error
    drop        of messages: accepted, then lost
    duplicate   of messages: come twice, whatever duplicate detection knows
    delay       of messages: come up to `delay_s` late, so in another order too
    lose_lock   of deliveries: the lock is worth nothing. Settling fails; the message is free within `lose_lock_s`, or
                when settling is tried, whichever is first
    detach      of sends and deliveries: the link is closed after the transfer, a send without an answer
    cut         of sends and deliveries: the same, with the whole connection reset
    refuse      of connections: reset when they are made. Counts for all queues only
    seed        the same seed makes the same choices, in the order in which each queue is asked
    """

    throttle: float = 0.0
    fail: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    delay_s: float = 1.0
    lose_lock: float = 0.0
    lose_lock_s: float = 0.0
    detach: float = 0.0
    cut: float = 0.0
    refuse: float = 0.0
    seed: int = 0

    @classmethod
    def read(cls, given: dict[str, Any]) -> FaultSettings:
        """From JSON. Raises ValueError that names what is wrong."""
        known = {field.name for field in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise ValueError(f"no such fault: {name!r}; there are {', '.join(sorted(known))}")
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise ValueError(f"{name} must be a number of 0 or more, not {value!r}")
            if name not in ("delay_s", "lose_lock_s", "seed") and value > 1:
                raise ValueError(f"{name} is a share from 0 to 1, not {value!r}")
        return cls(**given)


class Faults:
    """The choices for one queue. Each kind of fault draws from a row of its own, so one does not shift another.

    hits   how often each kind has struck since it was set
    """

    def __init__(self, name: str, settings: FaultSettings | None = None) -> None:
        self._name = name
        self.set(settings or FaultSettings())

    def set(self, settings: FaultSettings) -> None:
        """From now on these, from the beginning of their rows."""
        self.settings = settings
        self.hits: Counter[str] = Counter()
        self._chances: dict[str, Random] = {}

    def strikes(self, kind: str) -> bool:
        """Whether this time is one of the share."""
        share: float = getattr(self.settings, kind)
        if not share or self._chance(kind).random() >= share:
            return False
        self.hits[kind] += 1
        return True

    def length_s(self, kind: str) -> float:
        """How long it takes this time, from 0 to the most that is set."""
        longest: float = getattr(self.settings, f"{kind}_s")
        return longest * self._chance(f"{kind}_s").random()

    def _chance(self, kind: str) -> Random:
        if kind not in self._chances:
            self._chances[kind] = Random(f"{self.settings.seed}/{self._name}/{kind}")
        return self._chances[kind]
