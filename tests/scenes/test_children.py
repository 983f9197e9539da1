"""The steps of a run, as v1's get_children() chooses among them."""

from __future__ import annotations


def test_children_are_chosen_by_what_is_said_of_them(author):
    run = author.runs(author.step("good"), author.step("bad", "raise SystemExit(1)"), continue_on_step_failure=True)
    (good,) = run.find_step_run("good")
    good.set_tags({"kind": "model", "stage": "2"})
    good.add_properties({"rows": "10"})

    def names(**wanted):
        return {step.name for step in run.get_children(**wanted)}

    assert names() == {"good", "bad"}
    assert names(tags="kind") == names(tags={"kind": "model"}) == names(properties={"rows": "10"}) == {"good"}
    assert names(tags="nothing") == names(tags={"kind": "data"}) == names(properties="cells") == set()
    assert names(type="azureml.StepRun") == {"good", "bad"} and names(type="azureml.PipelineRun") == set()
    assert names(status="Failed") == {"bad"} and names(status="Failed", tags="kind") == set()
