"""Every adapter of every port. A new adapter joins here, and the suites stay as they are."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.files import FileBlobs
from adapters.fsspec_blobs import FsspecBlobs
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from adapters.tables import TableDocuments, TableRuns
from tests.azure.conftest import needs_stack
from tests.contract.carriers import AzureCarrier, Carrier, SqliteCarrier
from tests.contract.planted import VARIABLE, planted
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


_found: set[str] = set()  # the adapters in which a planted fault was found: the rest of their tests says nothing new


def _adapter_of(item: pytest.Item) -> str:
    return item.name.partition("[")[2].rstrip("]").partition("-")[0]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if os.environ.get(VARIABLE) and _adapter_of(item) in _found:
        pytest.skip("the fault is found")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    if report.failed:
        _found.add(_adapter_of(item))
    return report


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


@pytest.fixture(scope="session")
def azurite(tmp_path_factory):
    """What stands for Azure Storage: one for all tests of a process, with a table and a container for each test."""
    needs_stack()
    from tests.azure.storage.azurite import Azurite

    with Azurite(tmp_path_factory.mktemp("azurite")) as azurite:
        yield azurite


@pytest.fixture(scope="session")
def bus_peer():
    """What stands for Azure Service Bus: one for all tests of a process, emptied before each test."""
    needs_stack()
    from tests.azure.bus_peer.client import BusPeer

    queues = {"q": {}, "other": {}, "once": {"duplicates_s": 600.0}}
    with BusPeer(queues, topics={"news": ["one", "two"]}) as peer:
        yield peer


@pytest.fixture
def azure_table(azurite):
    """A fresh table."""
    from adapters.azure_tables import AzureTable

    return planted(AzureTable)(azurite.connection_string, f"t{uuid.uuid4().hex}", create_if_missing=True)


@pytest.fixture
def azure_blobs(azurite):
    """A fresh container."""
    from adapters.azure_blobs import AzureBlobs

    return planted(AzureBlobs).open(azurite.connection_string, f"c{uuid.uuid4().hex}", create_if_missing=True)


@pytest.fixture(params=["memory", "azure"])
def table(request):
    return planted(MemoryTable)() if request.param == "memory" else request.getfixturevalue("azure_table")


@pytest.fixture(params=["sqlite", "tables", "azure"])
def runs(request, database, bus, clock):
    if request.param == "sqlite":
        return planted(SqliteRuns)(database, bus, clock)
    table = planted(MemoryTable)() if request.param == "tables" else request.getfixturevalue("azure_table")
    return planted(TableRuns)(table, bus, clock)


@pytest.fixture(params=["sqlite", "tables", "azure"])
def documents(request, database):
    if request.param == "sqlite":
        return planted(SqliteDocuments)(database)
    table = planted(MemoryTable)() if request.param == "tables" else request.getfixturevalue("azure_table")
    return planted(TableDocuments)(table)


@pytest.fixture(params=["files", "azure", "fsspec"])
def blobs(request, tmp_path: Path):
    if request.param == "fsspec":
        return FsspecBlobs("Datastore 'd'", f"memory://{uuid.uuid4().hex}/below", {}, {})
    if request.param == "azure":
        return request.getfixturevalue("azure_blobs")
    return planted(FileBlobs)(tmp_path / "blobs")


@pytest.fixture(params=["sqlite", "azure"])
def carrier(request, tmp_path: Path) -> Iterator[Carrier]:
    """A bus, and somebody who takes what it carries."""
    if request.param == "azure":
        peer = request.getfixturevalue("bus_peer")
        peer.reset()
        carrier: Carrier = AzureCarrier(peer.connection_string, FileBlobs(tmp_path / "blobs"))
    else:
        carrier = SqliteCarrier(tmp_path / "bus.db")
    yield carrier
    carrier.close()
