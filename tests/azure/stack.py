"""All that stands for Azure, started together: storage behind proxies, the bus, and a host over an app's folder."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions, version
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.azure.bus_peer.client import BusPeer
from tests.azure.host.client import FunctionsHost
from tests.azure.parts import FUNCTIONS_RUNTIME
from tests.azure.storage.azurite import Azurite, connection_string, free_ports
from tests.azure.storage.client import FaultProxy

# docs/why/0012-the-azure-door.md; a lock of a minute and ten deliveries are what infra/ asks for
QUEUES: dict[str, dict[str, Any]] = {
    "orchestrator": {"duplicates_s": 600.0},
    "steps-process": {"duplicates_s": 600.0},
    "steps-databricks": {"duplicates_s": 600.0},
    "steps-transfer": {"duplicates_s": 600.0},
    "steps-stub": {"duplicates_s": 600.0},
    "watch": {"duplicates_s": 600.0},
    "submissions": {"duplicates_s": 600.0},
    "notices": {"duplicates_s": 600.0},
    "replies": {"duplicates_s": 600.0},
    "dead-letters": {"duplicates_s": 600.0},
}
TOPICS = {"run-events": ["somebody"]}
TENANT = "11111111-1111-1111-1111-111111111111"
LIBRARIES = (
    "azure-functions",
    "azure-servicebus",
    "azure-data-tables",
    "azure-storage-blob",
    "azure-identity",
    "fastapi",
    "uvicorn",
    "grpcio",
    "protobuf",
    "python-qpid-proton",
)


class Stack:
    """Azure on one machine. Everything ends with this process at the latest.

    app         folder with function_app.py and host.json; None: storage and bus alone
    folder      for logs, and for what the app's workers print
    settings    app settings beside those that lead to the parts, or in their place
    queues      by name, with the settings of the bus peer (lock_s, deliveries_max, ...)
    instances   how many workers
    timers      False: timers fire only by host.fire()

    >>> with Stack(ROOT, tmp_path) as stack:  # doctest: +SKIP
    ...     httpx2.get(f"{stack.host.url}/api/health")
    ...     stack.tables.have(busy=0.05, seed=3)
    ...     stack.host.kill(0)
    ...     stack.tables.counts().all_operations()
    """

    def __init__(
        self,
        app: Path | None,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        queues: Mapping[str, Mapping[str, Any]] | None = None,
        instances: int = 1,
        timers: bool = True,
    ) -> None:
        self.app = app
        self.folder = folder
        self.queues = QUEUES if queues is None else queues
        self.instances = instances
        self.timers = timers
        self._more = dict(settings or {})
        self.azurite = Azurite(folder / "azurite")
        self.tables: FaultProxy  # in front of the tables: what the app does goes through it
        self.blobs: FaultProxy
        self.bus: BusPeer
        self.host: FunctionsHost
        self._started: list[Any] = []
        (self._http_port,) = free_ports(1)  # what the app does tells its scripts where it is reached

    def start(self) -> Stack:
        """Start all parts, the host last. Raises what the part raises that does not start; the others are ended."""
        try:
            with ThreadPoolExecutor(2) as pool:
                bus = pool.submit(BusPeer, self.queues, 0, TOPICS)
                storage = pool.submit(self._start_storage)
                self.bus = bus.result()
                self._started.append(self.bus)
                storage.result()
            if self.app is not None:
                self.start_host()
        except BaseException:
            self.stop()
            raise
        return self

    def start_host(self) -> FunctionsHost:
        """Start the host, for the first time or again after `host.stop()`, on what is stored by now."""
        assert self.app is not None
        self.host = FunctionsHost(
            self.app,
            self.settings,
            folder=self.folder / "host",
            instances=self.instances,
            timers=self.timers,
            http_port=self._http_port,
        )
        self._started.append(self.host)
        return self.host.start()

    def stop(self) -> None:
        """End all parts, the host first."""
        while self._started:
            self._started.pop().stop()

    @property
    def storage_connection(self) -> str:
        """Leads to the storage through the proxies; counted, and with faults."""
        return connection_string(self.blobs.url, self.tables.url)

    @property
    def direct_storage_connection(self) -> str:
        """Leads to the storage past the proxies, for what a test itself does."""
        return self.azurite.connection_string

    @property
    def settings(self) -> dict[str, str]:
        """The app's settings, as docs/why/0012-the-azure-door.md has them for one machine."""
        return {
            "AzureWebJobsStorage": self.direct_storage_connection,
            "CANALIS_TABLES": self.storage_connection,
            "CANALIS_BLOBS": self.storage_connection,
            "CANALIS_BUS": self.bus.connection_string,
            "CANALIS_ENDPOINT": f"http://127.0.0.1:{self._http_port}",
            "CANALIS_WORKSPACE": "scenes",
            "CANALIS_SUBSCRIPTION": TENANT,
            "CANALIS_RESOURCE_GROUP": "scenes",
            "CANALIS_LOCATION": "here",
            "CANALIS_TENANTS": TENANT,
            "CANALIS_AUDIENCE": "api://canalis",
            "CANALIS_RUN_KEY": "a key for the tests alone that is long enough",
            **self._more,
        }

    def versions(self) -> dict[str, str]:
        """Which real parts are here, and which of ours stand for the others."""
        return versions(self.azurite)

    def _start_storage(self) -> None:
        self._started.append(self.azurite)
        self.azurite.start()
        self.tables = FaultProxy(self.azurite.table_port, "table")
        self.blobs = FaultProxy(self.azurite.blob_port, "blob")
        for proxy in (self.tables, self.blobs):
            self._started.append(proxy)
            proxy.start()

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def versions(azurite: Azurite) -> dict[str, str]:
    """Versions of all that the stack is made of, by name."""
    runtime = {one.metadata["Name"]: one.version for one in distributions(path=[str(FUNCTIONS_RUNTIME)])}
    node = subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return {
        "python": platform.python_version(),
        "node": node.lstrip("v"),
        "azurite": azurite.version,
        **runtime,
        **{name: version(name) for name in LIBRARIES},
        "Service Bus": "tests/azure/bus_peer, ours",
        "Functions host": "tests/azure/host, ours",
    }


if __name__ == "__main__":
    print(json.dumps(versions(Azurite(Path.cwd())), indent=2))
