"""The graphs that are measured, and the floor: the same scripts by bare subprocess calls with the same parallelism."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

SCRIPT = "pass\n"
HEAVY_IMPORTS = "import numpy, pandas, sklearn.linear_model\n"
HEAVY_SCRIPT = f"{HEAVY_IMPORTS}import time\nprint(time.time())\n"
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


_FORKS = """
import os, sys, time, json, argparse, pathlib, gc
count, slots = int(sys.argv[1]), int(sys.argv[2])
gc.freeze()
began, running = time.perf_counter(), 0
for number in range(count):
    if running == slots:
        os.wait()
        running -= 1
    if os.fork() == 0:
        with open("noop.py", "rb") as file:
            exec(compile(file.read(), "noop.py", "exec"), {"__name__": "__main__"})
        os._exit(0)
    running += 1
for _ in range(running):
    os.wait()
print(time.perf_counter() - began)
"""


def fork_floor_s(count: int, folder: Path, slots: int) -> float:
    """Seconds that so many scripts take as bare forks of a small interpreter, with nothing kept of any."""
    (folder / "noop.py").write_text(SCRIPT)
    line = [sys.executable, "-c", _FORKS, str(count), str(slots)]
    return float(subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True).stdout)


def import_floor_s(folder: Path) -> float:
    """Seconds between the start of a new interpreter and the end of a script's heavy imports."""
    (folder / "heavy.py").write_text(HEAVY_SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.time()
    line = [sys.executable, "heavy.py"]
    done = subprocess.run(line, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout) - began
