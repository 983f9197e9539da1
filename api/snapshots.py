"""Source snapshots: lists of files by the hashes of their contents. What is known is not sent again."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from api.access import GuardedRoute, Role, needs
from api.files import BYTES_GIVEN, BYTES_SENT, no_file, receive, send_file
from api.incoming import IncomingLink, links_for, take_in
from api.links import at_once
from api.reach import Reach
from api.service import Asking, Here
from canalis.contract.errors import BadRequest, HashMismatch
from canalis.contract.layout import content_key, snapshot_key
from canalis.contract.ports import BlobStore
from canalis.contract.snapshots import Snapshot, misfits, stored_snapshot
from orchestrator.retention.doomed import spare
from orchestrator.retention.garbage import YOUNG_S

router = APIRouter(route_class=GuardedRoute, tags=["snapshots"])

_TOLD_MAX = 20


class SnapshotSaid(Snapshot):
    """A snapshot, and which of its files were sent to the places that an answer before has given.

    arrived   those places by hash; 200 at most
    """

    arrived: dict[str, str] = Field(default_factory=dict)


class SnapshotAnswer(BaseModel):
    """The snapshot's id, and the hashes of the files that must be sent before it can be used.

    links   by hash, where to send files past the service: for 200 files and 1 GiB at a time, and none where files go
            through it, to /content
    """

    id: str
    missing: list[str]
    links: dict[str, IncomingLink] = {}


@router.post("/snapshots", dependencies=[needs(Role.SUBMITTER, step=Reach.WORKSPACE)])
def post_snapshot(here: Here, who: Asking, said: SnapshotSaid) -> SnapshotAnswer:
    """Say which files a snapshot has. It can be used once nothing is missing: say it again then."""
    if wrong := misfits(said.files):
        raise BadRequest("The snapshot cannot be put in place: " + "; ".join(wrong[:_TOLD_MAX]), count=len(wrong))
    identity, document = said.document()
    blobs, key = here.ports.blobs, snapshot_key(identity)
    # Before anybody looks what is there: it stays then.
    spare(here.ports, [key, *(content_key(file.sha256) for file in said.files.values())])
    if (known := blobs.info(key)) is not None:
        if here.ports.clock.now() - known.modified_at > YOUNG_S / 2:
            blobs.put(key, document)  # young again: whoever has its id may take a while to use it
        return SnapshotAnswer(id=identity, missing=[])
    sender = " ".join([who.name, *(f"{name}={one}" for name, one in sorted(who.ids.items()))])
    sizes = {file.sha256: file.size for file in said.files.values()}
    if said.arrived:
        take_in(here.ports, sender, said.arrived, sizes)
    wanted = sorted(sizes)
    infos = at_once(lambda sha256: blobs.info(content_key(sha256)), wanted)
    missing = [sha256 for sha256, info in zip(wanted, infos, strict=True) if info is None]
    for sha256, info in zip(wanted, infos, strict=True):
        if info is not None and info.size != sizes[sha256]:
            raise BadRequest(f"The file with the hash {sha256} has {info.size} bytes, not {sizes[sha256]}")
    if not missing:
        blobs.put_if_absent(key, document)
    links = links_for(here.ports, sender, {sha256: sizes[sha256] for sha256 in missing}) if missing else {}
    return SnapshotAnswer(id=identity, missing=missing, links=links)


@router.put(
    "/content/{sha256}",
    dependencies=[needs(Role.SUBMITTER, step=Reach.WORKSPACE)],
    status_code=204,
    openapi_extra=BYTES_SENT,
)
async def put_content(here: Here, sha256: str, request: Request) -> None:
    """Send a source file. Its bytes must have the hash that the address names."""

    def put(received: BinaryIO) -> None:
        digest = hashlib.sha256()
        while piece := received.read(2**20):
            digest.update(piece)
        found = digest.hexdigest()
        if found != sha256:
            raise HashMismatch(f"These bytes have the hash {found}, not {sha256}")
        received.seek(0)
        here.ports.blobs.put_if_absent(content_key(sha256), received)

    await receive(request, put)


@router.get("/snapshots/{identity}", dependencies=[needs(Role.READER)])
def get_snapshot(here: Here, identity: str) -> Snapshot:
    """The files of a snapshot."""
    return stored_snapshot(here.ports.blobs, identity)


@router.get(
    "/snapshots/{identity}/files/{path:path}",
    dependencies=[needs(Role.READER)],
    response_class=Response,
    responses=BYTES_GIVEN,
)
def get_snapshot_file(here: Here, identity: str, path: str) -> StreamingResponse:
    """One file of a snapshot, by its path there."""
    # Never a path of ours: what is not in the list is not there.
    file = stored_snapshot(here.ports.blobs, identity).files.get(path)
    if file is None:
        raise no_file(path)
    return send_file(here.ports.blobs, content_key(file.sha256), path)


def files_of(blobs: BlobStore, identity: str) -> dict[str, str]:
    """The hash of each file of a snapshot, by path. Raises NotFound."""
    return {path: file.sha256 for path, file in stored_snapshot(blobs, identity).files.items()}
