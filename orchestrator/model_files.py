"""Files of a run become those of a model: copied under their hashes, so that the model outlives the run."""

from __future__ import annotations

import hashlib
import tempfile
from typing import BinaryIO, cast

from canalis.contract.errors import NotFound
from canalis.contract.layout import artifacts, content_key, of_run, snapshot_key
from canalis.contract.ports import BlobInfo, BlobStore, Ports
from canalis.contract.run import StepRunId
from canalis.contract.snapshots import Snapshot, SnapshotFile
from orchestrator.retention.doomed import spare
from orchestrator.step_views import maker_of

_MEMORY_BYTES = 2**20
_NAMED_MAX = 20


def files_of_run(ports: Ports, run: str, path: str) -> tuple[str, Snapshot]:
    """The snapshot of a file or a folder among a run's files, below its own name; it is kept when this returns.

    run      id of a run or of a step's run
    Raises   NotFound, which names what is there
    """
    step = StepRunId.parse(run)
    root = artifacts(maker_of(ports, step) if step is not None else of_run(run))
    wanted = "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))
    found = _at(ports.blobs, root, wanted)
    if not found:
        raise NotFound(_not_there(ports.blobs, root, run, path), kind="file", name=path)
    above = len(root) + len(wanted.rpartition("/")[0]) + ("/" in wanted)
    files = {info.key[above:]: _kept(ports, info) for info in found}
    snapshot = Snapshot(files=files)
    identity, document = snapshot.document()
    spare(ports, [snapshot_key(identity)])
    ports.blobs.put_if_absent(snapshot_key(identity), document)
    return identity, snapshot


def _at(blobs: BlobStore, root: str, wanted: str) -> list[BlobInfo]:
    if not wanted or ".." in wanted.split("/"):
        return []
    info = blobs.info(root + wanted)
    return [info] if info is not None else [*blobs.list(f"{root}{wanted}/")]


def _kept(ports: Ports, info: BlobInfo) -> SnapshotFile:
    """A file under its hash. What was hashed is what is put: somebody may write to the other one meanwhile."""
    with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as seen:
        digest, size = hashlib.sha256(), 0
        for piece in ports.blobs.read(info.key):
            digest.update(piece)
            size += len(piece)
            seen.write(piece)
        seen.seek(0)
        key = content_key(digest.hexdigest())
        spare(ports, [key])
        ports.blobs.put_if_absent(key, cast(BinaryIO, seen))
    return SnapshotFile(sha256=digest.hexdigest(), size=size)


def _not_there(blobs: BlobStore, root: str, run: str, path: str) -> str:
    there = [info.key[len(root) :] for info in blobs.list(root)]
    shown = [name.encode("utf-8", "replace").decode() for name in there[:_NAMED_MAX]]
    more = f" and {len(there) - _NAMED_MAX} more" if len(there) > _NAMED_MAX else ""
    return f"Run {run} has no file or folder '{path[:200]}' (it has: {', '.join(shown) or 'none'}{more})"
