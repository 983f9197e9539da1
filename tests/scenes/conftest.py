"""Scenes: what an author does and sees, through the SDK and the command line, against a real service."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from canalis import local
from canalis.azureml import install_as_azureml
from canalis.compute import AmlCompute, ComputeTarget
from canalis.experiment import Experiment
from canalis.pipeline import Pipeline
from canalis.pipeline_run import PipelineRun
from canalis.steps import PythonScriptStep
from canalis.workspace import Workspace
from steps.processes import Attached, kill_group
from tests.conftest import is_azure
from tests.scenes import warm

install_as_azureml()
importlib.import_module("azureml")  # these authors write for v1, whichever scene comes first

STARTS_COLD = ("run", "demo", "serve")  # what an author's script or a service finds in its process is theirs
CANALIS = Path(sys.executable).parent / "canalis"


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder for all scenes of this worker whose service may be the same."""
    home = tmp_path_factory.mktemp("home") / ".canalis"
    yield home
    stop_services(home)


@pytest.fixture(autouse=True)
def project(shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The author's folder: the current one, with the shared workspace as its home, or a service in the cloud."""
    monkeypatch.setenv("CANALIS_HOME", str(shared_home))
    if is_azure():
        monkeypatch.setenv("CANALIS_URL", os.environ["CANALIS_DOOR_URL"])
        monkeypatch.setenv("CANALIS_TOKEN", os.environ["CANALIS_DOOR_TOKEN"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ws() -> Iterator[Workspace]:
    """The workspace that scenes share."""
    workspace = Workspace.create("scenes", exist_ok=True, show_output=False)
    yield workspace
    workspace._client.close()


@pytest.fixture
def own_home(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder of this scene's own, for scenes that do things to the service."""
    home = project / ".canalis"
    monkeypatch.setenv("CANALIS_HOME", str(home))
    yield home
    stop_services(home)


class Author:
    """Somebody who writes scripts and runs pipelines of them."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.ws = workspace
        self.folder = folder / "src"
        self.folder.mkdir()

    def writes(self, name: str, text: str) -> str:
        """A script; its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return name

    def step(self, name: str, text: str = "", **parts: object) -> PythonScriptStep:
        """A step that runs a script of that text, also when another scene has run an equal one before."""
        parts.setdefault("source_directory", str(self.folder))
        parts.setdefault("allow_reuse", False)
        return PythonScriptStep(script_name=self.writes(f"{name}.py", text), name=name, **parts)

    def submits(self, *steps: object, experiment: str = "scene", **options: object) -> PipelineRun:
        """A run of a pipeline of these steps."""
        return Experiment(self.ws, experiment).submit(Pipeline(self.ws, steps=list(steps)), **options)

    def runs(self, *steps: object, **options: object) -> PipelineRun:
        """The run of these steps at its end, however it ended."""
        run = self.submits(*steps, **options)
        run.wait_for_completion(show_output=False, raise_on_error=False)
        return run

    def cluster(self, name: str, max_nodes: int) -> ComputeTarget:
        """A cluster of so many slots."""
        configuration = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=max_nodes)
        return ComputeTarget.create(self.ws, name, configuration)


@pytest.fixture
def author(ws: Workspace, project: Path) -> Author:
    """An author in the shared workspace."""
    return Author(ws, project)


def log_of(run: PipelineRun, step: str) -> str:
    """What a step has printed."""
    return run.find_step_run(step)[0].get_stdout_log()


def statuses(run: PipelineRun) -> dict[str, str]:
    """How each step stands, in PipelineRun's words."""
    return {step.name: step.get_status() for step in run.get_steps()}


def canalis(*words: str, check: int | None = 0, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line, piped. `check` is the exit code that is expected."""
    if words[0] in STARTS_COLD:
        done = subprocess.run([str(CANALIS), *words], capture_output=True, text=True, timeout=120, cwd=cwd)
    else:
        done = warm.run(list(words), cwd or Path.cwd(), timeout_s=120)
    assert check is None or done.returncode == check, (done.returncode, done.stdout, done.stderr)
    return done


def cells(line: str) -> list[str]:
    """The cells of a line of a piped table that are not empty."""
    return re.split(r" {2,}", line.strip())


def until(holds, timeout_s: float = 30.0):
    """What `holds()` gives as soon as it is something."""
    give_up = time.monotonic() + timeout_s
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.02)


def process_of(root: Path) -> int:
    """The process of a workspace's service."""
    return int(json.loads((root / "service.json").read_text())["pid"])


def is_alive(process: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def warm_parent_of(process: int) -> int | None:
    """The warm parent that a step's process is a fork of; None when it is none."""
    parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return parent if b"warm_parent.py" in Path(f"/proc/{parent}/cmdline").read_bytes() else None


def switch_off(process: int) -> None:
    """End a step as a machine does that is switched off: nobody is left to say how it ended."""
    parent = warm_parent_of(process)
    if parent is not None:
        os.kill(parent, signal.SIGKILL)
    os.killpg(process, signal.SIGKILL)


def stop_services(home: Path) -> None:
    """End every service of a home folder, and whatever its steps have left."""
    for name in local.workspaces(home):
        root = home / name
        try:
            process = process_of(root)
        except (OSError, ValueError):
            continue
        if is_alive(process):
            os.kill(process, signal.SIGKILL)
        for pid in root.glob("blobs/records/*/*/pid"):
            found = Attached.find(
                pid.parent
            )  # the number alone may be another's by now, or 0: everybody's of our group
            if found is not None and found.is_alive():
                kill_group(found.group, signal.SIGKILL)
    shutil.rmtree(home, ignore_errors=True)
