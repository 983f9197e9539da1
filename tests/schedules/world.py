"""A workspace with one published pipeline, a clock that is set by hand, and somebody who looks after schedules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.files import FileBlobs, FileStores
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from canalis.contract.endpoints import EndpointRequest
from canalis.contract.graph import CommandWork, DataPathValue, Graph, Node, Parameter
from canalis.contract.ports import Ports, Run, RunQuery
from canalis.contract.published import Publication
from canalis.contract.run import ComputeChoice
from canalis.contract.schedules import Firing, Schedule, ScheduleRequest, ScheduleView
from canalis.contract.status import RunStatus
from orchestrator.pipelines import endpoints
from orchestrator.pipelines.publish import publish
from orchestrator.schedules import kept
from orchestrator.schedules.keeper import Keeper
from tests.outside import outside

COMPUTES = {"": ComputeChoice(backend="process")}
GRAPH = Graph(
    nodes=(Node(key="a", name="a", work=CommandWork(line=("true",))),),
    parameters=(
        Parameter(name="n", type="int", default=3),
        Parameter(name="data", type="datapath", default=DataPathValue(datastore="store", path="none")),
    ),
)


class HandClock:
    """Shows the time that it was set to."""

    def __init__(self, at: str) -> None:
        self.at = seconds(at)

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def seconds(at: str) -> float:
    """Seconds since 1970 of a time in UTC."""
    return datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()


def shown(at: float) -> str:
    """A time in UTC, without seconds that are 0."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S").removesuffix(":00")


class Workspace:
    """What a story about schedules is told with."""

    def __init__(self, folder: Path, at: str = "2026-03-02T10:00") -> None:
        self.clock = HandClock(at)
        self.database = Database(folder / "canalis.db")
        bus = SqliteBus(self.database, self.clock)
        self.folder = folder / "stores" / "store"
        self.folder.mkdir(parents=True)
        self.ports = Ports(
            SqliteRuns(self.database, bus, self.clock),
            SqliteDocuments(self.database),
            FileBlobs(folder / "blobs"),
            FileStores(folder / "stores"),
            bus,
            self.clock,
            **outside(SqliteDocuments(self.database)),
        )
        self.ports.documents.put("datastores", "store", {"type": "AzureBlob"})
        self.keeper = Keeper(self.ports, lambda: COMPUTES)
        publish(self.ports, Publication(id="pipe", graph=GRAPH, name="train"), COMPUTES)

    def schedule(self, trigger: dict[str, Any], **terms: Any) -> Schedule:
        """A schedule of the published pipeline, or of an endpoint."""
        what = {} if "endpoint" in terms else {"pipeline": "pipe"}
        return kept.create(self.ports, ScheduleRequest(experiment="e", name="s", trigger=trigger, **what, **terms))

    def endpoint(self, name: str = "end") -> str:
        return endpoints.create(self.ports, EndpointRequest(id=name, name=name, pipeline="pipe")).id

    def looks(self, at: str | None = None) -> list[str]:
        """The times of the ticks that runs have been started for, after somebody has looked at that time."""
        if at is not None:
            self.clock.at = seconds(at)
        self.keeper.look()
        return self.started()

    def started(self) -> list[str]:
        return [shown(run.request.origin.tick) for run in self.runs()]

    def runs(self, **query: Any) -> list[Run]:
        """Runs, oldest tick first."""
        return sorted(self.ports.runs.find(RunQuery(limit=500, **query)), key=lambda run: run.request.origin.tick or 0)

    def ends(self, run: Run) -> None:
        """A run ends."""
        now = self.ports.runs.load(run.run_id)
        self.ports.runs.commit(now, dataclasses.replace(now.state, status=RunStatus.COMPLETED))

    def told(self, schedule: Schedule) -> list[tuple[str, str]]:
        """What became of ticks, oldest first."""
        return [(shown(one.at), one.outcome) for one in self.firings(schedule)]

    def firings(self, schedule: Schedule) -> list[Firing]:
        return kept.firings_of(self.ports.documents, schedule.id, 500)[::-1]

    def view(self, schedule: Schedule, count: int = 1) -> ScheduleView:
        return kept.view(self.ports, kept.schedule(self.ports.documents, schedule.id), count)

    def other(self, port: str, method: str, then: Callable[[], object]) -> Keeper:
        """Somebody else who looks, for whom something happens just before the first call of that method."""
        before = _Before(getattr(self.ports, port), method, then)
        return Keeper(self.ports.with_changes(**{port: before}), lambda: COMPUTES)


class _Before:
    def __init__(self, port: Any, method: str, then: Callable[[], object]) -> None:
        self._port, self._method, self._then = port, method, [then]

    def __getattr__(self, name: str) -> Any:
        if name == self._method and self._then:
            self._then.pop()()
        return getattr(self._port, name)
