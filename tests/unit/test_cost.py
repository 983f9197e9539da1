"""What a run costs in storage operations and messages, counted on the real engine with steps that end at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.counted import Meter, counted
from adapters.files import FileBlobs, FileStores
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from benchmarks.engine import StubBackend
from benchmarks.workloads import Edges, chain, fan_out
from canalis.contract.costs import SERVICE, CostView, cost_view
from canalis.contract.graph import CommandWork, Graph, Node, Settings
from canalis.contract.messages import ORCHESTRATOR_QUEUE, CancelRequested, from_bytes, steps_queue
from canalis.contract.ports import AttemptKey, Ports, Run
from canalis.contract.run import ComputeChoice
from canalis.contract.status import RunStatus
from local_engine import OWNER, TOGETHER_MAX
from orchestrator.advance import advance
from orchestrator.step_views import step_views
from orchestrator.submit import Submission, submit
from orchestrator.sweep import Sweeper
from orchestrator.views import run_view
from steps import worker
from tests.outside import outside

TABLE_OPERATIONS_MAX = 4  # of a step: its claim, the look at its run, and the load and the commit that end it
MESSAGES_MAX = 2  # of a step: its order, and the news of its end


class Engine:
    """Orchestrator, worker, bus and store, driven by hand: first the orders that are there, then the news."""

    def __init__(self, folder: Path) -> None:
        clock = SystemClock()
        self.database = Database(folder / "canalis.db")
        self.bus = SqliteBus(self.database, clock)
        self.plain = Ports(
            SqliteRuns(self.database, self.bus, clock),
            SqliteDocuments(self.database),
            FileBlobs(folder / "blobs"),
            FileStores(folder / "stores"),
            self.bus,
            clock,
            **outside(SqliteDocuments(self.database)),
        )
        self.meter = Meter(self.plain.documents)
        self.ports = counted(self.plain, self.meter, free=("deliver",))

    def submit(self, edges: Edges) -> Run:
        work = CommandWork(line=("true",))
        nodes = tuple(
            Node(
                key=f"s{number}",
                name=f"s{number}",
                work=work,
                after=tuple(f"s{earlier}" for earlier in before),
                settings=Settings(reuse=False),
            )
            for number, before in enumerate(edges)
        )
        asked = Submission(graph=Graph(nodes=nodes), experiment="cost")
        return submit(self.ports, asked, {"": ComputeChoice(backend="process")})

    def turn(self, run_id: str) -> None:
        """Everything that waits for a worker, as far as one take goes, and then the news of it."""
        orders = self.bus.take(steps_queue("process"), TOGETHER_MAX, 0.0)
        for order in orders:
            worker.work(self.ports, StubBackend(), OWNER, from_bytes(order.body))
        news = self.bus.take(ORCHESTRATOR_QUEUE, TOGETHER_MAX, 0.0)
        if news:
            advance(self.ports, run_id, [from_bytes(one.body) for one in news])
        self.bus.complete([*orders, *news])
        assert orders or news, "the run stands still"

    def cost(self, run_id: str) -> CostView:
        run = self.plain.runs.load(run_id)
        return cost_view(run_id, len(run.state.steps), self.meter.counts(run_id), run.state.status.is_terminal)

    def per_step(self, edges: Edges) -> tuple[float, float]:
        """Table operations and messages of a step; what a run costs once, at its two ends, is not a step's."""
        run = self.submit(edges)
        first = self.cost(run.run_id)
        while not self.plain.runs.load(run.run_id).state.status.is_terminal:
            self.turn(run.run_id)
        whole = self.cost(run.run_id)
        assert self.plain.runs.load(run.run_id).state.status is RunStatus.COMPLETED
        assert (first.table_operations, of_kind(whole, "cost")) == (2, 2)  # create and load; its cost, at the end
        return (whole.table_operations - 4) / len(edges), whole.messages / len(edges)


def of_kind(cost: CostView, kind: str) -> int:
    return sum(line.counted for line in cost.kinds if line.kind == kind)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path)
    yield engine
    engine.database.close()


def test_a_step_of_a_chain_costs_four_table_operations_and_two_messages(engine):
    operations, messages = engine.per_step(chain(50))
    assert operations <= TABLE_OPERATIONS_MAX
    assert messages <= MESSAGES_MAX


def test_steps_that_end_together_cost_less_than_those_of_a_chain(engine):
    operations, messages = engine.per_step(fan_out(200))
    assert operations < 0.6 * TABLE_OPERATIONS_MAX  # the claim and the look are each step's own
    assert messages <= MESSAGES_MAX * 1.02  # a commit that is full sends itself on


def test_a_step_costs_the_same_in_a_run_of_thousands(engine):
    for workload in (fan_out, chain):
        (few, few_sent), (many, many_sent) = engine.per_step(workload(200)), engine.per_step(workload(2_000))
        assert many == pytest.approx(few, rel=0.1), workload.__name__
        assert many_sent == pytest.approx(few_sent, rel=0.1), workload.__name__


@pytest.mark.soak
def test_a_step_costs_the_same_in_a_run_of_ten_thousand(engine):
    for workload in (fan_out, chain):
        (few, few_sent), (many, many_sent) = engine.per_step(workload(200)), engine.per_step(workload(10_000))
        assert many == pytest.approx(few, rel=0.1), workload.__name__
        assert many_sent == pytest.approx(few_sent, rel=0.1), workload.__name__


