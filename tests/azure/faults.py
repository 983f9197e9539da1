"""Everything that can go wrong at once, for a while; and what must be so of runs when it is over."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

from adapters.azure_tables import AzureTable
from azure_engine import STORE
from canalis.contract.graph import Graph
from canalis.contract.messages import WATCH_QUEUE
from canalis.contract.status import Outcome, RunStatus, StepStatus
from tests.azure.door import AzureDoor
from tests.azure.host.client import HostFailed
from tests.azure.stubs import ill_fated

STORAGE_FAULTS = ("throttled", "busy", "reset_before", "reset_after", "swallowed")
BUS_FAULTS = ("throttle", "fail", "drop", "duplicate", "delay", "lose_lock", "detach")
_REST_S = 0.5


@contextmanager
def faults_of_every_kind(door: AzureDoor, share: float, seed: int, **others: float) -> Iterator[None]:
    """Within, each request and message has each fault with that chance; `others` has faults of the bus by name.

    Links are closed a tenth as often: it befalls a batch once for each of its messages, and ends it for all of them.
    """
    stack = door.stack
    for number, proxy in enumerate((stack.tables, stack.blobs)):
        proxy.have(**dict.fromkeys(STORAGE_FAULTS, share), swallow_s=2.0, seed=seed + number)
    stack.bus.faults(**(dict.fromkeys(BUS_FAULTS, share) | {"detach": share / 10} | others), seed=seed)
    try:
        yield
    finally:
        stack.bus.faults()
        for proxy in (stack.tables, stack.blobs):
            proxy.have()


@contextmanager
def kept_log(door: AzureDoor, file: Path) -> Iterator[None]:
    """Keep what the host and its workers have logged by the end, also of a test that fails."""
    try:
        yield
    finally:
        with suppress(HostFailed):
            file.write_text("".join(f"{json.dumps(line)}\n" for line in door.stack.host.logs()))


class Killer:
    """Ends an instance every so often, each in turn: its process is killed, or with `loses` the whole machine is gone.

    loses   every so many-th time the machine; another one is started in its place
    most    no more often than that; 0 for as long as it is in use
    """

    def __init__(self, door: AzureDoor, every_s: float, loses: int = 0, most: int = 0) -> None:
        self.kills = self.losses = 0
        self._door, self._every_s, self._loses, self._most = door, every_s, loses, most
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._kill_on)

    def _kill_on(self) -> None:
        host = self._door.stack.host
        while not self._over.wait(self._every_s) and not 0 < self._most <= self.kills + self.losses:
            ready = [one["number"] for one in host.instances() if one["ready"]]
            if not ready:
                continue
            number = ready[(self.kills + self.losses) % len(ready)]
            if self._loses and (self.kills + self.losses) % self._loses == self._loses - 1:
                host.lose(number)
                self.losses += 1
                host.add_instance()
            else:
                host.kill(number)
                self.kills += 1

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class Auditor:
    """Looks again and again at the attempts that have ended: what is recorded of an end never changes."""

    def __init__(self, door: AzureDoor, run_ids: list[str]) -> None:
        self.looks = 0
        self.changed: list[tuple[object, object, object]] = []
        self._runs, self._run_ids = door.engine.ports.runs, run_ids
        self._known: dict[object, tuple[object, object]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def _look_on(self) -> None:
        while not self._over.wait(2.0):
            self.look()

    def look(self) -> None:
        """Compare everything with what was there before."""
        self.looks += 1
        for run_id in self._run_ids:
            for attempt in self._runs.attempts(run_id):
                end = attempt.facts.get("outcome"), attempt.facts.get("heard_at")
                if attempt.ended and self._known.setdefault(attempt.key, end) != end:
                    self.changed.append((attempt.key, self._known[attempt.key], end))

    def __enter__(self) -> Auditor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.look()


def submit_until_taken(door: AzureDoor, graph: Graph, run_id: str, timeout_s: float = 120.0) -> int:
    """Submit over HTTP, again under the same id for as long as it is not acknowledged; how often it was asked."""
    body = {"graph": graph.model_dump(mode="json"), "experiment": "faults", "run_id": run_id}
    give_up, tries = time.monotonic() + timeout_s, 0
    while True:
        tries += 1
        try:
            status, text = (answer := door.ask("POST", "/runs", json=body)).status_code, answer.text
        except httpx2.HTTPError as error:
            status, text = 599, repr(error)
        if status in (200, 201):
            return tries
        assert status >= 429 and time.monotonic() < give_up, (run_id, status, text)
        time.sleep(_REST_S)


def holds_in_the_end(door: AzureDoor, run_id: str, graph: Graph) -> Counter[str]:
    """What must be so of a run of stub steps that has completed; its attempts by outcome.

    No step is lost, none is recorded twice, each attempt was for a reason, none began before those it waits for.
    """
    runs = door.engine.ports.runs
    run, badly = runs.load(run_id), ill_fated(graph)
    assert run.state.status is RunStatus.COMPLETED, (run_id, run.state, run.attention)
    assert set(run.state.steps) == {StepStatus.SUCCEEDED}, (run_id, list(run.state.steps))
    by_step: dict[str, list[tuple[int, str, float, float]]] = {}
    outcomes: Counter[str] = Counter()
    for attempt in runs.attempts(run_id):
        assert attempt.ended, attempt
        found, key = attempt.facts, attempt.key
        by_step.setdefault(key.node, []).append(
            (key.attempt, found["outcome"], found.get("claimed_at", 0), found["heard_at"])
        )
        outcomes["gave up" if found.get("error_code") == "gave_up" else found["outcome"]] += 1
    assert set(by_step) == {node.key for node in graph.nodes}, run_id
    for place, node in enumerate(graph.nodes):
        tries = sorted(by_step[node.key])
        assert [number for number, *_ in tries] == list(range(1, run.state.attempts[place] + 1)), (run_id, tries)
        ends = [outcome for _, outcome, *_ in tries]
        kind, times = badly.get(node.key, (Outcome.SUCCEEDED, 0))
        # What the bus gave up counts as lost, and is tried again.
        assert ends[-1] == "succeeded" and set(ends[:-1]) <= {kind.value, "lost"}, (run_id, tries)
        assert kind is Outcome.LOST or ends.count(kind.value) == max(times, 1), (run_id, tries)
        waited_for = [sorted(by_step[earlier])[-1][3] for earlier in node.after]
        assert not tries[0][2] or tries[0][2] >= max(waited_for, default=0.0), (run_id, node.key)
    table = AzureTable(door.stack.direct_storage_connection, STORE)
    assert list(table.rows(run_id, "out:")) == [], run_id
    return outcomes


def expected_attempts(graphs: Mapping[str, Graph]) -> Counter[str]:
    """Attempts by outcome of runs in which nothing goes wrong but what is to."""
    found: Counter[str] = Counter()
    for graph in graphs.values():
        found["succeeded"] += len(graph.nodes)
        for outcome, times in ill_fated(graph).values():
            found[outcome.value] += times
    return found


def wait_until_still(door: AzureDoor, timeout_s: float) -> None:
    """Wait until nothing is left in any queue, dead letters included; calls to look after runs may still be due."""
    give_up = time.monotonic() + timeout_s
    while any(
        queue.active + queue.locked + queue.dead + (queue.scheduled if name != WATCH_QUEUE else 0)
        for name, queue in door.stack.bus.queues().items()
    ):
        assert time.monotonic() < give_up, door.stack.bus.queues()
        time.sleep(0.2)


def told_by(door: AzureDoor) -> dict[str, object]:
    """What was had of faults, and what the host did, for whoever reads how a test went."""
    stack = door.stack
    try:
        invocations: object = stack.host.counts()
    except HostFailed as error:
        invocations = repr(error)
    return {
        "tables": stack.tables.counts().faults,
        "blobs": stack.blobs.counts().faults,
        "bus": {queue: hits for queue, hits in stack.bus.hits().items() if hits},
        "invocations": invocations,
    }
