"""Processes of attempts on this machine: launched by this service, or found again after an earlier one died.

A process outlives the service. It is started through a few lines of shell that write down its process id before
the script begins and its exit code after it has ended, so a service that comes back finds either.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from canalis.contract.status import Outcome

_NEVER = "0"  # in the place of a process id: nothing was begun, and nothing will be
CLAIMED = "by"  # in its place: the warm parent whose id and begin follow is just about to begin it
_BEGIN_S = 5.0  # from launching a shell to its first line, or from a claim to a fork: milliseconds, when not overloaded
_NOBODY = str(2**31 - 1)  # the number of no process: of something that may have been begun, and is gone
GONE = (None, "Z", "X")  # states of a process that runs no more
STOP_GRACE_S = 5.0  # between the polite signal and the one that cannot be ignored
_WRITTEN_S = 2.0  # longest time between the end of a process and its exit code
MARK = "CANALIS_STEP_RUN"  # names the attempt in the environment of all its processes

# The pid file holds the process's number and when it began, which tell it from a later process of that number. The
# shell refuses to write it when it is there: one attempt is never two processes.
# The names are such that no variable of the script's is among them.
# The trap keeps the shell alive through a signal to the whole group; the script gets the signal's usual effect.
_SHELL_LINES = """
canalis_begun() { shift 21; canalis_begun=$1; }
{ read -r canalis_facts < "/proc/$$/stat"; } 2>/dev/null && canalis_begun $canalis_facts
set -C; { echo $$ $canalis_begun > "$1/pid"; } 2>/dev/null || exit 1; set +C
trap : TERM INT HUP
canalis_record=$1; shift
"$@"
code=$?
echo $code > "$canalis_record/exit"
exit $code
"""


class Control:
    """How others reach an attempt while one thread waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._group: int | None = None  # None: not launched yet, or over
        self._is_over = False
        self.reason: Outcome | None = None  # why it was ended from outside

    @property
    def is_stopped(self) -> bool:
        """Whether somebody has asked it to end."""
        return self.reason is not None

    def launched(self, group: int) -> None:
        """Its processes can be reached now."""
        with self._lock:
            self._group = group
        if self.is_stopped:
            self._signal(signal.SIGTERM)

    def over(self) -> None:
        """Its process group is gone, and the number may become somebody else's. Whoever stops it now is too late."""
        with self._lock:
            self._group = None
            self._is_over = True

    def stop(self, reason: Outcome) -> None:
        """Ask its processes to end, and make them after a while. The first reason stands."""
        with self._lock:
            if self._is_over:
                return
            self.reason = self.reason or reason
        self._signal(signal.SIGTERM)
        later = threading.Timer(STOP_GRACE_S, self._signal, (signal.SIGKILL,))
        later.daemon = True
        later.start()

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            if self._group is not None:
                kill_group(self._group, number)


def kill_group(group: int, number: signal.Signals) -> None:
    """Signal every process of a group, if there are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def marked() -> Iterator[tuple[str, int]]:
    """Every process whose environment says to which attempt it belongs, with the name of that attempt."""
    for found in Path("/proc").glob("[0-9]*/environ") if Path("/proc").is_dir() else ():
        with contextlib.suppress(OSError):  # it ended meanwhile, or is somebody else's
            for variable in found.read_bytes().split(b"\0"):
                name, _, value = variable.partition(b"=")
                if name == MARK.encode() and int(found.parent.name) != os.getpid():
                    yield value.decode("utf-8", "replace"), int(found.parent.name)


def kill_marked(step_runs: Collection[str]) -> int:
    """Kill every process that belongs to one of these attempts; how many there were."""
    killed = 0
    for step_run, process in marked():
        if step_run in step_runs:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
                killed += 1
    return killed


def forestall(record: Path) -> bool:
    """See to it that no process begins for an attempt any more; False when one has begun.

    A service may die when it has launched the shell and the shell has not written its process id yet. Whoever then
    says that the attempt never began must have taken that file's name first.
    """
    if not record.is_dir():
        return True  # it is made before anything is launched
    try:
        with (record / "pid").open("x") as file:
            file.write(_NEVER)
    except FileExistsError:
        return Attached.find(record) is None
    return True


def let_begin(record: Path, step_run: str) -> None:
    """Wait for a shell that an earlier service launched just before it died; end one that does not get on.

    For a warm parent that has an order of that service in hand nobody needs to wait: it claims the attempt first.
    """
    give_up = time.monotonic() + _BEGIN_S
    while Attached.find(record) is None and step_run in {name for name, _ in marked()}:
        if time.monotonic() > give_up:
            kill_marked({step_run})
            break
        time.sleep(0.005)


def kill_leftover(record: Path, step_run: str) -> None:
    """End what an earlier service started for an attempt, if it still runs, with or without the shell around it."""
    found = Attached.find(record)
    if found is not None and found.is_alive():
        kill_group(found.group, signal.SIGKILL)
    kill_marked({step_run})


def _words(record: Path) -> list[str]:
    """What the pid file of an attempt says; nothing when there is none."""
    try:
        return (record / "pid").read_text().split()
    except FileNotFoundError:
        return []


def _settled(record: Path) -> list[str]:
    """What the pid file says once the warm parent that has claimed the attempt has begun it, dropped it, or is gone."""
    give_up = time.monotonic() + _BEGIN_S
    while (words := _words(record))[:1] == [CLAIMED]:
        _, parent, began = words
        if state_of(int(parent), began) in GONE or (record / "exit").exists():
            words = _words(record)  # what it wrote last
            return words if words[:1] != [CLAIMED] else [_NOBODY, "0"]
        if time.monotonic() > give_up:
            kill_group(int(parent), signal.SIGKILL)  # it hangs
        time.sleep(0.001)
    return words


def state_of(process: int, began: str | None) -> str | None:
    """What the system says of a process, as a letter; None when it is no more, or its number is another's by now."""
    try:
        facts = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return facts[0] if facts[19] == began else None


