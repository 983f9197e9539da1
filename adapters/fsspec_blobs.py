"""Blobs wherever a file system of fsspec's leads: buckets of S3 and Google, servers of SFTP, memory.

The library that speaks to each is the operator's to install. What is promised of a blob store holds as far as theirs
allows: a new blob appears whole where the other side stores it whole; of two services that put one if it is absent,
both may do so, of the threads of one service a single one.
"""

from __future__ import annotations

import io
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, BinaryIO

from canalis.contract.errors import BadRequest, CanalisError, DatastoreRefused, NotFound, NotSupported, StoreUnavailable
from canalis.contract.masking import Mask
from canalis.contract.ports import BlobInfo

_PIECE_BYTES = 2**20
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
# These show a file while it is still being written: it is written beside its place, and moved there.
_IN_PLACE = ("sftp", "ssh", "ftp", "smb", "hdfs", "webhdfs", "arrow_hdfs")
_PART = ".part-"


class FsspecBlobs:
    """A blob store below a URL of fsspec's. Many threads may use it at once.

    where      what it is called in a message: "Datastore 'landing'"
    options    what the file system is made with, as fsspec has it; a secret that is a JSON object is handed on as one
    secrets    the same for what no message may repeat
    Raises     NotSupported when its library is not installed, DatastoreRefused when it cannot be made
    """

    def __init__(self, where: str, url: str, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._where = f"{where}: {url}"
        self._mask = Mask(secrets.values())
        self._lock = threading.Lock()
        with self._errors():
            try:
                from fsspec.core import url_to_fs
            except ImportError:
                raise NotSupported(
                    f"{where} needs fsspec where the service runs: pip install 'canalis[fsspec]'"
                ) from None
            try:
                given = {**options, **{name: _value(secret) for name, secret in secrets.items()}}
                # What others write is to be seen at once, and no file system is shared with another's credentials.
                self._fs, root = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True, **given)
            except ImportError as error:
                raise NotSupported(f"{self._where} needs a library where the service runs: {error}") from None
        self._root = str(root).rstrip("/")
        self._is_moved = url.partition("://")[0] in _IN_PLACE

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Write the whole blob."""
        path = self._path(key)
        with self._errors():
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            if not self._is_moved:
                self._write(path, data)
                return
            part = f"{path.rpartition('/')[0]}/{_PART}{uuid.uuid4().hex}"
            try:
                self._write(part, data)
                self._fs.mv(part, path)
            except BaseException:
                with suppress(Exception):
                    self._fs.rm(part)
                raise

    def put_if_absent(self, key: str, data: bytes | BinaryIO) -> bool:
        """Write it unless there is one."""
        with self._lock:
            if self.info(key) is not None:
                return False
            self.put(key, data)
            return True

    def append(self, key: str, data: bytes) -> None:
        """Add to the end of the blob, which is written anew: few of these file systems can do more."""
        with self._lock:
            before = self.get(key) if self.info(key) is not None else b""
            self.put(key, before + data)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """That range of it. Raises NotFound."""
        info = self._known(key)
        end = info.size if length is None else min(info.size, offset + length)
        if offset >= end:
            return b""
        with self._errors(key):
            return bytes(self._fs.cat_file(self._path(key), offset, end))

    def read(self, key: str) -> Iterator[bytes]:
        """All of it in pieces. Raises NotFound."""
        self._known(key)
        with self._errors(key), self._fs.open(self._path(key), "rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece

    def info(self, key: str) -> BlobInfo | None:
        """Its size and age, or None."""
        path = self._path(key)
        with self._errors():
            try:
                found = self._fs.info(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return BlobInfo(key, int(found["size"] or 0), _when(found)) if found["type"] == "file" else None

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """All blobs whose keys begin with `prefix`, by key."""
        folder = prefix.rpartition("/")[0]
        start = self._path(folder) if folder else self._root
        with self._errors():
            try:
                found = self._fs.find(start, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                found = {}
        below = len(self._fs._strip_protocol(self._root)) + 1
        blobs = {str(path)[below:]: info for path, info in found.items() if info["type"] == "file"}
        for key in sorted(blobs):
            if key.startswith(prefix) and not key.rpartition("/")[2].startswith(_PART):
                yield BlobInfo(key, int(blobs[key]["size"] or 0), _when(blobs[key]))

    def delete(self, prefix: str) -> int:
        """Delete the blob of that key and all below it."""
        key = prefix.rstrip("/")
        found = [self.info(key), *self.list(f"{key}/")]
        count = sum(info is not None for info in found)
        with self._errors():
            if count:
                self._fs.rm(self._path(key), recursive=True)
        return count

    def link(self, key: str, lifetime_s: float, write: bool = False) -> None:
        """There is none: bytes go through the service."""

    def folder(self) -> None:
        """There is none on this machine."""

    def _path(self, key: str) -> str:
        parts = key.split("/")
        if not key or "\0" in key or any(part in ("", ".", "..") or part.startswith(_PART) for part in parts):
            raise BadRequest(f"'{key}' is no path of a file here", key=key)
        return f"{self._root}/{key}"

    def _write(self, path: str, data: bytes | BinaryIO) -> None:
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        with self._fs.open(path, "wb") as file:
            while piece := stream.read(_PIECE_BYTES):
                file.write(piece)

    def _known(self, key: str) -> BlobInfo:
        info = self.info(key)
        if info is None:
            raise NotFound(f"There is no file {key}", kind="file", name=key)
        return info

    @contextmanager
    def _errors(self, key: str = "") -> Iterator[None]:
        """What their libraries raise, each in its own way, in the words of who registered the datastore."""
        try:
            yield
        except CanalisError:
            raise
        except FileNotFoundError:
            raise NotFound(f"There is no file {key}", kind="file", name=key) from None
        except Exception as error:
            told = f"{self._where}: {type(error).__name__}: {self._mask.hidden(str(error))[:300]}"
            is_theirs = isinstance(error, (PermissionError, TypeError, ValueError)) or _is_refusal(error)
            failure = DatastoreRefused(told) if is_theirs else StoreUnavailable(told)
        else:
            return
        raise failure  # not where it was caught: what failed may have a secret in it


def _is_refusal(error: Exception) -> bool:
    """Whether a library says that it is not let in: each has its own classes, whose names say so."""
    name = type(error).__name__.lower()
    return any(word in name for word in ("auth", "credential", "forbidden", "denied"))


def _value(secret: str) -> Any:
    if secret.lstrip().startswith("{"):
        with suppress(ValueError):
            return json.loads(secret)
    return secret


def _when(found: Mapping[str, Any]) -> float:
    """When a file was written, in seconds since 1970; 0.0 where nobody says."""
    for name in _TIMES:
        value = found.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, (int, float)):
            return float(value)
        if isinstance(value, str):
            with suppress(ValueError):
                return datetime.fromisoformat(value).timestamp()
    return 0.0
