"""Mode D: schedules that broke a promise once. Each shows that a safeguard is needed, and must break nothing with it.

corpus.json   by name of the mutant: the choices that are not benign, by number, and the invariant they break
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.mutants import MUTANTS, Mutant, planted
from tests.simulation.schedule import run_seed
from tests.simulation.search import first_broken
from tests.simulation.shrink import replay, shrink

_FILE = Path(__file__).with_name("corpus.json")
_BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


@dataclass(frozen=True)
class Case:
    """A schedule, and what it breaks without these safeguards."""

    mutants: tuple[Mutant, ...]
    choices: list[int]
    invariant: str


def cases() -> dict[str, Case]:
    """All that are kept, by the name of the mutant."""
    found = {}
    for name, kept in json.loads(_FILE.read_text()).items():
        choices = [0] * (1 + max(map(int, kept["choices"]), default=-1))
        for number, choice in kept["choices"].items():
            choices[int(number)] = choice
        mutants = tuple(_BY_NAME[one] for one in (name, *kept.get("without_too", ())))
        found[name] = Case(mutants, choices, kept["invariant"])
    return found


def found_case(mutant: Mutant, seeds: int) -> dict[str, object] | None:
    """The smallest schedule that shows a mutant, for the file; None when no seed does."""
    for others in ((), (_BY_NAME[mutant.cover],) if mutant.cover in _BY_NAME else ()):
        with planted(mutant, *others):
            found = first_broken(seeds)
            if found is None or found[1].invariant == "crash":
                continue
            seed, violation = found
            choices = shrink(run_seed(seed).choices, violation.invariant)
        kept: dict[str, object] = {
            "invariant": violation.invariant,
            "choices": {str(number): choice for number, choice in enumerate(choices) if choice},
        }
        return kept | ({"without_too": [other.name for other in others]} if others else {})
    return None


def keep_all(seeds: int, processes: int) -> dict[str, object]:
    """Find and write down a schedule for each mutant that has none that works."""
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial

    known = json.loads(_FILE.read_text()) if _FILE.exists() else {}
    missing = [
        mutant
        for mutant in MUTANTS
        if not mutant.is_covered_by_test and (mutant.name not in known or not shows(mutant.name))
    ]
    with ProcessPoolExecutor(processes) as pool:
        for mutant, kept in zip(missing, pool.map(partial(found_case, seeds=seeds), missing), strict=True):
            if kept is not None:
                known[mutant.name] = kept
    in_order = {mutant.name: known[mutant.name] for mutant in MUTANTS if mutant.name in known}
    _FILE.write_text(json.dumps(in_order, indent=1) + "\n")
    return in_order


def shows(name: str) -> bool:
    """Whether the schedule that is kept for a mutant still shows it."""
    case = cases()[name]
    with planted(*case.mutants):
        violation = replay(case.choices).violation
    return violation is not None and violation.invariant == case.invariant
