"""The Azure door on all that stands for Azure on one machine, with stub steps: runs, cold starts, the import.

    python -m benchmarks --only azure

The floor of a run is what it asks of the storage and the bus, asked by one bare client, one thing after another.
"""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.figures import Line, against, import_s, in_turn, say
from benchmarks.workloads import Edges, chain, fan_out
from tests.azure.parts import ROOT, missing_parts

if TYPE_CHECKING:
    from tests.azure.door import AzureDoor

_TOGETHER = 8  # steps that a commit carries in a fan-out: as many as one instance works on at once
_MS_MAX = 25.0  # of a step: 40 steps a second
_LIBRARIES = "import azure.functions, azure.data.tables, azure.servicebus, azure.storage.blob, fastapi, grpc, pydantic"


def measures(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """All that is measured there; nothing where a part of the stack is missing."""
    if missing := missing_parts():
        say(f"azure: not measured, since {', '.join(missing)} is missing: scripts/setup-azure puts it in place")
        return
    from tests.azure.door import AzureDoor

    rounds = min(rounds, 3)
    with AzureDoor(folder, timers=False) as door:
        yield from _runs(door, rounds)
        yield from _cold_starts(door, rounds)
    yield from _import(rounds)


def _runs(door: AzureDoor, rounds: int) -> Iterator[Line]:
    floor = Floor(door)
    try:
        for edges in (chain(5), fan_out(20)):  # no side is measured cold
            run_s(door, edges)
        floor.run_s(5, 1)
        for name, edges, together in (("chain of 50", chain(50), 1), ("fan-out of 200", fan_out(200), _TOGETHER)):
            count = len(edges)
            least, ours = in_turn(name, rounds, partial(floor.run_s, count, together), partial(run_s, door, edges))
            yield against(f"{name}, stub steps, Azure's stand-ins", count, ours, least, 2.0)
            each = [1000 * took / count for took in ours]
            yield Line(f"{name}, the same, as time", statistics.median(each), "ms a step", _MS_MAX, "", each)
    finally:
        floor.close()


def run_s(door: AzureDoor, edges: Edges) -> float:
    """Seconds from when a run was submitted to its end."""
    run = door.submits(edges)
    began = time.perf_counter()
    door.ends(run.run_id, look_s=0.025)
    return time.perf_counter() - began


def _cold_starts(door: AzureDoor, rounds: int) -> Iterator[Line]:
    libraries = [sys.executable, "-c", _LIBRARIES]

    def floor_s() -> float:
        began = time.perf_counter()
        subprocess.run(libraries, check=True)
        return time.perf_counter() - began

    floor, page, message = in_turn(
        "cold start", rounds, floor_s, partial(first_byte_s, door), partial(first_step_s, door)
    )
    least = f"an interpreter that imports the libraries {statistics.median(floor):.2f} s"
    yield Line("start of a worker to the first byte of HTTP", statistics.median(page), "s", 2.0, least, page)
    yield Line("start of a worker to the end of a step", statistics.median(message), "s", 4.0, least, message)


def first_byte_s(door: AzureDoor) -> float:
    """Seconds from the start of a worker to the first byte that it answers."""
    rest_s = _without_worker(door)
    began = time.perf_counter()
    where = urlsplit(door.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
    connection.request("GET", "/api/v1/health")
    status = connection.getresponse().status  # the line with it has come
    took = time.perf_counter() - began
    connection.close()
    assert status == 200, status
    return took - rest_s


def first_step_s(door: AzureDoor) -> float:
    """Seconds from the start of a worker to the end of a run of one step: two messages, one after the other."""
    rest_s = _without_worker(door)
    began = time.perf_counter()
    door.ends(door.submits(chain(1)).run_id, look_s=0.025)
    return time.perf_counter() - began - rest_s


def _without_worker(door: AzureDoor) -> float:
    """End the worker. Returns after how many seconds the host starts another."""
    from tests.azure.host.instance import RESTART_S

    door.stack.host.kill(0)
    return RESTART_S


def _import(rounds: int) -> Iterator[Line]:
    from tests.unit.test_azure_settings import IN_AZURE

    environment = {**os.environ, **IN_AZURE}
    floor, ours = in_turn(
        "import of function_app",
        rounds,
        lambda: import_s("import azure.functions, pydantic", environment, ROOT),
        lambda: import_s("import function_app", environment, ROOT),
    )
    detail = f"azure.functions and pydantic alone {statistics.median(floor):.2f} s"
    yield Line("import of the app", statistics.median(ours), "s", 1.3, detail, ours)


class Floor:
    """A bare client of the storage and the bus that asks what steps ask, one thing after another."""

    def __init__(self, door: AzureDoor) -> None:
        from azure.servicebus import ServiceBusClient

        from adapters.azure_tables import AzureTable

        self._table = AzureTable(door.stack.storage_connection, "floor", create_if_missing=True)
        self._bus = ServiceBusClient.from_connection_string(door.stack.bus.connection_string)
        self._sender = self._bus.get_queue_sender("dead-letters")  # nobody else listens there
        self._receiver = self._bus.get_queue_receiver("dead-letters")
        self._runs = 0

    def run_s(self, count: int, together: int) -> float:
        """Seconds for so many steps, `together` of them carried by one commit."""
        from adapters.tables import Delete, Insert, Merge, Operation, Replace

        self._runs += 1
        partition, state = f"floor-{self._runs}", {"version": 1, "state": bytes(200), "status": "running"}
        etag = self._table.transact(partition, [Insert("run", state)])[0]
        began = time.perf_counter()
        for first in range(0, count, together):
            steps = range(first, min(first + together, count))
            for step in steps:
                self._carry()  # its order
                self._table.transact(partition, [Insert(f"try:{step}", {"owner": "floor" * 6, "fence": 1})])
                self._table.get(partition, "run")
                self._carry()  # the news of its end
            rows: list[Operation] = [Replace("run", state, etag), Insert(f"out:{first}", {"sends": bytes(150)})]
            rows += [Merge(f"try:{step}", {"f_outcome": '"succeeded"', "ended": True}) for step in steps]
            etag = self._table.transact(partition, rows)[0]
            self._table.transact(partition, [Delete(f"out:{first}")])
        return time.perf_counter() - began

    def close(self) -> None:
        """Let go of the bus."""
        for part in (self._sender, self._receiver, self._bus):
            part.close()

    def _carry(self) -> None:
        from azure.servicebus import ServiceBusMessage

        self._sender.send_messages(ServiceBusMessage(bytes(200)))
        for message in self._receiver.receive_messages(1, max_wait_time=10.0):
            self._receiver.complete_message(message)
