"""Runs that a script begins below its own, one for each of several fits: as it sees them, and as others do."""

from __future__ import annotations

import json

import pytest

from canalis import Run
from canalis.child_run import ChildRun
from canalis.exceptions import ActivityFailedException, UserErrorException
from tests.scenes.conftest import canalis, log_of

TRIES = """
    from azureml.core import Run
    run = Run.get_context()
    for rate in (0.1, 0.2):
        with run.child_run(name=f"rate {rate}") as child:
            child.log("loss", rate)
            child.log_list("all", [rate, rate])
            child.tag("rate", rate)
            open("notes.txt", "w").write(f"rate {rate}")
            child.upload_file("outputs/notes.txt", "notes.txt")
            print("child", child.id, child.get_metrics(), child.parent.id == run.id, child.status)
    for child in run.create_children(tag_key="fold", tag_values=[1, 2]):
        child.complete()
    inner = next(run.get_children(tags={"fold": "2"})).child_run("inner")
    inner.cancel()
    try:
        with run.child_run("bad") as bad:
            bad.log("loss", 9.0)
            raise ValueError("too steep")
    except ValueError:
        pass
    run.child_run("left alone")
    print("direct", len(list(run.get_children())), "all", len(list(run.get_children(recursive=True))))
    best = min((c for c in run.get_children() if "loss" in c.get_metrics()), key=lambda c: c.get_metrics()["loss"])
    run.log("best", best.name)
    best.register_model("child-notes", "outputs/notes.txt")
"""


def test_a_script_begins_runs_below_its_own_and_others_find_them(author, ws, tmp_path):
    run = author.runs(author.step("tries", TRIES), author.step("plain"), experiment="children")
    (step,) = run.find_step_run("tries")
    log = log_of(run, "tries")
    assert "{'loss': 0.1, 'all': [0.1, 0.1]} True Running" in log and "direct 6 all 7" in log

    found = {child.name: child for child in step.get_children()}
    first, bad = found["rate 0.1"], found["bad"]
    assert (first.status, bad.status, found["left alone"].status) == ("Completed", "Failed", "Completed")
    assert first.get_metrics() == {"loss": 0.1, "all": [0.1, 0.1]} and first.tags == {"rate": "0.1"}
    assert step.get_metrics()["rate-0-1/loss"] == 0.1 and step.get_metrics()["best"] == "rate 0.1"
    assert [child.name for child in step.get_children(status="Failed")] == ["bad"]
    assert bad.get_details()["error"]["error"]["message"] == "ValueError: too steep"
    with pytest.raises(ActivityFailedException, match="too steep"):
        bad.wait_for_completion()
    assert first.wait_for_completion()["status"] == "Completed"
    assert first.get_file_names() == ["outputs/notes.txt"]
    first.download_file("outputs/notes.txt", tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "rate 0.1"
    assert ws.models["child-notes"].version == 1

    again = Run.get(ws, first.id)
    assert type(again) is ChildRun and again.parent.id == step.id and again.parent.parent.id == run.id
    again.set_tags({"seen": "later"})
    again.display_name = "the first"
    assert Run.get(ws, first.id).tags == {"rate": "0.1", "seen": "later"} and Run.get(ws, first.id).name == "the first"
    (inner,) = next(step.get_children(tags={"fold": "2"})).get_children()
    assert (inner.name, inner.status, inner.type) == ("inner", "Canceled", "azureml.scriptrun")
    names = [one.name for one in run.get_children(recursive=True)]
    assert {"tries", "plain", "bad", "inner"} <= set(names) and len(names) == 9
    assert step.get_metrics(recursive=True)[bad.id] == {"loss": 9.0}

    shown = canalis("show", run.id).stdout
    assert "Runs that scripts have begun" in shown and "ValueError: too steep" in shown
    assert {child["name"] for child in json.loads(canalis("show", run.id, "--json").stdout)["children"]} >= {
        "bad",
        "inner",
    }
    with pytest.raises(UserErrorException, match="either a count"):
        step.create_children()
    with pytest.raises(NotImplementedError):
        run.child_run("x")


def test_runs_that_an_earlier_attempt_has_begun_stay_its_own(author):
    text = """
        import os, sys
        from azureml.core import Run
        run = Run.get_context()
        child = run.child_run("try")
        child.tag("attempt", run.id)
        child.log("loss", float(run.id.endswith(".2")))
        sys.exit(0 if run.id.endswith(".2") else 1)
    """
    run = author.runs(author.step("twice", text, retries=1))
    (step,) = run.get_steps()
    (second,) = step.get_children()
    assert (second.status, second.tags, second.get_metrics()) == ("Completed", {"attempt": step.id}, {"loss": 1.0})
    (first,) = Run.get(run.experiment.workspace, f"{run.id}.twice.1").get_children()
    assert (first.status, first.tags, first.get_metrics()) == ("Failed", {"attempt": f"{run.id}.twice"}, {"loss": 0.0})
    below = [child for child in run.get_children(recursive=True) if child.name == "try"]
    assert [(child.status, child.tags["attempt"], child.get_metrics()) for child in below] == [
        ("Failed", f"{run.id}.twice", {"loss": 0.0}),
        ("Completed", step.id, {"loss": 1.0}),
    ]


def test_outside_of_a_run_children_print_as_it_does(capsys):
    with Run.get_context().child_run("x") as child:
        child.log("loss", 0.5)
    assert "Attempted to log scalar metric loss" in capsys.readouterr().out
