"""The service as it is in Azure, on this machine: our app in a Functions host, on all that stands for Azure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2

from azure_engine import Engine
from azure_settings import settings_of
from benchmarks.engine import graph
from benchmarks.workloads import Edges
from canalis.contract.ports import Run
from canalis.contract.run import ComputeChoice
from orchestrator.submit import Submission, submit
from tests.api.issuer import Issuer
from tests.azure.parts import ROOT
from tests.azure.stack import Stack

APP = ROOT / "tests" / "azure" / "stub_app"
# Threads for steps that wait: the worker has six of its own accord, whatever maxConcurrentCalls says.
_THREADS = {"PYTHON_THREADPOOL_THREAD_COUNT": "24"}
_STUB = {"": ComputeChoice(backend="stub")}


class AzureDoor:
    """A deployed service: the stack, an issuer of tokens, and a way past the app to what it stores.

    settings    app settings beside the usual, or in their place
    others      as `Stack` has them: instances, timers, queues

    >>> with AzureDoor(tmp_path) as door:  # doctest: +SKIP
    ...     run = door.submits(chain(50))
    ...     door.ends(run.run_id)
    ...     door.stack.tables.counts().all_requests()
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None, **others: object) -> None:
        self.issuer = Issuer.start()
        self._more = dict(settings or {})
        asked = {"CANALIS_SERVES": "control,process,stub", **_THREADS, **self.issuer.settings(), **self._more}
        self.stack = Stack(APP, folder, settings=asked, **others)  # type: ignore[arg-type]

    def start(self) -> AzureDoor:
        """Start everything."""
        try:
            self.stack.start()
        except BaseException:
            self.issuer.close()
            raise
        return self

    def stop(self) -> None:
        """End everything."""
        if "engine" in self.__dict__:
            self.engine.bus.close()
        self.stack.stop()
        self.issuer.close()

    @property
    def url(self) -> str:
        """Where the service is."""
        return self.stack.host.url

    def token(self, role: str = "Admin") -> str:
        """An access token of somebody who has that role."""
        return self.issuer.token(roles=[f"Canalis.{role}"], exp=int(time.time()) + 8 * 3600)

    @cached_property
    def engine(self) -> Engine:
        """The service's ports in this process, past the proxies: what a test does is neither counted nor disturbed."""
        direct = self.stack.direct_storage_connection
        return Engine(settings_of({**self.stack.settings, "CANALIS_TABLES": direct, "CANALIS_BLOBS": direct}), {})

    def submits(self, edges: Edges) -> Run:
        """A run of steps that end as soon as they are started."""
        return submit(self.engine.ports, Submission(graph=graph(edges), experiment="stubs"), _STUB)

    def ask(self, method: str, path: str, role: str = "Admin", **more: Any) -> httpx2.Response:
        """What the service answers to somebody who has that role."""
        headers = {"Authorization": f"Bearer {self.token(role)}"}
        return httpx2.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=60.0, **more)

    def ends(self, run_id: str, timeout_s: float = 60.0, look_s: float = 0.1) -> Run:
        """The run at its end, looked for every `look_s` seconds: each look takes of the time that the run has."""
        give_up = time.monotonic() + timeout_s
        while True:
            run = self.engine.ports.runs.load(run_id)
            if run.state.status.is_terminal:
                return run
            assert time.monotonic() < give_up, (run.state, self.stack.host.failures()[-3:], self.stack.bus.queues())
            time.sleep(look_s)

    def __enter__(self) -> AzureDoor:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
