"""Runs while everything goes wrong at once and instances are killed: all end right, nothing is lost, nothing doubled."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from benchmarks.workloads import Edges, chain, fan_out, layered  # noqa: E402
from canalis.contract.run import new_run_id  # noqa: E402
from tests.azure import faults  # noqa: E402
from tests.azure.door import AzureDoor  # noqa: E402
from tests.azure.stack import QUEUES  # noqa: E402
from tests.azure.stubs import fickle_graph  # noqa: E402

SHARE = 0.05  # for each of twelve kinds: a quarter of all requests to storage is disturbed in one way or another
SEED = 20261123
SOAK_RUNS, SOAK_STEPS, SOAK_KILL_S = 20, 100, 5.0
RUNS, STEPS, KILL_S = 3, 20, 4.0
KILLS = 6  # who is killed in the middle of a step is missed after a lease of 30 s: on and on, it would take minutes
# In Azure a lock lasts a minute. What a link had that was closed is as long with nobody, and a short test has no minute.
LOCK_S = 6.0


class Kills(NamedTuple):
    """As `faults.Killer` has them."""

    every_s: float
    loses: int = 0
    most: int = 0


def shapes(count: int, steps: int) -> list[Edges]:
    """So many runs of so many steps: a fan-out, layers, and chains side by side, in turn."""
    chains = [[[before + first for before in edges] for edges in chain(8)] for first in range(0, steps, 8)]
    side_by_side: Edges = [edges for one in chains for edges in one][:steps]
    made = [fan_out(steps - 2), layered(steps, width=max(10, steps // 5)), side_by_side]
    return [made[number % len(made)] for number in range(count)]


def test_no_run_is_harmed_by_faults_everywhere_and_instances_that_are_killed(tmp_path):
    held_against_everything(tmp_path, shapes(RUNS, STEPS), Kills(KILL_S, most=KILLS), 180.0, LOCK_S, drop=0.005)


@pytest.mark.soak
def test_no_run_of_many_is_harmed_for_as_long_as_it_takes(tmp_path):
    held_against_everything(
        tmp_path, [*shapes(SOAK_RUNS - 1, SOAK_STEPS), chain(SOAK_STEPS)], Kills(SOAK_KILL_S, loses=5), 3600.0
    )


def held_against_everything(
    folder, shapes: list[Edges], kills: Kills, within_s: float, lock_s: float = 60.0, **others: float
) -> None:
    seed = random.Random(SEED).randrange(10**6)
    graphs = {new_run_id(): fickle_graph(edges) for edges in shapes}
    queues = {name: {**settings, "lock_s": lock_s} for name, settings in QUEUES.items()}
    with AzureDoor(folder, {"STUBS_ONLY": "1"}, instances=2, queues=queues) as door:
        began = time.monotonic()
        with (
            faults.Auditor(door, list(graphs)) as auditor,
            faults.faults_of_every_kind(door, SHARE, seed, **others),
            faults.Killer(door, *kills) as killer,
            ThreadPoolExecutor(len(graphs)) as pool,
            faults.kept_log(door, folder / "log.jsonl"),
        ):
            tries = list(pool.map(lambda one: faults.submit_until_taken(door, one[1], one[0]), graphs.items()))
            for run_id in graphs:
                door.ends(run_id, max(1.0, within_s - (time.monotonic() - began)))
            took_s = time.monotonic() - began
            told = faults.told_by(door)
        faults.wait_until_still(door, 90.0)
        outcomes = sum((faults.holds_in_the_end(door, *one) for one in graphs.items()), Counter())
    assert not auditor.changed
    gave_up = outcomes.pop("gave up", 0)
    print(
        json.dumps(
            {"seed": seed, "seconds": round(took_s, 1), "kills": killer.kills, "machines lost": killer.losses}
            | {"submissions": tries, "attempts": outcomes, "gave up": gave_up, "looks": auditor.looks}
            | told
        )
    )
    assert outcomes == faults.expected_attempts(graphs)
