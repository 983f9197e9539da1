"""Two hosts look after schedules in virtual time, with everything that may go wrong: does each tick start its run, once?

Timers fire twice, late or not at all; hosts die and come back; storage throttles, or does what it says it did not;
a host sleeps through its turn and goes on as though nothing had happened. The rules are those of the corpus, and many
worlds begin shortly before clocks are set somewhere.

    python -m tests.schedules.ticking --ticks 1000000 --processes 2
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import random
import sys
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile

from adapters.tables import TableRuns
from canalis.contract.errors import WorldError
from canalis.contract.graph import CommandWork, Graph, Node
from canalis.contract.ports import Document, Ports, RunQuery, Stored
from canalis.contract.published import Publication
from canalis.contract.recurring import Cron, Recurrence
from canalis.contract.run import ComputeChoice
from canalis.contract.schedules import MissedPolicy, Schedule, ScheduleRequest
from orchestrator.pipelines.publish import publish
from orchestrator.schedules import kept
from orchestrator.schedules.firings import firings
from orchestrator.schedules.keeper import Keeper
from tests.simulation.choices import Choices
from tests.simulation.stores import MemoryBlobs, MemoryDocuments
from tests.simulation.table import MemoryTable
from tests.simulation.world import Fault, Host, Port, Swarm, World

HOURS = 8.0
TIMER_S = 60.0
CALM_S = 1_500.0  # after the last fault: more than the latest timer is late, and then some to make all good
SKEWS_S = (0.0, 2.0, -2.0, 0.5)
COMPUTES = {"": ComputeChoice(backend="sim")}
GRAPH = Graph(nodes=(Node(key="a", name="a", work=CommandWork(line=("true",))),))
# When clocks are set in zones of the rules below: worlds begin some hours before.
BEGINS = (
    "2026-03-08T06:00",
    "2026-03-29T00:00",
    "2026-10-25T00:00",
    "2026-11-01T05:00",
    "2026-04-04T13:00",
    "2026-06-02T10:00",
)
ZONES = (
    "America/New_York",
    "Europe/Berlin",
    "Europe/London",
    "Australia/Lord_Howe",
    "UTC",
    "Asia/Kolkata",
    "W. Europe Standard Time",
)
OFTEN = (
    "* * * * *",
    "*/2 * * * *",
    "*/5 * * * *",
    "1-59/3 * * * *",
    "0 */1 * * * *",
    "*/20 1-4 * * *",
    "15,45 * * * *",
    "7 */2 * * *",
)


@dataclass
class Judged:
    """What became of the ticks of one world, or of many."""

    ticks: int = 0
    runs: int = 0
    missed: int = 0
    faults: int = 0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """All of it in one line."""
        wrong = f"{len(self.wrong):,} wrong"
        return f"{self.ticks:,} ticks, {self.runs:,} runs, {self.missed:,} missed by policy, {self.faults:,} faults: {wrong}"

    def add(self, other: Judged) -> None:
        self.ticks += other.ticks
        self.runs += other.runs
        self.missed += other.missed
        self.faults += other.faults
        self.wrong += other.wrong


class _Bus:
    """Nobody works on the runs that are started: they are not what this is about."""

    def send(self, sends: object, name: str = "") -> None:
        return


class _Ticking:
    """One world."""

    def __init__(self, seed: int, hours: float) -> None:
        self.chance = random.Random(seed)
        self.world = world = World(Choices(seed), fault_until_s=3600.0 * hours)
        world.now = world.started_at = (
            datetime.fromisoformat(self.chance.choice(BEGINS)).replace(tzinfo=UTC).timestamp()
        )
        world.fault_until = world.now + 3600.0 * hours
        world.swarm = _swarm(world.choices)
        self.table, self.documents, self.blobs = MemoryTable(), _Documents(), MemoryBlobs()
        self.raw = self._ports(lambda target: target, _Clock(world))
        publish(self.raw, Publication(id="pipe", graph=GRAPH), COMPUTES)
        self.schedules = [self._schedule(number) for number in range(self.chance.choice((2, 4, 6)))]
        world.on_restart = self._start
        for name in ("alpha", "beta"):
            host = Host(world, name)
            host.skew_s = SKEWS_S[world.choices.pick(4)]
            world.hosts.append(host)
            world.restart(host)

    def run(self) -> Judged:
        world = self.world
        world.run(lambda: False, world.fault_until + CALM_S - world.started_at)
        judged = Judged(faults=world.faults)
        for schedule in self.schedules:
            self._judge(schedule, judged)
        return judged

    def _schedule(self, number: int) -> Schedule:
        zone, missed = self.chance.choice(ZONES), self.chance.choice(("all", "all", "last", "skip"))
        rule: Cron | Recurrence = Cron(expression=self.chance.choice(OFTEN), time_zone=zone)
        if self.chance.random() < 0.3:
            unit, interval = self.chance.choice((("Minute", 1), ("Minute", 7), ("Hour", 1)))
            rule = Recurrence(frequency=unit, interval=interval)  # type: ignore[arg-type]
        asked = ScheduleRequest(
            id=f"schedule-{number}", pipeline="pipe", experiment="e", trigger=rule, missed=missed, missed_max=100
        )  # fmt: skip
        return kept.create(self.raw, asked)

    def _ports(self, through: object, clock: object) -> Ports:
        port = through  # a port as a host sees it, or the thing itself
        bus = _Bus()
        return Ports(
            runs=TableRuns(port(self.table), bus, clock),  # type: ignore
            documents=port(self.documents),  # type: ignore
            blobs=port(self.blobs),  # type: ignore
            stores=None,  # type: ignore
            bus=bus,  # type: ignore
            clock=clock,  # type: ignore
            web=None,  # type: ignore
            vault=None,  # type: ignore
        )

    def _start(self, host: Host) -> None:
        keeper = Keeper(self._ports(partial(Port, host), host), lambda: COMPUTES)
        host.spawn(partial(self._keep_time, host, keeper), ends=False)

    def _keep_time(self, host: Host, keeper: Keeper) -> None:
        world = self.world
        while True:
            world.sleep(TIMER_S - (world.now % TIMER_S) + (0.0, 0.2, 5.0)[world.choices.pick(3)])
            is_calm = world.now >= world.fault_until
            odd = 0 if is_calm else world.choices.chance(world.swarm.timers, 4)
            if odd == 1:
                continue  # it does not fire
            if odd == 2:
                world.sleep((40.0, 200.0, 900.0)[world.choices.pick(3)])  # it fires late
            for _ in range(2 if odd == 3 else 1):
                host.spawn(partial(_look, keeper))

    def _judge(self, schedule: Schedule, judged: Judged) -> None:
        progress = self.documents.get("schedule-progress", schedule.id)
        assert progress is not None
        until = progress.body["seen"]
        rule = schedule.trigger
        assert not isinstance(rule, kept.DataChanges)
        due = [schedule.anchor_at] if schedule.at_once else []
        due += takewhile(until.__ge__, firings(rule, schedule.anchor_at, schedule.since))
        runs = self.raw.runs.find(RunQuery(schedule=schedule.id, limit=100_000))
        started = Counter(run.request.origin.tick for run in runs)
        told, beyond_cap = set(), set()
        for first, last, decided_at in self.documents.missed[schedule.id]:
            these = due[bisect_left(due, first) : bisect_right(due, last)]
            told |= set(these)
            kept_back = bisect_right(due, decided_at) - bisect_right(due, last)
            beyond_cap |= set(these) if kept_back >= schedule.missed_max else set()
        skew = max(abs(host.skew_s) for host in self.world.hosts)
        wrong = [f"{at} started {count} runs" for at, count in started.items() if count > 1]
        wrong += [f"{at} is no tick" for at in started if at not in set(due)]
        wrong += [f"{at} was started and missed" for at in started if at in told]
        wrong += [
            f"{at} started early" for run in runs if run.request.submitted_at < (at := run.request.origin.tick) - skew
        ]
        policy: MissedPolicy = schedule.missed
        lost = [at for at in due if at not in started and at not in (beyond_cap if policy == "all" else told)]
        wrong += [f"{at} is lost" for at in lost]
        if progress.body["going"] or progress.body["untold"]:
            wrong.append("something is left to be done")
        if (progress.body["next_at"] or math.inf) < self.world.now - 3 * TIMER_S:
            wrong.append(f"it stands still at {until}")
        judged.ticks += len(due)
        judged.runs += sum(started.values())
        judged.missed += len(told)
        judged.wrong += [f"{schedule.id} ({rule}, {policy}): {one}" for one in wrong[:5]]


class _Documents(MemoryDocuments):
    """Remembers all that was ever told of missed ticks: of a schedule only the last 200 firings are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.missed: dict[str, set[tuple[float, float, float]]] = defaultdict(set)

    def put(self, kind: str, name: str, body: Document, etag: str | None = None, if_absent: bool = False) -> Stored:
        if kind == "firings" and body["outcome"] == "missed":
            self.missed[body["schedule"]].add((body["at"], body.get("until", body["at"]), body["decided_at"]))
        return super().put(kind, name, body, etag, if_absent)


