"""Copies data between datastores, by the service itself: streamed, counted, and with a checksum of every file.

A copy is made in slices of SLICE_S, each within one call, by whichever worker there is. How far it is stands in the
handle, so that a worker that dies costs one slice, and a service whose machines come and go needs none for long. What
was copied is told file by file in the step's artifacts.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import NamedTuple

from canalis.contract.errors import AuthorError, CanalisError, Conflict, WorldError
from canalis.contract.graph import ServiceWork
from canalis.contract.graphs import stored_graph
from canalis.contract.layout import STEP_LOG, artifacts
from canalis.contract.patterns import is_pattern, unescaped
from canalis.contract.places import Place, imprint_of
from canalis.contract.ports import AttemptKey, BlobInfo, BlobStore, Ports
from canalis.contract.status import Outcome, Phase
from canalis.contract.times import DATA_OUT
from steps.backend import Ended, Pending, Work
from steps.follow import LEASE_S
from steps.registering import register_outputs
from steps.surroundings import Site
from steps.work import is_wanted

SLICE_S = 10.0
_AT_ONCE = 8  # files
_TOGETHER = 64  # files between two looks at the clock
_COPIED = "outputs/copied"

_log = logging.getLogger("canalis.transfer")


class TransferFailed(AuthorError):
    """Data cannot be copied as a step asks."""

    code = "transfer_failed"


@dataclass(frozen=True, slots=True)
class Done:
    """How far a copy is.

    last         key of the last file that was copied; "" for none
    files, size  how many were, and their bytes
    sha256       of all lines so far about the files, each hashed with what was before it
    """

    last: str = ""
    files: int = 0
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Copied:
    """A file that was copied, as the step's artifacts tell of it."""

    path: str
    size: int
    md5: str


class Copy(NamedTuple):
    """What is to be copied: one file, or all below a folder. `target` is the file's key, or the folder's."""

    source: BlobStore
    key: str
    is_file: bool
    destination: BlobStore
    target: str


def make(ports: Ports, site: Site) -> TransferBackend:
    """The backend."""
    return TransferBackend(ports)


class TransferBackend:
    """Copies a slice in each call, as long as the step is wanted."""

    forestalls = True  # by the claim: who lost it cannot write that it begins

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def start(self, work: Work) -> Ended | Pending:
        """Copy the first slice."""
        started = work.attempt.facts.get("started_at") or self._ports.clock.now()
        facts = {"phase": Phase.RUNNING.value, "started_at": started, "marks": [(DATA_OUT, started)]}
        if not self._ports.runs.note(work.attempt, facts):
            raise Conflict(f"{work.key} was claimed by another worker before its copy began")
        return self._go_on(work, str(work.attempt.facts.get("handle", "")), float(started))

    def check(self, work: Work, handle: str) -> Ended | Pending:
        """Copy the next slice."""
        return self._go_on(work, handle, float(work.attempt.facts.get("started_at") or self._ports.clock.now()))

    def stop(self, key: AttemptKey) -> bool:
        """Nothing is copied from the next look on, which finds that the step is not wanted any more."""
        attempt = self._ports.runs.attempt(key)
        return attempt is not None and not attempt.ended and "started_at" in attempt.facts

    def recall(self, key: AttemptKey) -> bool:
        """Nothing waits in a line of ours."""
        return False

    def has_begun(self, key: AttemptKey) -> bool:
        """Whether anything was copied."""
        attempt = self._ports.runs.attempt(key)
        return attempt is not None and "started_at" in attempt.facts

    def held(self) -> Collection[AttemptKey]:
        """None: every end is found by a look."""
        return ()

    def _go_on(self, work: Work, handle: str, started: float) -> Ended | Pending:
        done = Done(**json.loads(handle)) if handle else Done()
        if not self._is_wanted(work):
            return self._over(work, done, Ended(Outcome.CANCELLED, None, "cancelled", "The copy was stopped", started))
        try:
            copy = self._copy(work)
            with _claim_kept(self._ports, work):
                done, is_over = self._slice(work, copy, done)
        except AuthorError as error:
            return self._over(work, done, Ended(Outcome.FAILED, None, error.code, error.message, started))
        except CanalisError:  # storage that is away: the order comes again
            raise
        except Exception as error:  # and would come again for ever
            _log.exception("step %s", work.step_run_id)
            return Ended(Outcome.FAILED, None, "internal", f"Canalis could not copy this: {error!r}", started)
        if not is_over:
            return Pending(json.dumps(asdict(done)), 0.0, started)
        return self._over(work, done, Ended(Outcome.SUCCEEDED, 0, started_at=started))

    def _is_wanted(self, work: Work) -> bool:
        run = self._ports.runs.load(work.key.run_id)
        graph = stored_graph(self._ports.blobs, run.request.graph)
        return "overdue_at" not in work.attempt.facts and is_wanted(run, graph, work.key)

    def _slice(self, work: Work, copy: Copy, done: Done) -> tuple[Done, bool]:
        """Copy for a while; how far it is then, and whether that is all."""
        until = time.monotonic() + SLICE_S
        files = _files(copy, done.last)
        with ThreadPoolExecutor(_AT_ONCE, "transfer") as threads:
            while batch := list(islice(files, _TOGETHER)):
                copied = list(threads.map(lambda info: _copied(copy, info), batch))
                lines = [json.dumps(asdict(file)) + "\n" for file in copied]
                # Under the number of its first file: a batch that is copied again is told of once.
                key = f"{artifacts(work.step_run_id)}{_COPIED}-{done.files:08}.jsonl"
                self._ports.blobs.put(key, "".join(lines).encode())
                done = _with(done, copied, lines)
                if time.monotonic() > until:
                    return done, False
        if not done.files:
            raise TransferFailed(f"There is nothing to copy at '{copy.key}' of the source's datastore")
        return done, True

    def _copy(self, work: Work) -> Copy:
        """What is to be copied, as it lies there now."""
        assert isinstance(work.node.work, ServiceWork), work.node.work
        if len(work.inputs) != 1 or len(work.outputs) != 1:
            raise TransferFailed("A copy has one source and one destination")
        (places,), (to,) = work.inputs.values(), work.outputs.values()
        if len(places) != 1 or is_pattern(places[0].path):
            raise TransferFailed("The source is many places: a file or a folder can be copied")
        source = Place(places[0].datastore, unescaped(places[0].path))
        reads, writes = self._ports.stores.open(source.datastore), self._ports.stores.open(to.datastore)
        said = work.node.work.asked
        found, there = _kind(reads, source.path), _kind(writes, to.path)
        kind = str(said.get("source") or found or said.get("destination") or there or "directory")
        wanted = str(said.get("destination") or there or kind)
        if kind == "file" and found != "file":
            raise TransferFailed(f"There is no file '{source.path}' in the datastore '{source.datastore}'")
        if kind == "directory" and wanted == "file":
            raise TransferFailed(f"'{source.path}' is a directory, and '{to.path}' is to be a file")
        if source.datastore == to.datastore and f"{to.path}/".startswith(f"{source.path}/"):
            raise TransferFailed(f"'{to.path}' lies within '{source.path}', so a copy there would copy itself")
        is_into = kind == "file" and wanted == "directory"
        target = f"{to.path}/{source.path.rpartition('/')[2]}" if is_into else to.path
        return Copy(reads, source.path, kind == "file", writes, target)

    def _over(self, work: Work, done: Done, ended: Ended) -> Ended:
        told = f"copied {done.files} files, {done.size} bytes; SHA-256 over all: {done.sha256 or 'none'}\n"
        ended = replace(ended, error=self._ports.vault.mask().hidden(ended.error))
        told += f"canalis: {ended.error}\n" if ended.error else ""
        self._ports.blobs.append(artifacts(work.step_run_id) + STEP_LOG, told.encode())
        ended = replace(ended, ended_at=self._ports.clock.now())
        if ended.outcome is not Outcome.SUCCEEDED:
            return ended
        register_outputs(self._ports, work)
        left = {name: imprint_of(self._ports.stores, place) for name, place in work.outputs.items()}
        return replace(ended, left=left)


