"""Runs and experiments are deleted, and a workspace says how long it keeps things."""

from __future__ import annotations

import json

import pytest

from canalis import Experiment, Model
from canalis.contract.errors import StillUsed
from canalis.exceptions import RunNotFound, UserErrorException
from canalis.run import Run
from tests.scenes.conftest import canalis

MAKES = """
    import pathlib
    from azureml.core import Run
    pathlib.Path("outputs/model.txt").write_text("the model")
    Run.get_context().register_model("kept-by-it", "outputs/model.txt") if WANTED else None
"""


def test_a_run_and_an_experiment_are_deleted_unless_something_needs_them(author, ws):
    run = author.runs(author.step("make", MAKES.replace("WANTED", "False")), experiment="deleted")
    again = author.runs(author.step("make", MAKES.replace("WANTED", "True")), experiment="deleted")

    with pytest.raises(StillUsed, match="is needed by model 'kept-by-it:1': delete that first"):
        again.delete()
    assert canalis("delete", "run", run.id[:13]).stdout == f"Deleted run {run.id}\n"
    with pytest.raises(RunNotFound):
        Run.get(ws, run.id)
    assert [found.id for found in Experiment(ws, "deleted").get_runs()] == [again.id]
    with pytest.raises(UserErrorException, match="Experiment 'deleted' is needed by model"):
        Experiment.delete(ws, "deleted")

    Model(ws, "kept-by-it").delete()
    Experiment.delete(ws, Experiment(ws, "deleted").id)
    assert "deleted" not in ws.experiments


def test_a_workspace_keeps_things_for_as_long_as_somebody_says(author, ws):
    assert "Runs are kept for good, their intermediate data for good." in canalis("retention").stdout
    said = canalis("retention", "--runs", "90d", "--intermediate", "36h").stdout
    assert said.startswith("Runs are kept 90 days, their intermediate data 1.5 days.\n`canalis gc --dry-run`")
    assert "'9 days' is no age" in canalis("retention", "--runs", "9 days", check=1).stderr

    assert canalis("gc", "--dry-run").stdout.startswith(("There is nothing that nobody needs.", "What would go"))
    found = json.loads(canalis("gc", "--dry-run", "--json").stdout)
    assert (found["dry_run"], found["policy"]["runs_s"]) == (True, 90 * 24 * 3600.0)
    canalis("retention", "--runs", "forever", "--intermediate", "forever")
