"""Faults that are planted into adapters, to see that the suites would find them. See test_planted.py."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.tables.table import Insert, Merge, Operation, Replace, Row
from canalis.contract.messages import Send
from canalis.contract.ports import Attempt, AttemptKey, BlobInfo, Document, Stored

VARIABLE = "CANALIS_PLANTED"


class Overwrites:
    """put_if_absent writes whatever is there."""

    def put_if_absent(self: Any, key: str, data: Any) -> bool:
        self.put(key, data)
        return True


class ListsAll:
    """list forgets its prefix."""

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        return super().list("")  # type: ignore[misc]


class Truncates:
    """append leaves only what was appended last."""

    def append(self: Any, key: str, data: bytes) -> None:
        self.put(key, data)


class ReadsFromTheStart:
    """get forgets its offset."""

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        return super().get(key, 0, length)  # type: ignore[misc]


class LosesUpdates:
    """A table that takes every write, whatever it was read at."""

    def transact(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        return super().transact(partition, [_unguarded(one) for one in operations])  # type: ignore[misc]


class ForgetsPrefix:
    """A table whose ranges are whole partitions."""

    def rows(self, partition: str, prefix: str = "", start: str = "", at_once: int = 1000) -> Iterator[Row]:
        return super().rows(partition)  # type: ignore[misc]


class MakesFloatsWhole:
    """A table that keeps whole numbers where it was given others."""

    def transact(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        return super().transact(partition, [_whole(one) for one in operations])  # type: ignore[misc]


class IgnoresLeases:
    """claim takes what another owner has."""

    def claim(self: Any, key: AttemptKey, owner: str, lease_s: float) -> Attempt | None:
        found = self.attempt(key)
        if found is not None and not found.ended:
            return self.hold(found, owner, lease_s, {})
        return super().claim(key, owner, lease_s)  # type: ignore[misc]


class IgnoresEtags:
    """A document is written whatever it was read at."""

    def put(self, kind: str, name: str, body: Document, etag: str | None = None, if_absent: bool = False) -> Stored:
        return super().put(kind, name, body)  # type: ignore[misc]


class LosesTheLast:
    """The last message of several is not sent."""

    def send(self, sends: Sequence[Send], name: str = "") -> None:
        super().send(sends[:-1] if len(sends) > 1 else sends, name)  # type: ignore[misc]


class Hurries:
    """Delays are forgotten."""

    def send(self, sends: Sequence[Send], name: str = "") -> None:
        super().send([send.model_copy(update={"delay_s": 0.0}) for send in sends], name)  # type: ignore[misc]


@dataclass(frozen=True)
class Fault:
    """A fault, the adapters that may have it, the suite that must find it, and what it calls those of the laptop."""

    mixin: type
    adapters: tuple[str, ...]
    suite: str
    params: tuple[str, ...]


_BLOBS = ("FileBlobs", "AzureBlobs")
_TABLES = ("MemoryTable", "AzureTable")
_BUSES = ("SqliteBus", "AzureBus")
FAULTS = {
    fault.mixin.__name__: fault
    for fault in (
        Fault(Overwrites, _BLOBS, "test_blobs.py", ("files",)),
        Fault(ListsAll, _BLOBS, "test_blobs.py", ("files",)),
        Fault(Truncates, _BLOBS, "test_blobs.py", ("files",)),
        Fault(ReadsFromTheStart, _BLOBS, "test_blobs.py", ("files",)),
        Fault(LosesUpdates, _TABLES, "test_runs.py", ("tables",)),
        Fault(ForgetsPrefix, _TABLES, "test_runs.py", ("tables",)),
        Fault(MakesFloatsWhole, _TABLES, "test_tables.py", ("memory",)),
        Fault(IgnoresLeases, ("SqliteRuns", "TableRuns"), "test_runs.py", ("sqlite", "tables")),
        Fault(IgnoresEtags, ("SqliteDocuments", "TableDocuments"), "test_documents.py", ("sqlite", "tables")),
        Fault(LosesTheLast, _BUSES, "test_bus.py", ("sqlite",)),
        Fault(Hurries, _BUSES, "test_bus.py", ("sqlite",)),
    )
}


def planted(adapter: Any) -> Any:
    """The adapter, with the fault in it that the environment names, if that is one it may have."""
    fault = FAULTS.get(os.environ.get(VARIABLE, ""))
    if fault is None or adapter.__name__ not in fault.adapters:
        return adapter
    return type(adapter.__name__, (fault.mixin, adapter), {})


def _unguarded(operation: Operation) -> Operation:
    return Merge(operation.key, operation.properties) if isinstance(operation, Insert | Replace | Merge) else operation


def _whole(operation: Operation) -> Operation:
    if not isinstance(operation, Insert | Replace | Merge):
        return operation
    is_whole = {
        name for name, value in operation.properties.items() if isinstance(value, float) and value == value // 1
    }
    kept = {name: int(value) if name in is_whole else value for name, value in operation.properties.items()}
    return replace(operation, properties=kept)
