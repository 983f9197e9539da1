"""What a script logs on a machine that will be gone, copied to the blobs while it is written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from canalis.contract.layout import METRICS, STEP_LOG, artifacts, records
from canalis.contract.ports import BlobStore
from canalis.contract.run import StepRunId

_PIECE_BYTES = 2**20
_CUT = "canalis: {gone} bytes of this log were left out here, since it grew beyond {limit}\n"


class Mirror:
    """Carries the growing files of one attempt to where people read them.

    kept    folder in which they are written, under their keys as blobs
    limit   how much of the log is copied, in bytes; what comes after it is dropped, on this machine too
    """

    def __init__(self, blobs: BlobStore, owner: StepRunId, kept: Path, limit: int) -> None:
        self._blobs = blobs
        self._root = artifacts(owner)
        self._kept = kept
        self._log = _Tail(blobs, kept, self._root + STEP_LOG, limit)
        self._metrics = _Tail(blobs, kept, records(owner) + METRICS)

    def copy(self) -> None:
        """Carry over what is new. Raises StoreUnavailable; nothing is lost then, the next call carries it."""
        self._metrics.copy()
        self._log.copy()

    def finish(self) -> None:
        """Carry over the rest, and every other file that the script has put among its run's."""
        self.copy()
        self._log.close()
        folder = self._kept / self._root
        for found in sorted(folder.rglob("*")):
            key = found.relative_to(self._kept).as_posix()
            if found.is_file() and key != self._log.key:
                with found.open("rb") as file:
                    self._blobs.put(key, file)


class _Tail:
    """The end of a growing file that has not been copied yet."""

    def __init__(self, blobs: BlobStore, kept: Path, key: str, limit: int | None = None) -> None:
        self.key = key
        self._blobs = blobs
        self._path = kept / key
        self._limit = limit
        self._read = 0
        self._copied = 0
        self._gone = 0

    def copy(self) -> None:
        """Append what is new to the blob."""
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._read)
            while piece := file.read(_PIECE_BYTES):
                room = len(piece) if self._limit is None else max(0, self._limit - self._copied)
                if room:
                    self._blobs.append(self.key, piece[:room])
                self._read += len(piece)
                self._copied += min(room, len(piece))
                self._gone += max(0, len(piece) - room)
        if self._gone:
            # Whoever writes it appends, so it goes on at the new end. The disk has no room for what nobody reads.
            with contextlib.suppress(OSError):
                os.truncate(self._path, 0)
                self._read = 0

    def close(self) -> None:
        """See to it that the blob is there, with a line at its end about what it does not have."""
        if not self._copied:
            self._blobs.append(self.key, b"")
        if self._gone:
            self._blobs.append(self.key, b"\n" + _CUT.format(gone=self._gone, limit=self._limit).encode())
