"""Every adapter of every port. A new adapter joins here, and the suites stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.files import FileBlobs
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from adapters.tables import TableRuns
from tests.simulation.table import MemoryTable


class StoryClock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.time = SystemClock().now()
        self.passed_s = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.passed_s

    def pass_s(self, seconds: float) -> None:
        self.time += seconds
        self.passed_s += seconds

    def jump_s(self, seconds: float) -> None:
        """Somebody sets the clock."""
        self.time += seconds


@pytest.fixture
def clock() -> StoryClock:
    return StoryClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "canalis.db")
    yield database
    database.close()


@pytest.fixture
def bus(database, clock):
    return SqliteBus(database, clock)


@pytest.fixture(params=["sqlite", "tables"])
def runs(request, database, bus, clock):
    if request.param == "tables":
        return TableRuns(MemoryTable(), bus, clock)
    return SqliteRuns(database, bus, clock)


@pytest.fixture(params=["sqlite"])
def documents(request, database):
    return SqliteDocuments(database)


@pytest.fixture(params=["files"])
def blobs(request, tmp_path: Path):
    return FileBlobs(tmp_path / "blobs")
