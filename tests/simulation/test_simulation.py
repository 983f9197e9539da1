"""The protocol under every fault: what holds in every schedule, and what each safeguard is needed for."""

from __future__ import annotations

import os

import pytest

from orchestrator.sweep import SWEEP_S
from steps.follow import LEASE_S
from tests.simulation import corpus, exhaustive, hunt, search
from tests.simulation.choices import Choices
from tests.simulation.mutants import MUTANTS, check_all, planted
from tests.simulation.schedule import SCENARIOS, run_schedule, run_seed
from tests.simulation.shrink import replay, shrink, story
from tests.simulation.world import Fault, Swarm

CORES = os.cpu_count() or 1
SLICE = 500  # seeds that one test tries; there are as many tests as make up a change's budget
SEEDS = 8_000  # of each change; by hand and in `make soak` a million
SOAK_SEEDS = 1_000_000


def test_every_state_of_every_small_graph_keeps_the_promises():
    reached = exhaustive.explore_all()
    print(f"\nmode A: {reached}")
    assert reached.graphs == 27 and reached.states > 5_000


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_any_single_fault_at_any_call_is_borne(scenario):
    tally = search.Tally()
    for name, outcome in search.single_faults([scenario]):
        tally.add(name, outcome)
    print(f"\nmode B, {scenario.name}: {tally}")
    assert tally.broken == []
    assert tally.faults >= 6 * tally.schedules / 7  # each but the benign ones had its fault


@pytest.mark.parametrize("kind", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_host_that_dies_costs_a_lease_and_a_sweep_at_most(kind):
    scenario = SCENARIOS[0]
    benign = run_schedule(scenario, Choices(replay=()), Swarm())
    for call in range(1, benign.calls + 1):
        outcome = run_schedule(scenario, Choices(replay=()), Swarm(planted={call: kind}))
        # The messages of the dead host come again after as long as its leases last.
        assert outcome.ended_s - benign.ended_s <= LEASE_S + SWEEP_S + 1.0, call


@pytest.mark.parametrize("first", range(0, SEEDS, SLICE))
def test_random_schedules_keep_the_promises(first):
    tally = search.random_seeds(range(first, first + SLICE))
    assert tally.broken == []
    assert set(tally.endings) >= {"completed", "cancelled", "failed"}


@pytest.mark.soak
def test_a_million_random_schedules_keep_the_promises():
    tally = search.many_seeds(0, SOAK_SEEDS, CORES)
    print(f"\nmode C: {tally}")
    assert tally.broken == []


@pytest.mark.parametrize("name", corpus.cases())
def test_what_once_broke_a_promise_breaks_none_and_shows_what_its_safeguard_is_for(name):
    case = corpus.cases()[name]
    assert replay(case.choices).violation is None
    with planted(*case.mutants):
        violation = replay(case.choices).violation
    assert violation is not None and violation.invariant == case.invariant, (
        "it shows nothing any more: python -m tests.simulation --keep finds another"
    )


def test_every_safeguard_is_still_where_its_mutant_takes_it_away():
    assert check_all() == []
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40


@pytest.mark.soak
def test_every_mutant_is_killed_or_covered_by_the_guard_it_names():
    verdicts = hunt.hunt_all(3_000, CORES, told=lambda verdict: print(verdict, flush=True))
    print(hunt.summary(verdicts))
    assert [verdict.mutant.name for verdict in verdicts if not verdict.how] == []


@pytest.mark.parametrize("seed", [1, 7, 42, 8751])
def test_a_seed_is_the_same_schedule_each_time(seed):
    first, again = run_seed(seed, log=True), run_seed(seed, log=True)
    assert (first.log, first.choices, first.calls) == (again.log, again.choices, again.calls)
    replayed = replay(first.choices, log=True)
    assert replayed.log == first.log


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_nothing_is_made_good_where_nothing_goes_wrong(scenario):
    outcome = run_schedule(scenario, Choices(replay=()), Swarm())
    assert (outcome.status, outcome.swept, outcome.faults) == ("completed", 0, 0)


def test_failing_schedules_are_made_less_than_half_on_average_and_told():
    (mutant,) = [one for one in MUTANTS if one.name == "what is called off is not stopped"]
    ratios = []
    with planted(mutant):
        for seed in range(110):
            outcome = run_seed(seed)
            if outcome.violation is None:
                continue
            short = shrink(outcome.choices, outcome.violation.invariant)
            assert replay(short).violation.invariant == outcome.violation.invariant
            ratios.append(sum(map(bool, short)) / sum(map(bool, outcome.choices)))
            told = story(short)
            assert "begins" in told and f"breaks {outcome.violation.invariant}" in told
    assert ratios and sum(ratios) / len(ratios) < 1 / 2, ratios
