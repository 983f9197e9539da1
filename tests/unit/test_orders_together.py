"""Orders that come together are carried out together, and none suffers for another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.files import FileBlobs, FileStores
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from benchmarks.engine import StubBackend, graph
from benchmarks.workloads import fan_out
from canalis.contract.errors import StoreUnavailable
from canalis.contract.messages import ORCHESTRATOR_QUEUE, StartStep, from_bytes
from canalis.contract.ports import AttemptKey, Ports
from canalis.contract.run import ComputeChoice
from canalis.contract.status import StepStatus
from local_engine import OWNER, Pump
from orchestrator.submit import Submission, submit
from steps import worker
from steps.backend import Ended, Work
from tests.outside import outside


class Picky(StubBackend):
    """Cannot start one of the steps."""

    def __init__(self, refused: str, error: Exception) -> None:
        self.refused, self.error = refused, error

    def start(self, work: Work) -> Ended:
        if work.node.key == self.refused:
            raise self.error
        return super().start(work)


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[Ports]:
    clock = SystemClock()
    database = Database(tmp_path / "canalis.db")
    bus = SqliteBus(database, clock)
    runs = SqliteRuns(database, bus, clock)
    blobs, stores = FileBlobs(tmp_path / "blobs"), FileStores(tmp_path / "stores")
    documents = SqliteDocuments(database)
    yield Ports(runs, documents, blobs, stores, bus, clock, **outside(documents))
    database.close()


def a_run(ports: Ports, *nodes: str) -> list[StartStep]:
    """Orders for steps of a run that wait for nothing."""
    asked = Submission(graph=graph([[] for _ in nodes]), experiment="together")
    run = submit(ports, asked, {"": ComputeChoice(backend="process")})
    return [StartStep(run_id=run.run_id, node=node, attempt=1) for node in nodes]


def told(ports: Ports) -> list[str]:
    return [from_bytes(taken.body).node for taken in ports.bus.take(ORCHESTRATOR_QUEUE, 100, 0.0)]


def test_what_is_ordered_twice_is_begun_once(ports):
    orders = a_run(ports, "s0", "s1")
    worker.start_all(ports, StubBackend(), OWNER, [*orders, orders[0]])
    assert told(ports) == ["s0", "s1"]


def test_a_failure_gives_back_what_has_not_been_told_so_that_anybody_may_go_on(ports):
    orders = a_run(ports, "s0", "s1", "s2")
    with pytest.raises(StoreUnavailable):
        worker.start_all(ports, Picky("s1", StoreUnavailable("the disk is away")), "one", orders)
    assert told(ports) == []

    worker.start_all(ports, StubBackend(), "another", orders)
    assert told(ports) == ["s0", "s1", "s2"]


def test_steps_that_another_worker_has_do_not_keep_the_others_waiting(ports):
    orders = a_run(ports, "s0", "s1", "s2")
    ports.runs.claim(AttemptKey(orders[1].run_id, "s1", 1), "another", 60.0)
    worker.start_all(ports, StubBackend(), OWNER, orders)
    assert told(ports) == ["s0", "s2"]


def test_a_step_that_cannot_be_started_does_not_hold_up_those_ordered_with_it(ports):
    pump = Pump(ports, ports.bus, Picky("s3", RuntimeError("this one never")))
    run = submit(
        ports, Submission(graph=graph(fan_out(8)), experiment="together"), {"": ComputeChoice(backend="process")}
    )
    pump.start()
    try:
        for _ in range(200):
            time.sleep(0.05)
            state = ports.runs.load(run.run_id).state
            if state.count(StepStatus.SUCCEEDED) == 8:
                break
        assert state.count(StepStatus.SUCCEEDED) == 8, "the first step and seven of the eight after it"
        assert state.count(StepStatus.STARTED) == 1
    finally:
        pump.close()
