"""The child's side of a warm start: how a forked process becomes a script, or any program, and how it ends.

Runs in the interpreter of the steps: imports nothing of ours and nothing that is installed.
"""

from __future__ import annotations

import _io
import _signal  # type: ignore[import-not-found]  # what `signal` wraps: each page that a child need not touch is not copied for it
import argparse  # noqa: F401  here for the scripts, most of which want it
import atexit
import contextlib
import errno
import gc
import itertools
import json
import os
import pathlib  # noqa: F401  here for the scripts, most of which want it
import shutil
import sys
import sysconfig
import time
import types
from typing import Any, NoReturn, Optional, Tuple  # noqa: UP035

_FRESH = {name: value for name, value in vars(sys.modules["__main__"]).items() if name.startswith("__")}
_STARTED_WITH = os.environ.get("PYTHONPATH", "")
SITE_PACKAGES = tuple({path for path in map(sysconfig.get_path, ("purelib", "platlib")) if os.path.isdir(path or "")})
# A built environment has a few packages of the interpreter that it was built for: see borrowed.py.
_BORROWED = {
    path for finder in sys.meta_path for name, path in getattr(finder, "canalis_lent", {}).items() if name != "canalis"
}
_INSTALLED = tuple(path + os.sep for path in (*SITE_PACKAGES, *_BORROWED))
_NOT_THE_AUTHORS = (*_INSTALLED, *(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")))
_INTERRUPTED = 256  # no exit code: the process ends by the signal itself, as an interpreter does
_MARK = "CANALIS_STEP_RUN"
_CLAIM_BYTES = 48  # at least what a claim takes

# Whoever imports these has threads, devices or connections that a fork does not carry over.
NEVER = frozenset(
    "tensorflow torch jax jaxlib cupy ray grpc pyspark py4j mxnet paddle numba cv2 dask distributed mpi4py "
    "azureml canalis".split()
)

Places = Optional[Tuple[int, int, int, int]]  # noqa: UP006, UP045  evaluated, by old interpreters too


def places_of_names() -> Places:
    """Where the memory of this process, and so of its children, holds the command line and the mark for all to read.

    First and last of the command line; of the value behind the mark in the environment. None when they are not found.
    """
    try:
        with open("/proc/self/stat", "rb") as file:
            line, line_end, environment, end = map(int, file.read().rpartition(b")")[2].split()[45:49])
        with open("/proc/self/mem", "rb", 0) as memory:
            memory.seek(environment)
            block = memory.read(end - environment)
    except (OSError, ValueError):
        return None
    mark = f"{_MARK}=".encode()
    at = (b"\0" + block).find(b"\0" + mark)
    return (line, line_end, environment + at + len(mark), environment + block.index(b"\0", at)) if at >= 0 else None


class Order:
    """What the service asks for.

    log, reply   open files that came along: where the script prints, and where to answer
    """

    def __init__(self, parts: dict[str, Any], log: int, reply: int) -> None:
        self.is_script: bool = parts["is_script"]  # of the interpreter that runs here; else any program
        self.line: list[str] = parts["line"]
        self.folder: str = parts["folder"]
        self.environment: dict[str, str] = parts["environment"]  # of a script only what differs from the parent's
        self.unset: list[str] = parts["unset"]
        self.import_path: list[str] = parts["import_path"]
        self.record: str = parts["record"]
        self.learned: str = parts["learned"]
        self.log = log
        self.reply = reply
        self._pid_path = os.path.join(self.record, "pid")

    def claim(self) -> int:
        """The attempt's pid file, made and opened. It is refused when it is there: one attempt is never two processes.

        Until the process is begun it says who is about to begin it: a service that comes meanwhile waits for that.
        """
        return os.open(self._pid_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def drop(self) -> None:
        """Take a claim back, since nothing was begun."""
        os.unlink(self._pid_path)

    def spawn(self, pid_file: int) -> int | None:
        """Begin a program without a fork, which is faster; None when it has to be done with one."""
        program = shutil.which(self.line[0], path=self.environment.get("PATH")) if "/" not in self.line[0] else None
        here = os.getcwd()
        try:
            os.chdir(self.folder)
            child = os.posix_spawn(
                program or self.line[0],
                self.line,
                self.environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, self.log, number) for number in (1, 2)],
                setsid=True,
                setsigdef=(_signal.SIGPIPE, _signal.SIGXFSZ),  # which an interpreter ignores
            )
        except (OSError, NotImplementedError, AttributeError):
            return None
        finally:
            os.chdir(here)
        facts = os.open(f"/proc/{child}/stat", os.O_RDONLY)
        _write_down(pid_file, child, facts)
        os.close(facts)
        return child


class Child:
    """A forked process on its way to become what was ordered.

    last     name of the module that was loaded last before the fork
    closed   open files that are not for it
    places   of its names in memory, for all to read
    parent   number of the process that it is a fork of
    """

    def __init__(self, order: Order, pid_file: int, last: str, closed: list[int], places: Places, parent: int) -> None:
        self._order = order
        self._last = last
        self._places = places
        os.setsid()
        facts = os.open("/proc/self/stat", os.O_RDONLY)
        _write_down(pid_file, os.getpid(), facts)
        if os.getppid() != parent:
            os._exit(1)  # it was killed before that was written down, so this attempt counts as gone already
        for number in (1, 2):
            os.dup2(order.log, number)
        _signal.set_wakeup_fd(-1)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        for number in (facts, order.log, order.reply, *closed):
            os.close(number)
        os.chdir(order.folder)

    def become(self) -> NoReturn:
        """Run what was ordered, to its end."""
        if self._order.is_script:
            self._show()
            for name in self._order.unset:
                del os.environ[name]
            for name, value in self._order.environment.items():  # `update` touches twice as much memory
                os.environ[name] = value
            _run_script(self._order, self._last)
        _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)  # which an interpreter ignores
        _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
        _become_program(self._order.line, self._order.environment)

    def _show(self) -> None:
        """Make this process look in /proc like the script: its line for people, its mark for those who clear up."""
        if self._places is None:
            return
        line, line_end, mark, mark_end = self._places
        texts = "\0".join(self._order.line), self._order.environment.get(_MARK, "")
        with contextlib.suppress(OSError):
            memory = os.open("/proc/self/mem", os.O_WRONLY)
            for text, start, end in zip(texts, (line, mark), (line_end, mark_end)):
                os.pwrite(memory, text.encode()[: end - start - 1].ljust(end - start, b"\0"), start)
            os.close(memory)


