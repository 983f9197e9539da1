"""Appending to blobs: append blobs, and a further one when a blob has had as many blocks as Azure allows.

The first is the blob itself; in its metadata stand the names of those that follow it, which lie beside it and are
hidden. Each block is written at the length that the blob is known to have, so nothing is written twice when an answer
was lost, and of two who append at once the later one looks again.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobClient, BlobProperties, BlobType, ContainerClient

from adapters.azure_account import code_of, plain_errors
from canalis.contract.errors import BadRequest, Conflict

SEGMENT = ".segment-"  # begins the name of what follows a full blob
_NAMES = "segments"  # metadata
_BLOCK_BYTES = 4 * 2**20
_KNOWN_MAX = 1024
_TRIES = 50  # with many who append to one blob, the last of them looks as often as there are others
_ROLE = "Storage Blob Data Contributor"


@dataclass(slots=True)
class _End:
    """Where a blob ends, as last seen: the blob that is written to, its length and its blocks."""

    name: str
    size: int
    blocks: int


class Appends:
    """Appends to the blobs of a container.

    blocks_max   of one blob; Azure allows 50,000
    """

    def __init__(self, container: ContainerClient, where: str, blocks_max: int) -> None:
        self._container = container
        self._where = where
        self._blocks_max = blocks_max
        self._ends: OrderedDict[str, _End] = OrderedDict()
        self._locks = [threading.Lock() for _ in range(16)]  # threads of one process need not race through Azure

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of the blob. Raises BadRequest when it was put whole, not begun by appending."""
        with self._locks[hash(name) % len(self._locks)], plain_errors(self._where, _ROLE):
            for start in range(0, max(1, len(data)), _BLOCK_BYTES):
                self._add(name, data[start : start + _BLOCK_BYTES])

    def segments(self, found: BlobProperties) -> list[str]:
        """Names of the blobs that follow this one, in order."""
        folder, slash, last = found.name.rpartition("/")
        ids = (found.metadata or {}).get(_NAMES, "")
        return [f"{folder}{slash}{SEGMENT}{one}-{last}" for one in ids.split(",") if one]

    def _add(self, name: str, block: bytes) -> None:
        for number in range(_TRIES):
            end = self._ends.get(name) or self._look(name)
            if end.blocks >= self._blocks_max:
                self._roll_over(name, end)
                continue
            if not block or self._write(name, end, block):
                return
            if number:
                time.sleep(random.uniform(0, 0.02 * min(number, 10)))  # noqa: S311 so that one of many gets through
        raise Conflict(f"{self._where}: others append to {name} all the time")

    def _write(self, name: str, end: _End, block: bytes) -> bool:
        """Whether the block stands at that end, now or since an earlier try; else the end is forgotten."""
        blob = self._container.get_blob_client(end.name)
        try:
            said = blob.append_block(block, length=len(block), appendpos_condition=end.size)
        except AzureError as error:
            self._ends.pop(name, None)
            status, code = getattr(error, "status_code", None), code_of(error)
            if status == 404:
                return False  # deleted since we looked
            if code == "BlockCountExceedsLimit":
                self._roll_over(name, end)
                return False
            # The client asks again when an answer is lost, and is then told that its own block is in the way.
            if status == 412 or status is None:
                return self._stands(blob, end.size, block)
            raise
        end.size, end.blocks = end.size + len(block), int(str(said["blob_committed_block_count"]))
        return True

    def _stands(self, blob: BlobClient, offset: int, block: bytes) -> bool:
        try:
            return bool(blob.download_blob(offset, len(block)).readall() == block)
        except HttpResponseError as error:
            if error.status_code in (404, 416):
                return False
            raise

    def _look(self, name: str) -> _End:
        """Where the blob ends; it is made when it is not there."""
        found = self._properties(name)
        if found is None:
            self._create(name)
            found = self._properties(name)
        if found is None:
            raise Conflict(f"{self._where}: {name} is deleted as soon as it is made")
        names = self.segments(found)
        last = (self._properties(names[-1]) if names else None) or found
        end = self._ends[name] = _End(last.name, last.size, int(last.append_blob_committed_block_count or 0))
        if last.blob_type != BlobType.APPENDBLOB:
            self._ends.pop(name)
            raise BadRequest(f"{name} was put as a whole: nothing can be appended to it", name=name)
        while len(self._ends) > _KNOWN_MAX:
            self._ends.popitem(last=False)
        return end

    def _roll_over(self, name: str, end: _End) -> None:
        """Have a further blob follow the one that is full, unless somebody else has seen to it."""
        self._ends.pop(name, None)
        found = self._properties(name)
        if found is None or (self.segments(found) or [name])[-1] != end.name:
            return
        fresh = uuid.uuid4().hex[:8]
        names = {_NAMES: ",".join(filter(None, [(found.metadata or {}).get(_NAMES, ""), fresh]))}
        found.metadata = {**(found.metadata or {}), **names}
        self._create(self.segments(found)[-1])
        try:
            self._container.get_blob_client(name).set_blob_metadata(
                found.metadata, etag=found.etag, match_condition=MatchConditions.IfNotModified
            )
        except HttpResponseError as error:
            if error.status_code not in (404, 412):
                raise
            self._container.get_blob_client(self.segments(found)[-1]).delete_blob()

    def _create(self, name: str) -> None:
        try:
            self._container.get_blob_client(name).create_append_blob(match_condition=MatchConditions.IfMissing)
        except HttpResponseError as error:
            if error.status_code not in (409, 412):
                raise

    def _properties(self, name: str) -> BlobProperties | None:
        try:
            return self._container.get_blob_client(name).get_blob_properties()
        except HttpResponseError as error:
            if error.status_code == 404 and code_of(error) != "ContainerNotFound":
                return None
            raise
