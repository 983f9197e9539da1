"""A script that is submitted alone, without a pipeline: its run is the one that the script itself logs on."""

from __future__ import annotations

import json

import pytest

from canalis import Dataset, Experiment, Model, OutputFileDatasetConfig, Run, RunConfiguration, ScriptRunConfig
from canalis.exceptions import ActivityFailedException, UserErrorException
from tests.scenes.conftest import canalis

TRAINS = """
    import os, sys
    from azureml.core import Run
    run = Run.get_context()
    print("id", run.id, sys.argv[1:2], open(sys.argv[2] + "/a.txt").read(), os.environ["MODE"])
    run.log("loss", 0.5)
    run.tag("own", "said")
    open("outputs/model.pkl", "w").write("fitted")
    open(os.path.join(sys.argv[3], "made.txt"), "w").write("made")
"""


def test_a_script_alone_is_one_run_with_its_logs_metrics_files_and_models(author, ws, project, capsys):
    author.writes("train.py", TRAINS)
    author.writes("data/a.txt", "read")
    store = ws.get_default_datastore()
    data = Dataset.File.upload_directory(str(author.folder / "data"), (store, "alone"))
    settings = RunConfiguration()
    settings.environment_variables = {"MODE": "fast"}
    made = OutputFileDatasetConfig("made", destination=(store, "alone-made"))
    config = ScriptRunConfig(
        source_directory=str(author.folder),
        script="train.py",
        arguments=["x", data.as_named_input("data").as_mount(), made],
        run_config=settings,
    )
    experiment = Experiment(ws, "alone")
    run = experiment.submit(config, tags={"area": "north"})
    details = run.wait_for_completion(show_output=True)
    assert details["runId"] == run.id and details["status"] == run.status == run.get_status() == "Completed"
    assert f"id {run.id} ['x'] read fast" in capsys.readouterr().out
    assert (run.type, run.parent, run.number) == ("azureml.scriptrun", None, 1)
    assert run.get_metrics() == {"loss": 0.5} and run.tags == {"area": "north", "own": "said"}
    assert "outputs/model.pkl" in run.get_file_names()
    assert run.register_model("alone", "outputs/model.pkl").run_id == run.id
    assert Model(ws, "alone").run.get_metrics() == {"loss": 0.5}
    assert (store.download("here", prefix="alone-made"), (project / "here/alone-made/made.txt").read_text())[
        1
    ] == "made"

    (listed,) = experiment.get_runs(tags={"area": "north"})
    assert (listed.id, listed.type) == (run.id, "azureml.scriptrun")
    assert Run.get(ws, run.id).get_metrics() == Run.get(ws, run.pipeline_run_id).get_metrics() == {"loss": 0.5}
    assert "train" in canalis("show", run.pipeline_run_id).stdout


def test_a_command_alone_runs_fails_and_is_stopped_like_any_run(author, ws, project):
    author.writes("bad.py", "import sys\nsys.exit(3)")
    experiment = Experiment(ws, "alone-too")
    printed = experiment.submit(ScriptRunConfig(str(author.folder), command=["echo", "said", 7]))
    failed = experiment.submit(ScriptRunConfig(str(author.folder), "bad.py"))
    stopped = experiment.submit(ScriptRunConfig(str(author.folder), command="sleep 60"))
    stopped.cancel()
    printed.wait_for_completion()
    assert printed.get_stdout_log() == "said 7\n"
    with pytest.raises(ActivityFailedException, match="ended with exit code 3"):
        failed.wait_for_completion()
    assert failed.wait_for_completion(raise_on_error=False)["status"] == "Failed"
    assert stopped.wait_for_completion()["status"] == "Canceled"
    for wrong in (ScriptRunConfig(str(author.folder)), ScriptRunConfig(str(author.folder), "bad.py", command="echo")):
        with pytest.raises(UserErrorException, match="has a script, or a command, and not both"):
            experiment.submit(wrong)
    ran = canalis("runs", "-w", "scenes", "--json") if ws._root else canalis("runs", "--json")
    assert {run["id"] for run in json.loads(ran.stdout)} >= {printed.pipeline_run_id, stopped.pipeline_run_id}
