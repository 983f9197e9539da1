"""Which fault a request is to have: drawn by a seed, so that a run can be had again."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any


class Fault(Enum):
    """What may happen to a request on its way."""

    NONE = "none"
    THROTTLED = "throttled"  # 429 with Retry-After; nothing reaches the storage
    BUSY = "busy"  # 503 ServerBusy; nothing reaches the storage
    RESET_BEFORE = "reset_before"  # the connection breaks; nothing reaches the storage
    RESET_AFTER = "reset_after"  # the storage has done it; the connection breaks
    SWALLOWED = "swallowed"  # the storage has done it; no answer comes, then the connection is closed


@dataclass
class Faults:
    """Shares of requests, 0.0 to 1.0, their sum at most 1.0, that have each fault; and how each looks.

    only      kinds of operations that faults are for (as in Operation); empty: all
    count     no more than this many faults, then none; -1: no limit
    """

    throttled: float = 0.0
    busy: float = 0.0
    reset_before: float = 0.0
    reset_after: float = 0.0
    swallowed: float = 0.0
    delay_s: float = 0.0  # for every request, before it is forwarded
    retry_after_s: int = 1
    swallow_s: float = 5.0  # after that the connection is closed
    only: tuple[str, ...] = ()
    count: int = -1
    seed: int = 0

    @classmethod
    def of(cls, told: dict[str, Any]) -> Faults:
        """From what a test has said. Raises ValueError for a name that is none, or shares above 1."""
        known = {field.name for field in fields(cls)}
        if set(told) - known:
            raise ValueError(
                f"there is no fault {', '.join(sorted(set(told) - known))}; there are {', '.join(sorted(known))}"
            )
        made = cls(**{**told, "only": tuple(told.get("only", ()))})
        if sum(made.shares().values()) > 1:
            raise ValueError(f"the shares of faults are more than 1: {asdict(made)}")
        return made

    def shares(self) -> dict[Fault, float]:
        """The share of each fault."""
        return {fault: getattr(self, fault.value) for fault in Fault if fault is not Fault.NONE}


class Drawer:
    """Draws a fault for one request after another."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.left = faults.count
        self._chance = random.Random(faults.seed)

    def draw(self, kind: str) -> Fault:
        """The fault of the next request, which is of this kind."""
        if (self.faults.only and kind not in self.faults.only) or self.left == 0:
            return Fault.NONE
        at = self._chance.random()
        for fault, share in self.faults.shares().items():
            if at < share:
                self.left -= 1
                return fault
            at -= share
        return Fault.NONE
