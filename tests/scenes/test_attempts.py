"""Steps that were tried again: every attempt can be looked at, also those that failed."""

from __future__ import annotations

import pytest

from canalis.contract.errors import NotFound
from canalis.run import Run
from tests.scenes.conftest import canalis, until

FLAKY = """
    import os, pathlib, sys
    from azureml.core import Run
    tries = pathlib.Path(sys.argv[1])
    count = len(tries.read_text()) + 1 if tries.exists() else 1
    tries.write_text("x" * count)
    print("this is try", count)
    Run.get_context().log("try", count)
    pathlib.Path("outputs", f"try_{count}.txt").write_text("")
    if count == 1:
        raise ValueError("not yet")
"""


@pytest.fixture
def tried_twice(author, project):
    return author.runs(author.step("flaky", FLAKY, arguments=[project / "tries"], retries=1))


def test_what_a_failed_attempt_has_left_can_be_read_after_the_retry(ws, tried_twice):
    step = f"{tried_twice.id}.flaky"
    for name, count in ((step, 2), (f"{step}.2", 2), (f"{step}.1", 1)):
        found = Run.get(ws, name)
        assert f"this is try {count}\n" in found.get_stdout_log(), name
        assert found.get_metrics() == {"try": count}
        assert f"outputs/try_{count}.txt" in found.get_file_names()
        assert found.get_status() == ("Finished" if count == 2 else "Failed")
        assert found.get_details()["runId"] == f"{step}.{count}"

    found = Run.get(ws, f"{step}.1")
    found.tag("looked", "yes")
    assert found.tags["looked"] == "yes" and "looked" not in Run.get(ws, step).tags
    with pytest.raises(NotFound, match="Step 'flaky' has no attempt 3: it is at 2"):
        Run.get(ws, f"{step}.3")


def test_the_command_line_names_earlier_attempts_and_how_each_ended(tried_twice):
    step = f"{tried_twice.id}.flaky"
    shown = canalis("show", step, "--workspace", "scenes").stdout.splitlines()
    assert shown[0] == f"Step flaky of run {tried_twice.id}, attempt 2: Completed"
    assert any(line.startswith("Attempt 1 failed: flaky ended with exit code 1: ValueError: not yet") for line in shown)
    assert any(line.endswith(f"(canalis logs {step}.1)") for line in shown)

    assert "this is try 1\n" in canalis("logs", f"{step}.1", "--workspace", "scenes").stdout
    assert "this is try 2\n" in canalis("logs", step, "--workspace", "scenes").stdout


def test_who_follows_a_step_sees_each_attempt_from_its_first_line(author, project, capsys):
    gate = project / "gate"
    waiting = FLAKY.replace(
        "    print(", f"    while count == 1 and not pathlib.Path({str(gate)!r}).exists(): pass\n    print("
    )
    run = author.submits(author.step("flaky", waiting, arguments=[project / "tries"], retries=1))
    (step,) = run.get_steps()
    until(lambda: step.get_status() == "Running")
    gate.touch()

    assert step.wait_for_completion() == "Finished", "the step, not the attempt that it was at"
    printed = capsys.readouterr().out
    assert "this is try 2" in printed
