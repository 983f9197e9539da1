"""Documents and blobs in memory, as much of them as a run's life needs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from canalis.contract.errors import Conflict, NotFound
from canalis.contract.ports import BlobInfo, Document, Stored


class MemoryDocuments:
    """Keeps documents as the bytes they would be."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[str, int]] = {}

    def get(self, kind: str, name: str) -> Stored | None:
        found = self._kept.get((kind, name))
        return Stored(name, json.loads(found[0]), str(found[1])) if found else None

    def put(self, kind: str, name: str, body: Document, etag: str | None = None, if_absent: bool = False) -> Stored:
        found = self._kept.get((kind, name))
        if (if_absent and found) or (etag is not None and (not found or str(found[1]) != etag)):
            raise Conflict(f"{kind} {name}")
        number = found[1] + 1 if found else 1
        self._kept[kind, name] = json.dumps(body), number
        return Stored(name, body, str(number))

    def get_all(self, kind: str, names: Collection[str]) -> dict[str, Document]:
        return {name: found.body for name in names if (found := self.get(kind, name)) is not None}

    def put_all(self, kind: str, bodies: Mapping[str, Document]) -> None:
        for name, body in bodies.items():
            self.put(kind, name, body)

    def list(self, kind: str, prefix: str = "") -> list[Stored]:
        names = sorted(name for known, name in self._kept if known == kind and name.startswith(prefix))
        return [found for name in names if (found := self.get(kind, name)) is not None]

    def delete(self, kind: str, name: str) -> bool:
        return self._kept.pop((kind, name), None) is not None


class MemoryBlobs:
    """Keeps bytes."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def put(self, key: str, data: Any) -> None:
        self._kept[key] = bytes(data)

    def put_if_absent(self, key: str, data: Any) -> bool:
        return self._kept.setdefault(key, bytes(data)) is data

    def append(self, key: str, data: bytes) -> None:
        self._kept[key] = self._kept.get(key, b"") + data

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        return iter([BlobInfo(key, len(self._kept[key]), 0.0) for key in sorted(self._kept) if key.startswith(prefix)])

    def delete(self, prefix: str) -> int:
        return int(self._kept.pop(prefix, None) is not None)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        if key not in self._kept:
            raise NotFound(f"no blob {key}", kind="blob", name=key)
        return self._kept[key][offset : None if length is None else offset + length]

    def info(self, key: str) -> BlobInfo | None:
        return BlobInfo(key, len(self._kept[key]), 0.0) if key in self._kept else None

    def read(self, key: str) -> Iterator[bytes]:
        yield self.get(key)
