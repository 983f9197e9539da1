"""What a script logs on a machine that will be gone, copied to the blobs while it is written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from canalis.contract.layout import METRICS, SECRETS_READ, STEP_LOG, artifacts, records
from canalis.contract.masking import Mask, Stream, hidden_lines
from canalis.contract.ports import BlobStore
from canalis.contract.run import StepRunId

_PIECE_BYTES = 2**20
_CUT = "canalis: {gone} bytes of this log were left out here, since it grew beyond {limit}\n"


class Mirror:
    """Carries the growing files of one attempt to where people read them.

    kept    folder in which they are written, under their keys as blobs
    limit   how much of the log is copied, in bytes; what comes after it is dropped, on this machine too
    mask    what hides the secrets of the workspace: as they are now when it is given True
    """

    def __init__(
        self, blobs: BlobStore, owner: StepRunId, kept: Path, limit: int, mask: Callable[[bool], Mask]
    ) -> None:
        self._blobs = blobs
        self._root = artifacts(owner)
        self._kept = kept
        known = _Known(kept / records(owner) / SECRETS_READ, mask)
        self._log = _Tail(blobs, kept, self._root + STEP_LOG, _Masked(known), limit)
        self._metrics = _Tail(blobs, kept, records(owner) + METRICS, _MaskedLines(known))

    def copy(self) -> None:
        """Carry over what is new. Raises StoreUnavailable; nothing is lost then, the next call carries it."""
        self._metrics.copy()
        self._log.copy()

    def finish(self) -> None:
        """Carry over the rest, and every other file that the script has put among its run's."""
        self.copy()
        self._metrics.finish()
        self._log.close()
        folder = self._kept / self._root
        for found in sorted(folder.rglob("*")):
            key = found.relative_to(self._kept).as_posix()
            if found.is_file() and key != self._log.key:
                with found.open("rb") as file:
                    self._blobs.put(key, file)


class _Known:
    """The mask to use on what was just read: a fresh one when the script has read a secret before it wrote that."""

    def __init__(self, told: Path, mask: Callable[[bool], Mask]) -> None:
        self._told = told
        self._mask = mask
        self._seen = -1  # at its start a step may have just been given what is not known here

    def mask(self) -> Mask:
        told = self._told.stat().st_size if self._told.exists() else 0
        found = self._mask(told != self._seen)
        self._seen = told
        return found


class _Hider(Protocol):
    def put(self, piece: bytes) -> bytes: ...
    def end(self) -> bytes: ...


class _Masked:
    """What is read, without secrets, as far as it is sure."""

    def __init__(self, known: _Known) -> None:
        self._known = known
        self._stream = Stream(Mask())

    def put(self, piece: bytes) -> bytes:
        self._stream.change(self._known.mask())
        return self._stream.put(piece)

    def end(self) -> bytes:
        self._stream.change(self._known.mask())
        return self._stream.end()


class _MaskedLines:
    """What is read, in whole lines of JSON, without secrets."""

    def __init__(self, known: _Known) -> None:
        self._known = known
        self._kept = b""

    def put(self, piece: bytes) -> bytes:
        whole, end, self._kept = (self._kept + piece).rpartition(b"\n")
        return hidden_lines(self._known.mask(), whole + end)

    def end(self) -> bytes:
        rest, self._kept = self._kept, b""
        return self._known.mask().blanked(rest)


class _Tail:
    """The end of a growing file that has not been copied yet."""

    def __init__(self, blobs: BlobStore, kept: Path, key: str, masked: _Hider, limit: int | None = None) -> None:
        self.key = key
        self._masked = masked
        self._ready = b""  # without secrets, and not copied yet
        self._blobs = blobs
        self._path = kept / key
        self._limit = limit
        self._read = 0
        self._copied = 0
        self._gone = 0

    def copy(self) -> None:
        """Append what is new to the blob."""
        self._append()
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._read)
            while piece := file.read(_PIECE_BYTES):
                self._ready = self._masked.put(piece)
                self._read += len(piece)
                self._append()
        if self._gone:
            # Whoever writes it appends, so it goes on at the new end. The disk has no room for what nobody reads.
            with contextlib.suppress(OSError):
                os.truncate(self._path, 0)
                self._read = 0

    def finish(self) -> None:
        """Append what was kept back, since nothing comes after it."""
        self._append()
        self._ready = self._masked.end()
        self._append()

    def _append(self) -> None:
        size = len(self._ready)
        room = size if self._limit is None else min(size, max(0, self._limit - self._copied))
        if room:
            self._blobs.append(self.key, self._ready[:room])
        self._ready = b""
        self._copied += room
        self._gone += size - room

    def close(self) -> None:
        """See to it that the blob is there, with a line at its end about what it does not have."""
        self.finish()
        if not self._copied:
            self._blobs.append(self.key, b"")
        if self._gone:
            self._blobs.append(self.key, b"\n" + _CUT.format(gone=self._gone, limit=self._limit).encode())