def who(process: int, facts: int) -> bytes:
    """A process, by its number and by when it began. `facts` is its open file `stat` below /proc."""
    return b"%d %s\n" % (process, os.read(facts, 1024).rpartition(b")")[2].split()[19])


def _write_down(pid_file: int, process: int, facts: int) -> None:
    """Which process it is that was begun, over what its parent has claimed."""
    os.pwrite(pid_file, who(process, facts).ljust(_CLAIM_BYTES), 0)


def _become_program(line: list[str], environment: dict[str, str]) -> NoReturn:
    """As a shell does it: with its exit codes, and with text that names no interpreter read by the shell."""
    try:
        os.execvpe(line[0], line, environment)
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            program = shutil.which(line[0], path=environment.get("PATH")) or line[0]
            os.execve("/bin/sh", ["/bin/sh", program, *line[1:]], environment)
        print(f"{line[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _run_script(order: Order, last: str) -> NoReturn:
    """What `python SCRIPT ARGUMENTS` does, with modules loaded already. One frame of ours lies below."""
    path = order.line[1]
    if sys.version_info >= (3, 9):
        path = os.path.join(os.getcwd(), path)
    sys.argv = order.line[1:]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv = list(order.line)
    sys.path[:] = order.import_path
    _renew()
    module = types.ModuleType("__main__")
    module.__dict__.update(
        _FRESH, __doc__=None, __file__=path, __loader__=_FRESH["__loader__"].__class__("__main__", path)
    )
    if "__annotations__" in _FRESH:
        module.__annotations__ = {}
    sys.modules["__main__"] = module
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        # Only an interpreter that reads the file itself says in the usual words what is wrong with it.
        os.execve(sys.executable, order.line, dict(os.environ))
    raised = None
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        raised = error
    ended = _told(raised) if raised is not None else 0
    if not isinstance(raised, SystemExit):
        for name in ("__file__", "__cached__"):  # as an interpreter does: exit handlers find them gone
            module.__dict__.pop(name, None)
    raised = None
    del module
    new = _loaded_since(last)
    _learn(order.learned, new)
    _leave(ended, new)


def _loaded_since(last: str) -> list[tuple[str, Any]]:
    """The modules that were loaded after that one. The others are not looked at: that alone would copy their memory."""
    return list(itertools.takewhile(lambda item: item[0] != last, reversed(sys.modules.items())))


def own_folders() -> list[str]:
    """The import path of this interpreter without what PYTHONPATH has added to it."""
    added = [os.path.abspath(name) for name in _STARTED_WITH.split(os.pathsep) if name]
    return [folder for folder in sys.path if folder not in added]


def _renew() -> None:
    """Make anew what loaded modules made once, and what no two processes should have in common."""
    modules: dict[str, Any] = sys.modules
    if "numpy.random" in modules:
        modules["numpy.random"].seed()  # Python's own random does this by itself after a fork
    if "multiprocessing.process" in modules:
        process = modules["multiprocessing.process"]
        process.ORIGINAL_DIR = os.getcwd()
        process.current_process()._config["authkey"] = process.AuthenticationString(os.urandom(32))
    if "logging" in modules:
        now = time.time_ns() if isinstance(modules["logging"]._startTime, int) else time.time()
        modules["logging"]._startTime = now


def _told(error: BaseException) -> int:
    """The exit code of an exception that a script has let go by; told as the interpreter tells it."""
    if isinstance(error, SystemExit):
        return _exit_code(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code is _run_script.__code__:
        trace = trace.tb_next  # not of the author's making
    error.__traceback__ = trace
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    try:
        sys.excepthook(type(error), error, trace)
    except SystemExit as stop:
        return _exit_code(stop)
    except BaseException as second:
        second.__traceback__ = second.__traceback__ and second.__traceback__.tb_next
        print("Error in sys.excepthook:", file=sys.stderr)
        sys.__excepthook__(type(second), second, second.__traceback__)
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(error), error, trace)
    return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return (stop.code or 0) & 0xFF
    print(stop.code, file=sys.stderr, flush=True)
    return 1


def _learn(path: str, new: list[tuple[str, Any]]) -> None:
    """Keep the names of the installed modules that a script has wanted, in the order of their import."""
    if not any(_is_installed(name, module) for name, module in new):
        return
    found = [name for name, module in list(sys.modules.items()) if _is_installed(name, module)]
    part = f"{path}.{os.getpid()}"
    with contextlib.suppress(OSError):
        with open(part, "w", encoding="utf-8") as file:
            json.dump(found, file)
        os.replace(part, path)


def _is_installed(name: str, module: Any) -> bool:
    spec: Any = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None)
    if not isinstance(origin, str) or not origin.startswith(_INSTALLED) or spec.name != name:
        return False
    parts = name.split(".")
    return parts[0] not in NEVER and parts[-1] != "__main__"


