"""How tests put a proxy in front of a storage service, tell it which faults to have, and read its counts."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tests.azure.parts import ROOT
from tests.azure.storage.azurite import ACCOUNT


@dataclass(frozen=True)
class Counts:
    """What went through a proxy.

    requests    by table or container, by kind: how many requests; a batch is one, of kind `batch`
    batched     by table, by kind: how many operations were in batches
    faults      by name: how many were had
    connections how many were made to the storage
    """

    requests: dict[str, dict[str, int]]
    batched: dict[str, dict[str, int]]
    faults: dict[str, int]
    connections: int

    def all_requests(self, *kinds: str) -> int:
        """Requests of these kinds, or of all, over all tables or containers."""
        return sum(
            count for counted in self.requests.values() for kind, count in counted.items() if not kinds or kind in kinds
        )

    def all_operations(self) -> int:
        """Operations, those in batches one by one, and the batches themselves not."""
        inner = sum(sum(counted.values()) for counted in self.batched.values())
        return self.all_requests() - self.all_requests("batch") + inner


class FaultProxy:
    """A proxy in a process of its own in front of a port of Azurite's. It ends with this process at the latest.

    >>> with FaultProxy(azurite.table_port, "table") as proxy:  # doctest: +SKIP
    ...     proxy.have(throttled=0.1, seed=7)
    ...     proxy.counts().requests["runs"]["batch"]
    """

    def __init__(self, port: int, service: str) -> None:
        self.target = port
        self.service = service
        self.port = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> FaultProxy:
        """Start it; it is ready when this returns."""
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.azure.storage.proxy",
                "--target",
                f"127.0.0.1:{self.target}",
                "--service",
                self.service,
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._process.stdout is not None
        self.port = int(json.loads(self._process.stdout.readline())["port"])
        return self

    def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    @property
    def url(self) -> str:
        """The account's URL through the proxy."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    def have(self, **faults: Any) -> None:
        """From now on have these faults and no others; without arguments, none. Names and units as in `Faults`."""
        self._order({"faults": faults})

    def counts(self) -> Counts:
        """What went through since the start, or since reset()."""
        return Counts(**self._order({}))

    def reset(self) -> Counts:
        """Begin to count again. Returns what was counted until now."""
        return Counts(**self._order({"reset": True}))

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None, (
            "the proxy is not running"
        )
        with self._lock:
            process.stdin.write(json.dumps(order) + "\n")
            told = json.loads(process.stdout.readline())
        if "error" in told:
            raise ValueError(told["error"])
        return dict(told)

    def __enter__(self) -> FaultProxy:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
