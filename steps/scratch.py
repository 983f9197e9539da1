"""A folder of this process alone, on a machine that keeps nothing: whatever is left of dead processes goes away."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TextIO

from steps.processes import kill_marked

_PREFIX = "canalis-instance-"
_LOCK = "lock"


class Scratch:
    """The folder, held by a lock for as long as its process lives."""

    def __init__(self, below: Path | None = None) -> None:
        self._below = below or Path(tempfile.gettempdir())
        self.clear_leftovers()
        part = self._below / f".{_PREFIX}{uuid.uuid4().hex}"
        part.mkdir(mode=0o700)
        self._lock = _locked(part)
        assert self._lock is not None, part
        self.folder = part.rename(part.with_name(part.name[1:]))  # seen by others only once it is locked

    def clear_leftovers(self) -> int:
        """End what processes that died have left running, and remove their folders; how many there were."""
        cleared = 0
        for folder in self._below.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):  # somebody else clears it just now, or it is another user's
                lock = _locked(folder)
                if lock is not None:
                    kill_marked({found.name.removesuffix(".data") for found in (folder / "work").glob("*")})
                    shutil.rmtree(folder, ignore_errors=True)
                    lock.close()
                    cleared += 1
        return cleared

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        assert self._lock is not None
        self._lock.close()


def _locked(folder: Path) -> TextIO | None:
    """The folder's lock, held until it is closed; None when a process that lives holds it."""
    lock = (folder / _LOCK).open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
