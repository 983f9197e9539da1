"""Files over HTTP: sent in pieces, read by byte range. Shared by datastores, artifacts and logs."""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from canalis.contract.errors import NotFound, of_system
from canalis.contract.masking import Mask, Stream
from canalis.contract.ports import BlobInfo, BlobStore
from canalis.contract.views import FileView

_MEMORY_BYTES = 2**20
_NO_TEXT = "\ufffd"  # Unicode's sign for bytes that are none
RANGE_BYTES_MAX = 4 * 2**20
# How routes that take or give bytes describe them.
_BYTES = {"schema": {"type": "string", "format": "binary"}}
BYTES_SENT: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/octet-stream": _BYTES}}}
# A file comes as what its name says it is; generators of clients know the first of these alone.
_ANY_TYPE = {"application/octet-stream": _BYTES, "*/*": _BYTES}
BYTES_GIVEN: dict[int | str, dict[str, Any]] = {200: {"description": "The bytes", "content": _ANY_TYPE}}
RANGE_GIVEN: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes of that range, as far as they are there",
        "content": {"text/plain": {"schema": {"type": "string"}}},
        "headers": {
            "X-Size": {"required": True, "schema": {"type": "integer"}, "description": "How long the file is now"},
            "X-Complete": {"required": True, "schema": {"type": "boolean"}, "description": "Whether it will stay so"},
        },
    }
}


async def receive(request: Request, put: Callable[[BinaryIO], object]) -> object:
    """Take the body of a request to the disk, then hand it to `put`."""
    fault: OSError | None = None
    with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as received:
        async for piece in request.stream():
            # It is read to its end all the same: who is still sending would find the connection broken, and no answer.
            if fault is None:
                try:
                    received.write(piece)
                except OSError as error:
                    fault = error
        if fault is not None:
            raise of_system(fault, Path(tempfile.gettempdir())) or fault from fault
        received.seek(0)
        return await run_in_threadpool(put, cast(BinaryIO, received))


def file_view(found: BlobInfo, root: str = "") -> FileView:
    """What is shown of a file: its path below `root`, with a sign in the place of bytes that are no text."""
    path = found.key[len(root) :].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return FileView(path=path, size=found.size, modified_at=found.modified_at)


def key_shown_as(path: str, store: BlobStore, root: str = "") -> str:
    """The key below `root` of the file that `file_view` shows under that path."""
    if _NO_TEXT not in path:
        return root + path
    alike = store.list(root + path.partition(_NO_TEXT)[0])
    return next((found.key for found in alike if file_view(found, root).path == path), root + path)


def has_content(store: BlobStore, key: str, received: BinaryIO) -> bool:
    """Whether a file of that key has the content that was received."""
    received.seek(0)
    return all(received.read(len(piece)) == piece for piece in store.read(key)) and not received.read(1)


def send_file(store: BlobStore, key: str, name: str) -> StreamingResponse:
    """A whole file, never shown by a browser as a page of ours."""
    info = store.info(key)
    if info is None:
        raise no_file(name)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    base = quote(name.rpartition("/")[2])
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{base}",
        "Content-Length": str(info.size),
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(_exactly(store.read(key), info.size), media_type=kind, headers=headers)


def no_file(name: str) -> NotFound:
    """What is said of a file that is not there, or not there for who asks."""
    return NotFound(f"There is no file {name}", kind="file", name=name)


def send_log(store: BlobStore, key: str, name: str, mask: Mask) -> StreamingResponse:
    """A whole log without secrets: as long as it is, with a star for each byte of one."""
    sent = send_file(store, key, name)
    sent.body_iterator = iterate_in_threadpool(_masked(store.read(key), int(sent.headers["content-length"]), mask))
    return sent


def send_range(store: BlobStore, key: str, offset: int, limit: int, is_complete: bool, mask: Mask) -> Response:
    """Bytes of a log that may still grow, without secrets; none where there is nothing yet.

    X-Size is how long the log is now, X-Complete whether it will stay so. The last bytes of one that grows are not
    there yet when a secret may begin with them.
    """
    info = store.info(key)
    size, limit, body = info.size if info else 0, min(limit, RANGE_BYTES_MAX), b""
    if info and offset < size:
        first = max(0, offset - mask.longest)
        data = store.get(key, first, offset - first + limit + mask.longest)
        sure = len(data)
        if not is_complete and first + len(data) >= size:
            sure -= mask.unsure(data)
            size = max(offset, first + sure)
        body = mask.blanked(data)[:sure][offset - first :][:limit]
    headers = {"X-Size": str(size), "X-Complete": str(is_complete).lower(), "X-Content-Type-Options": "nosniff"}
    return Response(body, media_type="text/plain; charset=utf-8", headers=headers)


def _masked(pieces: Iterator[bytes], size: int, mask: Mask) -> Iterator[bytes]:
    stream = Stream(mask)
    for piece in _exactly(pieces, size):
        yield stream.put(piece)
    yield stream.end()


def _exactly(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    # A file that grows while it is sent must not break the length that was announced.
    for piece in pieces:
        yield piece[:size]
        size -= len(piece)
        if size <= 0:
            return
