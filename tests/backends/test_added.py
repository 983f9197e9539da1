"""A backend that a site adds: the one of the how-to page, word for word, with a Slurm that is a few shell scripts."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from canalis.compute import BackendCompute, ComputeTarget
from canalis.data import PipelineData
from canalis.exceptions import UserErrorException
from tests.scenes.conftest import Author, log_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "add-a-backend.md"

# Jobs lie in a folder: <id> has what was asked, <id>.state and <id>.code how it ended.
SLURM = {
    "sbatch": """
        for word in "$@"; do case $word in
            --job-name=*) name=${word#*=};; --chdir=*) there=${word#*=};; --output=*) log=${word#*=};;
        esac; last=$word; done
        job=$(($(ls "$JOBS" | grep -c '\\.name$') + 1))
        echo "$name" > "$JOBS/$job.name"
        (cd "$there" && /bin/sh "$last" > "$log" 2>&1; code=$?
         [ $code = 0 ] && echo "COMPLETED|0:0" > "$JOBS/$job.state" || echo "FAILED|$code:0" > "$JOBS/$job.state") &
        [ -e "$JOBS/answers-lost" ] && rm "$JOBS/answers-lost" && sleep 0.3 && exit 1
        echo $job
        """,
    "squeue": """
        for word in "$@"; do case $word in --name=*) name=${word#*=};; esac; done
        for job in "$JOBS"/*.name; do
            [ -e "$job" ] && [ "$(cat "$job")" = "$name" ] && basename "$job" .name
        done; true
        """,
    "sacct": """
        for word in "$@"; do case $word in --jobs=*) job=${word#*=};; esac; done
        cat "$JOBS/$job.state" 2> /dev/null || echo "RUNNING|0:0"
        """,
    "scancel": 'echo "CANCELLED by 1|0:15" > "$JOBS/$1.state"',
}


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """The jobs of a Slurm, and the page's backend installed as its package would be."""
    there, programs, package = tmp_path / "jobs", tmp_path / "bin", tmp_path / "site"
    for folder in (there, programs, package / "slurm_backend-1.dist-info"):
        folder.mkdir(parents=True)
    for name, text in SLURM.items():
        (programs / name).write_text(f"#!/bin/sh\nJOBS={there}\n{text}")
        (programs / name).chmod(0o755)
    (code,) = re.findall(r"```python\n# slurm_backend.py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (entry,) = re.findall(r"```toml\n\[project.entry-points.\"(.*?)\"\]\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (package / "slurm_backend.py").write_text(code)
    (package / "slurm_backend-1.dist-info" / "METADATA").write_text("Name: slurm-backend\nVersion: 1\n")
    said = entry[1].replace('"', "")
    (package / "slurm_backend-1.dist-info" / "entry_points.txt").write_text(f"[{entry[0]}]\n{said}")
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    yield there
    sys.modules.pop("slurm_backend", None)


@pytest.fixture
def hpc(jobs, author: Author):
    """The compute target of the page."""
    return ComputeTarget.attach(author.ws, "hpc", BackendCompute.attach_configuration("slurm", partition="gpu"))


def names(jobs: Path) -> list[str]:
    return [file.read_text().strip() for file in sorted(jobs.glob("*.name"))]


def test_a_backend_is_one_file_of_less_than_a_hundred_lines():
    assert PAGE.read_text().count("\n") < 100


def test_steps_run_on_a_backend_that_a_package_brings_and_pass_data_to_others(jobs, hpc, author: Author):
    model = PipelineData("model", datastore=author.ws.get_default_datastore())
    train = author.step(
        "train",
        "import sys; open(sys.argv[1], 'w').write('a model'); print('trained with', sys.argv[2])",
        arguments=[model, "gpu"],
        outputs=[model],
        compute_target="hpc",
    )
    score = author.step("score", "import sys; print(open(sys.argv[1]).read())", arguments=[model], inputs=[model])
    run = author.runs(train, score)

    assert run.get_status() == "Finished"
    assert "trained with gpu" in log_of(run, "train") and "it is job 1 of slurm" in log_of(run, "train")
    assert "a model" in log_of(run, "score")
    assert len(names(jobs)) == 1 and names(jobs)[0].endswith(f"{run.id}.train")
    found = ComputeTarget(author.ws, "hpc")
    assert isinstance(found, BackendCompute) and found.settings == {"partition": "gpu"}


def test_a_script_that_fails_there_fails_its_step_with_what_it_printed(hpc, author: Author):
    run = author.runs(author.step("train", "print('so far'); raise SystemExit(3)", compute_target=hpc))

    assert run.get_status() == "Failed"
    (step,) = run.find_step_run("train")
    assert "so far" in step.get_stdout_log() and "Slurm says FAILED of job 1" in step.get_stdout_log()


def test_a_backend_that_is_not_there_cannot_be_named(author: Author):
    with pytest.raises(UserErrorException, match="names the backend 'slurm', which this service does not have"):
        ComputeTarget.attach(author.ws, "hpc", BackendCompute.attach_configuration("slurm"))
