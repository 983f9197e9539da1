"""What a log says in the end, for the error of a step whose script has failed."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from canalis.contract.masking import Mask
from steps.backend import Work
from steps.links import DATA

_PYTHON_ERROR = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Warning)\b")
_FRAME = re.compile(r'  File ".+", line \d+')  # of a traceback, or of what cannot be parsed
_RAISED = re.compile(r"[A-Za-z_][\w.]*(: |:?$)")  # how Python begins to say what was raised
_UNCAUGHT = 1  # exit code of a Python that an exception has ended
_TAIL_BYTES = 4096
_TRACE_BYTES = 16 * 2**10  # of the end in which the last traceback is looked for
_SAID_MAX = 500
_FULL_BYTES = 64 * 2**10  # a disk with less room than this counts as full


def last_words(log: Path, mask: Mask, code: int = _UNCAUGHT) -> str:
    """What Python has raised, without the further lines of its message, or else the last line; at most 500 characters.

    code   the exit code: with another one than 1 no exception has ended a Python, and a traceback was only shown
    """
    # Secrets are looked for before anything is cut off: half of one would not be found.
    tail = mask.blanked(_tail(log, _TRACE_BYTES + mask.longest))[-_TRACE_BYTES:]
    raised = _raised(tail.decode("utf-8", "replace").splitlines()) if code == _UNCAUGHT else ""
    if raised:
        return f": {raised[:_SAID_MAX]}"
    lines = [line.strip() for line in tail[-_TAIL_BYTES:].decode("utf-8", "replace").splitlines()]
    last = next((line[:_SAID_MAX] for line in reversed(lines) if line), "")
    if _PYTHON_ERROR.match(last):
        return f": {last}"
    return f"; its last line was: {last}" if last else ""


def _raised(lines: Sequence[str]) -> str:
    """The first line of what the last traceback ends with: what was raised; "" where there is no traceback."""
    for number in range(len(lines) - 1, -1, -1):
        if _FRAME.match(lines[number]):
            raised = next((line for line in lines[number + 1 :] if line and not line[0].isspace()), "").rstrip()
            return raised if _RAISED.match(raised) else ""
    return ""


def _tail(log: Path, most: int = _TAIL_BYTES) -> bytes:
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        return file.read()
    return b""


def hint(log: Path, work: Work) -> str:
    """What an author may not know of whatever the log speaks of last; "" when there is nothing to say."""
    tail = _tail(log).decode("utf-8", "replace")
    missing = "FileNotFoundError" in tail or "No such file or directory" in tail
    # Where outputs are written in place, and where they are copied from.
    paths = [part for name, place in work.outputs.items() for part in (place.path, f"{DATA}/outputs/{name}")]
    if missing and any(path in tail for path in paths):
        return " (the folder of an output is not made for the script: os.makedirs(path, exist_ok=True))"
    return ""


def full_disk(log: Path) -> str:
    """What a script on a full disk could not write into its log itself."""
    found = os.statvfs(log.parent)
    is_full = found.f_bavail * found.f_frsize < _FULL_BYTES
    return f" (No space left on device: the disk that holds {log.parent} is full)" if is_full else ""
