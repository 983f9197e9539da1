"""Lists of files by the hashes of their contents: what source folders and models have in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt

from canalis.contract.errors import NotFound
from canalis.contract.graph import content_id
from canalis.contract.layout import snapshot_key
from canalis.contract.ports import BlobStore

NAME_BYTES_MAX = 255  # of what Linux, macOS and Windows take as the name of a file
PATH_BYTES_MAX = 2_048  # Linux takes 4,096 for the whole of a path, and a step's folder has its own part of that
_DRIVE = re.compile(r"[A-Za-z]:(?:/|$)")


def _safe_path(path: str) -> str:
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"'{path}' is not a path below the source directory")
    return path


def misfits(files: Mapping[str, SnapshotFile]) -> list[str]:
    """What is wrong with files that somebody says a snapshot has; each part is safe by itself already.

    A folder must be able to have all of them, on any machine that steps run on, and each hash has one size.
    """
    found, sizes = list[str](), dict[str, int]()
    for path, file in files.items():
        parts = path.split("/")
        if _DRIVE.match(path):
            found.append(f"'{path[:80]}' begins with a drive's letter")
        if len(path.encode()) > PATH_BYTES_MAX or max(len(part.encode()) for part in parts) > NAME_BYTES_MAX:
            found.append(
                f"'{path[:80]}...' is too long: a path may have {PATH_BYTES_MAX} bytes and each part {NAME_BYTES_MAX}"
            )
        above = next((one for end in range(1, len(parts)) if (one := "/".join(parts[:end])) in files), None)
        if above is not None:
            found.append(f"'{above[:80]}' is a file, and the folder of '{path[:80]}'")
        if sizes.setdefault(file.sha256, file.size) != file.size:
            found.append(f"'{path[:80]}' has {file.size} bytes, and another file of its hash {sizes[file.sha256]}")
    return found


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
