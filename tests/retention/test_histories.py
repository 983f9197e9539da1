"""Runs, reuse, models, datasets, deletions and crashes in any order: what can be reached stays, the rest goes."""

from __future__ import annotations

import random
import shutil

import pytest

from canalis.contract.errors import NotOver, StillUsed, StoreUnavailable
from canalis.contract.retention import Policy
from canalis.contract.status import RunStatus
from orchestrator import datasets, models
from orchestrator.pipelines import publish as publishing
from orchestrator.retention.collect import collect, set_policy
from orchestrator.retention.delete import delete_run
from tests.retention.world import DAY_S, Crash, World
from tests.reuse.pipelines import a_pipeline, edited

HISTORIES, STEPS = 6, 40
SOAK = 500


class History:
    """What somebody does in a workspace, made at random from a seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.chance, self.seed = world, random.Random(seed), seed
        self.made = [a_pipeline(number, self.chance) for number in range(3)]
        self.refused, self.deaths = 0, 0

    def go(self, steps: int) -> None:
        deeds = [self.submit] * 5 + [self.nest, self.resume, self.publish, self.unpublish, self.model, self.dataset]
        deeds += [self.delete] * 3 + [self.forget_model, self.forget_dataset, self.policy, self.withdraw]
        deeds += [self.time_passes] * 4
        for _ in range(steps):
            deed = self.chance.choice(deeds)
            try:
                deed()
            except StoreUnavailable:  # what is wanted is being cleared away since the service died over it
                self.world.fate.left = -1
                self.world.collector.work()
            if deed in (self.delete, self.time_passes):
                self.world.check_what_is_seen()
        for run_id in [*self.world.ids(self.chance)]:
            self.world.end(run_id, self.chance)
        self.world.settle()
        self.world.check_what_is_seen()
        self.world.check_that_the_rest_is_gone()

    def submit(self, parent: str | None = None) -> None:
        made = self.chance.choice(self.made)
        if self.chance.random() < 0.4:
            edited(made, self.chance)
        run = self.world.submit(self.world.graph(made, self.chance), parent)
        if self.chance.random() < 0.8:
            self.world.end(run.run_id, self.chance)

    def nest(self) -> None:
        self.submit(parent=next(self.world.ids(self.chance), None))

    def resume(self) -> None:
        for run_id in self.world.ids(self.chance):
            if self.world.seen()[run_id].state.status is RunStatus.FAILED:
                run = self.world.resume(run_id)
                self.world.end(run.run_id, self.chance)
                return

    def publish(self) -> None:
        self.world.publish(self.world.graph(self.chance.choice(self.made), self.chance))

    def unpublish(self) -> None:
        if self.world.published:
            identity = self.chance.choice([*self.world.published])
            publishing.delete(self.world.ports.documents, identity, ())
            del self.world.published[identity]

    def model(self) -> None:
        for run_id in self.world.ids(self.chance):
            if self.world.runs[run_id].logs:
                self.world.register_model(run_id, self.chance)
                return

    def dataset(self) -> None:
        for run_id in self.world.ids(self.chance):
            if self.world.runs[run_id].own and not self.world.ports.documents.get("cleared", run_id):
                self.world.register_dataset(run_id, self.chance)
                return

    def forget_model(self) -> None:
        if self.world.models:
            identity = self.chance.choice(sorted(self.world.models))
            models.delete(self.world.ports, identity)
            del self.world.models[identity]

    def forget_dataset(self) -> None:
        if self.world.datasets:
            name = self.chance.choice(sorted(self.world.datasets))
            datasets.unregister(self.world.ports.documents, name)
            del self.world.datasets[name]

    def delete(self) -> None:
        run_id = next(self.world.ids(self.chance), None)
        if run_id is None:
            return
        going = self.world.below(run_id)
        seen = self.world.seen()
        is_over = all(seen[one].state.status.is_terminal for one in going)
        users = set().union(*(self.world.needed_by(one) for one in going)) - going
        self._dies_perhaps(lambda: self._delete(run_id, is_over, users, going))

    def _delete(self, run_id: str, is_over: bool, users: set[str], going: set[str]) -> None:
        if is_over and not users:
            assert set(delete_run(self.world.fragile, run_id)) == going
            return
        self.refused += 1
        with pytest.raises(NotOver if not is_over else StillUsed):
            delete_run(self.world.fragile, run_id)

    def policy(self) -> None:
        ages = (None, DAY_S, 3 * DAY_S)
        set_policy(self.world.ports, Policy(runs_s=self.chance.choice(ages), intermediate_s=self.chance.choice(ages)))

    def withdraw(self) -> None:
        set_policy(self.world.ports, Policy())

    def time_passes(self) -> None:
        self.world.clock.pass_s(self.chance.choice([60.0, 700.0, DAY_S, 2 * DAY_S]))
        if self.chance.random() < 0.3:
            self._dies_perhaps(lambda: collect(self.world.fragile, False, young_s=-1.0))
        self._dies_perhaps(self.world.collector.work)

    def _dies_perhaps(self, deed: object) -> None:
        self.world.fate.left = self.chance.choice([-1, self.chance.randint(1, 15)])
        self.world.fate.after = self.chance.random() < 0.5
        try:
            deed()  # type: ignore[operator]
        except Crash:
            self.deaths += 1
        self.world.fate.left = -1


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_what_can_be_reached_opens_byte_for_byte_and_the_rest_is_gone(tmp_path, seed):
    world = World(tmp_path)
    History(world, seed).go(STEPS)
    world.database.close()


@pytest.mark.soak
def test_five_hundred_histories_end_well(tmp_path):
    deaths = refused = 0
    for seed in range(SOAK):
        world = World(tmp_path / str(seed))
        history = History(world, seed)
        history.go(STEPS)
        world.database.close()
        shutil.rmtree(tmp_path / str(seed))
        deaths, refused = deaths + history.deaths, refused + history.refused
    print(f"\n{SOAK:,} histories: {deaths:,} deaths of the service, {refused:,} deletions refused")
    assert deaths > SOAK and refused > SOAK / 2
