"""The verbs of `az ml pipeline` and `az ml run submit-pipeline`, as CI files call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canalis.pipeline_run import PipelineRun
from tests.scenes.conftest import canalis, cells, log_of
from tests.scenes.files import answer, published, written

pytestmark = pytest.mark.laptop(
    "the command line asks as it does in test_run_from_ci.py, which runs through both doors"
)


@pytest.fixture(autouse=True)
def sources(project, ws, monkeypatch):
    monkeypatch.setenv("CANALIS_WORKSPACE", ws.name)  # other scenes leave workspaces of theirs beside it
    assert ws.discovery_url  # its service is there by now, and needs no word when it is started
    written(project)


def test_a_published_pipeline_is_listed_shown_disabled_and_deleted():
    words = ("-d", "said", "-v", "2", "-c", "True")
    made = answer("pipeline", "create", "-n", "echo", "-y", "train.yml", *words)
    identity = made["Id"]
    assert (made["Name"], made["Description"], made["Version"]) == ("echo", "said", "2")
    assert made["ContinueRunOnStepFailure"] is True and made["EntityStatus"] == "Active"
    assert made["ParameterAssignments"] == {"rounds": "3", "rate": "0.5", "quick": "False", "text": "hi"}
    assert made["DataPathAssignments"]["data"] == {"DataStoreName": "workspaceblobstore", "RelativePath": "raw"}
    assert made["Url"].endswith(f"/PipelineRuns/PipelineSubmit/{identity}")
    assert answer("ml", "pipeline", "show", "-i", identity) == made | {"Schedules": []}

    off = answer("pipeline", "disable", "--pipeline-id", identity)
    assert (off["Id"], off["EntityStatus"]) == (identity, "Disabled")
    assert identity not in [one["Id"] for one in answer("pipeline", "list")]
    assert identity in [one["Id"] for one in answer("ml", "pipeline", "list", "--all")]
    refused = canalis("pipeline", "submit", "-i", identity, check=1)
    assert f"is disabled: enable it to start it again. `canalis pipeline enable -i {identity}` does" in refused.stderr
    assert refused.stdout == ""
    assert answer("pipeline", "enable", "-i", identity)["EntityStatus"] == "Active"

    assert canalis("pipeline", "delete", "-i", identity).stdout.startswith(f"Published pipeline {identity} is deleted")
    gone = canalis("pipeline", "show", "-i", identity, check=1)
    assert f"There is no published pipeline '{identity}'. " in gone.stderr
    assert "`canalis pipeline list --all` lists them [not_found]" in gone.stderr
    canalis("pipeline", "delete", "-i", identity, check=1)
    canalis("pipeline", "enable", "-i", "no/id", check=1)


def test_parameters_are_read_as_their_types_and_commas_stand_in_quotes(ws):
    identity = published()
    run = answer(
        "pipeline", "submit", "-i", identity, "-n", "values", "--wait",
        "-p", 'rounds=5,quick=True,text="a,b=""c"""', "--parameters", "rate=2", "-d", "data=workspaceblobstore/new/x",
    )  # fmt: skip
    assert run["Status"]["StatusCode"] == "Finished" and run["RunHistoryExperimentName"] == "values"
    assert run["DataPathAssignments"]["data"]["RelativePath"] == "new/x" and run["PipelineId"] == identity
    assert (
        log_of(PipelineRun.get(ws, run["Id"]), "echo") == f"{['5', '2.0', 'True', 'a,b=' + chr(34) + 'c' + chr(34)]}\n"
    )

    named = answer("pipeline", "submit", "-i", identity, "--parameter", 'text=x,"y"=1')
    assert named["ParameterAssignments"]["text"] == 'x,"y"=1'
    assert named["RunHistoryExperimentName"] == "echo", "it is named after its pipeline"

    wrong = canalis("pipeline", "submit", "-i", identity, "-p", "round=5,rounds=x,quick=1", "-d", "text=a/b", check=1)
    assert wrong.stderr.splitlines() == [
        "canalis: 4 faults [parameter_invalid]",
        "  - 'round' is not a parameter of this pipeline (it has: rounds (int), rate (float), quick (bool), "
        "text (string), data (datapath))",
        "  - Parameter 'rounds' must be of type int, and 'x' is not",
        "  - Parameter 'quick' must be true or false, and '1' is not",
        "  - Parameter 'text' is of type string, and no data path: give its value with -p",
    ]
    wrong = canalis("pipeline", "submit", "-i", identity, "-p", "text=a,b", check=1)
    assert "'b' is not NAME=VALUE. A value with a comma in it stands in double quotes: -p 'a=\"x,y\"'" in wrong.stderr


