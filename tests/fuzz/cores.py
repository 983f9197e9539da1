"""All routes asked on several cores at once."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path

from tests.fuzz.cases import Answers, ask_all

SLICES = 8
_AT_ONCE = 200  # asked of a route in one workspace


def ask_on_cores(cases: int, seed: int, processes: int) -> Answers:
    """Ask every route, again and again with other seeds, until so many requests have been answered."""
    total = Answers()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        while total.cases < cases:
            for answers in pool.starmap(_slice, [(number, seed) for number in range(SLICES)], chunksize=1):
                total.add(answers)
            seed += 1_000
    return total


def _slice(number: int, seed: int) -> Answers:
    with tempfile.TemporaryDirectory() as folder:
        return ask_all(Path(folder), number, SLICES, _AT_ONCE, seed)
