"""The graphs that are measured, and the floor: the same scripts by bare subprocess calls with the same parallelism."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

SCRIPT = "pass\n"
SLOTS = 2

Edges = list[list[int]]  # for each step, the steps it waits for


def chain(count: int) -> Edges:
    """One step after the other."""
    return [[number - 1] if number else [] for number in range(count)]


def fan_out(count: int) -> Edges:
    """A first step, then `count` side by side, then a last one."""
    return [[], *[[0] for _ in range(count)], list(range(1, count + 1))]


def floor_s(edges: Edges, folder: Path, slots: int = SLOTS) -> float:
    """Seconds that the graph takes with nothing but subprocess calls from a pool of threads."""
    (folder / "noop.py").write_text(SCRIPT)
    waits = [len(before) for before in edges]
    after: list[list[int]] = [[] for _ in edges]
    for number, before in enumerate(edges):
        for earlier in before:
            after[earlier].append(number)

    def run(number: int) -> int:
        subprocess.run([sys.executable, "noop.py"], cwd=folder, check=True)
        return number

    began = time.perf_counter()
    with ThreadPoolExecutor(slots) as pool:
        running: set[Future[int]] = {pool.submit(run, number) for number, left in enumerate(waits) if not left}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for finished in done:
                for later in after[finished.result()]:
                    waits[later] -= 1
                    if not waits[later]:
                        running.add(pool.submit(run, later))
    return time.perf_counter() - began
