"""Forks lives of the service, kills them and what they have started, and keeps what was acknowledged."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from steps.processes import MARK
from tests.kills import oracle
from tests.kills.life import STUCK, Known, Moments, live

KILLS_PER_WORKSPACE = 250  # then a calm life, the checks, and a new workspace
_AIMS = {name: name for name in ("script", "shell")} | {"parent": "warm parent", "both": "service and script"}
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Tally:
    """What was done, and what was found wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    begun: int = 0
    calm_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """All of it in one line."""
        lost = sum(one.startswith("lost") for one in self.wrong)
        doubled = sum(one.startswith("doubled") for one in self.wrong)
        kills = ", ".join(f"{count} of {what}" for what, count in sorted(self.kills.items()))
        ends = ", ".join(f"{count} {status}" for status, count in sorted(self.runs.items()))
        return (
            f"{self.kills.total()} kills ({kills}); {self.runs.total()} runs acknowledged ({ends}), "
            f"{self.begun} scripts begun; {lost} lost, {doubled} doubled, {len(self.wrong) - lost - doubled} otherwise "
            f"wrong; longest recovery {self.calm_s:.1f} s"
        )


class Loop:
    """Kills until enough were killed.

    sabotage   called in each life before anything else, to take a safeguard away
    """

    def __init__(self, folder: Path, seed: int, sabotage: Callable[[], None] | None = None) -> None:
        self._folder = folder
        self._seed = seed
        self._choose = random.Random(seed)
        self._sabotage = sabotage
        self._moments = Moments()
        self.tally = Tally()
        _adopt_orphans()

    def kill(self, kills: int) -> Tally:
        """Workspace after workspace, until so many were killed or something is wrong."""
        place = 0
        while self.tally.kills.total() < kills and not self.tally.wrong:
            root = self._folder / f"workspace-{place}"
            (root / "blobs").mkdir(parents=True)
            self._one_workspace(root, min(kills, self.tally.kills.total() + KILLS_PER_WORKSPACE), place)
            if not self.tally.wrong:
                shutil.rmtree(root)
            place += 1
        return self.tally

    def _one_workspace(self, root: Path, until: int, place: int) -> None:
        known, hurt = Known(), set[str]()
        seed = self._seed * 1000 + place
        while self.tally.kills.total() < until:
            self._one_life(root, seed, known, hurt)
        began = time.monotonic()
        life, news = self._fork(root, seed, known, is_calm=True)
        code = _exit_code(life)
        self.tally.calm_s = max(self.tally.calm_s, time.monotonic() - began)
        _learn(news, known)
        if code == STUCK:
            self.tally.wrong.append("lost: a service that nobody disturbed did not bring everything to an end")
        elif code:
            self.tally.wrong.append(f"a calm life ended with {code}: see {root}/log")
        _reap()
        self.tally.wrong += oracle.what_is_wrong(root, seed, known, hurt, self.tally)

    def _one_life(self, root: Path, seed: int, known: Known, hurt: set[str]) -> None:
        life, news = self._fork(root, seed, known, is_calm=False)
        is_alive = True
        while is_alive:
            time.sleep(self._choose.uniform(0.005, 0.15))
            aim = self._choose.choices(["service", "script", "shell", "parent", "both"], [70, 8, 6, 8, 8])[0]
            victims = [one for one in _processes(root) if one.kind == {"both": "script"}.get(aim, aim)]
            if victims:
                victim = self._choose.choice(victims)
                hurt |= _begun_by(root, victim.process) if aim == "parent" else {victim.step_run}
                _kill(victim.process)
                self.tally.kills[_AIMS[aim]] += 1
            if aim in ("service", "both"):
                ended, status = os.waitpid(life, os.WNOHANG)
                if ended:
                    self.tally.wrong.append(f"a life ended by itself with {status}: see {root}/log")
                    is_alive = False
                    break
                _kill(life)
                os.waitpid(life, 0)
                is_alive = False
                self.tally.kills["service"] += aim == "service"
                self.tally.moments.update(self._moments.now() or ["between"])
        _learn(news, known)
        _reap()

    def _fork(self, root: Path, seed: int, known: Known, is_calm: bool) -> tuple[int, int]:
        reads, writes = os.pipe()
        self._moments.begin()
        life = os.fork()
        if life:
            os.close(writes)
            return life, reads
        code = 70
        try:
            os.close(reads)
            if self._sabotage:
                self._sabotage()
            code = live(root, seed, known, self._moments, lambda text: _say(writes, text), is_calm)
        except BaseException as error:
            with (root / "log").open("a") as log:
                log.write(f"ERROR life {error!r}\n")
        finally:
            os._exit(code)


def _say(writes: int, text: str) -> None:
    os.write(writes, text.encode())


def _learn(news: int, known: Known) -> None:
    """What a life has acknowledged until it was killed."""
    with os.fdopen(news, "rb") as file:
        for line in file.read().decode().splitlines():
            what, number = line.split()
            if what == "submitted":
                known.submitted = int(number) + 1
            else:
                known.called_off.add(int(number))


@dataclass(frozen=True)
class _Process:
    """What a service has started. `kind` is one of "script", "shell", "parent"; a parent belongs to no step run."""

    kind: str
    step_run: str
    process: int


def _processes(root: Path) -> Iterator[_Process]:
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words, variables = (path / "cmdline").read_bytes().split(b"\0"), (path / "environ").read_bytes()
        except OSError:
            continue
        of_root = f"{root}/".encode()
        mark = variables.partition(f"{MARK}=".encode())[2].partition(b"\0")[0].decode("utf-8", "replace")
        if mark.startswith("-"):
            if any(word.startswith(of_root + b"warm/") for word in words):
                yield _Process("parent", "", int(path.name))
        elif mark and of_root in variables:
            yield _Process("shell" if b"canalis-step" in words[3:4] else "script", mark, int(path.name))


def _begun_by(root: Path, parent: int) -> set[str]:
    """The attempts that a warm parent has begun or claimed, and that are not over. It is stopped, so there are no more."""
    _kill(parent, signal.SIGSTOP)
    try:
        begun = {"by", *Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}
    except OSError:
        return set()
    found = set()
    for path in root.glob("blobs/records/*/*/pid"):
        words = path.read_text().split()
        if words[:1] and words[0] in begun:
            found.add(f"{path.parent.parent.name}.{path.parent.name}")
    return found


def _kill(process: int, number: signal.Signals = signal.SIGKILL) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def _exit_code(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _adopt_orphans() -> None:
    """Steps whose service was killed become children of this process, which reaps them; not every init does."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
