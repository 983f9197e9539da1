"""What a large source directory adds to a submission when nothing of it has changed."""

from __future__ import annotations

import hashlib
import os
import random
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.figures import Line, in_turn
from benchmarks.laptop import Laptop
from benchmarks.workloads import SCRIPT
from canalis import Pipeline, PythonScriptStep

FILES = 2_000
_RULES = "*.pyc\n*.egg-info/\n/build/\ndata/**\n!data/keep.csv\n.env\n**/tmp/\n*.log\n[._]*.sw?\ndist/\n"


def measures(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """A submission with 2,000 files beside its script, less one with the script alone; and reading the files alone."""
    laptop = Laptop(folder)
    try:
        many, alone = folder / "many", folder / "alone"
        _write(many, FILES)
        _write(alone, 0)
        for source in (many, alone):  # sent once, and no side is measured cold
            _submit_s(laptop, source)
        name = f"{FILES:,} unchanged files"
        full, bare, read = in_turn(
            name,
            max(rounds, 3),
            partial(_submit_s, laptop, many),
            partial(_submit_s, laptop, alone),
            partial(_read_s, many),
        )
    finally:
        laptop.close()
    added = [with_files - without for with_files, without in zip(full, bare, strict=True)]
    detail = f"{statistics.median(added):.2f} s, each file read and hashed alone {statistics.median(read):.2f} s"
    yield Line(f"{name}, added to a submission", statistics.median(added), "s", 0.5, detail, added)
    ratios = [ours / least for ours, least in zip(added, read, strict=True)]
    yield Line(f"{name}, against reading them", statistics.median(ratios), "x floor", 5.0, detail, ratios)


def _write(folder: Path, count: int) -> None:
    chance = random.Random(1)
    folder.mkdir()
    (folder / "noop.py").write_text(SCRIPT)
    (folder / ".amlignore").write_text(_RULES)
    for number in range(count):
        file = folder / f"package_{number // 50}" / f"module_{number}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"x = {number}\n" * chance.randint(10, 800))


def _submit_s(laptop: Laptop, source: Path) -> float:
    step = PythonScriptStep("noop.py", name="noop", compute_target=laptop.target, source_directory=str(source))
    began = time.perf_counter()
    run = laptop.submit(Pipeline(laptop.workspace, [step]))
    took = time.perf_counter() - began
    run.wait_for_completion(show_output=False)  # staging its files is not what is measured next
    return took


def _read_s(folder: Path) -> float:
    began = time.perf_counter()
    for root, _, names in os.walk(folder):
        for name in names:
            hashlib.sha256(Path(root, name).read_bytes()).hexdigest()
    return time.perf_counter() - began