def _write_out() -> None:
    for stream in (one for one in gc.get_objects() if _io._IOBase in type(one).__mro__):
        with contextlib.suppress(BaseException):
            stream.closed or stream.flush()


def _is_the_authors(module: Any) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and not file.startswith(_NOT_THE_AUTHORS)


def _leave(code: int, new: list[tuple[str, Any]]) -> NoReturn:
    """End as an interpreter ends, but without taking apart what was loaded before the fork: that would copy it all.

    So: wait for threads, call exit handlers, let go of what the author's modules hold, write out what is unwritten.
    """
    for finish in (getattr(sys.modules.get("threading"), "_shutdown", None), atexit._run_exitfuncs):
        try:
            finish and finish()
        except BaseException as error:
            sys.__excepthook__(type(error), error, error.__traceback__)
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        sys.__dict__.pop(name, None)
    _write_out()  # first: a collection may close a file before what is in front of it has written to it
    sys.modules.pop("__main__", None)
    while new:
        name, module = new.pop()
        if _is_the_authors(module):
            sys.modules.pop(name, None)
        del module
    # Runs finalizers. A full collection would also empty what the interpreter keeps for reuse, all over its memory.
    gc.collect(2 if gc.get_objects(generation=2) else 1)
    _write_out()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream is None or stream.closed or stream.flush()
        except BaseException:
            code = 120
    if code == _INTERRUPTED:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        os.kill(os.getpid(), _signal.SIGINT)
    os._exit(code)
