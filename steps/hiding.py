"""Secrets taken out of the files that steps write, while they are written: in place, since steps write without us."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from canalis.contract.masking import Mask, hidden_lines

_PIECE_BYTES = 2**20


class Hiding:
    """Blanks secrets in a file to which others append, each time it is looked at. A star takes the place of a byte."""

    def __init__(self, path: Path, mask: Callable[[], Mask]) -> None:
        self._path = path
        self._ask = mask
        self._mask = Mask()
        self._place = 0

    def look(self) -> None:
        """Blank what is whole by now; all of the file anew when there are other secrets than at the last look."""
        mask = self._ask()
        if mask is not self._mask:
            self._mask, self._place = mask, 0
        with contextlib.suppress(FileNotFoundError):
            self._place = blank(self._path, mask, self._place)

    def again(self) -> None:
        """The file is not what it was: look at all of it next time."""
        self._place = 0


def blank(path: Path, mask: Mask, place: int = 0) -> int:
    """Blank the secrets of a file from a place on; from where to go on when it has grown."""
    if not mask:
        return place
    file = os.open(path, os.O_RDWR)
    try:
        while True:
            data = os.pread(file, _PIECE_BYTES + mask.longest, place)
            for begin, end in mask.spans(data):
                os.pwrite(file, b"*" * (end - begin), place + begin)
            more = len(data) - mask.longest + 1  # a secret that begins before that is whole
            place += max(0, more)
            if len(data) < _PIECE_BYTES + mask.longest:
                return place
    finally:
        os.close(file)


def hide_in_lines(path: Path, mask: Mask) -> None:
    """Hide the secrets in a file of lines of JSON to which nobody writes any more."""
    if not mask or not path.exists():
        return
    lines = path.read_bytes()
    found = hidden_lines(mask, lines)
    if found != lines:
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(found)
        part.replace(path)
