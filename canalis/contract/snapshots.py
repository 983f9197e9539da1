"""Lists of files by the hashes of their contents: what source folders and models have in them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt

from canalis.contract.errors import NotFound
from canalis.contract.graph import content_id
from canalis.contract.layout import snapshot_key
from canalis.contract.ports import BlobStore


def _safe_path(path: str) -> str:
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"'{path}' is not a path below the source directory")
    return path


class SnapshotFile(BaseModel):
    """One file of a snapshot."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size: Annotated[StrictInt, Field(ge=0)]
    executable: StrictBool = False


class Snapshot(BaseModel):
    """The files of a source directory, by path."""

    files: dict[Annotated[str, AfterValidator(_safe_path)], SnapshotFile]

    def document(self) -> tuple[str, bytes]:
        """Its id, and the bytes that it is kept as."""
        document = Snapshot(files=self.files).model_dump_json(exclude_defaults=True).encode()
        return content_id(document), document


def stored_snapshot(blobs: BlobStore, identity: str) -> Snapshot:
    """The snapshot of that id. Raises NotFound."""
    if len(identity) != 64 or not set(identity) <= set("0123456789abcdef"):
        raise NotFound(f"There is no snapshot {identity[:80]}", kind="snapshot", name=identity[:80])
    return Snapshot.model_validate_json(blobs.get(snapshot_key(identity)))
