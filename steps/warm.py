"""Warm starts: scripts begin as forks of a process that has their interpreter, and often their modules, loaded.

Here is the service's side: which parents there are, and which of them begins what. The processes themselves run
`warm_parent.py`. Nothing waits for one to come up: until then, and wherever none will do, a new interpreter is started.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from steps.order import OFF, SETTING, Order
from steps.processes import MARK, Attached, Launched, kill_leftover, let_begin

_PROGRAM = Path(__file__).with_name("warm_parent.py")
_PARENTS_MAX = 6
_WORTH = 20  # modules that a parent must save a script before one is started for it
_PATIENCE_S = 30.0  # a parent that has not forked after so long is ended
_RESTART_S = 60.0  # how long one that did not come up is not started again
_LOOK_S = 0.25  # how often packages are looked at, at most

_log = logging.getLogger("canalis.warm")


class Forked:
    """A process that a warm parent began, and waits for."""

    def __init__(self, group: int, started_at: float, replies: int, order: Order) -> None:
        self.group = group
        self.started_at = started_at
        self._launched = time.monotonic()
        self._replies = replies
        self._order = order

    def age_s(self) -> float:
        """How long it has worked, however often somebody has set the clock."""
        return time.monotonic() - self._launched

    def wait(self) -> int | None:
        """Its exit code; None when the parent was ended, and the process with it."""
        with os.fdopen(self._replies) as replies:
            word, _, code = replies.read().partition(" ")
        if word == "exit":
            return int(code)
        kill_leftover(self._order.record, self._order.environment[MARK])
        return None


class Parents:
    """The warm parents of a service.

    folder   of the workspace, for what scripts were seen to import and what the parents print
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._parents: list[Parent] = []
        self._asked_for = deque[object](maxlen=64)
        self._rests_until: dict[object, float] = {}
        self._learned: dict[str, tuple[int, frozenset[str], list[str]]] = {}
        self._is_on = sys.platform == "linux" and os.environ.get(SETTING, "on").lower() not in OFF

    def launch(self, order: Order) -> Launched | Forked | Attached | None:
        """Begin a process: from a parent that is ready and fits, else by itself.

        Gives the process that was begun for the attempt earlier, if there was one; None when somebody has seen to it
        that none begins any more.
        """
        while True:
            parent = self._fitting(order) if self._is_on else None
            begun = parent.begin(order, self._learned_path(order)) if parent else None
            if begun is not None:
                return begun
            if not (order.record / "pid").exists():
                return Launched(order.line, order.folder, order.environment, order.record, order.log)
            let_begin(order.record, order.environment[MARK])
            found = Attached.find(order.record)
            if found is not None or (order.record / "pid").exists():
                return found
            # It was claimed by a parent of an earlier service, which saw that this one is gone, and dropped the claim.

    def close(self) -> None:
        """Send them nothing further. They end after the last of what they began."""
        with self._lock:
            self._is_on = False
            for parent in self._parents:
                parent.close()

    def _fitting(self, order: Order) -> Parent | None:
        """The parent that saves most and has loaded nothing that the script does not want; None when none is ready."""
        if not order.is_warm:
            return self._any(order)
        assert order.interpreter is not None, order
        key = _key(order, order.interpreter)
        wanted, names = self._wanted(order)
        with self._lock:
            self._remove_over()
            alike = [one for one in self._parents if one.key == key and one.modules <= wanted]
            found = max((one for one in alike if one.is_ready), key=lambda one: len(one.modules), default=None)
            if alike:
                most = max(len(one.planned & wanted) for one in alike)
                if len(wanted) - most >= _WORTH:
                    self._add(order, order.interpreter, key, names)
            elif key in self._asked_for or all(one.interpreter != order.interpreter for one in self._parents):
                self._add(order, order.interpreter, key, [])
            else:
                self._asked_for.append(key)  # variables that no other step has are not worth a parent
            if found is not None:
                found.last_used = time.monotonic()
        return found

    def _any(self, order: Order) -> Parent | None:
        """A parent that is ready to start programs, whatever it has loaded."""
        with self._lock:
            self._remove_over()
            if not self._parents:
                self._add(order, sys.executable, _key(order, sys.executable), [])
            ready = (one for one in self._parents if one.is_ready)
            return min(ready, key=lambda one: len(one.modules), default=None)

    def _remove_over(self) -> None:
        for parent in [one for one in self._parents if one.is_over()]:
            self._parents.remove(parent)
            if not parent.was_ready:
                self._rests_until[parent.key, parent.planned] = time.monotonic() + _RESTART_S

    def _add(self, order: Order, interpreter: str, key: object, names: list[str]) -> None:
        """Start a parent, in the place of the one that was used least lately when there are many."""
        if self._rests_until.get((key, frozenset(names)), 0.0) > time.monotonic():
            return
        if len(self._parents) >= _PARENTS_MAX:
            oldest = min(self._parents, key=lambda one: one.last_used)
            oldest.close()
            self._parents.remove(oldest)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._parents.append(Parent(key, interpreter, order.surroundings | order.likely, names, self._folder))
        except OSError as error:
            _log.warning("no warm starts of %s: %s", interpreter, error)

    def _wanted(self, order: Order) -> tuple[frozenset[str], list[str]]:
        """What the script was seen to import, as a set and in order."""
        path = self._learned_path(order)
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            return frozenset(), []
        known = self._learned.get(path.name)
        if known is None or known[0] != changed:
            names = json.loads(path.read_bytes())
            known = self._learned[path.name] = changed, frozenset(names), names
        return known[1], known[2]

    def _learned_path(self, order: Order) -> Path:
        name = hashlib.sha256(f"{order.interpreter}\n{order.name}".encode()).hexdigest()
        return self._folder / f"{name[:32]}.modules"