def _kind(store: BlobStore, path: str) -> str:
    """What lies there: file, directory, or "" for nothing."""
    if path and store.info(path) is not None:
        return "file"
    return "directory" if next(store.list(f"{path}/" if path else ""), None) is not None else ""


def _files(copy: Copy, after: str) -> Iterator[BlobInfo]:
    """The files to be copied whose keys come after that one, by key."""
    if copy.is_file:
        info = copy.source.info(copy.key)
        return iter([info] if info is not None and not after else [])
    return (info for info in copy.source.list(f"{copy.key}/" if copy.key else "") if info.key > after)


def _copied(copy: Copy, info: BlobInfo) -> Copied:
    """A file, once it is copied. Raises TransferFailed when it is not the same there."""
    below = info.key.removeprefix(copy.key).lstrip("/")
    target = copy.target if copy.is_file else f"{copy.target}/{below}"
    stream = _Hashed(copy.source.read(info.key))
    copy.destination.put(target, io.BufferedReader(stream, 2**20))
    kept = copy.destination.info(target)
    if kept is None or kept.size != stream.size:
        has = "nothing" if kept is None else f"{kept.size} bytes"
        raise TransferFailed(f"'{target}' has {has} where {stream.size} were written")
    return Copied(info.key, stream.size, stream.md5.hexdigest())


def _with(done: Done, batch: Sequence[Copied], lines: Sequence[str]) -> Done:
    sha256 = done.sha256
    for line in lines:
        sha256 = hashlib.sha256((sha256 + line).encode()).hexdigest()
    return Done(batch[-1].path, done.files + len(batch), done.size + sum(file.size for file in batch), sha256)


class _Hashed(io.RawIOBase):
    """Pieces of a file as a stream, whose bytes are counted and hashed as they are read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")
        self.size = 0
        # Of all checksums the one that storage itself knows, and a third of what SHA-256 takes of the processor.
        self.md5 = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        """The next bytes; 0 at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self.md5.update(self._rest[:count])
        self._rest = self._rest[count:]
        self.size += count
        return count


@contextmanager
def _claim_kept(ports: Ports, work: Work) -> Iterator[None]:
    """Lengthens the claim on the attempt until the end of the block: a large file takes longer than a lease."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(LEASE_S / 3):
            with suppress(WorldError):  # the next one may succeed, and else another worker goes on from the last slice
                ports.runs.renew(work.attempt.owner, [work.key], LEASE_S)

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