def test_the_exit_code_says_how_a_run_ended_that_was_waited_for(project, ws):
    written(project, "import sys\nprint('bad luck')\nsys.exit(4)\n")
    identity = published()
    failed = canalis("pipeline", "submit", "-i", identity, "--wait", "-f", "run.json", check=1)
    assert json.loads(failed.stdout)["Status"]["StatusCode"] == "Failed"
    assert "exit code 4" in json.loads(Path("run.json").read_text())["Status"]["StatusDetail"]
    assert "echo                     | bad luck" in failed.stderr and "has failed after" in failed.stderr
    assert answer("pipeline", "submit", "-i", identity, check=0)["Id"], "started is all that was asked for"

    written(project, "import time\nfrom azureml.core import Run\nRun.get_context().parent.cancel()\ntime.sleep(60)\n")
    cancelled = canalis("ml", "run", "submit-pipeline", "-y", "train.yml", "-n", "ci", "--wait", check=3)
    assert json.loads(cancelled.stdout)["Status"]["StatusCode"] == "Canceled"
    (step,) = answer("pipeline", "list-steps", "--run-id", json.loads(cancelled.stdout)["Id"])
    assert (step["StatusCode"], step["Attempt"]) == ("Canceled", 1) and step["StartTime"] < step["EndTime"]


def test_a_key_makes_a_submission_that_comes_again_the_same_run(project, ws):
    identity, key = published(), f"build-{project.name}"
    words = ("pipeline", "submit", "-i", identity, "-p", "rounds=4", "--idempotency-key", key)
    first = answer(*words)
    assert answer(*words, "--wait")["Id"] == first["Id"]
    other = canalis("pipeline", "submit", "-i", identity, "-p", "rounds=5", "--idempotency-key", key, check=1)
    assert "[key_reused]" in other.stderr and other.stdout == ""

    words = ("ml", "run", "submit-pipeline", "-y", "train.yml", "-n", "ci", "--idempotency-key", f"{key}-yaml")
    of_yaml = answer(*words)["Id"]
    written(project / "elsewhere")
    assert of_yaml != first["Id"]
    assert json.loads(canalis(*words, cwd=project / "elsewhere").stdout)["Id"] == of_yaml, "whatever folder it is in"


def test_a_pipeline_comes_back_as_a_file_that_can_be_published_again(ws):
    identity = published()
    run = answer("pipeline", "submit", "-i", identity, "-p", "rounds=9", "--wait")

    assert answer("pipeline", "get", "-i", identity, "-p", "got.yml") == {"Path": "got.yml"}
    there = canalis("pipeline", "get", "-i", identity, "--path", "got.yml", check=1)
    assert "got.yml and got_sources are there already; pass overwrite=True (--overwrite) to replace it" in there.stderr
    canalis("ml", "pipeline", "get", "-i", identity, "-p", "got.yml", "--overwrite")
    assert answer("pipeline", "clone", "-i", run["Id"], "-p", "ran.yml") == {"Path": "ran.yml"}

    again = answer("pipeline", "create", "-n", "again", "-y", "ran.yml")
    assert again["ParameterAssignments"]["rounds"] == "9"
    got = answer("pipeline", "create", "-n", "got", "-y", "got.yml")["Id"]
    assert canalis("pipeline", "diff", identity, got).stdout == "They run the same\n"
    differing = canalis("pipeline", "diff", identity, again["Id"]).stdout.splitlines()
    assert "parameter rounds: default: '3' -> '9'" in differing
    assert answer("pipeline", "diff", identity, again["Id"], "--json")["before"] == identity
    assert "Name what to write" in canalis("pipeline", "get", "-p", "x.yml", check=1).stderr
    none = canalis("pipeline", "clone", "-i", "ffffffff", "-p", "x.yml", check=1).stderr
    assert none == "canalis: There is no run ffffffff. `canalis runs` lists them [not_found]\n"


