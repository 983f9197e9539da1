"""One attempt as a process on this machine: put in place, launched, waited for, its results kept."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from canalis.contract.errors import CanalisError
from canalis.contract.graph import PythonWork
from canalis.contract.layout import (
    ENVIRONMENT_LOG,
    KEPT_FOLDERS,
    METRICS,
    SECRETS_READ,
    STEP_LOG,
    UNWRITTEN,
    artifacts,
    records,
)
from canalis.contract.masking import Mask
from canalis.contract.places import NOTHING
from canalis.contract.ports import Ports
from canalis.contract.status import Outcome, Phase
from canalis.contract.times import CAPACITY, DATA_IN, DATA_OUT, ENVIRONMENT, FINISHING, USER_CODE, Mark
from steps.arguments import Values, command_line, variables
from steps.backend import Ended, Work
from steps.environments import Environments
from steps.hiding import blank, hide_in_lines
from steps.last_words import full_disk, hint, last_words
from steps.notes import PutOffNotes
from steps.order import Order
from steps.processes import MARK, Attached, Control, Launched, kill_marked, let_begin
from steps.registering import register_outputs
from steps.stage import (
    Spares,
    StagingFailed,
    clear,
    keep_uploads,
    left,
    local_path,
    make_folder,
    put_tree,
    stage,
)
from steps.surroundings import Site, context, environment
from steps.uv import Asker, Stopped
from steps.warm import Forked, Parents

Process = Launched | Forked | Attached
Patiently = Callable[[Callable[[], "_Kept"]], "_Kept"]

_NAMED_MAX = 20
_NAMED_SIGNALS = {
    128 + number: number.name
    for number in (
        signal.SIGKILL,
        signal.SIGTERM,
        signal.SIGSEGV,
        signal.SIGABRT,
        signal.SIGINT,
        signal.SIGBUS,
        signal.SIGILL,
    )
}


class Attempt:
    """One attempt, from wherever an earlier service left it: `prepare`, `run`, `keep`, `clear`, in this order.

    folder   its own working folder; gone after `clear`
    The first two raise CanalisError or OSError for what has gone wrong; `as_ended` puts that into words.
    """

    def __init__(
        self,
        ports: Ports,
        site: Site,
        environments: Environments,
        parents: Parents,
        spares: Spares,
        work: Work,
        folder: Path,
    ) -> None:
        self._ports = ports
        self._environments = environments
        self._parents = parents
        self._spares = spares
        self._site = site
        self._work = work
        self._folder = folder
        self._record = site.kept / records(work.step_run_id)
        self._log = site.kept / (artifacts(work.step_run_id) + STEP_LOG)
        self._environment_log = site.kept / (artifacts(work.step_run_id) + ENVIRONMENT_LOG)
        self._launch: Callable[[], Process | None] | None = None
        self._started_at: float | None = None
        self.marks: list[Mark] = []  # which segment of its time began when

    def prepare(self, control: Control, notes: PutOffNotes) -> None:
        """Put everything in place, so that only the process is missing. Safe to call again when it was refused.

        What was stopped while its environment was built has nothing to launch.
        """
        self.marks = []
        self._mask()  # nothing is begun that could print secrets which cannot be masked
        make_folder(self._log.parent)
        if self._folder.exists() and not self.has_begun:
            let_begin(self._record, str(self._work.step_run_id))
        if self.has_begun:  # by an earlier service, which may have left its marks
            self.marks = [(segment, at) for segment, at in self._work.attempt.facts.get("marks", ())]
            return
        try:
            interpreter = self._interpreter(control, notes)
        except Stopped:
            return
        self._mark(DATA_IN)
        notes.note(self._work, {"phase": Phase.PREPARING.value, "marks": list(self.marks)})
        self._launch = self._put_in_place(interpreter)
        self._mark(CAPACITY)
        if not notes.forget(self._work):  # it took long enough to be seen, so its end must be seen too
            notes.note(self._work, {"phase": Phase.QUEUED.value, "marks": list(self.marks)})

    @property
    def has_begun(self) -> bool:
        """Whether a process was started for it, by this or an earlier service."""
        return Attached.find(self._record) is not None

    def run(self, control: Control, notes: PutOffNotes) -> Ended:
        """Launch the process, or find it again, and wait until it is over."""
        process = self._launch() if self._launch else Attached.find(self._record)
        if process is None:
            kill_marked({str(self._work.step_run_id)})
            return _judge(self._work, control, None, self._log, time.time(), self._mask())
        self._started_at = process.started_at
        self._mark(USER_CODE, self._started_at)
        self._spares.make()  # for another attempt, while this one does its work
        running = {"phase": Phase.RUNNING.value, "started_at": self._started_at, "marks": list(self.marks)}
        notes.note(self._work, running)
        code = _wait(process, control, self._work.node.settings.timeout_s, self._record / "timed_out")
        if code is None or isinstance(process, Attached):
            # What it started must not go on beside a retry or after its run: its shell is gone, or ended while no
            # service was there to end the rest of its group.
            kill_marked({str(self._work.step_run_id)})
        self._mark(DATA_OUT)
        return _judge(self._work, control, code, self._log, self._started_at, self._mask())

    def keep(self, ended: Ended, patiently: Patiently) -> Ended:
        """Keep what the script left; how the attempt ended, all in all.

        patiently   does what needs room, and waits for it
        """
        keep = partial(_keep, self._ports, self._work, self._folder, ended)
        try:
            if self._started_at is not None:
                # What a script that failed has left may be what fills the disk.
                kept = patiently(keep) if ended.outcome is Outcome.SUCCEEDED else keep()
                _say_left_out(self._log, kept.left_out)
                _say_empty(self._log, self._work, kept.left)
                ended = replace(ended, left=kept.left)
        except (CanalisError, OSError) as error:
            ended = self.as_ended(error)
        self._mark(FINISHING)
        return replace(ended, error=self._mask().hidden(ended.error), marks=tuple(self.marks))

    def hide(self) -> None:
        """Hide secrets in what lies here for people. Where it is copied elsewhere that is done on the way."""
        with contextlib.suppress(FileNotFoundError):
            blank(self._log, self._mask())
        hide_in_lines(self._record / METRICS, self._mask())

    def clear(self, ended: Ended) -> None:
        """Clear up, and say in the log why there is no more of it."""
        # In this order: on a full disk the one makes the room for the other.
        clear(self._work, self._folder)
        _say(self._log, ended)

    def as_ended(self, error: CanalisError | OSError) -> Ended:
        """The end of an attempt that could not be prepared, run or finished."""
        if isinstance(error, CanalisError):
            return Ended(Outcome.FAILED, None, error.code, error.message, self._started_at)
        message = f"{error.strerror}: {error.filename}"
        return Ended(Outcome.FAILED, None, StagingFailed.code, message, self._started_at)

    def _mark(self, segment: str, at: float | None = None) -> None:
        """That segment of its time begins: now, when no time is given."""
        self.marks.append((segment, round(time.time() if at is None else at, 3)))

    def _mask(self) -> Mask:
        """What hides the secrets of the workspace, also those that the script was given last."""
        return self._ports.vault.mask(fresh=(self._record / SECRETS_READ).exists())

    def _interpreter(self, control: Control, notes: PutOffNotes) -> str:
        """The one that the step runs in; its environment is built when it is the first to want it."""
        base = self._environments.author_interpreter(self._work)
        if not os.access(base, os.X_OK):
            raise StagingFailed(f"The interpreter {base}, in which this run was submitted, is not there any more")
        asked = self._environments.asked(self._work)
        if asked is None:
            return base
        self._mark(ENVIRONMENT)
        notes.note(self._work, {"phase": Phase.PREPARING.value, "marks": list(self.marks)})
        mark = {MARK: str(self._work.step_run_id)}
        asker = Asker(self._environment_log, lambda: control.is_stopped, mark, self._mask().hidden)
        return self._environments.interpreter(asked, base, asker)

    def _put_in_place(self, interpreter: str) -> Callable[[], Process | None]:
        work, node = self._work, self._work.node
        clear(work, self._folder)  # what an earlier service left half in place
        staged = stage(self._ports, work, self._spares, self._folder)
        if isinstance(node.work, PythonWork) and not (staged.source / node.work.script).is_file():
            raise StagingFailed(f"Script '{node.work.script}' is not in the snapshot of step '{node.name}'")
        values = Values(staged.inputs, staged.outputs, work.request.parameters)
        line, extra = command_line(node, interpreter, values)
        context_file = self._record / "context.json"
        surroundings = environment(self._site, work, staged, context_file, interpreter)
        program = str(staged.source / line[0]) if "/" in line[0] else line[0]
        if shutil.which(program, path=surroundings["PATH"]) is None:
            raise StagingFailed(f"There is no program '{line[0]}' on this machine, which step '{node.name}' runs")
        make_folder(self._record)
        context_file.write_text(json.dumps(context(self._site, work, staged)))
        surroundings |= variables(node, values) | extra
        order = Order(
            line,
            staged.source,
            surroundings,
            self._record,
            self._log,
            interpreter=interpreter if isinstance(node.work, PythonWork) and line[1].endswith(".py") else None,
            name="/".join((node.name, *line[1:2])),
            own=frozenset((*staged.inputs, *staged.outputs)),
        )
        return partial(self._parents.launch, order)


def _wait(process: Process, control: Control, timeout_s: float | None, told: Path) -> int | None:
    """The exit code. `told` is made when time has run out: a service that dies then has told the one after it."""
    alarm = None
    if not isinstance(process, Attached) or process.is_alive():
        control.launched(process.group)
        if timeout_s is not None:
            alarm = threading.Timer(max(0.0, timeout_s - process.age_s()), _end_in_time, (control, told))
            alarm.daemon = True
            alarm.start()
    try:
        return process.wait()
    finally:
        control.over()
        if alarm is not None:
            alarm.cancel()
        if told.exists():
            control.reason = control.reason or Outcome.TIMED_OUT


def _end_in_time(control: Control, told: Path) -> None:
    with contextlib.suppress(OSError):
        told.touch()
    control.stop(Outcome.TIMED_OUT)


def _judge(work: Work, control: Control, code: int | None, log: Path, started_at: float, mask: Mask) -> Ended:
    """How an attempt ended, from its exit code and from what was asked of it.

    Who was asked to end before it did has not succeeded, whatever its exit code: many scripts end well on SIGTERM.
    """
    now = max(started_at, time.time())  # somebody may have set the clock back
    name = work.node.name
    if control.reason is Outcome.CANCELLED:
        return Ended(Outcome.CANCELLED, code, "cancelled", f"{name} was cancelled", started_at, now)
    if control.reason is Outcome.TIMED_OUT:
        limit = work.node.settings.timeout_s
        reason = f"{name} worked longer than its limit of {limit:g} s and was ended"
        return Ended(Outcome.TIMED_OUT, code, "timed_out", reason, started_at, now)
    if code == 0:
        return Ended(Outcome.SUCCEEDED, 0, started_at=started_at, ended_at=now)
    if code is None:
        return Ended(Outcome.LOST, None, "lost", f"{name} went away with its machine", started_at, now)
    signal_name = _NAMED_SIGNALS.get(code)
    how = f"was killed by {signal_name}" if signal_name else f"ended with exit code {code}"
    reason = f"{name} {how}{last_words(log, mask, code)}{hint(log, work)}{full_disk(log)}"
    return Ended(Outcome.FAILED, code, "script_failed", reason, started_at, now)


@dataclass(frozen=True)
class _Kept:
    """What was not kept, since it is no file; and the imprint of what lies at the place of each output."""

    left_out: list[str]
    left: dict[str, str]


def _keep(ports: Ports, work: Work, folder: Path, ended: Ended) -> _Kept:
    """Keep what the script left in outputs/ and logs/, and its uploads when it succeeded."""
    left_out: list[str] = []
    imprints: dict[str, str] = {}
    if ended.outcome is Outcome.SUCCEEDED:
        left_out = keep_uploads(ports, work, folder)
        register_outputs(ports, work)
        imprints = left(ports, work)
        if empty := [name for name, imprint in imprints.items() if imprint == NOTHING]:
            # Else a run that goes on from this one would take them for deleted.
            ports.blobs.put(records(work.step_run_id) + UNWRITTEN, json.dumps(empty).encode())
    for name in KEPT_FOLDERS:
        found = folder / name
        if not found.is_dir() or not any(found.iterdir()):
            continue
        kept = artifacts(work.step_run_id) + name
        target = local_path(ports.blobs, kept)
        if target is not None and not target.exists():
            found.rename(target)
        else:
            left_out += [f"{name}/{below}" for below in put_tree(ports.blobs, found, kept)]
    return _Kept(left_out, imprints)


def _say_left_out(log: Path, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
        with contextlib.suppress(OSError), log.open("ab") as file:
            named = ", ".join(names[:_NAMED_MAX]) + more
            file.write(f"canalis: not kept, since these are no files: {named}\n".encode(errors="replace"))


def _say_empty(log: Path, work: Work, left: dict[str, str]) -> None:
    """A dataset without files is seldom what its author wanted."""
    for port in work.node.outputs:
        if port.registered_as is not None and left.get(port.name) == NOTHING:
            where = f"in {port.path_on_compute}" if port.path_on_compute else "there"
            fitting = f" that fits {' or '.join(port.source_globs)}" if port.source_globs else ""
            with contextlib.suppress(OSError), log.open("ab") as file:
                text = f"canalis: output '{port.name}' is empty: the script has left no file {where}{fitting}. "
                file.write(f"{text}Dataset '{port.registered_as.name}' is registered without files\n".encode())


def _say(log: Path, ended: Ended) -> None:
    """The last word of a log says why there is no more of it."""
    if ended.outcome is Outcome.SUCCEEDED:
        return
    with contextlib.suppress(OSError), log.open("ab") as file:
        file.write(f"canalis: {ended.error}\n".encode())
