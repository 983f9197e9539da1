"""Experiments: tagged, put away, and used again."""

from __future__ import annotations

import pytest

from canalis import Experiment, Run, ScriptRunConfig
from canalis.exceptions import UserErrorException


def test_an_experiment_is_tagged_archived_and_active_again_once_it_is_used(author, ws):
    experiment = Experiment(ws, "put-away")
    experiment.tag("area", "north")
    experiment.set_tags({"year": 2026, "old": ""})
    experiment.remove_tags(["old"])
    assert Experiment(ws, "put-away").tags == {"area": "north", "year": "2026"}
    names = lambda **wanted: [found.name for found in Experiment.list(ws, **wanted)]  # noqa: E731
    assert names(tags={"area": "north"}) == ["put-away"] and names(tags={"area": "south"}) == []

    experiment.archive()
    experiment.archive()
    put_away_at = experiment.archived_time
    assert put_away_at is not None and experiment.tags["area"] == "north"
    assert "put-away" not in names() and "put-away" not in ws.experiments
    assert names(view_type="ArchivedOnly") == names(experiment_name="put-away", view_type="All") == ["put-away"]
    experiment.reactivate()
    assert experiment.archived_time is None and "put-away" in names() and names(view_type="ArchivedOnly") == []

    experiment.archive()
    run = author.runs(author.step("prep"), experiment="put-away")
    assert run.number == 1 and "put-away" in ws.experiments and experiment.tags["area"] == "north"
    with pytest.raises(UserErrorException, match="view_type is ActiveOnly, ArchivedOnly or All"):
        Experiment.list(ws, view_type="old")
    with pytest.raises(UserErrorException, match="cannot be given another name"):
        experiment.reactivate("other")


def test_the_runs_of_an_experiment_are_found_by_their_type_and_with_their_steps(author, ws):
    experiment = Experiment(ws, "kinds")
    run = author.runs(author.step("prep"), author.step("train"), experiment="kinds")
    author.writes("alone.py", "print(1)")
    alone = experiment.submit(ScriptRunConfig(str(author.folder), "alone.py"))
    alone.wait_for_completion()
    found = lambda **wanted: [one.id for one in experiment.get_runs(**wanted)]  # noqa: E731
    steps = sorted(step.id for step in run.get_steps())

    assert found() == [alone.id, run.id]
    assert found(type="azureml.PipelineRun") == [run.id] and found(type="azureml.scriptrun") == [alone.id]
    assert found(type="azureml.StepRun") == found(type="hyperdrive", include_children=True) == []
    assert found(include_children=True)[:2] == [alone.id, run.id]
    assert sorted(found(include_children=True)[2:]) == sorted(found(type="azureml.StepRun", include_children=True))
    assert sorted(found(type="azureml.StepRun", include_children=True)) == steps
    assert found(tags={"azureml.pipeline": run.id, "azureml.nodeid": "prep"}, include_children=True) == [
        run.find_step_run("prep")[0].id
    ]
    assert [step.name for step in run.get_children(tags={"azureml.nodeid": "train"})] == ["train"]
    assert [one.id for one in Run.list(experiment, status="Completed")] == [alone.id, run.id]
    assert [*Run.list(experiment, tags="none")] == [*Run.list(experiment, status="Failed")] == []
    for one in (run, alone, run.find_step_run("prep")[0]):
        one.description = f"of {one.name}"
        assert Run.get(ws, one.id).description == f"of {one.name}"
    assert experiment.get_portal_url().endswith("/#/experiments/kinds")
    assert alone.get_tags() == {} and run.find_step_run("prep")[0].tags.keys() == {"azureml.nodeid", "azureml.pipeline"}