def test_answers_come_as_they_are_asked_for_and_words_for_people_go_to_stderr(project):
    identity = published("--output_file", "new.json")
    assert json.loads(Path("new.json").read_text())["Id"] == identity, "the file need not have been there"

    table = canalis("ml", "pipeline", "list", "-o", "table").stdout.splitlines()
    assert cells(table[0]) == ["Id", "Name", "Version", "EntityStatus", "TotalRunSteps", "CreatedDate"]
    assert any(line.startswith(identity) for line in table)
    tsv = canalis("pipeline", "show", "-i", identity, "--output", "tsv").stdout
    assert tsv.split("\t")[:2] == [identity, "echo"] and tsv.count("\n") == 1
    assert canalis("pipeline", "show", "-i", identity, "--json").stdout == canalis("pipeline", "show", "-i", identity, "-o", "json").stdout  # fmt: skip

    said = canalis("pipeline", "submit", "-i", identity, "-v", "--wait")
    assert said.stderr.splitlines()[0].startswith("Workspace 'scenes' at http")
    silent = canalis("pipeline", "submit", "-i", identity, "--only-show-errors", "--wait")
    assert silent.stderr == "" and json.loads(silent.stdout)["Status"]["StatusCode"] == "Finished"
    debugged = canalis("pipeline", "show", "-i", "none-there", "--debug", check=1).stderr
    assert "canalis.client: GET /api/v1/pipelines/none-there: 404" in debugged and "Traceback" in debugged
    assert "pipe the JSON to jq" in canalis("pipeline", "list", "--query", "[].Id", check=1).stderr


def test_nothing_is_started_when_the_answer_could_not_be_written(project, ws):
    identity = published()
    refused = canalis("pipeline", "submit", "-i", identity, "-f", "no/such/folder.json", check=1)
    assert "The output file no/such/folder.json cannot be written: No such file or directory" in refused.stderr
    assert [*PipelineRun.get_pipeline_runs(ws, identity)] == []


def test_az_common_options_are_taken(project, ws):
    words = ("-w", ws.name, "-g", ws.resource_group, "--subscription-id", ws.subscription_id)
    assert isinstance(answer("ml", "pipeline", "list", *words), list)
    assert "There is no workspace 'other'" in canalis("pipeline", "list", "-w", "other", check=1).stderr
    (project / "elsewhere").mkdir()
    ws.write_config("elsewhere")
    assert isinstance(answer("pipeline", "list", "--path", "elsewhere"), list)
    wrong = canalis("pipeline", "list", "--path", "elsewhere", "--workspace-name", "other", check=1)
    assert f"elsewhere names workspace '{ws.name}', and --workspace-name is 'other'" in wrong.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["submit"], "Name one pipeline: -i ID of a published one, or -y FILE"),
        (["submit", "-i", "a", "-y", "train.yml"], "Name one pipeline"),
        (["submit", "-y", "train.yml"], "needs -n, the name of an experiment"),
        (["submit", "-y", "none.yml", "-n", "e"], "none.yml"),
        (["create", "-n", "x", "-y", "train.yml", "-c", "perhaps"], "--continue is true or false, not 'perhaps'"),
        (["list-steps", "-i", "ffffffff"], "There is no run ffffffff. `canalis runs` lists them [not_found]"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(words, said):
    done = canalis("pipeline", *words, check=1)
    assert said in done.stderr and done.stdout == "" and len(done.stderr.splitlines()) == 1


def test_every_fault_of_a_file_is_a_line_of_its_own():
    Path("bad.yml").write_text("pipeline:\n  parameters: {n: {type: whole}}\n  stepps: {}\n")
    done = canalis("pipeline", "create", "-n", "x", "-y", "bad.yml", check=1)
    first, *faults = done.stderr.splitlines()
    assert first == f"canalis: {len(faults)} faults [yaml_invalid]" and len(faults) > 1
    assert all(fault.startswith("  - bad.yml:") for fault in faults)


def test_a_folder_without_a_workspace_gets_one_when_something_is_made_in_it(project, monkeypatch):
    monkeypatch.setenv("CANALIS_HOME", str(project / "fresh"))
    monkeypatch.delenv("CANALIS_WORKSPACE")
    assert "There is no workspace in" in canalis("pipeline", "list", check=1).stderr
    made = canalis("pipeline", "create", "-n", "first", "-y", "train.yml", "-w", "my-ws", "-g", "my-group")
    assert "Workspace 'my-ws' is new on this machine" in made.stderr
    assert "/resourceGroups/my-group/" in json.loads(made.stdout)["Url"]
    assert (
        "There is no workspace 'other'"
        in canalis("pipeline", "create", "-n", "x", "-y", "train.yml", "-w", "other", check=1).stderr
    )
    canalis("stop")