class Launched:
    """A process of ours, in a session of its own.

    record   folder for its process id and exit code
    log      file that takes what it prints
    """

    def __init__(self, line: Sequence[str], folder: Path, environment: dict[str, str], record: Path, log: Path) -> None:
        self._record = record
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SHELL_LINES, "canalis-step", str(record), *line],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.group = self._process.pid
        self.started_at = time.time()
        self._launched = time.monotonic()

    def age_s(self) -> float:
        """How long it has worked, however often somebody has set the clock."""
        return time.monotonic() - self._launched

    def wait(self) -> int | None:
        """Its exit code. Ends what it left behind in its group."""
        os.waitid(os.P_PID, self.group, os.WEXITED | os.WNOWAIT)
        # Not reaped yet, so the group's number is still its own.
        kill_group(self.group, signal.SIGKILL)
        code = self._process.wait()
        return self._of_another() if code == 1 and not self._has_begun() else code if code >= 0 else 128 - code

    def _has_begun(self) -> bool:
        with contextlib.suppress(OSError):
            return _words(self._record)[:1] == [str(self.group)]
        return False

    def _of_another(self) -> int | None:
        """The exit code of the process that was faster: an earlier service launched it just before it died."""
        found = Attached.find(self._record)
        return found.wait() if found else None


class Attached:
    """A process that an earlier service started: running still, or over.

    begun   when it began, in the system's ticks; None where the system does not say
    """

    def __init__(self, record: Path, group: int, begun: str | None) -> None:
        self._record = record
        self.group = group
        self._begun = begun
        self.started_at = (record / "pid").stat().st_mtime

    @classmethod
    def find(cls, record: Path) -> Attached | None:
        """What the records of an attempt say was started; None when nothing was.

        An empty file is of a shell that was killed between making and filling it: no script has begun there either.
        A warm parent that was killed between claiming and beginning may have begun something: that counts as over,
        without an exit code.
        """
        words = _words(record)
        if words[:1] == [CLAIMED]:
            words = _settled(record)
        return cls(record, int(words[0]), words[1] if len(words) > 1 else None) if words not in ([], [_NEVER]) else None

    def age_s(self) -> float:
        """How long it has worked, however often somebody has set the clock; 0 when it is over."""
        if sys.platform != "linux":
            return max(0.0, time.time() - self.started_at)
        try:
            began = float(Path(f"/proc/{self.group}/stat").read_text().rpartition(")")[2].split()[19])
        except OSError:
            return 0.0
        return float(Path("/proc/uptime").read_text().split()[0]) - began / os.sysconf("SC_CLK_TCK")

    def is_alive(self) -> bool:
        """Whether that process runs. A number that another process has by now does not count."""
        return self._state() not in GONE

    def wait(self) -> int | None:
        """Its exit code, or None when it went away without leaving one."""
        was_alive = False
        while self.is_alive():
            was_alive = True
            self._rest()
        # Its parent may be about to write down how it ended, and takes it away only after that.
        give_up = time.monotonic() + _WRITTEN_S
        while self._exit_code() is None and self._state() is not None and time.monotonic() < give_up:
            time.sleep(0.002)
        code = self._exit_code()
        # Of one that ended long ago the group's number may be somebody else's by now.
        kill_group(self.group, signal.SIGKILL) if was_alive and code is not None else None
        return code

    def _state(self) -> str | None:
        """What the system says of the process, as a letter; None when it is no more."""
        if sys.platform == "linux":
            return state_of(self.group, self._begun)
        listed = subprocess.run(
            ["ps", "-o", "state=,command=", "-p", str(self.group)], capture_output=True, text=True, check=False
        ).stdout
        return listed[:1] if str(self._record) in listed else None

    def _rest(self) -> None:
        """Until it ends, or for a moment where the system cannot tell us."""
        try:
            handle = os.pidfd_open(self.group)
        except (AttributeError, OSError):
            time.sleep(0.1)
            return
        try:
            waiter = select.poll()
            waiter.register(handle, select.POLLIN)
            waiter.poll(1000)
        finally:
            os.close(handle)

    def _exit_code(self) -> int | None:
        try:
            return int((self._record / "exit").read_text())
        except (FileNotFoundError, ValueError):
            return None
