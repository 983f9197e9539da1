"""What was measured, as lines of one table."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Line:
    """One measured thing. `aim` is what it must not exceed; None where there is none.

    values   as they were measured, in the order of the rounds
    """

    what: str
    value: float
    unit: str
    aim: float | None = None
    detail: str = ""
    values: Sequence[float] = ()

    @property
    def is_met(self) -> bool:
        """Whether it is within its aim."""
        return self.aim is None or self.value <= self.aim


def in_turn(what: str, rounds: int, *measures: Callable[[], float]) -> list[list[float]]:
    """What each measure says, round by round in turn: a machine that is slow for a while is slow for all of them."""
    found: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for values, measure in zip(found, measures, strict=True):
            values.append(measure())
        say(f"{what}: " + ", ".join(f"{values[-1]:.3f} s" for values in found))
    return found


def against(what: str, count: int, ours: Sequence[float], floor: Sequence[float], aim: float) -> Line:
    """Ours as a multiple of the floor: the median of the ratios, each within a round."""
    ratios = [mine / least for mine, least in zip(ours, floor, strict=True)]
    detail = f"{per_step(ours, count)} a step, floor {per_step(floor, count)}"
    return Line(what, statistics.median(ratios), "x floor", aim, detail, ratios)


def per_step(seconds: Sequence[float], count: int) -> str:
    """The median of what runs of so many steps took, for one of them."""
    each = 1000 * statistics.median(seconds) / count
    return f"{each:.2f} ms" if each < 5 else f"{each:.1f} ms"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that so large a share of them does not exceed."""
    return sorted(values)[max(0, -(-len(values) * round(100 * share) // 100) - 1)]


def import_s(code: str, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> float:
    """Seconds that an interpreter takes for some code, beyond what it takes to do nothing; the least of five."""

    def took(text: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", text], check=True, env=environment, cwd=folder)
        return time.perf_counter() - began

    least = [min(took(text) for _ in range(5)) for text in (code, "pass")]
    return max(0.0, least[0] - least[1])


def machine() -> str:
    """The machine's shape, for whoever reads the figures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def say(text: str) -> None:
    """Tell whoever waits for the table how far it is."""
    print(text, file=sys.stderr, flush=True)
