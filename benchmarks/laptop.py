"""The whole way on a laptop: SDK, service, processes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import time
from pathlib import Path

from benchmarks.workloads import HEAVY_SCRIPT, SCRIPT, SLOTS, Edges
from canalis import Experiment, Pipeline, PythonScriptStep, Workspace
from canalis.compute import AmlCompute, ComputeTarget
from canalis.runconfig import RunConfiguration


class Laptop:
    """A workspace with a service of its own in a folder."""

    def __init__(self, folder: Path) -> None:
        os.environ["CANALIS_HOME"] = str(folder / "home")
        self.source = folder / "src"
        self.source.mkdir(parents=True)
        (self.source / "noop.py").write_text(SCRIPT)
        self.workspace = Workspace.create("bench", show_output=False)
        self.target = ComputeTarget.create(
            self.workspace, "bench-pool", AmlCompute.provisioning_configuration(max_nodes=SLOTS)
        )

    def pipeline(self, edges: Edges, warm: bool = True) -> Pipeline:
        """A pipeline of no-op scripts, as forks of a warm parent or in new interpreters."""
        configuration = RunConfiguration()
        configuration.environment.environment_variables = {} if warm else {"CANALIS_WARM": "off"}
        steps: list[PythonScriptStep] = []
        for number, before in enumerate(edges):
            step = PythonScriptStep(
                "noop.py",
                name=f"s{number}",
                compute_target=self.target,
                source_directory=str(self.source),
                runconfig=configuration,
            )
            for earlier in before:
                step.run_after(steps[earlier])
            steps.append(step)
        return Pipeline(self.workspace, steps)

    def run_s(self, edges: Edges, warm: bool = True) -> float:
        """Seconds from submission to the end of a run, by the service's own record."""
        run = self.submit(self.pipeline(edges, warm))
        run.wait_for_completion(show_output=False)
        view = run._view()
        assert view["status"] == "completed", view
        return float(view["ended_at"] - view["submitted_at"])

    def import_s(self) -> float:
        """Seconds between the start of a step and the end of its script's heavy imports."""
        (self.source / "heavy.py").write_text(HEAVY_SCRIPT)
        step = PythonScriptStep("heavy.py", name="heavy", compute_target=self.target, source_directory=str(self.source))
        run = self.submit(Pipeline(self.workspace, [step]))
        run.wait_for_completion(show_output=False)
        (done,) = run.get_steps()
        return float(done.get_stdout_log()) - float(done._view()["started_at"])

    def submit_s(self, edges: Edges) -> float:
        """Seconds that submitting takes, source files and all; the run is cancelled at once."""
        pipeline = self.pipeline(edges)
        began = time.perf_counter()
        run = self.submit(pipeline)
        took = time.perf_counter() - began
        run.cancel()
        run.wait_for_completion(show_output=False)
        return took

    def submit(self, pipeline: Pipeline):
        """A run of a pipeline, without what that prints."""
        with contextlib.redirect_stdout(io.StringIO()):
            return Experiment(self.workspace, "bench").submit(pipeline)

    @property
    def process(self) -> int:
        """The service's process."""
        return int(json.loads((self.workspace._root / "service.json").read_text())["pid"])

    def idle(self, seconds: float) -> tuple[float, float]:
        """Per cent of a core that the service uses while nothing runs, and its resident memory in MiB."""
        time.sleep(2.0)
        before = _cpu_s(self.process)
        time.sleep(seconds)
        cpu = 100 * (_cpu_s(self.process) - before) / seconds
        status = Path(f"/proc/{self.process}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return cpu, int(resident.split()[1]) / 1024

    def close(self) -> None:
        """End the service."""
        os.kill(self.process, signal.SIGTERM)


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
