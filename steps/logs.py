"""The logs of steps: secrets are blanked in them, and of one that grows without end the middle is taken out."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from canalis.contract.errors import CanalisError, SettingInvalid
from canalis.contract.masking import Mask
from steps.hiding import Hiding

SETTING = "CANALIS_LOG_MAX_BYTES"
_MAX_BYTES = 2**30
_LEAST_BYTES = 2**16
_LOOK_S = 0.5
_PIECE_BYTES = 2**20
# All of one length, so that the number can be written anew in its place.
_MARKER = "\ncanalis: {gone:016d} bytes were cut out here, since the log grew beyond {limit:016d} bytes ({setting})\n"
_MARKER_BYTES = len(_MARKER.format(gone=0, limit=0, setting=SETTING))
_WRITTEN = re.compile(rb"\ncanalis: (\d{16}) bytes were cut out here")

_log = logging.getLogger("canalis.process")


def limit_of(variables: dict[str, str]) -> int:
    """How long a log may grow, in bytes. Raises SettingInvalid."""
    said = variables.get(SETTING) or str(_MAX_BYTES)
    if not said.isdecimal() or int(said) < _LEAST_BYTES:
        raise SettingInvalid(f"{SETTING} is '{said}': it must be a number of bytes, {_LEAST_BYTES} at least")
    return int(said)


class Logs:
    """Looks at the logs of steps that run, twice a second.

    limit   in bytes; between two looks a log may grow beyond it, and it does while no service is there
    mask    what hides the secrets of the workspace just now; between two looks they are in the file
    """

    def __init__(self, limit: int, mask: Callable[[], Mask] = Mask) -> None:
        self._limit = limit
        self._mask = mask
        self._lock = threading.Lock()
        self._cuts = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._watched: dict[Path, Hiding] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def watched(self, log: Path) -> Iterator[None]:
        """Within, and at the end, that log is held to its limit."""
        hiding = Hiding(log, self._mask)
        with self._lock:
            self._watched[log] = hiding
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="logs", daemon=True)
                self._thread.start()
            self._news.notify()
        try:
            yield
        finally:
            with self._lock:
                self._watched.pop(log, None)
            self._hold(log, hiding)

    def _look(self) -> None:
        rest = threading.Event()
        while True:
            with self._lock:
                while not self._watched:
                    self._news.wait()
                watched = list(self._watched.items())
            for log, hiding in watched:
                self._hold(log, hiding)
            rest.wait(_LOOK_S)

    def _hold(self, log: Path, hiding: Hiding) -> None:
        try:
            with self._cuts:
                hiding.look()  # first, so that no half of a secret is left where the log is cut
                if log.stat().st_size > self._limit:
                    cut(log, self._limit)
                    hiding.again()
        except FileNotFoundError:
            return
        except OSError as error:
            _log.warning("the log %s cannot be looked after: %s", log, error)
        except CanalisError as error:  # who cannot read the secrets now may at the next look
            _log.warning("secrets in the log %s are not masked yet: %s", log, error)


def cut(log: Path, limit: int) -> None:
    """Of a log that is longer than `limit` leave a quarter of that at either end, and say between them what is gone.

    Whoever appends to it meanwhile does not notice. It is done within the file, so a full disk does not prevent it.
    What is appended between the last look at its size and the cut goes uncounted: no writer is stopped for that.
    """
    file = os.open(log, os.O_RDWR)
    try:
        head = limit // 4
        size = os.fstat(file).st_size
        if size <= limit:
            return
        known = _WRITTEN.match(os.pread(file, _MARKER_BYTES, head))
        first = head + (_MARKER_BYTES if known else 0)  # of the bytes that are still there behind the head
        source = _next_line(file, max(first, size - limit // 4))
        gone = (int(known[1]) if known else 0) + source - first
        _mark(file, head, gone, limit)
        target = head + _MARKER_BYTES
        # To the end, wherever that is by now. One who writes faster than this reads is not waited for.
        while target < limit and (piece := os.pread(file, _PIECE_BYTES, source)):
            os.pwrite(file, piece, target)
            source += len(piece)
            target += len(piece)
        missed = os.fstat(file).st_size - source
        os.ftruncate(file, target)
        if missed:
            _mark(file, head, gone + missed, limit)
    finally:
        os.close(file)


def _mark(file: int, place: int, gone: int, limit: int) -> None:
    os.pwrite(file, _MARKER.format(gone=gone, limit=limit, setting=SETTING).encode(), place)


def _next_line(file: int, place: int) -> int:
    """Where the next line begins, if one does soon."""
    return place + os.pread(file, _PIECE_BYTES, place).find(b"\n") + 1
