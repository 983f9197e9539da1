"""Notes for people, written a moment later: by then most short steps have ended, and their note with them."""

from __future__ import annotations

import threading

from canalis.contract.ports import AttemptKey, Document
from steps.backend import Desk, Work

PUT_OFF_S = 0.25


class PutOffNotes:
    """Hands notes on to a desk after a moment, but for those of work that has ended meanwhile."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._waiting: dict[AttemptKey, tuple[Work, Document]] = {}
        self._timer: threading.Timer | None = None

    def note(self, work: Work, facts: Document) -> None:
        """Keep it for a moment."""
        with self._lock:
            _, known = self._waiting.get(work.key, (work, {}))
            self._waiting[work.key] = (work, {**known, **facts})
            if self._timer is None:
                self._timer = threading.Timer(PUT_OFF_S, self._hand_on)
                self._timer.daemon = True
                self._timer.start()

    def forget(self, work: Work) -> bool:
        """Drop what has not been handed on: the work has ended, or is further on. Whether there was something."""
        with self._lock:
            return self._waiting.pop(work.key, None) is not None

    def _hand_on(self) -> None:
        with self._lock:
            waiting, self._waiting, self._timer = self._waiting, {}, None
        for work, facts in waiting.values():
            self._desk.note(work, facts)
