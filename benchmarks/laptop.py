"""The whole way on a laptop: SDK, service, processes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.workloads import HEAVY_SCRIPT, SCRIPT, SLOTS, Edges
from canalis import Experiment, Pipeline, PythonScriptStep, Workspace, local
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

    def pipeline(
        self, edges: Edges, warm: bool = True, script: str = "noop.py", arguments: Sequence[str] = ()
    ) -> Pipeline:
        """A pipeline in which each step runs that script, with its own number behind the arguments.

        warm   as forks of a warm parent; else in new interpreters
        """
        configuration = RunConfiguration()
        configuration.environment.environment_variables = {} if warm else {"CANALIS_WARM": "off"}
        steps: list[PythonScriptStep] = []
        for number, before in enumerate(edges):
            step = PythonScriptStep(
                script,
                name=f"s{number}",
                arguments=[*arguments, number],
                compute_target=self.target,
                source_directory=str(self.source),
                runconfig=configuration,
                allow_reuse=False,
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
        step = PythonScriptStep(
            "heavy.py",
            name="heavy",
            compute_target=self.target,
            source_directory=str(self.source),
            allow_reuse=False,
        )
        run = self.submit(Pipeline(self.workspace, [step]))
        run.wait_for_completion(show_output=False)
        (done,) = run.get_steps()
        return float(done.get_stdout_log()) - float(done._view()["started_at"])

    def submit(self, pipeline: Pipeline):
        """A run of a pipeline, without what that prints."""
        with contextlib.redirect_stdout(io.StringIO()):
            return Experiment(self.workspace, "bench").submit(pipeline)

    @property
    def process(self) -> int:
        """The service's process."""
        return int(json.loads((self.workspace._root / "service.json").read_text())["pid"])

    def idle(self, seconds: float) -> tuple[float, float, float]:
        """Of a service with nothing to do: per cent of a core, resident memory in MiB, and wake-ups a second."""
        time.sleep(2.0)
        cpu, woken = _cpu_s(self.process), _wake_ups(self.process)
        time.sleep(seconds)
        cpu, woken = _cpu_s(self.process) - cpu, _wake_ups(self.process) - woken
        resident = _status(Path(f"/proc/{self.process}"), "VmRSS")
        return 100 * cpu / seconds, resident / 1024, woken / seconds

    def kill(self) -> None:
        """End the service as a crash would."""
        process = self.process
        os.kill(process, signal.SIGKILL)
        while local.process_id(self.workspace._root) == process:
            time.sleep(0.001)

    def wake(self) -> float:
        """Start the service if it is not there; seconds until it answers."""
        began = time.perf_counter()
        with contextlib.redirect_stderr(io.StringIO()):
            local.endpoint(self.workspace._root)
        return time.perf_counter() - began

    def close(self) -> None:
        """End the service."""
        local.stop(self.workspace._root)


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wake_ups(process: int) -> int:
    """How often its threads have begun to wait: each such wait ends in one."""
    return sum(_status(thread, "voluntary_ctxt_switches") for thread in Path(f"/proc/{process}/task").iterdir())


def _status(folder: Path, name: str) -> int:
    lines = (folder / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])
