"""`make bench`: runs everything and prints one table.

    python -m benchmarks [--rounds N] [--out FILE]

Floors and ours are measured in turn, round by round, and the median of the ratios is quoted: machines are noisy, and
a ratio within a round is what survives that.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import engine
from benchmarks.laptop import Laptop
from benchmarks.workloads import HEAVY_IMPORTS, SLOTS, chain, fan_out, floor_s, fork_floor_s, import_floor_s
from canalis.contract.faults import faults
from canalis.contract.graph import FromStep, Graph, Input, Node, Output, PythonWork


@dataclass
class Line:
    """One measured thing. `aim` is what it must not exceed."""

    what: str
    value: float
    unit: str
    aim: float
    detail: str = ""

    @property
    def is_met(self) -> bool:
        """Whether it is within its aim."""
        return self.value <= self.aim


def main() -> int:
    """Measure and print. Exit code 1 when something is over its aim."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/latest.json"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="canalis-bench-", ignore_cleanup_errors=True) as name:
        lines = list(_measure(Path(name), asked.rounds))
    _print(lines)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    facts = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "rounds": asked.rounds}
    asked.out.write_text(json.dumps({**facts, "lines": [asdict(line) for line in lines]}, indent=2) + "\n")
    return 0 if all(line.is_met for line in lines) else 1


def machine() -> str:
    """The machine's shape, for whoever reads the figures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def _measure(folder: Path, rounds: int) -> list[Line]:
    lines = []
    laptop = Laptop(folder)
    try:
        for name, edges, slots in (("chain of 50", chain(50), 1), ("fan-out of 200, 2 slots", fan_out(200), SLOTS)):
            lines += _against_floor(name, edges, slots, laptop, folder, rounds)
        lines += _heavy_imports(laptop, folder, rounds)
        submits = [laptop.submit_s(fan_out(998)) for _ in range(rounds)]
        lines.append(Line("submit of 1,000 steps", statistics.median(submits), "s", 1.0))
        cpu, resident = laptop.idle(10.0)
        lines.append(Line("idle service, CPU", cpu, "% of a core", 1.0))
        lines.append(Line("idle service, memory", resident, "MiB resident", 150.0))
    finally:
        laptop.close()
    lines.append(_growth(folder, rounds))
    lines.append(_validation())
    lines.append(Line("import canalis", _import_s("import canalis"), "s", 0.4))
    names = "from canalis import Workspace, Pipeline, PythonScriptStep"
    lines.append(Line("import what a pipeline needs", _import_s(names), "s", 0.4))
    return lines


def _against_floor(
    name: str, edges: list[list[int]], slots: int, laptop: Laptop, folder: Path, rounds: int
) -> list[Line]:
    floor_s(chain(5), folder)  # no side is measured cold
    for warm in (True, False, True):
        laptop.run_s(chain(5), warm)
    floors, news, warms, forks = [], [], [], []
    for _ in range(rounds):
        floors.append(floor_s(edges, folder))
        news.append(laptop.run_s(edges, warm=False))
        warms.append(laptop.run_s(edges))
        forks.append(fork_floor_s(len(edges), folder, slots))
        _say(f"{name}: floor {floors[-1]:.2f} s, new {news[-1]:.2f} s, warm {warms[-1]:.2f} s, forks {forks[-1]:.2f} s")
    floor, fork = _ms(statistics.median(floors), edges), _ms(statistics.median(forks), edges)
    return [
        Line(
            f"{name}, {how}",
            statistics.median(mine / floor for mine, floor in zip(ours, floors, strict=True)),
            "x floor",
            aim,
            f"{_ms(statistics.median(ours), edges)} a step, floor {floor}, bare fork {fork}",
        )
        for how, ours, aim in (("new interpreter per step", news, 1.3), ("warm starts", warms, 0.3))
    ]


def _heavy_imports(laptop: Laptop, folder: Path, rounds: int) -> list[Line]:
    if subprocess.run([sys.executable, "-c", HEAVY_IMPORTS], capture_output=True, check=False).returncode:
        _say("no heavy imports are measured: numpy, pandas or scikit-learn is not installed here")
        return []
    give_up = time.monotonic() + 60
    while laptop.import_s() > 0.5 * import_floor_s(folder) and time.monotonic() < give_up:
        time.sleep(1.0)  # until a parent has loaded them
    pairs = [(laptop.import_s(), import_floor_s(folder)) for _ in range(max(rounds, 3))]
    ratio = statistics.median(ours / floor for ours, floor in pairs)
    ours, floor = (1000 * statistics.median(side) for side in zip(*pairs, strict=True))
    detail = f"{ours:.0f} ms from the start of a step to the end of its imports, new interpreter {floor:.0f} ms"
    return [Line("import of numpy, pandas, scikit-learn, warm start", ratio, "x new interpreter", 0.05, detail)]


def _growth(folder: Path, rounds: int) -> Line:
    costs: dict[int, float] = {}
    for count in (100, 1_000, 10_000):
        edges = fan_out(count - 2)
        tries = max(rounds, 3) if count < 10_000 else 1
        took = [engine.run_s(edges, folder / f"engine-{count}-{number}") for number in range(tries)]
        costs[count] = 1000 * statistics.median(took) / count
        _say(f"engine, {count} steps: {costs[count]:.2f} ms a step")
    detail = ", ".join(f"{count:,}: {cost:.2f} ms a step" for count, cost in costs.items())
    return Line("fan-out of 10,000 stub steps", costs[10_000] / costs[100], "x the step at 100", 1.5, detail)


def _validation() -> Line:
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
        for number in range(10_000)
    )
    document = Graph(nodes=nodes).to_bytes()
    began = time.perf_counter()
    assert faults(Graph.from_bytes(document)) == []
    took = time.perf_counter() - began
    return Line("validating 10,000 steps", took, "s", 1.0, "with three inputs each, from JSON")


def _import_s(code: str) -> float:
    def took(text: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", text], check=True)
        return time.perf_counter() - began

    measure: Callable[[str], float] = lambda text: min(took(text) for _ in range(5))  # noqa: E731
    return max(0.0, measure(code) - measure("pass"))


def _ms(seconds: float, edges: list[list[int]]) -> str:
    return f"{1000 * seconds / len(edges):.1f} ms"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print(lines: list[Line]) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}\n")
    print("| what | measured | at most | in detail |")
    print("|---|---|---|---|")
    for line in lines:
        mark = "" if line.is_met else " **over**"
        print(f"| {line.what} | {line.value:.2f} {line.unit}{mark} | {line.aim:g} | {line.detail} |")


if __name__ == "__main__":
    sys.exit(main())
