"""A process that becomes scripts: with an interpreter and modules loaded, it forks for each script that it is sent.

    python warm_parent.py CONTROL PLAN

CONTROL is the number of an open socket: orders come in through it, and when it is closed the service is gone. PLAN is
a file that names the modules to load. The process has a session of its own, so that it and what it began outlive the
service. It ends when nobody can send it orders any more and its last script is over, or when it was idle for long.

It runs in the interpreter of the steps, which may be older than the service's and in which nothing need be installed:
so it imports nothing that is installed, and of ours only `warm_child.py`.
"""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import warnings
from typing import NoReturn

# What lies beside this file is not for scripts, nor is our own code: they may have a package `steps` of their own.
_HERE = sys.path.pop(0)
sys.path.insert(0, os.path.dirname(_HERE))
from steps.warm_child import NEVER, SITE_PACKAGES, Child, Order, own_folders, places_of_names, who  # noqa: E402

sys.path.pop(0)
del sys.modules["steps.warm_child"], sys.modules["steps"]

_ORDER_BYTES_MAX = 2**20
_IDLE_S = 300.0
_MEMORY_MAX_BYTES = 2**30
_MARK = b"CANALIS_STEP_RUN="


def main() -> None:
    """Load what the plan names, and serve until there is nothing left to do; in a child, become what was ordered."""
    control = socket.socket(fileno=int(sys.argv[1]))
    watched = _watched()
    loaded = _load(sys.argv[2])
    control.set_inheritable(False)
    facts = {
        "modules": loaded,
        "watched": watched,
        # Of modules read at the start of an interpreter, if there are any, too.
        "names": sorted({name.partition(".")[0] for name in sys.modules} | {"sitecustomize", "usercustomize"}),
        "environment": dict(os.environ),
        "import_path": own_folders(),
    }
    control.send(json.dumps(facts).encode())
    gc.collect()
    parent = Parent(control)  # kept in a child too: taking it apart would copy memory
    child = parent.serve()
    if child is not None:
        child.become()


def _watched() -> dict[str, int]:
    """What changes when a package is installed or removed, each with its time."""
    found = {}
    for folder in SITE_PACKAGES:
        with os.scandir(folder) as entries:
            paths = [folder, *(entry.path for entry in entries if entry.name.endswith(".pth"))]
        found.update({path: os.stat(path).st_mtime_ns for path in paths})
    return found


def _load(plan: str) -> list[str]:
    """Import the modules of a plan; the names of those that are loaded.

    A package that cannot be imported, or that leaves threads or something unfit for a fork behind, is taken out of
    the plan; and since nothing can be unloaded, this process begins again without it.
    """
    with open(plan, encoding="utf-8") as file:
        names = [name for name in json.load(file) if name.partition(".")[0] not in NEVER]
    for name in names:
        try:
            importlib.import_module(name)
            unfit = "leaves threads behind" if _has_threads() else ", ".join(NEVER & set(sys.modules))
        except BaseException as error:
            unfit = repr(error)
        if unfit:
            package = name.partition(".")[0]
            print(f"{package} is not loaded ahead of scripts: {name}: {unfit}", file=sys.stderr, flush=True)
            _begin_again(plan, [other for other in names if other.partition(".")[0] != package])
    if names and _resident_bytes() > _MEMORY_MAX_BYTES:
        print("nothing is loaded ahead of scripts, since it takes too much memory", file=sys.stderr, flush=True)
        _begin_again(plan, [])
    return names


def _begin_again(plan: str, names: list[str]) -> NoReturn:
    with open(plan, "w", encoding="utf-8") as file:
        json.dump(names, file)
    os.execv(sys.executable, [sys.executable, os.path.join(_HERE, "warm_parent.py"), *sys.argv[1:]])


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _has_threads() -> bool:
    threading = sys.modules.get("threading")
    return threading is not None and threading.active_count() > 1


