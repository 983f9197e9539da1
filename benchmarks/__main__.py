"""`make bench`: measures everything, prints one table, and keeps the figures as JSON.

    python -m benchmarks [--quick] [--rounds N] [--only WORD] [--out FILE]

Floors and ours are measured in turn, round by round, and the median of the ratios is quoted: machines are noisy, and
a ratio within a round is what survives that. How each figure comes about: docs/why/0011-how-it-is-measured.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from itertools import count as numbers
from pathlib import Path

from benchmarks import azure, engine, floors, masking, moments, portal, reuse, snapshots, starts, tables, usql
from benchmarks.figures import Line, against, import_s, in_turn, machine, per_step, say
from benchmarks.laptop import Laptop
from benchmarks.workloads import HEAVY_IMPORTS, SLOTS, Edges, chain, fan_out, layered
from canalis.contract.faults import faults
from canalis.contract.graph import FromStep, Graph, Input, Node, Output, PythonWork

_IMPORT = "from canalis import Workspace, Pipeline, PythonScriptStep"


def main() -> int:
    """Measure and print. Exit code 1 when something is over its aim."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("--quick", action="store_true", help="one round of less, in under a minute")
    parser.add_argument("--rounds", type=int, help="5 when not given")
    parser.add_argument("--only", default="", help="parts whose names have this in them: " + ", ".join(_PARTS))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/latest.json"))
    asked = parser.parse_args()
    rounds = asked.rounds or (1 if asked.quick else 5)
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="canalis-bench-", ignore_cleanup_errors=True) as name:
        for part, measure in _PARTS.items():
            if asked.only in part:
                folder = Path(name) / part
                folder.mkdir()
                lines += measure(folder, rounds, asked.quick)
    _print(lines)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    facts = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "rounds": rounds}
    facts["profile"] = "quick" if asked.quick else "full"
    asked.out.write_text(json.dumps({**facts, "lines": [asdict(line) for line in lines]}, indent=2) + "\n")
    return 0 if all(line.is_met for line in lines) else 1


