"""Safeguards taken away, to show that the loop finds that. Each is called in a life before anything else."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.sqlite import SqliteBus, SqliteRuns
from canalis.contract.ports import Run
from orchestrator.sweep import Sweeper
from steps import attempt, process, processes, warm

_LATE_S = 0.02


def exclusive_pid_file() -> None:
    """Who starts a script does not mind whether somebody else has done so, and nobody looks for that other one."""
    processes._SHELL_LINES = processes._SHELL_LINES.replace("set -C; ", "")
    _change_warm_parents("os.O_CREAT | os.O_EXCL", "os.O_CREAT")
    _let_nobody_wait()


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
    """A run is stored a moment after it was acknowledged. Whoever asks for it meanwhile has to wait, but its submitter."""
    create, load = SqliteRuns.create, SqliteRuns.load
    on_the_way, unread = dict[str, threading.Timer](), dict[str, Run]()

    def later(runs: SqliteRuns, run_id: str, request: Any, state: Any, sends: Any) -> bool:
        unread[run_id] = Run(run_id, request, state, 1, 0.0, None)
        timer = on_the_way[run_id] = threading.Timer(_LATE_S, create, (runs, run_id, request, state, sends))
        timer.start()
        return True

    def once_stored(runs: SqliteRuns, run_id: str) -> Run:
        if run_id in unread:
            return unread.pop(run_id)  # to be acknowledged
        if run_id in on_the_way:
            on_the_way[run_id].join()
        return load(runs, run_id)

    SqliteRuns.create = later  # type: ignore[method-assign, assignment]
    SqliteRuns.load = once_stored  # type: ignore[method-assign]


def finding_again() -> None:
    """A service that comes back does not know which processes the one before has started."""
    processes.Attached.find = classmethod(lambda cls, record: None)  # type: ignore[assignment, method-assign]


def forestalling() -> None:
    """A step counts as never begun while somebody who is to begin it may be under way."""
    process.forestall = lambda record: processes.Attached.find(record) is None  # type: ignore[attr-defined]
    _let_nobody_wait()


def _let_nobody_wait() -> None:
    for room in (attempt, warm):
        room.let_begin = lambda record, step_run: None  # type: ignore[attr-defined]


def _change_warm_parents(safeguard: str, without: str) -> None:
    """Have warm parents run a copy of their program without a safeguard: it is read anew by each of them."""
    folder = Path(tempfile.gettempdir()) / "canalis-kills-defect" / "steps"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("__init__.py", "warm_parent.py", "warm_child.py"):
        source = Path(warm.__file__).with_name(name)
        text = source.read_text()
        assert name != "warm_child.py" or safeguard in text, safeguard
        part = folder / f"{name}.{threading.get_native_id()}"
        part.write_text(text.replace(safeguard, without))
        shutil.move(part, folder / name)
    warm._PROGRAM = folder / "warm_parent.py"


DEFECTS: dict[str, Callable[[], None]] = {
    "recovery": recovery,
    "commit-before-acknowledgement": commit_before_acknowledgement,
    "finding-again": finding_again,
    "exclusive-pid-file": exclusive_pid_file,
    "forestalling": forestalling,
}
