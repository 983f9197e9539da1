"""What nobody can be faster than, measured beside what is measured: the same graph with nothing around the steps."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from benchmarks.workloads import HEAVY_SCRIPT, SCRIPT, SLOTS, Edges

_CHANGES = ("ready", "running", "done")  # of a step's state, each of them kept before the next
_STEPS_MAX = 100
_ROW_BYTES = 200  # what a step's row and its message take in our own tables


def subprocesses_s(edges: Edges, folder: Path) -> float:
    """Seconds that the graph takes with bare subprocess calls from a pool of threads, one for each slot."""
    (folder / "noop.py").write_text(SCRIPT)
    return _walk_s(edges, lambda number: subprocess.run([sys.executable, "noop.py"], cwd=folder, check=True))


def commits_s(edges: Edges, folder: Path) -> float:
    """Seconds that it takes to write down each change of each step's state in SQLite, durable, and nothing else.

    Each costs the same, so that of a large graph only so many steps are measured, and the rest is reckoned.
    """
    count = min(len(edges), _STEPS_MAX)
    path = folder / f"floor-{time.monotonic_ns()}.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE steps (step INTEGER PRIMARY KEY, state TEXT, facts BLOB)")
    began = time.perf_counter()
    for number in range(count):
        for change in _CHANGES:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT OR REPLACE INTO steps VALUES (?, ?, ?)", (number, change, bytes(_ROW_BYTES)))
            connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took * len(edges) / count


def _walk_s(edges: Edges, step: Callable[[int], object]) -> float:
    waits = [len(before) for before in edges]
    after: list[list[int]] = [[] for _ in edges]
    for number, before in enumerate(edges):
        for earlier in before:
            after[earlier].append(number)

    def run(number: int) -> int:
        step(number)
        return number

    began = time.perf_counter()
    with ThreadPoolExecutor(SLOTS) as pool:
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


def forks_s(count: int, folder: Path, slots: int) -> float:
    """Seconds that so many scripts take as bare forks of a small interpreter, with nothing kept of any."""
    (folder / "noop.py").write_text(SCRIPT)
    line = [sys.executable, "-c", _FORKS, str(count), str(slots)]
    return float(subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True).stdout)


def imports_s(folder: Path) -> float:
    """Seconds between the start of a new interpreter and the end of a script's heavy imports."""
    (folder / "heavy.py").write_text(HEAVY_SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.time()
    line = [sys.executable, "heavy.py"]
    done = subprocess.run(line, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout) - began
