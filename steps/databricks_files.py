"""A step's source files in DBFS, where the clusters of a Databricks workspace read them. Sent once for each snapshot.

Source   Databricks REST API, DBFS 2.0: blocks of at most 1 MB, in Base64
"""

from __future__ import annotations

import base64
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from canalis.contract.ports import Ports
from steps.backend import Work
from steps.follow import LEASE_S
from steps.jobs import Refused
from steps.rest import Rest
from steps.stage import unpack_snapshot

_BLOCK_BYTES = 700_000  # a megabyte in Base64, almost
_COMPLETE = ".canalis-complete"


def upload(ports: Ports, rest: Rest, work: Work, root: str) -> str:
    """The folder in DBFS that has the step's files; they are sent when it has not.

    root   under which each snapshot has a folder of its own
    """
    folder = f"{root}/{work.node.snapshot}"
    if _is_there(rest, f"{folder}/{_COMPLETE}"):
        return folder
    renewed = time.monotonic()
    with TemporaryDirectory(prefix="canalis-") as made:
        unpack_snapshot(ports.blobs, work.node.snapshot, Path(made))
        for file in sorted(found for found in Path(made).rglob("*") if found.is_file()):
            if time.monotonic() - renewed > LEASE_S / 3:
                ports.runs.renew(work.attempt.owner, [work.key], LEASE_S)
                renewed = time.monotonic()
            _send(rest, file, f"{folder}/{file.relative_to(made).as_posix()}")
    _put(rest, f"{folder}/{_COMPLETE}", b"")
    return folder


def _send(rest: Rest, file: Path, path: str) -> None:
    size = file.stat().st_size
    if size <= _BLOCK_BYTES:
        _put(rest, path, file.read_bytes())
        return
    handle = rest.post("/api/2.0/dbfs/create", {"path": path, "overwrite": True})["handle"]
    with file.open("rb") as source:
        while block := source.read(_BLOCK_BYTES):
            rest.post("/api/2.0/dbfs/add-block", {"handle": handle, "data": base64.b64encode(block).decode()})
    rest.post("/api/2.0/dbfs/close", {"handle": handle})


def _put(rest: Rest, path: str, content: bytes) -> None:
    rest.post("/api/2.0/dbfs/put", {"path": path, "contents": base64.b64encode(content).decode(), "overwrite": True})


def _is_there(rest: Rest, path: str) -> bool:
    try:
        rest.get("/api/2.0/dbfs/get-status", path=path)
    except Refused as error:
        if error.details.get("status") == 404:
            return False
        raise
    return True