class _Clock:
    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> float:
        return self._world.now

    def monotonic(self) -> float:
        return self._world.now


def _swarm(choices: Choices) -> Swarm:
    """What goes wrong in this world, and how often."""
    kinds = tuple(kind for kind in Fault if kind and kind is not Fault.LOCK_LOST and choices.pick(2))
    rate = (0.0, 0.001, 0.003, 0.01)[choices.pick(4)]
    return Swarm(
        calls=rate if kinds else 0.0, kinds=kinds, slow_calls=0.001 * choices.pick(3), timers=0.1 * choices.pick(4)
    )


def _look(keeper: Keeper) -> None:
    try:
        keeper.look()
    except WorldError:
        return  # the next one will


def tick(seed: int, hours: float = HOURS) -> Judged:
    """What becomes of the ticks of one world."""
    return _Ticking(seed, hours).run()


def tick_many(ticks: int, seed: int = 0, hours: float = HOURS) -> Judged:
    """Worlds from that seed on, until they have had so many ticks; what is wrong names its seed."""
    total = Judged()
    while total.ticks < ticks:
        judged = tick(seed, hours)
        judged.wrong = [f"seed {seed}: {one}" for one in judged.wrong]
        total.add(judged)
        seed += 1
    return total


def tick_on_cores(ticks: int, seed: int, processes: int) -> Judged:
    """The same, in several processes, each with seeds of its own."""
    share = math.ceil(ticks / processes)
    asked = [(share, seed + 1_000_000 * number) for number in range(processes)]
    total = Judged()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for judged in pool.starmap(tick_many, asked):
            total.add(judged)
    return total


def main() -> int:
    """Try, print what came of it in one line, and fail when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.schedules.ticking", description=__doc__)
    parser.add_argument("--ticks", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first world; a world is the same for its seed")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    judged = tick_on_cores(asked.ticks, asked.seed, asked.processes)
    print(judged.line())
    for one in judged.wrong[:50]:
        print(f"  {one}")
    return 1 if judged.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
