"""A step's source files, named by what is in them, so that the service is sent only what it does not have."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from canalis.client import Client
from canalis.contract.errors import HashMismatch
from canalis.exceptions import SnapshotException
from canalis.ignored import Ignored
from canalis.transfer import Bar, Storage, in_order

# Never part of a snapshot: version control, our own folder, what Python and notebooks write beside code.
_NEVER = frozenset({".git", ".canalis", "__pycache__", ".ipynb_checkpoints", ".DS_Store"})
_LARGE_BYTES = 300 * 2**20  # v1 refused more; we say which files they are
_WHOLE_BYTES_MAX = 2**20  # what is smaller is read at once
_TRIES = 3


class Snapshots:
    """The snapshots of one submission: each source directory is read and sent once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ids: dict[str, str] = {}

    def id_of(self, directory: str) -> str:
        """The id of a directory's snapshot, which the service has when this returns."""
        folder = os.path.realpath(directory)
        if folder not in self._ids:
            self._ids[folder] = self._send(Path(folder))
        return self._ids[folder]

    def folders(self) -> dict[str, str]:
        """The folder that each snapshot was made of, by the snapshot's id; one of them, when several are the same."""
        return {identity: folder for folder, identity in self._ids.items()}

    def _send(self, folder: Path) -> str:
        def read() -> dict[str, dict[str, Any]]:
            files = read_folder(folder)
            _warn_if_large(folder, files)
            return files

        return send(self._client, read, lambda path: folder / path, str(folder))


def send(client: Client, read: Callable[[], dict[str, dict[str, Any]]], at: Callable[[str], Path], what: str) -> str:
    """The id of the snapshot of some files, which the service has when this returns. It is sent what it does not have.

    read    tells which they are, with their hashes, by path; asked again when one was changed meanwhile
    at      where the file of a path lies
    what    they are, in a message
    """
    for _ in range(_TRIES):
        files = read()
        try:
            return _upload(client, files, at, what)
        except HashMismatch:
            continue  # a file was changed between being read and being sent
    raise SnapshotException(f"The files in {what} keep changing while they are being read")


def _upload(client: Client, files: dict[str, dict[str, Any]], at: Callable[[str], Path], what: str) -> str:
    """Send what the service does not have, in as many rounds as it wants to take it in."""
    answer, rounds_in_vain = client.post("/snapshots", {"files": files}), 0
    of_hash = {entry["sha256"]: at(path) for path, entry in files.items()}
    while answer["missing"]:
        left = len(answer["missing"])
        arrived = _send_files(client, of_hash, answer["missing"], answer.get("links") or {})
        answer = client.post("/snapshots", {"files": files, "arrived": arrived})
        rounds_in_vain = rounds_in_vain + 1 if len(answer["missing"]) >= left else 0
        if rounds_in_vain == _TRIES:
            raise SnapshotException(f"The service does not take the files of {what}: {left} are missing")
    return str(answer["id"])


def _send_files(client: Client, files: dict[str, Path], missing: list[str], links: dict[str, Any]) -> dict[str, str]:
    """Send files past the service where it gives links, else through it; the places of those that went past it."""
    if not links:
        with Bar("Sending files", len(missing)) as bar:
            for sha256 in missing:
                with files[sha256].open("rb") as content:
                    client.send_file(f"/content/{sha256}", content)
                    bar.tell(content.tell())
                bar.file_done()
        return {}
    with Storage() as storage, Bar("Sending files", len(links)) as bar:

        def put(sha256: str) -> None:
            storage.put(links[sha256], files[sha256], bar.tell)
            bar.file_done()

        list(in_order([partial(put, sha256) for sha256 in links]))
    return {sha256: link["key"] for sha256, link in links.items()}


def read_folder(folder: Path) -> dict[str, dict[str, Any]]:
    """The files of a source directory with their hashes, by path, without those it says to ignore.

    Raises SnapshotException for a file that cannot be read, and for names that another machine could not have.
    """
    found: dict[str, dict[str, Any]] = {}
    try:
        paths = sorted(_files(str(folder), Ignored()))
    except OSError as error:
        raise SnapshotException(f"{error.filename or folder} cannot be read: {error.strerror}") from error
    _check_names(folder, paths)
    for path in paths:
        found[path], is_executable = described(f"{folder}/{path}")
        if is_executable:
            found[path]["executable"] = True
    return found


def described(file: str | Path) -> tuple[dict[str, Any], bool]:
    """The hash and the size of a file, and whether it can be executed. Raises SnapshotException."""
    try:
        with io.FileIO(file) as content:
            status = os.fstat(content.fileno())
            if status.st_size <= _WHOLE_BYTES_MAX:
                data = content.read(_WHOLE_BYTES_MAX + 1)
                digest, size = hashlib.sha256(data), len(data)
            if status.st_size > _WHOLE_BYTES_MAX or size > _WHOLE_BYTES_MAX:
                content.seek(0)
                digest, size = hashlib.file_digest(content, "sha256"), content.tell()
    except OSError as error:
        raise SnapshotException(f"{file} cannot be read: {error.strerror}") from error
    return {"sha256": digest.hexdigest(), "size": size}, bool(status.st_mode & 0o100)


def _check_names(folder: Path, paths: list[str]) -> None:
    odd = [path for path in paths if "\\" in path or not _is_text(path)]
    if odd:
        named = ", ".join(ascii(path) for path in odd[:20])
        raise SnapshotException(
            f"The source directory {folder} has files whose names have a backslash or are no UTF-8 text: {named}. "
            "Rename them, or name them in .amlignore"
        )


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _files(root: str, ignored: Ignored) -> list[str]:
    """Paths of the files to take, from the source directory on."""
    # Plain texts and what the listing knows already: as pathlib's paths, 2,000 files took half a second.
    found, seen = list[str](), {os.path.realpath(root)}
    ahead = [("", ignored)]
    while ahead:
        below, above = ahead.pop()
        folder = f"{root}/{below}"
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        files = frozenset(entry.name for entry in entries if entry.is_file())
        if below and "pyvenv.cfg" in files:
            continue  # a virtual environment belongs to one machine
        rules = above.within(folder, below, files)
        for entry in entries:
            path = below + entry.name
            if entry.name in _NEVER:
                continue
            if entry.name in files:
                if not rules.has(path):
                    found.append(path)
            # A folder that links back to one above it would never end.
            elif entry.is_dir() and not rules.has(path, is_folder=True) and not seen_before(Path(entry.path), seen):
                ahead.append((f"{path}/", rules))
    return found


def seen_before(folder: Path, seen: set[str]) -> bool:
    """Whether a folder was walked through already, under whatever name; a link is remembered."""
    real = os.path.realpath(folder)
    if real in seen:
        return True
    if folder.is_symlink():
        seen.add(real)
    return False


def _warn_if_large(folder: Path, files: dict[str, dict[str, Any]]) -> None:
    total = sum(entry["size"] for entry in files.values())
    if total > _LARGE_BYTES:
        largest = sorted(files, key=lambda path: -int(files[path]["size"]))[:3]
        named = ", ".join(f"{path} ({files[path]['size'] / 2**20:.0f} MiB)" for path in largest)
        print(
            f"The source directory {folder} has {total / 2**20:.0f} MiB, which each step gets a copy of. The largest "
            f"files are {named}; name what is no source code in .amlignore",
            file=sys.stderr,
        )