def test_the_counts_say_what_was_done_and_what_was_free(engine):
    run_id = engine.submit(chain(3)).run_id
    for _ in range(3):
        engine.turn(run_id)
    cost = engine.cost(run_id)
    found = {line.kind: (line.sort, line.calls, line.counted) for line in cost.kinds}
    assert found == {
        "create": ("table", 1, 1),
        "load": ("table", 7, 7),  # after the submission; and for each step by its worker and by the orchestrator
        "claim": ("table", 3, 3),
        "commit": ("table", 3, 3),
        "deliver": ("table", 4, 0),  # SQLite hands messages over within the commit
        "cost": ("table", 2, 2),
        "start_step": ("message", 3, 3),
        "step_ended": ("message", 3, 3),
    }
    assert (cost.table_operations, cost.blob_operations, cost.messages) == (16, 0, 6)
    assert cost.is_final


def test_watching_a_run_does_not_change_its_price(engine):
    run = engine.submit(chain(3))
    before = engine.cost(run.run_id)
    for _ in range(20):
        run_view(engine.plain, run)
        step_views(engine.plain, run)
    assert engine.cost(run.run_id) == before and before.table_operations > 0


def test_the_cost_of_a_run_is_kept_when_it_ends_and_outlives_the_service(engine, tmp_path):
    run_id = engine.submit(chain(2)).run_id
    engine.turn(run_id)
    halfway = engine.cost(run_id)
    engine.meter.keep_but(())  # what a door does when it closes
    engine.database.close()

    later = Engine(tmp_path)
    kept = later.cost(run_id)
    assert kept.table_operations == halfway.table_operations + 2  # and what keeping it cost
    assert kept.messages == halfway.messages
    later.turn(run_id)
    whole = later.cost(run_id)
    later.database.close()

    again = Engine(tmp_path)
    assert again.cost(run_id) == whole and whole.is_final
    assert again.meter.counts(run_id) == Meter(again.plain.documents).counts(run_id)
    assert whole.messages == 4
    again.database.close()


def test_operations_on_no_run_are_the_services(engine):
    run_id = engine.submit(chain(1)).run_id
    counts = engine.meter.counts(SERVICE)
    assert counts["table.put"] == (1, 1)  # the number of the experiment's next run
    assert counts["table.get"] == (2, 2)  # and whether something is being cleared away that the run needs
    assert counts["blob.put_if_absent"] == (1, 1)  # the graph, which other runs may share
    before = engine.cost(run_id)
    Sweeper(engine.ports, OWNER).sweep()
    assert engine.meter.counts(SERVICE)["table.open_runs"] == (1, 1)
    assert of_kind(engine.cost(run_id), "load") == of_kind(before, "load") + 1  # a sweep looks at each open run


def test_operations_on_files_and_leases_are_those_of_their_run(engine):
    run_id = engine.submit(chain(2)).run_id
    engine.ports.blobs.append(f"records/{run_id}/s0/metrics.jsonl", b"{}\n")
    (engine.plain.blobs.folder().parent / "stores" / "store").mkdir(parents=True)
    engine.ports.stores.open("store").put(f"azureml/{run_id}.s0/out", b"x")
    engine.ports.stores.open("store").put("azureml/mine/out", b"x")
    assert engine.cost(run_id).blob_operations == 2
    assert engine.meter.counts(SERVICE)["blob.put"] == (1, 1)
    assert engine.ports.blobs.folder() == engine.plain.blobs.folder()
    engine.ports.runs.renew(OWNER, [AttemptKey(run_id, "s0", 1), AttemptKey(run_id, "s1", 1)], 60.0)
    assert of_kind(engine.cost(run_id), "renew") == 2


def test_a_commit_that_lost_is_paid_for_and_has_sent_nothing(engine):
    from canalis.contract.errors import Conflict
    from canalis.contract.messages import GoOn, Send

    run = engine.submit(chain(2))
    before = engine.cost(run.run_id)
    advance(engine.plain, run.run_id, [CancelRequested(run_id=run.run_id)])
    go_on = [Send(queue=ORCHESTRATOR_QUEUE, message=GoOn(run_id=run.run_id))]
    with pytest.raises(Conflict):
        engine.ports.runs.commit(run, run.state, go_on)
    after = engine.cost(run.run_id)
    assert of_kind(after, "commit") == 1 and after.messages == before.messages


def test_what_cannot_be_kept_now_is_kept_later(engine, monkeypatch):
    from canalis.contract.errors import StoreFull

    def full(*args: object, **named: object) -> None:
        raise StoreFull("no room")

    run_id = engine.submit(chain(1)).run_id
    with monkeypatch.context() as patched:
        patched.setattr(engine.plain.documents, "put", full)
        engine.turn(run_id)  # the run ends all the same
    assert engine.cost(run_id).is_final
    whole = engine.cost(run_id)
    assert (whole.messages, of_kind(whole, "cost")) == (2, 0)
    assert Meter(engine.plain.documents).counts(run_id) == {}
    engine.meter.keep_but(())
    assert Meter(engine.plain.documents).counts(run_id) == engine.meter.counts(run_id) != {}
    assert engine.cost(run_id).messages == 2