class Parent:
    """Takes orders one after the other, and sees to the children that it has begun for them."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.replies: dict[int, int] = {}  # by child: where to answer
        self.records: dict[int, str] = {}
        self.woken, self.wake = os.pipe()
        for end in (self.woken, self.wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._last = next(reversed(sys.modules))
        self._room = bytearray(_ORDER_BYTES_MAX)
        self.places = places_of_names()
        self._process = os.getpid()
        facts = os.open("/proc/self/stat", os.O_RDONLY)
        self._claim = b"by " + who(self._process, facts)
        os.close(facts)

    def serve(self) -> Child | None:
        """In this process: None, when there is nothing left to do. In a child: what it is to become."""
        poll = select.poll()
        poll.register(self.woken, select.POLLIN)
        poll.register(self.control, select.POLLIN)
        is_open = True
        while is_open or self.replies:
            ready = dict(poll.poll(_IDLE_S * 1000))
            if not ready and not self.replies:
                return None
            if self.woken in ready:
                self._reap()
            if self.control.fileno() in ready:
                order = self._take()
                if order is None:
                    is_open = False
                    poll.unregister(self.control)
                elif (child := self._begin(order)) is not None:
                    return child
        return None

    def _take(self) -> Order | None:
        """The next order, or None when no more can come."""
        files = array.array("i", [0, 0])
        try:
            size, extra, _, _ = self.control.recvmsg_into(
                [self._room], socket.CMSG_SPACE(2 * files.itemsize), socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionError:
            return None
        for _, _, data in extra:
            files = array.array("i", data)
        return Order(json.loads(self._room[:size]), *files) if size else None

    def _begin(self, order: Order) -> Child | None:
        """Fork for an order. Gives something in the child only."""
        try:
            answer, child = self._fork(order)
            if child is not None:
                return child
        except FileExistsError:
            answer = "taken"
        except OSError as error:
            answer = f"failed {error.errno}"
        _answer(order.reply, answer)
        os.close(order.log)
        os.close(order.reply)
        return None

    def _fork(self, order: Order) -> tuple[str, Child | None]:
        """Claim the attempt and begin its process: what to answer, and in the child what it is to become.

        Claimed first, then looked whether the service lives: if it dies after that, the next one finds the claim.
        Looked before as well, since others wait for who has claimed, even if it drops that.
        """
        if _is_gone(order.reply):
            return "gone", None
        pid_file = order.claim()
        try:
            os.write(pid_file, self._claim)  # which fails on a full disk
            if _is_gone(order.reply):
                order.drop()
                return "gone", None
            child = None if order.is_script else order.spawn(pid_file)
            if child is None:
                gc.freeze()  # a collection in the child would otherwise write to, and so copy, all of this memory
                child = _fork()
            if child == 0:
                return "", self._child(order, pid_file)
        except OSError:
            order.drop()
            raise
        finally:
            os.close(pid_file)
        self.replies[child], self.records[child] = os.dup(order.reply), order.record
        return f"pid {child}", None

    def _child(self, order: Order, pid_file: int) -> Child:
        try:
            ours = [self.control.detach(), self.woken, self.wake, *self.replies.values()]
            return Child(order, pid_file, self._last, ours, self.places, self._process)
        except BaseException as error:
            print(f"{order.record}: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)  # it must not go on as a second parent

    def _reap(self) -> None:
        """Write down how children ended, end what they left in their groups, and answer."""
        while True:
            with contextlib.suppress(BlockingIOError):
                while os.read(self.woken, 512):
                    pass
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            child, reply = ended.si_pid, self.replies.pop(ended.si_pid, None)
            if reply is not None:
                code = ended.si_status + (0 if ended.si_code == os.CLD_EXITED else 128)
                _end_group(child)  # not reaped yet, so the group's number is still its own
                _write_down(os.path.join(self.records.pop(child), "exit"), code)
            os.waitpid(child, 0)
            if reply is not None:
                _answer(reply, f"exit {code}")
                os.close(reply)


def _fork() -> int:
    if sys.version_info < (3, 12):
        return os.fork()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads of numpy's, which are made for forks
        return os.fork()


def _is_gone(reply: int) -> bool:
    """Whether the service has died since it sent an order."""
    waiter = select.poll()
    waiter.register(reply, 0)
    return bool(waiter.poll(0))


def _end_group(child: int) -> None:
    with contextlib.suppress(OSError):  # it never got as far as to have one
        os.killpg(child, signal.SIGKILL)


def _write_down(path: str, code: int) -> None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        os.write(file, b"%d\n" % code)
        os.close(file)
    except OSError as error:
        print(f"{path}: {error}", file=sys.stderr, flush=True)


def _answer(reply: int, text: str) -> None:
    with contextlib.suppress(OSError):  # the service has gone; the next one reads the records
        os.write(reply, f"{text}\n".encode())


if __name__ == "__main__":
    main()