def _processes(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """Each step in a process of its own, by the whole service, against bare subprocess calls and bare forks."""
    graphs: list[tuple[str, Edges, int]] = [("chain of 50", chain(50), 1), ("fan-out of 200", fan_out(200), SLOTS)]
    if quick:
        graphs = [("chain of 20", chain(20), 1), ("fan-out of 100", fan_out(100), SLOTS)]
    else:
        graphs.append(("layered DAG of 1,000", layered(1_000), SLOTS))
    laptop = Laptop(folder)
    try:
        floors.subprocesses_s(chain(5), folder)  # no side is measured cold
        for warm in (True, False, True):
            laptop.run_s(chain(5), warm)
        for name, edges, slots in graphs:
            least, new, warmed, forks = in_turn(
                name,
                min(rounds, 3),
                partial(floors.subprocesses_s, edges, folder),
                partial(laptop.run_s, edges, warm=False),
                partial(laptop.run_s, edges),
                partial(floors.forks_s, len(edges), folder, slots),
            )
            yield against(f"{name}, new interpreter per step", len(edges), new, least, 1.3)
            line = against(f"{name}, warm starts", len(edges), warmed, least, 0.3)
            line.detail += f", bare fork {per_step(forks, len(edges))}"
            yield line
        if not quick:
            yield from _heavy_imports(laptop, folder, rounds)
    finally:
        laptop.close()


def _heavy_imports(laptop: Laptop, folder: Path, rounds: int) -> Iterator[Line]:
    if subprocess.run([sys.executable, "-c", HEAVY_IMPORTS], capture_output=True, check=False).returncode:
        say("no heavy imports are measured: numpy, pandas or scikit-learn is not installed here")
        return
    give_up = time.monotonic() + 60
    while laptop.import_s() > 0.5 * floors.imports_s(folder) and time.monotonic() < give_up:
        time.sleep(1.0)  # until a parent has loaded them
    ours, floor = in_turn("imports", max(rounds, 3), laptop.import_s, partial(floors.imports_s, folder))
    line = against("import of numpy, pandas, scikit-learn, warm start", 1, ours, floor, 0.05)
    line.detail = f"{per_step(ours, 1)} from the start of a step to the end of its imports, alone {per_step(floor, 1)}"
    yield line


def _engine(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """The engine with steps that do nothing: on disk against durable commits, and in memory to see its own work."""
    graphs: list[tuple[str, Edges, float, float]] = [
        ("chain of 50", chain(50), 0.75, 0.5),
        ("fan-out of 200", fan_out(200), 0.4, 0.25),
        ("layered DAG of 1,000", layered(1_000), 0.4, 0.25),
    ]
    sizes = (100, 1_000) if quick else (100, 1_000, 10_000)
    with _in_memory(folder) as memory:
        fresh = numbers()
        run = lambda edges, below: engine.run_s(edges, below / str(next(fresh)))  # noqa: E731
        run(chain(5), memory)
        for name, edges, aim, aim_ms in graphs:
            floor = partial(floors.commits_s, edges, folder)
            disk, ram = partial(run, edges, folder), partial(run, edges, memory)
            least, durable, bare = in_turn(name, max(rounds, 3), floor, disk, ram)
            yield against(f"{name}, stub steps", len(edges), durable, least, aim)
            each = [1000 * took / len(edges) for took in bare]
            yield Line(f"{name}, stub steps, no disk", statistics.median(each), "ms a step", aim_ms, "", each)
        growth = in_turn("growth", min(rounds, 3), *(partial(run, fan_out(size - 2), folder) for size in sizes))
    each = [statistics.median(took) / size for took, size in zip(growth, sizes, strict=True)]
    detail = ", ".join(f"{size:,}: {per_step(took, size)}" for took, size in zip(growth, sizes, strict=True))
    yield Line(f"a stub step among {sizes[-1]:,}", each[-1] / each[0], "x one of 100", 1.5, detail)


@contextmanager
def _in_memory(folder: Path) -> Iterator[Path]:
    """A folder that is no disk, where there is such a thing; the one that is given elsewhere."""
    if not os.access("/dev/shm", os.W_OK):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="canalis-bench-", dir="/dev/shm") as name:
        yield Path(name)


def _syncs(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """How often a step waits for the disk: the difference between a long and a short run, by strace."""
    for name, workload, few, many, aim in (("chain", "chain", 20, 120, 2.0), ("fan-out", "fan_out", 100, 600, 1.0)):
        counts = engine.syncs(workload, few), engine.syncs(workload, many)
        if counts[0] is None or counts[1] is None:
            say("syncs: not counted, since strace is not there or may not trace")
            return
        detail = f"{counts[0]} at {few} steps, {counts[1]} at {many}"
        yield Line(f"syncs of the disk, {name}", (counts[1] - counts[0]) / (many - few), "a step", aim, detail)


def _waits(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """What somebody waits for: the first line of code, answers under load, the return after a crash."""
    yield from moments.cold_start(folder, rounds)
    laptop = Laptop(folder)
    try:
        laptop.run_s(chain(2))
        cpu, resident, woken = laptop.idle(4.0 if quick else 30.0)
        yield Line("idle service, CPU", cpu, "% of a core", 1.0)
        yield Line("idle service, memory", resident, "MiB resident", 150.0)
        yield Line("idle service, wake-ups", woken, "a second", 20.0)
        yield from moments.recovery(laptop, min(rounds, 3))
        yield from moments.answers(laptop, 20 if quick else 200, runs=3 if quick else 10)
    finally:
        laptop.close()


def _starts(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """What callers of the REST contract wait for."""
    laptop = Laptop(folder)
    try:
        laptop.run_s(chain(2))
        yield from starts.measures(laptop, 4.0 if quick else 60.0)
    finally:
        laptop.close()


def _desk(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """What an author waits for before anything is sent."""
    yield _validation(1_000 if quick else 10_000)
    yield Line("import of what a pipeline needs", import_s(_IMPORT), "s", 0.4)


_PARTS: dict[str, Callable[[Path, int, bool], Iterator[Line]]] = {
    "processes": _processes,
    "engine": _engine,
    "syncs": _syncs,
    "waits": _waits,
    "starts": _starts,
    "desk": _desk,
    "tables": tables.measures,
    "usql": usql.measures,
    "masking": masking.measure,
    "reuse": reuse.measures,
    "snapshots": snapshots.measures,
    "portal": portal.measures,
    "azure": azure.measures,
}


def _validation(count: int) -> Line:
    nodes = tuple(
        Node(
            key=f"s{number}",
            name=f"s{number}",
            work=PythonWork(script="s.py"),
            inputs=tuple(
                Input(name=f"from_{before}", source=FromStep(node=f"s{before}", output="out"))
                for before in {max(0, number - back) for back in (1, 50, 99)} - {number}
            ),
            outputs=(Output(name="out"),),
        )
        for number in range(count)
    )
    document = Graph(nodes=nodes).to_bytes()
    began = time.perf_counter()
    assert faults(Graph.from_bytes(document)) == []
    took = time.perf_counter() - began
    return Line(f"validating {count:,} steps", took, "s", 1.0, "with three inputs each, from JSON")


def _print(lines: list[Line]) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}\n")
    print("| what | measured | at most | in detail |")
    print("|---|---|---|---|")
    for line in lines:
        aim = "" if line.aim is None else f"{line.aim:g}"
        value = f"{line.value:.2f}" if line.value < 10 else f"{line.value:.0f}"
        print(f"| {line.what} | {value} {line.unit}{'' if line.is_met else ' **over**'} | {aim} | {line.detail} |")


if __name__ == "__main__":
    sys.exit(main())
