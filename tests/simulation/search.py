"""Looking for schedules that break a promise: each single fault, random seeds, and what was found before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.simulation.choices import Choices
from tests.simulation.oracle import Violation
from tests.simulation.schedule import SCENARIOS, Outcome, Scenario, run_schedule, run_seed
from tests.simulation.world import Fault, Swarm

FAULTS = tuple(kind for kind in Fault if kind)
_CANCELS_S = (None, 6.0)
_PIECE = 500  # seeds that a process tries before it tells


@dataclass
class Tally:
    """What a search has seen."""

    schedules: int = 0
    calls: int = 0
    faults: int = 0
    virtual_s: float = 0.0
    endings: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[str, Violation]] = field(default_factory=list)

    def add(self, name: str, outcome: Outcome) -> None:
        """One more schedule."""
        self.schedules += 1
        self.calls += outcome.calls
        self.faults += outcome.faults
        self.virtual_s += outcome.virtual_s
        self.endings[outcome.status] += 1
        if outcome.violation is not None:
            self.broken.append((name, outcome.violation))

    def join(self, other: Tally) -> None:
        """What another search has seen, too."""
        self.schedules += other.schedules
        self.calls += other.calls
        self.faults += other.faults
        self.virtual_s += other.virtual_s
        self.endings += other.endings
        self.broken += other.broken

    def __str__(self) -> str:
        endings = ", ".join(f"{count:,} {status}" for status, count in sorted(self.endings.items()))
        return (
            f"{self.schedules:,} schedules ({endings}), {self.calls:,} calls of ports, {self.faults:,} faults,"
            f" {self.virtual_s / 86400:,.1f} days of service: {len(self.broken)} violations"
        )


def single_faults(only: Sequence[Scenario] = SCENARIOS) -> Iterator[tuple[str, Outcome]]:
    """Mode B: each kind of fault at each call of a port, one at a time."""
    for scenario in only:
        for cancel_s in _CANCELS_S:
            benign = run_schedule(scenario, Choices(replay=()), Swarm(), cancel_s)
            yield f"{scenario.name} cancel={cancel_s}", benign
            for call in range(1, benign.calls + 1):
                for kind in FAULTS:
                    swarm = Swarm(planted={call: kind})
                    name = f"{scenario.name} cancel={cancel_s} {kind.name} at call {call}"
                    yield name, run_schedule(scenario, Choices(replay=()), swarm, cancel_s)


def random_seeds(seeds: Sequence[int]) -> Tally:
    """Mode C: schedules by seed. One in a hundred is run twice, and must be the same both times."""
    tally = Tally()
    for seed in seeds:
        outcome = run_seed(seed)
        tally.add(f"seed {seed}", outcome)
        if seed % 100 == 0:
            again = run_seed(seed)
            assert again.choices == outcome.choices and again.calls == outcome.calls, f"seed {seed} is not itself"
    return tally


def many_seeds(first: int, count: int, processes: int, told: Callable[[Tally], None] = lambda tally: None) -> Tally:
    """Mode C on several cores. `told` hears of what was seen so far."""
    pieces = [range(at, min(at + _PIECE, first + count)) for at in range(first, first + count, _PIECE)]
    tally = Tally()
    with ProcessPoolExecutor(processes) as pool:
        for piece in pool.map(random_seeds, pieces):
            tally.join(piece)
            told(tally)
    return tally


def first_broken(seeds: int) -> tuple[int, Violation] | None:
    """The first seed that breaks a promise, and how."""
    for seed in range(seeds):
        try:
            outcome = run_seed(seed)
        except Exception as error:
            return seed, Violation("crash", repr(error))
        if outcome.violation is not None:
            return seed, outcome.violation
    return None
