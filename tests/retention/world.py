"""A workspace in which a test is the author, the steps, and the clock; and what of it must still be there, by heart."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.files import FileBlobs, FileStores
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from canalis.contract.dataset_versions import make_version
from canalis.contract.datasets import DatasetRegistration
from canalis.contract.graph import DataPathValue, Graph, content_id
from canalis.contract.graphs import stored_graph
from canalis.contract.layout import STEP_LOG, artifacts, content_key, snapshot_key
from canalis.contract.messages import StepEnded
from canalis.contract.models import ModelRegistration, RegisteredModel
from canalis.contract.places import imprint_of, output_place
from canalis.contract.ports import Ports, Run
from canalis.contract.published import Publication, Published
from canalis.contract.run import ComputeChoice, StepRunId
from canalis.contract.snapshots import stored_snapshot
from canalis.contract.status import Outcome, StepStatus
from orchestrator import models
from orchestrator.advance import advance
from orchestrator.pipelines.publish import publish
from orchestrator.resume import Resumption, resume
from orchestrator.retention.collector import Collector
from orchestrator.retention.doomed import spare
from orchestrator.submit import Submission, submit
from tests.contract.conftest import StoryClock
from tests.outside import outside
from tests.reuse.pipelines import Made
from tests.simulation.stores import MemoryBlobs

COMPUTES = {"": ComputeChoice(backend="process")}
IN_WORK = (StepStatus.STARTED, StepStatus.RECALLED, StepStatus.STOPPING)
DAY_S = 24 * 3600.0
_CHANGING = ("put", "put_all", "put_if_absent", "delete", "hide", "show", "forget")


class Crash(BaseException):
    """The service dies here."""


class Fragile:
    """A port that dies at one of its changes, before or after it is made."""

    def __init__(self, port: Any, fate: Fate) -> None:
        self._port, self._fate = port, fate

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)
        if name == "open":
            return lambda store: Fragile(call(store), self._fate)
        return self._fate.watched(call) if name in _CHANGING else call


@dataclass
class Fate:
    """After how many changes the service dies; never when it is below zero."""

    left: int = -1
    after: bool = False

    def watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Crash
            done = call(*args, **named)
            if self.left == 0:
                raise Crash
            return done

        return watched


@dataclass
class Known:
    """A run as the author remembers it."""

    parent: str | None
    makers: set[str]
    written: dict[tuple[str, str], bytes] = field(default_factory=dict)  # by datastore and path
    own: set[tuple[str, str]] = field(default_factory=set)  # of these, those at places of the run's own
    intermediate: set[tuple[str, str]] = field(default_factory=set)
    logs: dict[str, bytes] = field(default_factory=dict)


class World:
    """A workspace, and what its author remembers of it."""

    def __init__(self, folder: Path) -> None:
        self.clock = StoryClock()
        (folder / "stores" / "workspaceblobstore").mkdir(parents=True)
        self.database = Database(folder / "canalis.db")
        bus = SqliteBus(self.database, self.clock)
        documents = SqliteDocuments(self.database)
        documents.put("datastores", "workspaceblobstore", {"type": "AzureBlob"})
        self.ports = Ports(
            SqliteRuns(self.database, bus, self.clock),
            documents,
            FileBlobs(folder / "blobs"),
            FileStores(folder / "stores"),
            bus,
            self.clock,
            **outside(documents),
        )
        self.fate = Fate()
        self.fragile = self.ports.with_changes(
            **{name: Fragile(getattr(self.ports, name), self.fate) for name in ("runs", "documents", "blobs", "stores")}
        )
        self.collector = Collector(self.fragile, rest_s=600.0, young_s=-1.0)
        self.runs: dict[str, Known] = {}
        self.models: dict[str, tuple[str, bytes]] = {}
        self.datasets: dict[str, tuple[str, str]] = {}
        self.published: dict[str, Published] = {}
        self._number, self._prefix = 0, uuid.uuid4().hex[:12]  # plans are remembered by the ids of runs

    def graph(self, made: Made, chance: random.Random) -> Graph:
        """A pipeline as it is submitted: its source files are there, as after somebody has sent what is missing."""
        before = MemoryBlobs()
        made.graph(before)
        spare(self.ports, [info.key for info in before.list("")])
        graph = made.graph(self.ports.blobs)
        nodes = []
        for node in graph.nodes:
            (out,) = node.outputs
            result, fixed = {"pipeline_output": node.key.replace("-", "_")}, {"path": f"fixed/{node.key}"}
            named = random.Random(node.key).choice([{}, {}, result, fixed])
            nodes.append(node.model_copy(update={"outputs": (out.model_copy(update=named),)}))
        return graph.model_copy(update={"nodes": tuple(nodes)})

    def submit(self, graph: Graph, parent: str | None = None) -> Run:
        """A run that has not ended."""
        self._number += 1
        asked = Submission(graph=graph, experiment="e", run_id=f"{self._prefix}-{self._number:04d}", parent=parent)
        run = submit(self.ports, asked, COMPUTES)
        self._know(run)
        return run

    def resume(self, run_id: str) -> Run:
        """A run that goes on from another."""
        self._number += 1
        asked = Resumption(run_id=f"{self._prefix}-{self._number:04d}")
        run = resume(self.ports, self.ports.runs.load(run_id), asked, COMPUTES)
        self._know(run)
        return run

    def _know(self, run: Run) -> None:
        makers = {kept.partition(".")[0] for kept in run.request.kept.values()}
        self.runs[run.run_id] = Known(run.request.parent, makers)

    def end(self, run_id: str, chance: random.Random, failing: float = 0.1) -> None:
        """All steps of a run end, some of them badly."""
        run = self.ports.runs.load(run_id)
        graph = stored_graph(self.ports.blobs, run.request.graph)
        while not run.state.status.is_terminal:
            started = [p for p in range(len(graph.nodes)) if run.state.step(p) in IN_WORK]
            assert started, run.state
            advance(self.ports, run.run_id, [self._ended(run, graph, p, chance.random() < failing) for p in started])
            run = self.ports.runs.load(run_id)

    def _ended(self, run: Run, graph: Graph, place: int, fails: bool) -> StepEnded:
        node, known = graph.nodes[place], self.runs[run.run_id]
        step = StepRunId(run.run_id, node.key, run.state.attempts[place])
        port = node.output("out")
        where = output_place(run.request, port, step)
        key, body = (where.datastore, f"{where.path}/file"), f"{step} has made this".encode()
        self.ports.stores.open(where.datastore).put(key[1], body)
        if str(step) in where.path:
            known.written[key] = body
            known.own.add(key)
            if port.pipeline_output is None:
                known.intermediate.add(key)
        log = artifacts(step) + STEP_LOG
        known.logs[log] = body
        self.ports.blobs.put(log, body)
        outcome = Outcome.FAILED if fails else Outcome.SUCCEEDED
        left = {} if fails else {"out": imprint_of(self.ports.stores, where)}
        return StepEnded(run_id=run.run_id, node=node.key, attempt=step.attempt, outcome=outcome, left=left)

    def publish(self, graph: Graph) -> str:
        made = publish(self.ports, Publication(graph=graph, name="p"), COMPUTES)
        self.published[made.id] = made
        return made.id

    def register_model(self, run_id: str, chance: random.Random) -> None:
        log = chance.choice(sorted(self.runs[run_id].logs))
        step = log.split("/")[2]
        made: RegisteredModel = models.register(
            self.ports, "m", ModelRegistration(path=STEP_LOG, run=f"{run_id}.{step}")
        )
        self.models[made.id] = run_id, self.runs[run_id].logs[log]

    def register_dataset(self, run_id: str, chance: random.Random) -> None:
        key = chance.choice(sorted(self.runs[run_id].own))
        path = chance.choice([key[1], key[1].rpartition("/")[0], f"{key[1].rpartition('/')[0]}/*"])
        asked = DatasetRegistration(places=[DataPathValue(datastore=key[0], path=path)])
        self._number += 1
        name = f"d{self._number}"
        make_version(self.ports.documents, self.clock.now(), name, asked)
        self.datasets[name] = key

    def seen(self) -> dict[str, Run]:
        return {run.run_id: run for run in self.ports.runs.every()}

    def needed_by(self, run_id: str) -> set[str]:
        """Who of all that are seen needs a run, as an author would tell it."""
        seen = self.seen()
        found = {
            other
            for other, known in self.runs.items()
            if other in seen and other != run_id and (run_id in known.makers or known.parent == run_id)
        }
        found |= {model for model, (run, _) in self.models.items() if run == run_id}
        return found | {name for name, key in self.datasets.items() if key in self.runs[run_id].own}

    def below(self, run_id: str) -> set[str]:
        children = {one for one, known in self.runs.items() if known.parent == run_id and one in self.seen()}
        return {run_id}.union(*(self.below(child) for child in children))

    def check_what_is_seen(self) -> None:
        """All that somebody can still ask for opens byte for byte, at any moment."""
        blobs, stores = self.ports.blobs, self.ports.stores
        seen, graphs = self.seen(), {one.graph for one in self.published.values()}
        for run_id, run in seen.items():
            known = self.runs[run_id]
            graphs.add(run.request.graph)
            assert blobs.info(f"graphs/{run.request.graph}") is not None, run_id
            for log, body in known.logs.items():
                assert blobs.get(log) == body, log
            is_cleared = self.ports.documents.get("cleared", run_id) is not None
            for key, body in known.written.items():
                if not (is_cleared and key in known.intermediate):
                    assert stores.open(key[0]).get(key[1]) == body, key
            assert known.makers <= seen.keys(), (run_id, known.makers)
            assert known.parent is None or known.parent in seen, run_id
        for identity, (_, body) in self.models.items():
            model = models.find(self.ports.documents, identity)
            (file,) = stored_snapshot(blobs, model.snapshot).files.values()
            assert blobs.get(content_key(file.sha256)) == body, identity
        for name, key in self.datasets.items():
            assert stores.open(key[0]).get(key[1]).endswith(b"has made this"), name
        for snapshot in {str(node.snapshot) for graph in graphs for node in stored_graph(blobs, graph).nodes}:
            for file in stored_snapshot(blobs, snapshot).files.values():
                assert content_id(blobs.get(content_key(file.sha256))) == file.sha256

    def check_that_the_rest_is_gone(self) -> None:
        """What nobody can ask for any more is nowhere."""
        blobs, seen = self.ports.blobs, self.seen()
        graphs = {run.request.graph for run in seen.values()} | {one.graph for one in self.published.values()}
        snapshots = {str(node.snapshot) for graph in graphs for node in stored_graph(blobs, graph).nodes}
        snapshots |= {models.find(self.ports.documents, model).snapshot for model in self.models}
        files = {file.sha256 for one in snapshots for file in stored_snapshot(blobs, one).files.values()}
        assert self._keys("graphs/") == {f"graphs/{one}" for one in graphs}
        assert self._keys("snapshots/") == {snapshot_key(one) for one in snapshots}
        assert self._keys("content/") == {content_key(one) for one in files}
        for prefix in ("artifacts/", "records/"):
            assert {key.split("/")[1] for key in self._keys(prefix)} <= seen.keys()
        store = self.ports.stores.open("workspaceblobstore")
        lying = {info.key for info in store.list("") if not info.key.startswith("fixed/")}
        assert lying == {
            key[1]
            for run_id in seen
            for key in self.runs[run_id].own
            if not (self.ports.documents.get("cleared", run_id) and key in self.runs[run_id].intermediate)
        }
        for kind in ("annotations", "costs", "cleared"):
            assert {one.name.partition(".")[0] for one in self.ports.documents.list(kind)} <= seen.keys()
        makers = {maker for one in self.ports.documents.list("made") for maker in one.body["by"]}
        assert {maker.partition(".")[0] for maker in makers} <= seen.keys()
        assert [one.name for one in self.ports.documents.list("clearing") if one.name != "state"] == []

    def _keys(self, prefix: str) -> set[str]:
        return {info.key for info in self.ports.blobs.list(prefix)}

    def settle(self) -> None:
        """Time passes until there is nothing more to do."""
        self.fate.left = -1
        for seconds in (*[DAY_S / 2] * 8, *[601.0] * 8):
            self.clock.pass_s(seconds)
            self.collector.work()

    def ids(self, chance: random.Random) -> Iterator[str]:
        """The runs that are seen, in any order."""
        seen = self.seen()
        found = [run_id for run_id in self.runs if run_id in seen]
        chance.shuffle(found)
        yield from found
