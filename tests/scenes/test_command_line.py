"""The command line, piped, as scripts and CI see it."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from tests.scenes.conftest import canalis, cells

PIPELINE = """
from azureml.core import Experiment, Workspace
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import PythonScriptStep
import sys

ws = Workspace.get("scenes")
parts = {"source_directory": "src", "allow_reuse": False}
first = PythonScriptStep("step.py", name="first", arguments=["first"], **parts)
second = PythonScriptStep("step.py", name="second", arguments=sys.argv[1:] or ["second"], **parts)
second.run_after(first)
run = Experiment(ws, "cli").submit(Pipeline(ws, [second]))
"""


@pytest.fixture(autouse=True)
def sources(project, ws, monkeypatch):
    monkeypatch.setenv("CANALIS_WORKSPACE", ws.name)  # other scenes leave workspaces of theirs beside it
    assert ws.discovery_url  # its service is there by now, and needs no word when it is started
    Path("src").mkdir()
    Path("src/step.py").write_text("import sys\nprint('I am', sys.argv[1])\nsys.exit(sys.argv[1] == 'bad')\n")
    Path("pipeline.py").write_text(PIPELINE)


def test_run_waits_for_what_a_script_has_submitted_and_shows_it():
    done = canalis("run", "pipeline.py")
    lines = done.stdout.splitlines()
    assert "first                    | I am first" in lines
    assert "second                   | I am second" in lines
    assert any(line.startswith("Run ") and "is completed after" in line for line in lines)


def test_runs_exit_code_says_how_the_run_ended():
    done = canalis("run", "pipeline.py", "bad", check=1)
    assert "second failed" in done.stdout and "exit code 1" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_script_that_waits_itself_and_fails_is_told_without_our_trace():
    Path("pipeline.py").write_text(PIPELINE + "run.wait_for_completion()\n")
    done = canalis("run", "pipeline.py", "bad", check=1)
    assert "has failed after" in done.stdout.splitlines()[-1] and "Traceback" not in done.stderr


def test_an_error_in_the_script_is_shown_as_python_would():
    Path("broken.py").write_text("def build():\n    raise KeyError('mine')\nbuild()\n")
    done = canalis("run", "broken.py", check=1)
    assert done.stderr.splitlines()[0] == "Traceback (most recent call last):"
    assert "broken.py" in done.stderr and "runpy" not in done.stderr and "KeyError: 'mine'" in done.stderr

    Path("leaves.py").write_text("import sys\nsys.exit(7)")
    canalis("run", "leaves.py", check=7)
    assert "There is no script gone.py" in canalis("run", "gone.py", check=1).stderr


def test_run_as_json_gives_the_runs_and_nothing_else():
    (run,) = json.loads(canalis("run", "--json", "pipeline.py").stdout)
    assert run["run_status_v1"] == "Completed"
    assert run["steps"] == {"succeeded": 2}


def test_a_run_can_be_left_to_itself():
    done = canalis("run", "--no-wait", "pipeline.py")
    assert "Submitted run" in done.stdout and "is completed" not in done.stdout


def test_runs_show_and_logs_say_what_happened():
    (run,) = json.loads(canalis("run", "--json", "pipeline.py").stdout)
    short = run["id"][:8]

    listed = canalis("runs", "--experiment", "cli", "-n", "500").stdout.splitlines()
    assert cells(listed[0]) == ["run", "experiment", "status", "steps done", "submitted", "took"]
    assert any(cells(line)[:4] == [short, "cli", "Completed", "2/2"] for line in listed)
    assert len({line.index("Completed") for line in listed if "Completed" in line}) == 1, "columns are aligned"
    assert any(found["id"] == run["id"] for found in json.loads(canalis("runs", "--json").stdout))

    shown = canalis("show", short).stdout.splitlines()
    assert shown[0].startswith(f"Run {run['id']} of cli, completed: 2 of 2 steps done")
    assert [cells(line)[:2] for line in shown[1:]] == [["first", "Completed"], ["second", "Completed"]]
    found = json.loads(canalis("show", short, "--json").stdout)
    assert found["after"] == {"first": [], "second": ["first"]}
    assert "Step first of run" in canalis("show", found["steps"][0]["id"]).stdout
    assert canalis("show", short, "--watch").stdout == canalis("show", short).stdout

    assert canalis("logs", short).stdout == "==> first <==\nI am first\n==> second <==\nI am second\n"
    assert canalis("logs", short, "--step", "second").stdout == "I am second\n"
    assert "I am second" in canalis("logs", short, "--follow").stdout
    assert "has no step 'third' (it has: first, second)" in canalis("logs", short, "-s", "third", check=1).stderr


def test_cancel_stops_a_run_and_run_says_so_by_its_exit_code():
    Path("src/step.py").write_text(
        textwrap.dedent("""
        import time
        from azureml.core import Run
        Run.get_context().parent.cancel()
        time.sleep(60)
        """)
    )
    done = canalis("run", "pipeline.py", check=3)
    assert "is cancelled after" in done.stdout

    Path("src/step.py").write_text("import time\ntime.sleep(600)")
    (run,) = json.loads(canalis("run", "--no-wait", "--json", "pipeline.py").stdout)
    assert f"Run {run['id']} is cancelled" in canalis("cancel", run["id"]).stdout
    assert json.loads(canalis("cancel", run["id"], "--json").stdout)["status"] == "cancelled", "again does no harm"


def test_the_record_of_changes_says_who_did_what():
    (run,) = json.loads(canalis("run", "--json", "pipeline.py").stdout)
    canalis("cancel", run["id"])
    head, *lines = canalis("audit", "-n", "200").stdout.splitlines()
    assert cells(head) == ["when", "who", "what", "to", "which made", "from"]
    done = [line for line in lines if run["id"] in line]
    assert "cancelled a run" in done[0] and "started a run" in done[1]
    newest = json.loads(canalis("audit", "--limit", "3", "--json").stdout)
    assert len(newest) == 3 and newest[0]["at"] >= newest[2]["at"] and newest[0]["who"]


def test_a_cluster_that_a_script_expects_can_be_made_beforehand():
    assert "runs 3 steps at once" in canalis("compute", "create", "team-cluster", "--max-nodes", "3").stdout
    assert ["team-cluster", "AmlCompute", "3"] in map(cells, canalis("compute", "list").stdout.splitlines())


@pytest.mark.laptop("about a folder without a workspace")
def test_what_is_not_there_is_told_in_one_line(project, monkeypatch):
    done = canalis("show", "00000000", check=1)
    assert done.stderr == "canalis: There is no run 00000000 [not_found]\n"

    monkeypatch.delenv("CANALIS_WORKSPACE")
    monkeypatch.setenv("CANALIS_HOME", str(project / "elsewhere"))
    done = canalis("runs", check=1)
    assert "There is no workspace in" in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_version_is_said():
    from canalis import __version__

    assert canalis("--version").stdout == f"{__version__}\n"


@pytest.mark.laptop("names paths of this machine; `make demo DOOR=azure` is the other")
def test_the_demo_ends_completed_and_says_where_everything_lies(project):
    done = canalis("demo")
    lines = done.stdout.splitlines()
    assert any(line.startswith("The run") and line.endswith(": Completed") for line in lines)
    rows = {cells(line)[0]: cells(line)[1:] for line in lines if len(cells(line)) == 4}
    assert {name: row[0] for name, row in rows.items()} == {
        "step": "status",
        "prepare": "Completed",
        "train_linear": "Completed",
        "train_forest": "Completed",
        "compare": "Completed",
    }
    assert "patients 569" in rows["prepare"][2] and "accuracy 0.9" in rows["train_forest"][2]
    files = Path(next(line for line in lines if line.startswith("Files")).split()[1])
    assert (files / "compare" / "outputs" / "roc.png").read_bytes().startswith(b"\x89PNG")
    data = Path(next(line for line in lines if line.startswith("Data")).split()[1])
    assert list(data.glob("*.compare/best/model.pkl"))

    again = canalis("demo").stdout.splitlines()  # nothing has changed
    assert [cells(line)[2] for line in again if cells(line)[1:2] == ["Completed"]] == ["reused"] * 4
    assert Path(next(line for line in again if line.startswith("Files")).split()[1]) == files
