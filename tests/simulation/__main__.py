"""Searches by hand.

python -m tests.simulation --seed N          one schedule, told line by line
python -m tests.simulation --shrink N        the same made small, when it breaks something
python -m tests.simulation --seeds N [--first M]   so many schedules on all cores
python -m tests.simulation --exhaustive      every state of every small graph
python -m tests.simulation --single-faults   each kind of fault at each call of a port
python -m tests.simulation --mutants         every safeguard taken away, one at a time
python -m tests.simulation --keep            write a small schedule down for each mutant that has none
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

from tests.simulation import corpus, exhaustive, hunt, search
from tests.simulation.schedule import run_seed
from tests.simulation.shrink import shrink, story

_TELL_EVERY = 50_000


def one(seed: int) -> bool:
    """Tell a schedule."""
    outcome = run_seed(seed)
    print(story(outcome.choices))
    return outcome.violation is None


def shrunk(seed: int) -> bool:
    """Tell the least of a schedule that still breaks what it breaks."""
    outcome = run_seed(seed)
    if outcome.violation is None:
        print(f"seed {seed} breaks nothing")
        return True
    print(story(shrink(outcome.choices, outcome.violation.invariant)))
    return False


def many(first: int, count: int, cores: int) -> bool:
    """Try many schedules."""
    began = time.monotonic()

    def so_far(tally: search.Tally) -> None:
        if tally.schedules % _TELL_EVERY == 0:
            print(f"{tally.schedules:,} schedules, {len(tally.broken)} violations", file=sys.stderr, flush=True)

    tally = search.many_seeds(first, count, cores, so_far)
    print(f"{tally}; {time.monotonic() - began:.0f} s on {cores} cores")
    for name, violation in tally.broken[:20]:
        print(f"  {name}: {violation}")
    return not tally.broken


def single_faults() -> bool:
    """Try each single fault."""
    tally = search.Tally()
    for name, outcome in search.single_faults():
        tally.add(name, outcome)
    print(tally)
    for name, violation in tally.broken[:20]:
        print(f"  {name}: {violation}")
    return not tally.broken


def mutants(seeds: int, cores: int) -> bool:
    """Take each safeguard away."""
    verdicts = hunt.hunt_all(seeds, cores, told=lambda verdict: print(verdict, flush=True))
    print(hunt.summary(verdicts))
    return all(verdict.how for verdict in verdicts)


def main() -> int:
    """What was asked for. Returns 1 when something was broken, or not noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seed", type=int)
    parser.add_argument("--shrink", type=int)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    for word in ("exhaustive", "single-faults", "mutants", "keep"):
        parser.add_argument(f"--{word}", action="store_true")
    asked = parser.parse_args()
    wanted: list[Callable[[], bool]] = []
    if asked.seed is not None:
        wanted.append(lambda: one(asked.seed))
    if asked.shrink is not None:
        wanted.append(lambda: shrunk(asked.shrink))
    if asked.exhaustive:
        wanted.append(lambda: print(exhaustive.explore_all()) is None)
    if asked.single_faults:
        wanted.append(single_faults)
    if asked.mutants:
        wanted.append(lambda: mutants(asked.seeds or 3_000, asked.cores))
    elif asked.keep:
        wanted.append(lambda: bool(corpus.keep_all(asked.seeds or 3_000, asked.cores)))
    elif asked.seeds is not None:
        wanted.append(lambda: many(asked.first, asked.seeds, asked.cores))
    if not wanted:
        parser.print_help()
    return 0 if all(want() for want in wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
