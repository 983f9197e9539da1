"""What a log says in the end, for the error of a step whose script has failed."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from canalis.contract.masking import Mask
from steps.backend import Work
from steps.links import DATA

_PYTHON_ERROR = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Warning)\b")
_TAIL_BYTES = 4096
_FULL_BYTES = 64 * 2**10  # a disk with less room than this counts as full


def last_words(log: Path, mask: Mask) -> str:
    """The error that Python printed last, or else the last line of whatever it is; at most 500 characters."""
    # Secrets are looked for before anything is cut off: half of one would not be found.
    lines = [
        line.strip()
        for line in mask.blanked(_tail(log, mask.longest))[-_TAIL_BYTES:].decode("utf-8", "replace").splitlines()
    ]
    last = next((line[:500] for line in reversed(lines) if line), "")
    if _PYTHON_ERROR.match(last):
        return f": {last}"
    return f"; its last line was: {last}" if last else ""


def _tail(log: Path, more: int = 0) -> bytes:
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES - more))
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
