"""Blobs as files below a folder. Keys are relative paths, and a key that would leave the folder is refused."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from canalis.contract.errors import BadRequest, NotFound, of_system
from canalis.contract.ports import BlobInfo, BlobStore

_PIECE_BYTES = 2**20
_PART = ".part-"  # begins the name of a file that is still being written


class FileBlobs:
    """A blob store in a folder. A new blob appears whole, and has reached the disk before its writer goes on."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Write the whole blob."""
        path = self._path(key)
        with self._written(path, data) as part:
            part.replace(path)

    def put_if_absent(self, key: str, data: bytes | BinaryIO) -> bool:
        """Write it unless there is one."""
        path = self._path(key)
        if path.exists():
            return False
        with self._written(path, data) as part:
            try:
                os.link(part, path)  # unlike a rename, this fails when the name is taken
            except FileExistsError:
                return False
        return True

    def append(self, key: str, data: bytes) -> None:
        """Add to the end of the blob."""
        path = self._path(key)
        with _plain_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab", buffering=0) as file:
                file.write(data)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """That range of it. Raises NotFound."""
        with self._opened(key) as file:
            file.seek(offset)
            return file.read(-1 if length is None else length)

    def read(self, key: str) -> Iterator[bytes]:
        """All of it in pieces."""
        with self._opened(key) as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece

    def info(self, key: str) -> BlobInfo | None:
        """Its size and age, or None."""
        path = self._path(key)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return BlobInfo(key, found.st_size, found.st_mtime) if path.is_file() else None

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """All blobs whose keys begin with `prefix`, by key."""
        folder, _, beginning = prefix.rpartition("/")
        start = self._path(folder) if folder else self.root
        for path in _files(start, beginning):
            key = path.relative_to(self.root).as_posix()
            found = self.info(key)
            if found:
                yield found

    def delete(self, prefix: str) -> int:
        """Delete the blob of that key and all below it."""
        path = self._path(prefix.rstrip("/"))
        with _plain_errors(path):
            if path.is_dir() and not path.is_symlink():
                count = sum(1 for _ in _files(path, ""))
                shutil.rmtree(path)
                return count
            if path.exists() or path.is_symlink():
                path.unlink()
                return 1
        return 0

    def link(self, key: str, lifetime_s: float, write: bool = False) -> None:
        """There is none: bytes go through the service."""

    def folder(self) -> Path:
        """The folder itself."""
        return self.root

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if not key or "\0" in key or any(part in ("", ".", "..") or part.startswith(_PART) for part in parts):
            raise BadRequest(f"'{key}' is no path of a file here", key=key)
        return self.root.joinpath(*parts)

    @contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO]:
        try:
            file = self._path(key).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound(f"There is no file {key}", kind="file", name=key) from None
        with file:
            yield file

    @contextmanager
    def _written(self, path: Path, data: bytes | BinaryIO) -> Iterator[Path]:
        """The data under a passing name beside `path`; gone again at the end unless it was renamed."""
        part = path.with_name(f"{_PART}{uuid.uuid4().hex}")
        with _plain_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    if isinstance(data, bytes):
                        file.write(data)
                    else:
                        shutil.copyfileobj(data, file, _PIECE_BYTES)
                    # A step that reads data in its place must not change it by a slip. (Root may all the same.)
                    os.fchmod(file.fileno(), 0o444)
                    file.flush()
                    os.fsync(file.fileno())
                yield part
                _sync_folder(path.parent)
            finally:
                part.unlink(missing_ok=True)


class FileStores:
    """Datastores as folders below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self, name: str) -> BlobStore:
        """The files of a datastore that the workspace has, in a folder that is made when it is not there."""
        folder = self.root / name
        with _plain_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return self.open(name)

    def open(self, name: str) -> BlobStore:
        """The files of that datastore. Raises NotFound."""
        folder = self.root / name
        if not name or "/" in name or name.startswith(".") or not folder.is_dir():
            raise NotFound(f"There is no datastore '{name}'", kind="datastore", name=name)
        return FileBlobs(folder)


def _files(folder: Path, beginning: str) -> Iterator[Path]:
    """Files below a folder by path, those directly in it only when their names begin so."""
    try:
        # A folder sorts as its keys do, with the slash: "a.txt" comes before "a/b".
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name + "/" * entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if not entry.name.startswith(beginning) or entry.name.startswith(_PART):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), "")
        elif entry.is_file():
            yield Path(entry.path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """The system's reasons in the operator's words."""
    try:
        yield
    except OSError as error:
        if (refusal := of_system(error, path)) is not None:
            raise refusal from error
        if error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
            raise BadRequest(f"{path.name} cannot be stored there: {error.strerror}") from error
        raise
