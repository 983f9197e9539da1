"""What the host writes down: invocations by outcome, failures, and log lines."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

LINES_KEPT = 20_000
FAILURES_KEPT = 1_000
LEVELS = ("trace", "debug", "information", "warning", "error", "critical")


@dataclass
class Books:
    """Shared by all instances. Safe to use from many threads.

    The outcomes of an invocation: `succeeded`, `failed` (the function raised), `timed_out`, `lost` (its worker died),
    `unsent` (its outputs could not be sent).
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)
    failures: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=FAILURES_KEPT))
    lines: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _number: int = 0

    def begin(self, function: str) -> None:
        """An invocation begins."""
        with self._lock:
            self.running[function] += 1

    def end(self, function: str, outcome: str, invocation_id: str, why: str = "") -> None:
        """An invocation has ended."""
        with self._lock:
            self.running[function] -= 1
            self.outcomes[function, outcome] += 1
            if outcome != "succeeded":
                self.failures.append(
                    {"function": function, "outcome": outcome, "invocation_id": invocation_id, "why": why}
                )

    def counts(self) -> dict[str, dict[str, int]]:
        """By function: how many invocations had which outcome, and how many are running."""
        with self._lock:
            told: dict[str, dict[str, int]] = {}
            for (function, outcome), count in self.outcomes.items():
                told.setdefault(function, {})[outcome] = count
            for function, count in self.running.items():
                if count:
                    told.setdefault(function, {})["running"] = count
            return told

    def log(self, instance: int, message: str, level: int = 2, category: str = "host", invocation_id: str = "") -> None:
        """One line of a worker or of the host itself; `level` as in RpcLog."""
        with self._lock:
            self._number += 1
            self.lines.append(
                {
                    "number": self._number,
                    "at": time.time(),
                    "instance": instance,
                    "level": LEVELS[level],
                    "category": category,
                    "invocation_id": invocation_id,
                    "message": message,
                }
            )

    def lines_since(self, number: int) -> list[dict[str, Any]]:
        """Lines after the one with this number, oldest first."""
        with self._lock:
            return [line for line in self.lines if line["number"] > number]
