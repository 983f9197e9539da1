"""python -m tests.fuzz --cases 100000"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from pathlib import Path

from tests.fuzz.cases import Answers, ask_all

SLICES = 8
_AT_ONCE = 200  # asked of a route in one workspace


def _slice(number: int, seed: int) -> Answers:
    with tempfile.TemporaryDirectory() as folder:
        return ask_all(Path(folder), number, SLICES, _AT_ONCE, seed)


def ask_on_cores(cases: int, seed: int, processes: int) -> Answers:
    """Ask every route, again and again with other seeds, until so many requests have been answered."""
    total = Answers()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        while total.cases < cases:
            for answers in pool.starmap(_slice, [(number, seed) for number in range(SLICES)], chunksize=1):
                total.add(answers)
            seed += 1_000
    return total


def main() -> int:
    """Ask, print what came of it in one line, and fail when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    answers = ask_on_cores(asked.cases, asked.seed, asked.processes)
    print(answers.line())
    for one in answers.wrong[:50]:
        print(f"  {one}")
    return 1 if answers.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
