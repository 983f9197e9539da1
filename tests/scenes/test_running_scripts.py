"""`canalis run`, as the author of a script meets it: options, exit codes, Ctrl-C, and what is said when it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.scenes.conftest import CANALIS, canalis

pytestmark = pytest.mark.laptop(
    "what `canalis run` does with a script is the same; test_command_line.py runs some through both doors"
)

HEAD = """\
import sys
from azureml.core import Experiment, Workspace
from azureml.core.compute import ComputeTarget
from azureml.pipeline.core import Pipeline, PipelineData
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.get("scenes")
step = PythonScriptStep("step.py", name="only", source_directory="src")
"""
SUBMIT = "run = Experiment(ws, 'running').submit(Pipeline(ws, [step]))\n"


@pytest.fixture(autouse=True)
def sources(project, ws, monkeypatch):
    monkeypatch.setenv("CANALIS_WORKSPACE", ws.name)
    Path("src").mkdir()


def step_is(text: str) -> None:
    Path("src/step.py").write_text(text)


def script_is(text: str) -> None:
    Path("script.py").write_text(HEAD + text)


def interrupted(*words: str, when: str) -> subprocess.CompletedProcess[str]:
    """The command line, with Ctrl-C as soon as it has printed a line that begins so."""
    # Who runs these tests in the background has switched the signal off, and that is handed down.
    switch_on = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [CANALIS, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=switch_on
    )
    printed = ""
    while when not in printed:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        printed += line
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return subprocess.CompletedProcess(words, process.returncode, printed + out, err)


@pytest.mark.parametrize("wait", ["", "run.wait_for_completion(show_output=True)\n"])
def test_ctrl_c_leaves_the_run_to_itself_and_says_how_it_is_stopped(ws, wait):
    step_is("import time\nprint('begun', flush=True)\ntime.sleep(60)")
    script_is(SUBMIT + wait)

    done = interrupted("run", "script.py", when="only started")

    assert done.returncode == 130 and "Traceback" not in done.stderr
    (said,) = (line for line in done.stderr.splitlines() if line.startswith("Run "))
    identity = said.split()[1]
    short = identity[:8]
    assert said == f"Run {identity} goes on; `canalis cancel {short}` stops it, `canalis logs -f {short}` watches it"
    assert ws.get_run(identity).get_status() == "Running"
    canalis("cancel", short)


def test_ctrl_c_says_nothing_of_a_run_that_has_ended(ws):
    step_is("")
    script_is(SUBMIT + "run.wait_for_completion()\nprint('busy', flush=True)\nimport time\ntime.sleep(60)\n")
    done = interrupted("run", "script.py", when="busy")
    assert done.returncode == 130 and "goes on" not in done.stderr


def test_everything_after_the_scripts_name_is_the_scripts():
    Path("script.py").write_text("import sys\nprint(sys.argv[1:])\n")
    words = ["--json", "--no-wait", "--help", "-x", "--", "plain"]
    assert canalis("run", "script.py", *words).stdout == f"{words}\n"
    assert json.loads(canalis("run", "--json", "script.py", "--json").stdout) == []
    assert "No such option: --jsn" in canalis("run", "--jsn", "script.py", check=2).stderr


@pytest.mark.parametrize(
    ("end", "code"), [("sys.exit(0)\n", 0), ("sys.exit()\n", 0), ("sys.exit(5)\n", 5), ("print('over')\n", 1)]
)
def test_a_script_that_catches_a_failure_says_by_its_exit_code_what_it_meant(end, code):
    step_is("raise SystemExit(1)")
    script_is(SUBMIT + "try:\n    run.wait_for_completion()\nexcept Exception as error:\n    print('caught')\n" + end)
    assert "caught" in canalis("run", "script.py", check=code).stdout


def test_a_run_that_the_script_has_not_waited_for_counts_although_it_left_with_0():
    step_is("raise SystemExit(1)")
    script_is(SUBMIT + "sys.exit(0)\n")
    assert "has failed after" in canalis("run", "script.py", check=1).stdout


@pytest.mark.parametrize("wait", ["", "run.wait_for_completion(show_output=True)\n"])
def test_a_failure_is_told_once_by_the_log_and_once_as_the_last_word(wait):
    step_is("raise ValueError('no such column')")
    script_is(SUBMIT + wait)
    done = canalis("run", "script.py", check=1)
    told = [line for line in (done.stdout + done.stderr).splitlines() if "no such column" in line]
    logged = [line for line in told if line.startswith("only                     | ")]
    assert all("| Traceback" not in line for line in told) and done.stderr.count("failed") == 0
    (last,) = (line for line in told if line not in logged)
    assert last.startswith("Run ") and " has failed after " in last and done.stdout.splitlines()[-1] == last
    assert [line for line in done.stdout.splitlines() if line.startswith("only failed after")]


def test_a_failure_that_nobody_has_watched_is_told_at_the_end():
    step_is("raise ValueError('no such column')")
    script_is(SUBMIT + "run.wait_for_completion(show_output=False)\n")
    done = canalis("run", "script.py", check=1)
    assert done.stderr.count("no such column") == 1 and done.stderr.lstrip().startswith("canalis: Run ")


def test_the_faults_of_a_pipeline_are_told_one_by_one_with_the_authors_line():
    step_is("")
    script_is(
        "other = PythonScriptStep('gone.py', source_directory='src', inputs=[PipelineData('nowhere')])\n"
        "def build():\n    return Pipeline(ws, [step, other])\nbuild()\n"
    )
    told = canalis("run", "script.py", check=1).stderr.splitlines()
    told = told[told.index("canalis: 2 faults [graph_invalid]") :]
    assert told[1].startswith("  - Script 'gone.py'") and "which no step writes" in told[2]
    line = HEAD.count("\n") + 3
    assert told[3] == f"  at script.py, line {line}: return Pipeline(ws, [step, other])"

    whole = canalis("run", "--traceback", "script.py", check=1).stderr
    assert "Traceback (most recent call last)" in whole and "canalis/pipeline.py" in whole


def test_an_error_of_ours_that_follows_from_another_is_told_without_it():
    script_is("ComputeTarget(ws, 'no-cluster')\n")
    done = canalis("run", "script.py", check=1)
    assert "Traceback" not in done.stderr and "During handling" not in done.stderr
    assert "canalis: ComputeTargetNotFound: " in done.stderr and "line 9: ComputeTarget(ws" in done.stderr


def test_the_demo_says_what_it_needs_that_is_not_installed():
    code = "import sys\nsys.modules['sklearn'] = None\nsys.argv = ['canalis', 'demo']\nfrom canalis.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("canalis: The example trains real models, and needs scikit-learn: pip install scik")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("word", ["Failed", "failed", "FAILED"])
def test_runs_are_chosen_by_status_in_whichever_words(word):
    step_is("raise SystemExit(1)")
    script_is(SUBMIT.replace("running", f"chosen-{word}"))
    (run,) = json.loads(canalis("run", "--json", "script.py", check=1).stdout)
    listed = json.loads(canalis("runs", "--json", "-e", f"chosen-{word}", "--status", word).stdout)
    assert [found["id"] for found in listed] == [run["id"]]
    for other in ("Completed", "Finished", "CancelRequested", "canceled"):
        done = canalis("runs", "-e", f"chosen-{word}", "--status", other)
        assert done.stdout == "No runs match. `canalis runs` lists all.\n"


def test_a_status_that_is_none_is_refused_with_those_there_are():
    done = canalis("runs", "--status", "nonsense", check=1)
    assert "'nonsense' is no status of a run: Canceled, cancelled, " in done.stderr and "Finished" in done.stderr


def test_a_failed_step_says_where_its_files_came_from(project):
    step_is("def inner():\n    raise ValueError('no such column')\ninner()")
    script_is(SUBMIT)
    done = canalis("run", "script.py", check=1)
    said = f"It ran in a copy, which is gone; its files are those of {project / 'src'}"
    assert done.stdout.splitlines()[-2] == said
    identity = done.stdout.splitlines()[-1].split()[1]
    assert said in canalis("show", identity).stdout and said in canalis("show", f"{identity}.only").stdout


def test_a_steps_script_can_be_run_by_hand():
    step_is("import sys\nfrom azureml.core import Run\nRun.get_context().log('rate', sys.argv[1])\n")
    assert "Attempted to log scalar metric rate:\n0.5" in canalis("run", "src/step.py", "0.5").stdout
    switched = (
        Path("src/step.py").read_text().replace("import sys", "import sys, canalis; canalis.install_as_azureml()")
    )
    step_is(switched)
    done = subprocess.run([sys.executable, "src/step.py", "0.5"], capture_output=True, text=True, timeout=60)
    assert "Attempted to log scalar metric rate:\n0.5" in done.stdout, done.stderr
