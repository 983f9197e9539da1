"""Who changed what, when and from where: a line of JSON for each change, kept by day.

    audit/2026-11-28.jsonl
    {"at": 1795824000.0, "who": "ann@example.com", "ids": {"oid": "..."}, "role": "submitter", "method": "POST",
     "route": "/runs/{name}/cancel", "name": "7f3c...", "client": "203.0.113.7", "status": 202}

What came as query, header or body is not in it: secrets can stand there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from canalis.contract.ports import BlobStore, Ports

FOLDER = "audit/"
_DAY_BYTES_MAX = 16 * 2**20  # of a day's lines, those that are read


def keep(ports: Ports, line: dict[str, Any]) -> None:
    """Keep what is said of a change, with the time of it. On return it outlives a crash of ours."""
    now = ports.clock.now()
    day = datetime.fromtimestamp(now, UTC).date().isoformat()
    # ASCII: no name of anybody's choosing can begin a line of its own.
    ports.blobs.append(f"{FOLDER}{day}.jsonl", json.dumps({"at": now} | line).encode() + b"\n")


def latest(blobs: BlobStore, limit: int, before: float | None = None) -> list[dict[str, Any]]:
    """The last changes, newest first.

    before   leaves only those that were made before that time
    """
    found: list[dict[str, Any]] = []
    for info in sorted(blobs.list(FOLDER), key=lambda info: info.key, reverse=True):
        for line in _lines(blobs, info.key, info.size):
            if before is None or line["at"] < before:
                found.append(line)
            if len(found) == limit:
                return found
    return found


def _lines(blobs: BlobStore, key: str, size: int) -> Iterator[dict[str, Any]]:
    """The lines of a day, newest first; one that a crash has cut is left out."""
    body = blobs.get(key, max(0, size - _DAY_BYTES_MAX))
    for text in reversed(body.split(b"\n")):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("at"), float):
            yield line
