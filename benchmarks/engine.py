"""The engine alone: orchestrator, bus and store on disk, with steps that end as soon as they are started."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from adapters.clock import SystemClock
from adapters.counted import Meter, counted
from adapters.files import FileBlobs, FileStores
from adapters.sealed import SealedDocuments
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from adapters.web import HttpWeb
from benchmarks import workloads
from benchmarks.workloads import Edges
from canalis.contract.graph import CommandWork, Graph, Node, Settings
from canalis.contract.ports import AttemptKey, Ports
from canalis.contract.run import ComputeChoice
from canalis.contract.status import Outcome
from local_engine import Pump
from orchestrator.submit import Submission, submit
from steps.backend import Ended, Pending, Work


class StubBackend:
    """Every step has succeeded as soon as it is started."""

    forestalls = True

    def start(self, work: Work) -> Ended:
        """Done."""
        return Ended(Outcome.SUCCEEDED, 0)

    def check(self, work: Work, handle: str) -> Ended | Pending:
        """Done."""
        return self.start(work)

    def stop(self, key: AttemptKey) -> bool:
        """Nothing is left to be stopped."""
        return False

    def recall(self, key: AttemptKey) -> bool:
        """Nothing waits."""
        return False

    def has_begun(self, key: AttemptKey) -> bool:
        """Nothing is under way."""
        return False

    def held(self) -> Collection[AttemptKey]:
        """Nothing is held."""
        return ()


def graph(edges: Edges) -> Graph:
    """Steps that wait for each other and do nothing."""
    work, settings = CommandWork(line=("true",)), Settings(reuse=False)  # each run is to do all of it
    return Graph(
        nodes=tuple(
            Node(
                key=f"s{number}",
                name=f"s{number}",
                work=work,
                after=tuple(f"s{earlier}" for earlier in before),
                settings=settings,
            )
            for number, before in enumerate(edges)
        )
    )


def run_s(edges: Edges, folder: Path) -> float:
    """Seconds from submission to the end of a run whose steps do nothing, every change of state on disk."""
    clock = SystemClock()
    folder.mkdir(parents=True, exist_ok=True)
    database = Database(folder / "canalis.db")
    bus = SqliteBus(database, clock)
    plain = Ports(
        SqliteRuns(database, bus, clock),
        SqliteDocuments(database),
        FileBlobs(folder / "blobs"),
        FileStores(folder / "stores"),
        bus,
        clock,
        HttpWeb(()),
        SealedDocuments(SqliteDocuments(database), [bytes(32)]),
    )
    ports = counted(plain, Meter(plain.documents), free=("deliver",))  # as the door has it
    pump = Pump(ports, bus, StubBackend())
    pump.start()
    asked = Submission(graph=graph(edges), experiment="bench")
    began = time.perf_counter()
    run = submit(ports, asked, {"": ComputeChoice(backend="process")})
    while not ports.runs.load(run.run_id).state.status.is_terminal:
        time.sleep(0.005)
    took = time.perf_counter() - began
    pump.close()
    database.close()
    return took


def syncs(workload: str, count: int) -> int | None:
    """How often a run of so many stub steps waits for the disk, by strace; None where there is none."""
    if shutil.which("strace") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="canalis-bench-") as name:
        trace = Path(name) / "trace"
        line = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,msync", "-o", str(trace)]
        line += [sys.executable, "-m", "benchmarks.engine", workload, str(count), name]
        if subprocess.run(line, capture_output=True, timeout=300).returncode != 0:
            return None  # a sandbox in which nobody may be traced
        return len(re.findall(r"(?:fsync|fdatasync|msync)\(", trace.read_text()))


if __name__ == "__main__":
    run_s(getattr(workloads, sys.argv[1])(int(sys.argv[2])), Path(sys.argv[3]) / "engine")
