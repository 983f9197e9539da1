"""Steps as processes on this machine, with the engine of the real service: how they count, and that none is left."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.sqlite import Database
from canalis.contract.errors import StoreUnavailable
from canalis.contract.graph import CommandWork, Graph, Node, Settings
from canalis.contract.messages import ORCHESTRATOR_QUEUE, CancelRequested
from canalis.contract.ports import Attempt, AttemptKey
from canalis.contract.run import ComputeChoice
from canalis.contract.status import Outcome, RunStatus
from local_engine import Engine
from orchestrator.advance import advance
from orchestrator.submit import Submission, submit
from steps.backend import Ended, Work
from steps.notes import PUT_OFF_S, PutOffNotes
from steps.process import ProcessBackend
from steps.processes import Control
from steps.surroundings import Site
from tests.scenes.conftest import until

GRACEFUL = "trap 'kill $!; echo asked to end; exit 0' TERM; echo begun; sleep 600 & wait"
COMPUTES = {"": ComputeChoice(backend="process", slots=8)}


class Steps:
    """Runs command lines as steps of a real engine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "blobs").mkdir(parents=True)
        self.engine = Engine(
            root, Site("w", "s", "r", "l", "http://127.0.0.1:9", lambda step_run: "none", root / "blobs", (), root)
        )

    def submits(self, *lines: str, timeout_s: float | None = None, is_chain: bool = False) -> str:
        nodes = tuple(
            Node(
                key=f"s{place}",
                name=f"s{place}",
                work=CommandWork(line=(line,)),
                after=(f"s{place - 1}",) if is_chain and place else (),
                settings=Settings(timeout_s=timeout_s),
            )
            for place, line in enumerate(lines)
        )
        return submit(self.engine.ports, Submission(graph=Graph(nodes=nodes), experiment="e"), COMPUTES).run_id

    def ends(self, run_id: str) -> RunStatus:
        until(lambda: self.engine.ports.runs.load(run_id).state.status.is_terminal)
        until(self.engine.is_idle)
        return self.engine.ports.runs.load(run_id).state.status

    def runs(self, *lines: str, is_chain: bool = False) -> RunStatus:
        return self.ends(self.submits(*lines, is_chain=is_chain))

    def outcome(self, run_id: str) -> tuple[object, object]:
        (attempt,) = self.engine.ports.runs.attempts(run_id)
        return attempt.facts["outcome"], attempt.facts["exit_code"]

    def printed(self, run_id: str) -> str:
        return "".join(path.read_text() for path in self.root.glob(f"blobs/artifacts/{run_id}/**/std_log.txt"))


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    made = Steps(tmp_path / "w")
    made.engine.start()
    yield made
    made.engine.close()


def test_a_step_whose_time_ran_out_has_timed_out_even_when_its_script_then_ends_well(steps):
    run_id = steps.submits(GRACEFUL, timeout_s=0.5)
    assert steps.ends(run_id) is RunStatus.FAILED
    assert steps.outcome(run_id) == ("timed_out", 0)


def test_a_step_that_was_cancelled_is_cancelled_even_when_its_script_then_ends_well(steps):
    run_id = steps.submits(GRACEFUL)
    until(lambda: "begun" in steps.printed(run_id))
    advance(steps.engine.ports, run_id, [CancelRequested(run_id=run_id)])
    assert steps.ends(run_id) is RunStatus.CANCELLED
    assert steps.outcome(run_id) == ("cancelled", 0)


def test_a_stop_that_comes_after_the_end_changes_nothing():
    control = Control()
    control.over()
    control.stop(Outcome.CANCELLED)
    assert control.reason is None


def test_a_service_has_no_more_open_files_and_threads_after_a_hundred_steps_than_after_fifty(steps):
    def held() -> tuple[int, int]:
        time.sleep(2 * PUT_OFF_S)
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    long_enough_for_notes = "sleep 0.3"
    assert steps.runs(*[long_enough_for_notes] * 50) is RunStatus.COMPLETED
    files, threads = held()
    assert steps.runs(*[long_enough_for_notes] * 50) is RunStatus.COMPLETED
    files_after, threads_after = held()
    assert files_after <= files + 12, "four readers may be kept, of two files each, and a warm parent may have come"
    assert threads_after <= threads + 8, "as many as wait for steps at once"


def test_an_end_is_told_again_whatever_goes_wrong_while_it_is_told(steps, monkeypatch):
    desk, refused = steps.engine.backend._desk, [RuntimeError("no memory"), OSError(24, "Too many open files")]
    report = desk.report

    def unlucky(work: Work, ended: Ended) -> None:
        if refused:
            raise refused.pop()
        report(work, ended)

    monkeypatch.setattr(desk, "report", unlucky)
    assert steps.runs("true") is RunStatus.COMPLETED
    assert not refused


def test_a_step_ends_though_it_cannot_be_cleared_up(steps, monkeypatch):
    monkeypatch.setattr("steps.attempt.clear", lambda *values: 1 / 0)
    run_id = steps.submits("true")
    until(lambda: not steps.engine.backend.held() and steps.engine.ports.runs.load(run_id).state.status.is_terminal)
    monkeypatch.undo()
    assert steps.runs("true", "true", "true") is RunStatus.COMPLETED, "no slot is lost"


def test_an_order_that_could_not_be_carried_out_is_carried_out_when_it_comes_again(steps, monkeypatch):
    has_begun, faults = ProcessBackend.has_begun, [OSError(24, "Too many open files")]

    def unlucky(backend: ProcessBackend, key: AttemptKey) -> bool:
        if faults:
            raise faults.pop()
        return has_begun(backend, key)

    monkeypatch.setattr(ProcessBackend, "has_begun", unlucky)
    assert steps.runs("true") is RunStatus.COMPLETED
    assert not faults


def test_a_store_that_another_program_holds_is_a_reason_to_wait_and_not_a_fault_of_ours(tmp_path, monkeypatch):
    path = tmp_path / "canalis.db"
    database = Database(path)
    database._writer.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="is held by another program"), database.write() as connection:
        connection.execute("DELETE FROM messages")
    other.close()
    with database.write() as connection:
        connection.execute("DELETE FROM messages")
    database.close()


def test_a_note_that_cannot_be_written_does_not_keep_the_next_ones():
    written: list[str] = []

    class Desk:
        def note(self, work: Work, facts: dict[str, object]) -> None:
            if "bad" in facts:
                raise RuntimeError("no")
            written.append(work.key.node)

    notes = PutOffNotes(Desk())  # type: ignore[arg-type]
    for node, fact in (("a", "bad"), ("b", "good")):
        work = Work(
            Attempt(AttemptKey("r", node, 1)),
            Node(key=node, name=node, work=CommandWork(line=("true",))),
            None,
            None,
            {},
            {},  # type: ignore[arg-type]
        )
        notes.note(work, {fact: 1})
    until(lambda: written == ["b"])
    notes.close()


def test_ends_that_come_together_are_all_carried_into_their_run(steps):
    assert steps.runs(*["true"] * 60) is RunStatus.COMPLETED
    assert steps.engine.bus.count(ORCHESTRATOR_QUEUE) == 0
