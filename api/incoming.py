"""Source files that come past the service: each is sent to a place of its own, and taken in once its bytes were seen.

A file under its hash is code that others will run. So nobody can write there but we, after we have hashed what we
write; what was sent waits under incoming/<32 hex>/<sha-256>, a place that one caller was given for an hour.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
from collections.abc import Mapping
from typing import BinaryIO, cast

from api.links import WRITE_S, LinkView, at_once, view_of
from canalis.contract.errors import BadRequest, HashMismatch, TooLarge
from canalis.contract.layout import content_key, incoming_key
from canalis.contract.ports import BlobStore, Ports

FILES_MAX = 200  # of one answer, and one arrival: a request ends within the minute that an app gives it
BYTES_MAX = 2**30  # of one answer together
FILE_BYTES_MAX = 2**30  # of a source file that comes past the service
_KIND = "incoming"
_PLACE = re.compile(r"incoming/([0-9a-f]{32})/([0-9a-f]{64})")
_MEMORY_BYTES = 2**20


class IncomingLink(LinkView):
    """Where to send a source file, and what that place is called when the file is there."""

    key: str


def links_for(ports: Ports, caller: str, missing: Mapping[str, int]) -> dict[str, IncomingLink]:
    """Places for the first of the files that are missing, by hash; none where bytes only go through the service.

    missing   sizes in bytes, by hash
    Raises    TooLarge
    """
    place, chosen = secrets.token_hex(16), _as_many_as_go(missing)
    links = {
        sha256: IncomingLink(key=key, url=view.url, headers=view.headers)
        for sha256 in chosen
        if (view := view_of(ports.blobs.link(key := incoming_key(place, sha256), WRITE_S, write=True)))
    }
    if links:
        _check_sizes(missing)
        _forget_old(ports)
        ports.documents.put(_KIND, place, {"by": caller, "until": ports.clock.now() + WRITE_S})
    return links


def take_in(ports: Ports, caller: str, arrived: Mapping[str, str], sizes: Mapping[str, int]) -> None:
    """Put files that have arrived under their hashes. Those that were taken in before do no harm.

    arrived   places by hash, as they were given to this caller
    sizes     in bytes, by hash
    Raises    TooLarge, BadRequest for another place, HashMismatch for other bytes
    """
    total = sum(sizes.get(sha256, 0) for sha256 in arrived)
    if len(arrived) > FILES_MAX or total > BYTES_MAX:
        raise TooLarge(
            f"{len(arrived)} files with {total} bytes have arrived; {FILES_MAX} with {BYTES_MAX} are taken in at once",
            files_max=FILES_MAX,
            bytes_max=BYTES_MAX,
        )
    givers: dict[str, bool] = {}
    for sha256, key in arrived.items():
        found = _PLACE.fullmatch(key)
        if found is None or found[2] != sha256 or sha256 not in sizes:
            raise BadRequest(f"'{key}' is no place for a file of this snapshot with the hash {sha256}", key=key)
        place = found[1]
        if place not in givers:
            givers[place] = _is_of(ports, place, caller)
        if not givers[place]:
            raise BadRequest(f"'{key}' was not given to you, or too long ago: ask for links again", key=key)
    at_once(lambda sha256: _take(ports.blobs, arrived[sha256], sha256, sizes[sha256]), [*arrived])


def _take(blobs: BlobStore, key: str, sha256: str, size: int) -> None:
    info = blobs.info(key)
    if info is None:
        return  # taken in before, or never sent: then it is still missing
    if info.size != size:
        blobs.delete(key)
        raise HashMismatch(f"The file that has come for {sha256} has {info.size} bytes, not {size}")
    with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as seen:
        digest = hashlib.sha256()
        for piece in blobs.read(key):
            digest.update(piece)
            seen.write(piece)
        if digest.hexdigest() != sha256:
            blobs.delete(key)
            raise HashMismatch(f"The bytes that have come have the hash {digest.hexdigest()}, not {sha256}")
        seen.seek(0)
        # What was hashed is what is put: the place can still be written by whoever has its link.
        blobs.put_if_absent(content_key(sha256), cast(BinaryIO, seen))
    blobs.delete(key)


def _as_many_as_go(missing: Mapping[str, int]) -> list[str]:
    chosen, total = list[str](), 0
    for sha256, size in sorted(missing.items())[:FILES_MAX]:
        if chosen and total + size > BYTES_MAX:
            break
        chosen.append(sha256)
        total += size
    return chosen


def _check_sizes(missing: Mapping[str, int]) -> None:
    too_large = {sha256: size for sha256, size in missing.items() if size > FILE_BYTES_MAX}
    if too_large:
        raise TooLarge(
            f"A file has {max(too_large.values())} bytes; one of a source directory or a model has {FILE_BYTES_MAX} at "
            "most. Put data into a datastore, and larger models; what is no source file can be named in .amlignore",
            bytes_max=FILE_BYTES_MAX,
            files=sorted(too_large)[:100],
        )


def _is_of(ports: Ports, place: str, caller: str) -> bool:
    found = ports.documents.get(_KIND, place)
    return found is not None and found.body["by"] == caller and ports.clock.now() <= found.body["until"] + WRITE_S


def _forget_old(ports: Ports) -> None:
    """Delete what was sent to places that nobody came back for."""
    for stored in ports.documents.list(_KIND):
        if ports.clock.now() > stored.body["until"] + WRITE_S:
            ports.blobs.delete(f"incoming/{stored.name}")
            ports.documents.delete(_KIND, stored.name)
