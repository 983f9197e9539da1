"""Safeguards taken away, to show that the loop finds that. Each is called in a life before anything else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from adapters.sqlite import SqliteBus, SqliteRuns
from canalis.contract.ports import Run
from orchestrator.sweep import Sweeper
from steps import attempt, process, processes


def exclusive_pid_file() -> None:
    """The shell starts the script whether or not another shell has done so, and nobody looks for that other one."""
    processes._SHELL_LINES = processes._SHELL_LINES.replace("set -C; ", "")
    attempt.let_begin = lambda record, step_run: None  # type: ignore[attr-defined]


def recovery() -> None:
    """A service that comes back does not look for what the one before has left, and forgets messages it had taken."""
    Sweeper.sweep = lambda *values, **named: 0  # type: ignore[assignment, method-assign]
    take = SqliteBus.take

    def taken(bus: SqliteBus, queue: str, count: int, wait_s: float) -> Any:
        found = take(bus, queue, count, wait_s)
        bus.complete(found)
        bus.count(queue)  # deletes them
        return found

    SqliteBus.take = taken  # type: ignore[method-assign]


def commit_before_acknowledgement() -> None:
    """A run is stored a moment after it was acknowledged."""
    create, load, kept = SqliteRuns.create, SqliteRuns.load, dict[str, Any]()

    def later(runs: SqliteRuns, run_id: str, request: Any, state: Any, sends: Any) -> bool:
        kept[run_id] = Run(run_id, request, state, 1, 0.0, None)
        threading.Timer(0.02, create, (runs, run_id, request, state, sends)).start()
        return True

    def of_memory(runs: SqliteRuns, run_id: str) -> Any:
        return kept.pop(run_id) if run_id in kept else load(runs, run_id)

    SqliteRuns.create = later  # type: ignore[method-assign]
    SqliteRuns.load = of_memory  # type: ignore[method-assign]


def finding_again() -> None:
    """A service that comes back does not know which processes the one before has started."""
    processes.Attached.find = classmethod(lambda cls, record: None)  # type: ignore[assignment, method-assign]


def forestalling() -> None:
    """A step counts as never begun while a shell that is to begin it may be under way."""
    process.forestall = lambda record: processes.Attached.find(record) is None  # type: ignore[attr-defined]
    attempt.let_begin = lambda record, step_run: None  # type: ignore[attr-defined]


DEFECTS: dict[str, Callable[[], None]] = {
    "recovery": recovery,
    "commit-before-acknowledgement": commit_before_acknowledgement,
    "finding-again": finding_again,
    "exclusive-pid-file": exclusive_pid_file,
    "forestalling": forestalling,
}