def _key(order: Order, interpreter: str) -> object:
    return interpreter, Path(interpreter).stat().st_mtime_ns, frozenset(order.surroundings.items())


class Parent:
    """One warm parent: starting, ready, or over.

    planned   the modules that it was told to load; `modules` are those that it has loaded
    """

    def __init__(self, key: object, interpreter: str, variables: Mapping[str, str], names: list[str], folder: Path):
        self.key = key
        self.interpreter = interpreter
        self.planned = frozenset(names)
        self.modules = self.planned
        self.is_ready = False
        self.was_ready = False
        self._is_gone = False
        self.last_used = time.monotonic()
        self._watched: dict[str, int] = {}
        self._names = frozenset[str]()
        self._environment: dict[str, str] = {}
        self._import_path: list[str] = []
        self._looked = 0.0
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        plan = folder / f"{os.urandom(8).hex()}.plan"
        plan.write_text(json.dumps(names))
        with theirs, (folder / "parents.log").open("ab") as log:
            self._process = subprocess.Popen(
                [interpreter, str(_PROGRAM), str(theirs.fileno()), str(plan)],
                cwd=folder,
                env={**variables, MARK: "-" * 255},  # room for the mark of a step
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        threading.Thread(target=self._accompany, args=(plan,), name="warm parent", daemon=True).start()

    def begin(self, order: Order, learned: Path) -> Forked | None:
        """Have it fork for an order; None when it has not."""
        started_at = time.time()
        body = self._as_bytes(order, learned)
        if body is None:
            return None
        replies, reply = os.pipe()
        with order.log.open("ab") as log:
            try:
                socket.send_fds(self._control, [body], [log.fileno(), reply])
            except OSError:  # it has ended, or so long an order does not fit through the socket
                os.close(replies)
                return None
            finally:
                os.close(reply)
        word, _, value = self._first_answer(replies).partition(" ")
        if word == "pid":
            return Forked(int(value), started_at, replies, order)
        os.close(replies)
        if word == "failed":
            raise OSError(int(value), os.strerror(int(value)), str(order.record))
        return None

    def is_over(self) -> bool:
        """Whether it must not be used any more; it is closed then."""
        if not self._is_gone and not self._has_changed():
            return False
        self.close()
        return True

    def close(self) -> None:
        """Let it end after the last of what it began."""
        self.is_ready = False
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def _has_changed(self) -> bool:
        """Whether packages were installed or removed since it has loaded some."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return False
        self._looked = now
        try:
            return any(Path(path).stat().st_mtime_ns != at for path, at in self._watched.items())
        except OSError:
            return True

    def _accompany(self, plan: Path) -> None:
        with contextlib.suppress(OSError, ValueError), self._control:
            said = json.loads(self._control.recv(2**20))
            self.modules = frozenset(said["modules"])
            self._watched = said["watched"]
            self._names = frozenset(said["names"])
            self._environment = said["environment"]
            self._import_path = said["import_path"]
            self.is_ready = self.was_ready = True
            self._control.recv(1)  # until one of the two goes away
        self._is_gone = True
        self._process.wait()
        plan.unlink(missing_ok=True)

    def _as_bytes(self, order: Order, learned: Path) -> bytes | None:
        """What is sent for an order; None when the script has a module of its own by the name of one that is loaded.

        All is worked out here that can be: a process that has forked pays for whatever it touches with copies.
        """
        parts: dict[str, object] = {
            "is_script": order.is_warm,
            "line": order.line,
            "folder": str(order.folder),
            "environment": order.environment,
            "unset": [],
            "import_path": [],
            "record": str(order.record),
            "learned": str(learned),
        }
        if order.is_warm:
            folders = order.import_folders
            if any(self._has_name_in(folder) for folder in folders):
                return None
            theirs = self._environment
            parts |= {
                "environment": {name: text for name, text in order.environment.items() if theirs.get(name) != text},
                "unset": [name for name in theirs if name not in order.environment],
                "import_path": [folders[0], *dict.fromkeys([*map(os.path.normpath, folders[1:]), *self._import_path])],
            }
        return json.dumps(parts).encode()

    def _has_name_in(self, folder: str) -> bool:
        try:
            with os.scandir(folder) as found:
                return any(entry.name.partition(".")[0] in self._names for entry in found)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _first_answer(self, replies: int) -> str:
        waiter = select.poll()
        waiter.register(replies, select.POLLIN)
        if not waiter.poll(_PATIENCE_S * 1000):
            self._process.kill()
        text = b""
        while not text.endswith(b"\n") and (more := os.read(replies, 1)):
            text += more
        return text.decode().strip()
