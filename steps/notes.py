"""Notes for people, written a moment later: by then most short steps have ended, and their note with them."""

from __future__ import annotations

import logging
import threading
import time

from canalis.contract.ports import AttemptKey, Document
from steps.backend import Desk, Work

PUT_OFF_S = 0.25

_log = logging.getLogger("canalis.process")


class PutOffNotes:
    """Hands notes on to a desk after a moment, but for those of work that has ended meanwhile."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._waiting: dict[AttemptKey, tuple[Work, Document]] = {}
        self._news = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def note(self, work: Work, facts: Document) -> None:
        """Keep it for a moment."""
        with self._lock:
            _, known = self._waiting.get(work.key, (work, {}))
            self._waiting[work.key] = (work, {**known, **facts})
            if self._thread is None:
                self._thread = threading.Thread(target=self._hand_on, name="notes", daemon=True)
                self._thread.start()
            self._news.notify()

    def forget(self, work: Work) -> bool:
        """Drop what has not been handed on: the work has ended, or is further on. Whether there was something."""
        with self._lock:
            return self._waiting.pop(work.key, None) is not None

    def close(self) -> None:
        """Hand nothing further on."""
        with self._lock:
            self._is_closed = True
            self._news.notify()

    def _hand_on(self) -> None:
        while True:
            with self._lock:
                while not (self._waiting or self._is_closed):
                    self._news.wait()
                if self._is_closed:
                    return
            time.sleep(PUT_OFF_S)
            with self._lock:
                if self._is_closed:
                    return
                waiting, self._waiting = self._waiting, {}
            for work, facts in waiting.values():
                try:
                    self._desk.note(work, facts)
                except Exception:
                    _log.exception("step %s", work.step_run_id)  # it is only for people
