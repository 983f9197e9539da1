"""What somebody waits for at a laptop's service: its start, its answers under load, and its return after a crash."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks.figures import Line, in_turn, percentile, say
from benchmarks.laptop import Laptop
from benchmarks.workloads import chain, layered

_FIRST = "import sys, time\nopen(sys.argv[1], 'w').write(repr(time.time()))\n"
_ONE_STEP = """
import sys
from azureml.core import Experiment, Workspace
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import PythonScriptStep

workspace = Workspace.from_config()
parts = dict(name="first", arguments=[sys.argv[1]], source_directory="scripts", allow_reuse=False)
step = PythonScriptStep("first.py", **parts)
Experiment(workspace, "cold").submit(Pipeline(workspace, [step]))
"""
_DIES_AT = 15  # of the steps of the chain in which the service is killed
_ENDURE = "import sys, time\ntime.sleep(0.1)\nopen(sys.argv[1], 'a').write(f'{sys.argv[2]} {time.time()!r}\\n')\n"


def cold_start(folder: Path, rounds: int) -> list[Line]:
    """From the command `canalis run` to the first line of the author's code in a step."""
    project = folder / "cold"
    (project / "scripts").mkdir(parents=True)
    (project / "pipeline.py").write_text(_ONE_STEP)
    (project / "scripts" / "first.py").write_text(_FIRST)
    mark = project / "first"
    python, canalis = sys.executable, str(Path(sys.executable).with_name("canalis"))
    environment = {name: value for name, value in os.environ.items() if name != "CANALIS_HOME"}

    def run_s(*line: str) -> float:
        mark.unlink(missing_ok=True)
        began = time.time()
        subprocess.run(line, cwd=project, env=environment, check=True, capture_output=True)
        while not (mark.exists() and (text := mark.read_text())):
            time.sleep(0.001)
        return float(text) - began

    def down_s() -> float:
        subprocess.run([canalis, "stop"], cwd=project, env=environment, check=True, capture_output=True)
        return run_s(canalis, "run", "pipeline.py", str(mark))

    run_s(canalis, "run", "pipeline.py", str(mark))  # so that there is a service to be stopped
    floor, up, down = in_turn(
        "canalis run to first line",
        rounds,
        lambda: run_s(python, "scripts/first.py", str(mark)),
        lambda: run_s(canalis, "run", "pipeline.py", str(mark)),
        down_s,
    )
    subprocess.run([canalis, "stop"], cwd=project, env=environment, check=True, capture_output=True)
    least = f"a bare interpreter {statistics.median(floor):.3f} s"
    return [
        Line("`canalis run` to the first line of a step", statistics.median(up), "s", 0.5, least, up),
        Line("the same, with the service to be started", statistics.median(down), "s", 1.5, least, down),
    ]


def answers(laptop: Laptop, calls: int, runs: int = 10, steps: int = 1_000) -> list[Line]:
    """How long submit, status and cancel take while large runs are under way."""
    pipeline = laptop.pipeline(layered(steps))
    busy, submits = [], []
    for _ in range(runs):
        began = time.perf_counter()
        busy.append(laptop.submit(pipeline))
        submits.append(time.perf_counter() - began)
    say(f"{runs} runs of {steps} steps are under way")
    small = laptop.pipeline(chain(3))
    took: dict[str, list[float]] = {"submit": [], "status": [], "cancel": []}
    for number in range(calls):
        began = time.perf_counter()
        run = laptop.submit(small)
        submitted = time.perf_counter()
        assert busy[number % runs].get_status() == "Running"
        looked = time.perf_counter()
        run.cancel()
        cancelled = time.perf_counter()
        took["submit"].append(submitted - began)
        took["status"].append(looked - submitted)
        took["cancel"].append(cancelled - looked)
    for run in busy:
        run.cancel()
    for run in busy:
        run.wait_for_completion(show_output=False)
    under = f"of {calls}, while {runs} runs of {steps:,} steps are under way"
    lines = [Line(f"submit of {steps:,} steps", statistics.median(submits), "s", 1.0, f"{runs} in a row", submits)]
    for name, values in took.items():
        most, middle = 1000 * percentile(values, 0.99), 1000 * statistics.median(values)
        lines.append(Line(f"{name}, p99", most, "ms", 500.0, f"p50 {middle:.1f} ms, {under}", values))
    return lines


def recovery(laptop: Laptop, rounds: int, steps: int = 40) -> list[Line]:
    """From the start of a service whose predecessor was killed to the next step's end; and what was done twice."""
    (laptop.source / "endure.py").write_text(_ENDURE)
    returns, starts, twice = [], [], 0
    for number in range(rounds):
        ledger = laptop.source.parent / f"ledger-{number}"
        run = laptop.submit(laptop.pipeline(chain(steps), script="endure.py", arguments=[str(ledger)]))
        while not ledger.exists() or len(ledger.read_text().splitlines()) < _DIES_AT:
            time.sleep(0.005)
        laptop.kill()
        time.sleep(0.5)  # the step that runs goes on without a service; nothing follows it
        done = len(ledger.read_text().splitlines())
        began = time.time()
        starts.append(laptop.wake())
        run.wait_for_completion(show_output=False)
        lines = [line.split() for line in ledger.read_text().splitlines()]
        returns.append(float(lines[done][1]) - began - 0.1)  # which it sleeps
        twice += sum(count - 1 for count in Counter(step for step, _ in lines).values())
        assert len({step for step, _ in lines}) == steps, "a step is missing"
        say(f"killed at step {done} of {steps}: went on after {returns[-1]:.2f} s")
    up = f"the service answers after {statistics.median(starts):.2f} s"
    return [
        Line("kill -9, restart to the next step", statistics.median(returns), "s", 3.0, up, returns),
        Line("steps done twice after kill -9", float(twice), "steps", 0.0, f"{rounds} chains of {steps}"),
    ]
