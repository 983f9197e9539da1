"""What the service does between its start and its death: the engine of the real service, and somebody who submits."""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

from adapters.sqlite import SqliteRuns
from canalis.contract.errors import NotFound
from canalis.contract.layout import content_key, snapshot_key
from canalis.contract.messages import CancelRequested
from local_engine import Engine
from orchestrator.advance import advance
from orchestrator.submit import Submission, submit
from orchestrator.sweep import SWEEP_S
from steps import processes
from steps.attempt import Attempt
from steps.processes import Launched
from steps.report import PortsDesk
from steps.surroundings import Site
from tests.kills.errands import COMPUTES, SCRIPT, SNAPSHOT, errand

OPEN_MAX = 8  # runs under way at once
CALM_S = 90.0  # within which a service that nobody disturbs must have ended everything
STUCK = 4  # exit code of a life that could not

# A third of the shells are slow to begin, as on a busy machine: so services die before they have said that they are there.
_SLOW = "case $$ in *[0-2]) sleep 0.1;; esac"

MOMENTS = (
    "opening",
    "recovering",
    "submitting",
    "cancelling",
    "creating",
    "claiming",
    "staging",
    "launching",
    "running",
    "keeping",
    "reporting",
    "committing",
    "clearing",
)


class Moments:
    """How many threads are at which moment just now, in memory that outlives the process."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 4 * len(MOMENTS))
        self._lock = threading.Lock()

    def begin(self) -> None:
        """A new life."""
        self._shared[:] = bytes(len(self._shared))

    def now(self) -> list[str]:
        """The moments somebody is at."""
        counts = struct.unpack(f"{len(MOMENTS)}i", self._shared[:])
        return [moment for moment, count in zip(MOMENTS, counts, strict=True) if count > 0]

    @contextmanager
    def at(self, moment: str) -> Iterator[None]:
        """Somebody is at it."""
        self._add(moment, 1)
        try:
            yield
        finally:
            self._add(moment, -1)

    def watch(self, owner: type, name: str, moment: str) -> None:
        """Whoever is in that method is at that moment."""
        whole: Callable[..., Any] = getattr(owner, name)

        @wraps(whole)
        def watched(*values: Any, **named: Any) -> Any:
            with self.at(moment):
                return whole(*values, **named)

        setattr(owner, name, watched)

    def _add(self, moment: str, count: int) -> None:
        place = 4 * MOMENTS.index(moment)
        with self._lock:
            (known,) = struct.unpack_from("i", self._shared, place)
            struct.pack_into("i", self._shared, place, known + count)


@dataclass
class Known:
    """What somebody outside knows of a workspace: what was acknowledged.

    submitted    numbers of errands from 0 on
    called_off   numbers of those whose cancel was acknowledged
    """

    submitted: int = 0
    called_off: set[int] = field(default_factory=set)


def live(root: Path, seed: int, known: Known, moments: Moments, say: Callable[[str], None], is_calm: bool) -> int:
    """Serve until killed; a calm life until everything has ended. Returns the exit code."""
    logging.basicConfig(filename=root / "log", level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    for owner, name, moment in (
        (SqliteRuns, "create", "creating"),
        (SqliteRuns, "claim", "claiming"),
        (SqliteRuns, "commit", "committing"),
        (Attempt, "prepare", "staging"),
        (Attempt, "run", "running"),
        (Attempt, "keep", "keeping"),
        (Attempt, "clear", "clearing"),
        (Launched, "__init__", "launching"),
        (PortsDesk, "report", "reporting"),
    ):
        moments.watch(owner, name, moment)
    processes._SHELL_LINES = _SLOW + processes._SHELL_LINES
    _note_ends(root)
    with moments.at("opening"):
        engine = Engine(root, _site(root))
    _keep_script(engine)
    with moments.at("recovering"):
        engine.start()
    caller = _Caller(engine, root, seed, known, moments, say)
    return _calm_down(engine, caller) if is_calm else _work_on(engine, caller)


def _keep_script(engine: Engine) -> None:
    """Half of the steps are a script, which a warm parent forks; the others it spawns, or a shell begins."""
    blobs, name = engine.ports.blobs, hashlib.sha256(SCRIPT.encode()).hexdigest()
    blobs.put(content_key(name), SCRIPT.encode())
    blobs.put(snapshot_key(SNAPSHOT), json.dumps({"files": {"line.py": {"sha256": name}}}).encode())


class _Caller:
    """Somebody who submits and cancels, and says so once it was acknowledged."""

    def __init__(
        self, engine: Engine, root: Path, seed: int, known: Known, moments: Moments, say: Callable[[str], None]
    ) -> None:
        self._engine, self._root, self._seed = engine, root, seed
        self._known, self._moments, self._say = known, moments, say
        self._choose = random.Random()

    def submits(self) -> None:
        number = self._known.submitted
        asked = errand(self._seed, number, self._root)
        with self._moments.at("submitting"):
            submit(
                self._engine.ports,
                Submission(
                    graph=asked.graph,
                    experiment="kills",
                    run_id=asked.run_id,
                    continue_on_step_failure=asked.continues,
                ),
                COMPUTES,
            )
        self._known.submitted = number + 1
        self._say(f"submitted {number}\n")

    def calls_off(self, chance: float) -> None:
        for number in range(self._known.submitted):
            if number in self._known.called_off or self._choose.random() > chance:
                continue
            asked = errand(self._seed, number, self._root)
            if asked.is_called_off:
                # One that was acknowledged and is not there is for the oracle to tell, not a reason to end.
                with self._moments.at("cancelling"), suppress(NotFound):
                    advance(self._engine.ports, asked.run_id, [CancelRequested(run_id=asked.run_id)])
                self._say(f"called-off {number}\n")
            self._known.called_off.add(number)


def _work_on(engine: Engine, caller: _Caller) -> int:
    while True:
        if len(engine.ports.runs.open_runs()) < OPEN_MAX:
            caller.submits()
        caller.calls_off(chance=0.05)
        time.sleep(random.uniform(0.0, 0.02))


def _calm_down(engine: Engine, caller: _Caller) -> int:
    caller.calls_off(chance=1.0)
    began = ticked = time.monotonic()
    while not engine.is_idle():
        time.sleep(0.02)
        if time.monotonic() - ticked > SWEEP_S:
            ticked = time.monotonic()
            engine.tick()
        if time.monotonic() - began > CALM_S:
            return STUCK
    time.sleep(0.1)  # what ended last is still being cleared
    engine.tick()
    time.sleep(0.1)
    engine.close()
    return 0


def _note_ends(root: Path) -> None:
    """The end of a run goes into the ledger as well: what begins after it began too late."""
    commit = SqliteRuns.commit
    ledger = os.open(root / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    @wraps(commit)
    def noted(*values: Any, **named: Any) -> Any:
        run = commit(*values, **named)
        if run.state.status.is_terminal:
            os.write(ledger, f"over {run.run_id}\n".encode())
        return run

    SqliteRuns.commit = noted  # type: ignore[method-assign]


def _site(root: Path) -> Site:
    return Site("kills", "s", "r", "l", "http://127.0.0.1:9", lambda step_run: "none", root / "blobs", (), root)
