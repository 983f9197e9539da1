"""What a run costs, as an author sees it: counted, and the same whether or not anybody looks."""

from __future__ import annotations

import json
import time

import pytest

from canalis import local
from canalis.pipeline_run import PipelineRun
from canalis.workspace import Workspace
from tests.scenes.conftest import Author, canalis, cells, until

SHORT = "pass"
LOOKS = 10


def cost(run: PipelineRun) -> dict:
    return run._client.get(f"/runs/{run.id}/cost")


@pytest.mark.laptop("in Azure an outbox costs more; tests/azure/test_budget.py holds that")
def test_a_chain_of_real_steps_stays_within_the_budget(author):
    steps = [author.step(f"s{number}", SHORT) for number in range(6)]
    for before, step in zip(steps, steps[1:], strict=False):
        step.run_after(before)
    run = author.runs(*steps)

    found = until(lambda: cost(run) if any(line["kind"] == "cost" for line in cost(run)["kinds"]) else None)
    once = sum(line["counted"] for line in found["kinds"] if line["kind"] in ("create", "cost")) + 1
    notes = sum(line["counted"] for line in found["kinds"] if line["kind"] in ("note", "renew"))
    assert found["is_final"] and found["steps"] == 6
    assert found["messages"] == 12
    # A step that works for longer than a moment says so once; a sweep looks at each open run every 15 s.
    assert notes <= 6
    assert found["table_operations"] - once - notes <= 4 * 6 + 2

    lines = [cells(line) for line in canalis("show", run.id, "--cost").stdout.splitlines()]
    assert lines[1] == ["kind", "counted as", "calls", "counted", "per step"]
    assert ["start_step", "message", "6", "6", "1.00"] in lines
    assert ["deliver", "table", "7", "0", "0.00"] in lines
    assert ["all", "messages", "12", "2.00"] in lines
    assert json.loads(canalis("show", run.id, "--cost", "--json").stdout)["cost"] == found


def test_watching_a_run_costs_it_nothing(author, project):
    gate = project / "gate"
    text = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists():\n    time.sleep(0.02)"
    run = author.submits(author.step("waits", text, arguments=[gate]))
    try:
        step = run.find_step_run("waits")[0]
        until(lambda: any(line["kind"] == "note" for line in cost(run)["kinds"]))
        began, first = time.monotonic(), cost(run)
        for _ in range(LOOKS):
            run.get_status(), step.get_status(), step.get_stdout_log(), list(run.get_steps()), run.get_file_names()
        took, watched = time.monotonic() - began, cost(run)
        time.sleep(took)
        alone = cost(run)
        # Sweeps and renewed claims come by in both; each look would be counted once at least.
        counted = [one["table_operations"] for one in (first, watched, alone)]
        assert (counted[1] - counted[0]) - (counted[2] - counted[1]) < LOOKS
        assert alone["messages"] == first["messages"] and not alone["is_final"]
    finally:
        gate.touch()
        run.wait_for_completion(show_output=False)


def test_the_cost_of_a_run_outlives_the_service_that_counted_it(own_home, project):
    author = Author(Workspace.create("costly", show_output=False), project)
    gate = project / "gate"
    text = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists():\n    time.sleep(0.02)"
    first = author.step("first", SHORT)
    second = author.step("second", text, arguments=[gate])
    second.run_after(first)
    run = author.submits(first, second)
    until(lambda: run.find_step_run("second")[0].get_status() == "Running")
    before = cost(run)
    root = own_home / "costly"
    assert local.stop(root) is not None

    gate.touch()
    Workspace.get("costly")
    run.wait_for_completion(show_output=False)

    after = cost(run)
    assert after["is_final"]
    kinds = {line["kind"]: line["counted"] for line in after["kinds"]}
    assert kinds["create"] == 1 and kinds["commit"] == 2
    assert after["messages"] >= 4 > before["messages"]
    assert after["table_operations"] > before["table_operations"]
