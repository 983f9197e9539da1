"""What needs room on the disk, or the right to write there, is done as soon as there is some."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from canalis.contract.errors import StoreFull, StoreUnavailable, of_system

_REST_S = 0.5
_REST_S_MAX = 5.0
_LOOK_S = 0.1

_log = logging.getLogger("canalis.process")

Done = TypeVar("Done")


class Patience:
    """Tries again while storage refuses, and knows what it refuses.

    root   what cannot be written below it is for an operator to mend; elsewhere that is the author's own doing
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._refused: dict[str, str] = {}

    def until_done(self, name: str, do: Callable[[], Done], is_wanted: Callable[[], bool]) -> Done:
        """What `do()` gives, once storage lets it. Raises what it raises for other reasons, or when it is not wanted.

        name   whose work it is
        """
        rest_s = _REST_S
        while True:
            try:
                done = do()
                break
            except (StoreFull, StoreUnavailable, OSError) as error:
                refusal = self._refusal(error)
                if refusal is None or not is_wanted():
                    self._forget(name)
                    raise
                with self._lock:
                    self._refused[name] = refusal
                _log.warning("step %s waits: %s", name, refusal)
                self._rest(rest_s, is_wanted)
                rest_s = min(2 * rest_s, _REST_S_MAX)
        self._forget(name)
        return done

    def trouble(self) -> str:
        """What some work waits for just now, in words; "" when none does."""
        with self._lock:
            return next(iter(self._refused.values()), "")

    def _forget(self, name: str) -> None:
        with self._lock:
            self._refused.pop(name, None)

    def _refusal(self, error: StoreFull | StoreUnavailable | OSError) -> str | None:
        if isinstance(error, OSError):
            path = Path(error.filename or self._root)
            plain = of_system(error, path) if path.is_relative_to(self._root) else None
            return plain.message if plain else None
        return error.message

    def _rest(self, rest_s: float, is_wanted: Callable[[], bool]) -> None:
        until = time.monotonic() + rest_s
        while time.monotonic() < until and is_wanted():
            time.sleep(_LOOK_S)
