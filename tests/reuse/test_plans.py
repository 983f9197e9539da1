"""What is planned is what happens, and a plan names exactly what was changed: of pipelines and edits made at random."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.files import FileBlobs, FileStores
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from canalis.contract.graph import Graph
from canalis.contract.graphs import stored_graph
from canalis.contract.messages import StepEnded
from canalis.contract.places import imprint_of, output_place
from canalis.contract.ports import Ports, Run
from canalis.contract.run import ComputeChoice, StepRunId
from canalis.contract.status import Outcome, RunStatus, StepStatus
from orchestrator.advance import advance
from orchestrator.reasons import planned
from orchestrator.settled import settle
from orchestrator.submit import Submission, submit
from tests.outside import outside
from tests.reuse.pipelines import Made, Step, a_pipeline, edited, follows

COMPUTES = {"": ComputeChoice(backend="process")}
SLICES, SLICE = 2, 25  # of pipelines that a change is tried with
SOAK = 1_000


class World:
    """A workspace whose steps are ended by the test, each with a file in its output."""

    def __init__(self, folder: Path) -> None:
        clock = SystemClock()
        self.database = Database(folder / "canalis.db")
        bus = SqliteBus(self.database, clock)
        documents = SqliteDocuments(self.database)
        (folder / "stores" / "workspaceblobstore").mkdir(parents=True)
        documents.put("datastores", "workspaceblobstore", {"type": "AzureBlob"})
        self.ports = Ports(
            SqliteRuns(self.database, bus, clock),
            documents,
            FileBlobs(folder / "blobs"),
            FileStores(folder / "stores"),
            bus,
            clock,
            **outside(documents),
        )

    def asked(self, made: Made) -> Submission:
        graph = made.graph(self.ports.blobs)
        return Submission(graph=graph, experiment=f"e{made.number}", parameters=dict(made.values))

    def plan(self, made: Made):
        asked = self.asked(made)
        return planned(self.ports, asked, settle(self.ports, asked.graph, asked.parameters, COMPUTES))

    def run(self, made: Made, failing: str = "") -> Run:
        """The pipeline's run at its end; all steps that are started succeed, but the one of the key `failing`."""
        run = submit(self.ports, self.asked(made), COMPUTES)
        graph = stored_graph(self.ports.blobs, run.request.graph)
        while not run.state.status.is_terminal:
            started = [p for p in range(len(graph.nodes)) if run.state.step(p) is StepStatus.STARTED]
            ended = [self._ended(run, graph, place) for place in started]
            bad = {"outcome": Outcome.FAILED, "left": {}}
            ended = [one.model_copy(update=bad) if one.node == failing else one for one in ended]
            advance(self.ports, run.run_id, ended)
            run = self.ports.runs.load(run.run_id)
        assert run.state.status is (RunStatus.FAILED if failing else RunStatus.COMPLETED)
        return run

    def _ended(self, run: Run, graph: Graph, place: int) -> StepEnded:
        node = graph.nodes[place]
        step = StepRunId(run.run_id, node.key, run.state.attempts[place])
        where = output_place(run.request, node.output("out"), step)
        self.ports.stores.open(where.datastore).put(f"{where.path}/file", str(step).encode())
        left = {"out": imprint_of(self.ports.stores, where)}
        return StepEnded(run_id=run.run_id, node=node.key, attempt=step.attempt, outcome=Outcome.SUCCEEDED, left=left)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.database.close()


def try_pipelines(world: World, numbers: range) -> int:
    """How many steps of these pipelines were reused after they were edited. Raises AssertionError for a wrong plan."""
    reused = 0
    for number in numbers:
        chance = random.Random(number)
        made = a_pipeline(number, chance)
        world.run(made)
        assert [step.why for step in world.plan(made)] == ["reused"] * len(made.steps), number

        changed = edited(made, chance)
        expected = [*follows(made, changed)]
        plan = world.plan(made)
        assert [{change.name for change in step.changes} for step in plan] == expected, number
        assert [step.runs for step in plan] == [bool(names) for names in expected], number
        run = world.run(made)
        assert {step.node for step in plan if not step.runs} == run.request.kept.keys(), number
        assert {step.node: step.reused_from for step in plan if not step.runs} == run.request.kept, number
        reused += len(run.request.kept)
    return reused


@pytest.mark.parametrize("first", range(0, SLICES * SLICE, SLICE))
def test_what_is_planned_is_what_happens_and_names_what_was_changed(world, first):
    assert try_pipelines(world, range(first, first + SLICE)) > SLICE / 2


def test_a_step_is_compared_with_the_latest_run_in_which_it_ran_not_with_one_that_failed_before_it(world):
    def a_step(*reads: int) -> Step:
        return Step([*reads], [], ["--fast"], "alpha", {"train.py": "print()"}, f"raw/{reads}", {}, "pandas==1.0")

    made = Made(1, [a_step(), a_step(0), a_step(1)])
    complete = world.run(made)
    made.steps[0].arguments = ["--slow"]
    failed = world.run(made, failing=made.key(0))
    assert [failed.state.step(place) for place in (1, 2)] == [StepStatus.SKIPPED] * 2

    made.steps[2].arguments = ["--deep"]
    plan = {step.node: step for step in world.plan(made)}
    compared = {key: step.compared_with for key, step in plan.items()}
    assert compared[made.key(1)] == f"{complete.run_id}.{made.key(1)}"
    assert compared[made.key(2)] == f"{complete.run_id}.{made.key(2)}"
    assert {change.name for change in plan[made.key(2)].changes} == {"argument 1", "input from_1"}


@pytest.mark.soak
def test_a_thousand_plans_are_what_happens(world):
    print(f"\n{SOAK:,} pipelines: {try_pipelines(world, range(SOAK)):,} steps were reused, and no plan was wrong")
