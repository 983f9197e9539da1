"""Hunting mutants: each is looked for with every means there is, the quick ones first."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.simulation.mutants import MUTANTS, Mutant, planted
from tests.simulation.search import first_broken

ROOT = Path(__file__).parent.parent.parent
PLANT = "CANALIS_MUTANT"  # in the environment of a test run: the mutant that it is to notice
_BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


@dataclass(frozen=True)
class Verdict:
    """How a mutant was noticed; by nothing when `how` is empty."""

    mutant: Mutant
    how: str
    is_covered: bool = False

    def __str__(self) -> str:
        word = "survives" if not self.how else "covered " if self.is_covered else "killed  "
        return f"{word}  {self.mutant.name:56} {self.how}"


def hunt(mutant: Mutant, seeds: int) -> Verdict:
    """Look for a mutant: random schedules, then those without its cover too, or the tests that are its cover."""
    with planted(mutant):
        found = first_broken(seeds)
    if found is not None:
        return Verdict(mutant, f"seed {found[0]}: {found[1]}"[:110])
    if mutant.is_covered_by_test:
        return Verdict(mutant, f"by {mutant.cover}" if is_noticed_by_tests(mutant) else "", is_covered=True)
    if mutant.cover:
        with planted(mutant, _BY_NAME[mutant.cover]):
            found = first_broken(seeds)
        if found is not None:
            return Verdict(mutant, f"by: {mutant.cover} (without both: seed {found[0]}, {found[1].invariant})", True)
    return Verdict(mutant, "")


def is_noticed_by_tests(mutant: Mutant) -> bool:
    """Whether the tests that it names fail with the mutant planted."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "tests.simulation.plant", mutant.cover],
        cwd=ROOT,
        env=os.environ | {PLANT: mutant.name},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode == 1


def hunt_all(
    seeds: int, processes: int, only: Sequence[Mutant] = MUTANTS, told: Callable[[Verdict], None] = print
) -> list[Verdict]:
    """All of them, on several cores."""
    verdicts = []
    with ProcessPoolExecutor(processes) as pool:
        for verdict in pool.map(partial(hunt, seeds=seeds), only):
            told(verdict)
            verdicts.append(verdict)
    return verdicts


def summary(verdicts: Iterable[Verdict]) -> str:
    """The line that stands in the documents."""
    found = list(verdicts)
    killed = sum(bool(verdict.how) and not verdict.is_covered for verdict in found)
    covered = sum(bool(verdict.how) and verdict.is_covered for verdict in found)
    return f"{len(found)} mutants: {killed} killed, {covered} covered by a second guard, {len(found) - killed - covered} survive"
