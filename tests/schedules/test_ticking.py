"""Each tick starts its run, once, whatever timers, hosts and storage do; and the search would see if it did not."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from unittest.mock import patch

import pytest

from canalis.contract.ports import Stored
from canalis.contract.schedules import Schedule
from orchestrator.schedules import keeper
from orchestrator.schedules.keeper import Keeper
from tests.schedules.ticking import tick_many, tick_on_cores

TICKS = 1_000  # in a slice; all of them in `make soak`
SLICES = (0, 1_000_000, 2_000_000, 3_000_000)


@pytest.mark.parametrize("seed", SLICES)
def test_no_tick_is_lost_and_none_starts_twice(seed: int) -> None:
    judged = tick_many(TICKS, seed)
    print(judged.line())
    assert not judged.wrong, "\n".join(judged.wrong)


def _chance_ids() -> object:
    """Ids of runs that are not made of the tick."""
    chance = random.Random(1)
    return patch.object(keeper.uuid, "uuid5", lambda *_: uuid.UUID(int=chance.getrandbits(128), version=4))


def _forget(*names: str) -> object:
    """Whoever finds work that another has left drops it."""
    whole = Keeper._up_to_date

    def up_to_date(self: Keeper, schedule: Schedule, stored: Stored | None) -> Stored:
        found = whole(self, schedule, stored)
        return replace(found, body={**found.body, **{name: [] for name in names}})

    return patch.object(Keeper, "_up_to_date", up_to_date)


@pytest.mark.soak
def test_no_tick_of_a_million_is_lost_and_none_starts_twice() -> None:
    judged = tick_on_cores(1_000_000, 10_000_000, processes=2)
    print(f"\n{judged.line()}")
    assert not judged.wrong, "\n".join(judged.wrong)


@pytest.mark.parametrize(
    ("defect", "said", "seed"),
    [
        (_chance_ids, "started 2 runs", 0),
        (lambda: _forget("going"), "is lost", 0),
        (lambda: _forget("untold"), "is lost", 5),
    ],
    ids=["ids by chance", "what was decided is dropped", "what was missed is not told"],
)
def test_the_search_finds_a_defect(defect: object, said: str, seed: int) -> None:
    with defect():  # type: ignore[operator]
        for world in range(seed, seed + 20):
            if any(said in one for one in tick_many(1, world).wrong):
                return
    pytest.fail(f"20 worlds, and in none a tick that {said}")
