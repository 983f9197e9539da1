"""A notebook logs on a run of its own, and says how it has ended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from canalis import Experiment
from canalis.exceptions import UserErrorException
from canalis.run import Run
from tests.scenes.conftest import canalis, cells


def test_a_run_that_is_nobodys_logs_and_ends_as_its_author_says(ws, project):
    experiment = Experiment(ws, "notebook")
    run = experiment.start_logging(display_name="by hand")
    assert (run.get_status(), run.number, run.display_name) == ("Running", 1, "by hand")
    run.log("loss", 0.5)
    run.log("loss", 0.25)
    run.log_list("sizes", [1, 2])
    Path("model.txt").write_text("the model")
    run.upload_file("outputs/model.txt", "model.txt")
    run.tag("area", "north")
    model = run.register_model("by-hand", "outputs/model.txt")
    run.complete()
    run.fail("too late")

    found = Run.get(ws, run.id)
    assert (found.status, found.get_tags()["area"]) == ("Completed", "north")
    assert found.get_metrics() == {"loss": [0.5, 0.25], "sizes": [1, 2]}
    assert found.get_file_names() == ["outputs/model.txt"] and model.run_id == run.id
    assert [type(one).__name__ for one in experiment.get_runs()] == ["InteractiveRun"]
    assert cells(canalis("runs", "--experiment", "notebook").stdout.splitlines()[1])[1:3] == ["notebook", "Completed"]


def test_a_block_ends_its_run_and_what_it_raises_is_why(ws):
    experiment = Experiment(ws, "notebook-blocks")
    with experiment.start_logging() as run:
        run.log("x", 1)
    assert run.get_status() == "Completed"
    with pytest.raises(ZeroDivisionError), experiment.start_logging() as run:
        print(1 / 0)
    assert (run.get_status(), run._view()["error"]["message"]) == ("Failed", "ZeroDivisionError: division by zero")
    assert run._view()["error"]["code"] == "ZeroDivisionError"

    stopped = experiment.start_logging()
    stopped.cancel()
    assert stopped.get_status() == "Canceled"
    assert stopped.get_details()["status"] == "Canceled" and time.time() - stopped._view()["ended_at"] < 60


def test_a_run_of_steps_is_not_ended_by_hand(author, ws):
    run = author.runs(author.step("prep"))
    with pytest.raises(UserErrorException, match="ends with its steps"):
        from canalis.interactive_run import InteractiveRun

        InteractiveRun(run.experiment, f"{run.id}.{next(run.get_steps())._node_id}").complete()
