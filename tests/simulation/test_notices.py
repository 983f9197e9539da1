"""Everybody who wants to hear of a run's end does, whatever fails; and of nothing that has not ended."""

from __future__ import annotations

import pytest

from tests.simulation import search
from tests.simulation.choices import Choices
from tests.simulation.notices import ALONE, LISTENERS, run_told, run_told_seed, single_faults
from tests.simulation.world import Swarm

SLICE = 250
SEEDS = 2_000


@pytest.mark.parametrize("scenario", ALONE, ids=lambda scenario: scenario.name)
def test_where_nothing_goes_wrong_each_hears_once_and_nothing_is_made_again(scenario):
    outcome, schedule = run_told(scenario, Choices(replay=()), Swarm())
    assert outcome.violation is None and outcome.status == "completed"
    assert schedule.listeners.heard == dict.fromkeys(LISTENERS, 1)
    assert schedule.documents.list("announcements") == schedule.documents.list("callbacks") == []


@pytest.mark.parametrize("scenario", ALONE, ids=lambda scenario: scenario.name)
def test_any_single_fault_at_any_call_and_any_slip_of_any_message_is_borne(scenario):
    tally = search.Tally()
    for name, outcome in single_faults(scenario):
        tally.add(name, outcome)
    print(f"\n{scenario.name}: {tally}")
    assert tally.broken == []
    assert tally.schedules > 400 and tally.faults >= tally.schedules - 1


@pytest.mark.parametrize("first", range(0, SEEDS, SLICE))
def test_in_random_schedules_everybody_hears(first):
    tally = search.Tally()
    for seed in range(first, first + SLICE):
        tally.add(f"seed {seed}", run_told_seed(seed))
    print(f"\n{tally}")
    assert tally.broken == []
    assert set(tally.endings) >= {"completed", "cancelled", "failed"}


@pytest.mark.soak
def test_in_fifty_thousand_random_schedules_everybody_hears():
    tally = search.Tally()
    for seed in range(50_000):
        tally.add(f"seed {seed}", run_told_seed(seed))
    print(f"\n{tally}")
    assert tally.broken == []
