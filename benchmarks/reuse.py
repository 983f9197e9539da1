"""A pipeline in which nothing has changed: from its submission to its end, everything that it left verified."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from benchmarks import engine
from benchmarks.figures import Line, against, in_turn
from benchmarks.laptop import Laptop
from benchmarks.workloads import chain
from canalis import Experiment, Pipeline, PythonScriptStep
from canalis.data import PipelineData

_STEPS = 200
_WRITES = """
import sys
for path in sys.argv[1:2]:
    with open(path, "w") as file:
        file.write("made")
"""


def measures(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """How long a run takes whose steps are all reused, against a run of as many that do nothing."""
    count = _STEPS // 4 if quick else _STEPS
    laptop = Laptop(folder)
    try:
        pipeline = _pipeline(laptop, count)
        _run_s(laptop, pipeline)  # which makes everything
        took, floor = in_turn(
            f"{count} steps that are reused, and as many that do nothing",
            rounds,
            lambda: _run_s(laptop, pipeline, reused=count),
            lambda: engine.run_s(chain(count), folder / "engine"),
        )
    finally:
        laptop.close()
    yield against(f"chain of {count} in which nothing has changed", count, took, floor, 0.5)
    yield Line("the same, from submission to its end", 1000 * sorted(took)[len(took) // 2], "ms", 150.0)


def _pipeline(laptop: Laptop, count: int) -> Pipeline:
    """Steps each of which writes a file, and reads that of the one before."""
    (laptop.source / "writes.py").write_text(_WRITES)
    steps: list[PythonScriptStep] = []
    made: list[PipelineData] = []
    for number in range(count):
        made.append(PipelineData(f"made{number}", datastore=laptop.workspace.get_default_datastore()))
        step = PythonScriptStep(
            "writes.py",
            name=f"s{number}",
            arguments=[made[-1]],
            inputs=made[-2:-1],
            outputs=made[-1:],
            compute_target=laptop.target,
            source_directory=str(laptop.source),
        )
        steps.append(step)
    return Pipeline(laptop.workspace, steps)


def _run_s(laptop: Laptop, pipeline: Pipeline, reused: int = 0) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        run = Experiment(laptop.workspace, "reuse").submit(pipeline)
        run.wait_for_completion(show_output=False)
    view = run._view()
    assert view["status"] == "completed" and view["steps"].get("reused", 0) == reused, view
    return float(view["ended_at"] - view["submitted_at"])
