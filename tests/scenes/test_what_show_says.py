"""What `canalis show`, RunDetails and a step itself say of how things stand: the same."""

from __future__ import annotations

import json
import subprocess

import pytest

from canalis.widgets import RunDetails
from tests.scenes.conftest import CANALIS, canalis, cells, log_of, until

GATED = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists():\n    time.sleep(0.02)"


def rows(run) -> dict[str, list[str]]:
    """The steps that `canalis show` shows, by name."""
    shown = canalis("show", run.id).stdout.splitlines()
    return {cells(line)[0]: cells(line)[1:] for line in shown[1:]}


@pytest.mark.laptop("instances in Azure do not share the slots of a cluster")
def test_the_title_counts_steps_by_the_words_that_their_rows_have(author, project, capsys):
    single = author.cluster("one-slot", max_nodes=1)
    gate = project / "gate"
    steps = [author.step(name, GATED, arguments=[gate], compute_target=single) for name in "ab"]
    last = author.step("last")
    last.run_after(steps[0])
    run = author.submits(*steps, last)
    try:
        until(lambda: sorted(step.status for step in run.get_steps()) == ["NotStarted", "Queued", "Running"])
        RunDetails(run).show()
        shown = capsys.readouterr().out
        assert "running: 0 of 3 steps done, 1 running, 1 queued, 1 waiting" in shown or (
            "running: 0 of 3 steps done, 1 queued, 1 running, 1 waiting" in shown
        )
        assert shown.splitlines()[0].partition(" is ")[2] in canalis("show", run.id).stdout
    finally:
        gate.touch()
        run.wait_for_completion(show_output=False)


def test_a_step_says_of_itself_that_it_is_running_by_every_word(author):
    text = """
        from azureml.core import Run
        run = Run.get_context()
        print("words", run.get_details()["status"], run.get_status(), run.status)
    """
    assert "words Running Running Running" in log_of(author.runs(author.step("asks", text)), "asks")


@pytest.mark.laptop("instances in Azure do not share the slots of a cluster")
def test_a_step_that_never_began_says_why(author, project):
    single = author.cluster("one-slot", max_nodes=1)
    gate = project / "gate"
    fails = author.step("fails", GATED + "\nsys.exit(1)", arguments=[gate], compute_target=single)
    queued = author.step("queued", compute_target=single)
    behind = author.step("behind")
    behind.run_after(fails)
    run = author.submits(fails, queued, behind)
    until(lambda: run.find_step_run("fails")[0].status == "Running")
    gate.touch()
    run.wait_for_completion(show_output=False, raise_on_error=False)
    found = rows(run)
    assert found["behind"][-1] == found["queued"][-1] == "not begun: step fails failed"
    assert "not begun: step fails failed" in canalis("show", f"{run.id}.behind").stdout


@pytest.mark.laptop("instances in Azure do not share the slots of a cluster")
def test_a_step_that_was_cancelled_before_it_began_says_so(author, capsys):
    single = author.cluster("one-slot", max_nodes=1)
    steps = [author.step(name, "import time\ntime.sleep(60)", compute_target=single) for name in "ab"]
    behind = author.step("behind")
    behind.run_after(steps[0])
    run = author.submits(*steps, behind)
    until(lambda: sorted(step.status for step in run.get_steps()) == ["NotStarted", "Queued", "Running"])
    canalis("cancel", run.id)
    says = [row[-1] for row in rows(run).values()]
    assert says.count("not begun: the run was cancelled") == 2
    RunDetails(run).show()
    assert capsys.readouterr().out.count("not begun: the run was cancelled") == 2


def test_two_steps_of_one_name_are_told_apart(author):
    author.writes("twin.py", "print('I ran')")
    steps = [author.step("twin", "print('I ran')") for _ in range(2)]
    run = author.runs(*steps)
    assert rows(run).keys() == {"twin", "twin (twin_2)"}
    assert canalis("logs", run.id).stdout == "==> twin <==\nI ran\n==> twin (twin_2) <==\nI ran\n"
    assert canalis("logs", run.id, "-s", "twin_2").stdout == "I ran\n"
    assert "twin (twin_2) finished" in canalis("logs", "-f", run.id).stdout


@pytest.mark.parametrize("words", [["show", "-f"], ["logs", "-f"]])
def test_what_is_followed_through_a_pipe_comes_as_it_happens(author, project, words):
    gate = project / "gate"
    run = author.submits(author.step("waits", "print('begun', flush=True)\n" + GATED, arguments=[gate]))
    process = subprocess.Popen([CANALIS, *words, run.id], stdout=subprocess.PIPE, text=True)
    try:
        wanted = "waits is Running\n" if words[0] == "show" else "waits                    | begun\n"
        assert wanted in iter(process.stdout.readline, "")
        assert run.get_status() == "Running"
    finally:
        gate.touch()
        process.communicate(timeout=30)
    run.wait_for_completion(show_output=False)
    assert process.returncode == 0
    assert json.loads(canalis("show", run.id, "--json").stdout)["run"]["status"] == "completed"
