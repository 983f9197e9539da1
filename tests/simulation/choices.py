"""The one source of chance. Every choice is a small number, 0 the benign one, and all are written down."""

from __future__ import annotations

import random
from collections.abc import Sequence


class Choices:
    """Chooses by a seed, or as a list says; beyond its end everything is benign."""

    def __init__(self, seed: int = 0, replay: Sequence[int] | None = None) -> None:
        self._random = random.Random(seed).random if replay is None else None
        self._replay = replay or ()
        self.taken: list[int] = []

    def pick(self, count: int) -> int:
        """One of `count` equally likely numbers from 0 on."""
        return self.chance(1.0, count)

    def chance(self, rate: float, count: int = 2) -> int:
        """0, or with probability `rate` one of `count` numbers from 0 on."""
        at = len(self.taken)
        if self._random is not None:
            drawn = self._random()
            choice = int(drawn / rate * count) if drawn < rate else 0
            if count == 2 and rate < 1.0:
                choice = int(drawn < rate)
        else:
            choice = self._replay[at] if at < len(self._replay) else 0
            choice = min(choice, count - 1)
        self.taken.append(choice)
        return choice
