"""Endpoints and drafts by the command line."""

from __future__ import annotations

import json

import pytest

from canalis.pipeline_run import PipelineRun
from tests.scenes.conftest import canalis, cells, log_of
from tests.scenes.files import answer, published, written

pytestmark = pytest.mark.laptop(
    "the command line asks as it does in test_run_from_ci.py, which runs through both doors"
)


@pytest.fixture(autouse=True)
def sources(project, ws, monkeypatch):
    monkeypatch.setenv("CANALIS_WORKSPACE", ws.name)
    assert ws.discovery_url
    written(project)


@pytest.fixture
def name(project) -> str:
    return f"on {project.name}"


def test_an_endpoint_grows_by_versions_and_starts_the_one_that_is_asked_for(project, ws, name):
    first = published()
    shown = canalis("pipeline", "endpoint", "create", name, "-i", first, "-d", "stays").stdout.splitlines()
    assert shown[0].startswith(f"Endpoint '{name}' (") and shown[0].endswith(") is active")
    assert cells(shown[1]) == ["0", first, "(default)"] and "POST to http" in shown[2]
    alone = canalis("pipeline", "endpoint", "diff", name, check=1)
    assert "has one version, 0: nothing to compare it with" in alone.stderr

    written(project, "print('two')\n")
    second = published()
    made = answer("pipeline", "endpoint", "add-version", name, "--pipeline-id", second, "--json")
    assert (made["DefaultVersion"], [one["Version"] for one in made["PipelineVersionList"]]) == ("0", ["0", "1"])
    again = answer("pipeline", "endpoint", "add-version", name, "-i", second, "-o", "json")
    assert again["PipelineVersionList"] == made["PipelineVersionList"], "again does no harm"
    assert "echo: source echo.py" in canalis("pipeline", "endpoint", "diff", name).stdout
    assert answer("pipeline", "endpoint", "diff", name, "1", "0", "--json")["before"] == second

    one = answer("pipeline", "endpoint", "submit", name, "-p", "rounds=6", "--wait", "--json")
    two = answer("pipeline", "endpoint", "submit", made["Id"], "--pipeline-version", "1", "-n", "e", "--wait", "--json")
    assert log_of(PipelineRun.get(ws, one["Id"]), "echo").startswith("['6',")
    assert log_of(PipelineRun.get(ws, two["Id"]), "echo") == "two\n" and two["RunHistoryExperimentName"] == "e"

    assert cells(canalis("pipeline", "endpoint", "set-default", name, "1").stdout.splitlines()[2])[2] == "(default)"
    assert (
        f"Endpoint '{name}' has no version '7'"
        in canalis("pipeline", "endpoint", "set-default", name, "7", check=1).stderr
    )
    listed = canalis("pipeline", "endpoint", "list").stdout.splitlines()
    assert cells(listed[0]) == ["endpoint", "status", "default", "versions", "id"]
    assert [name, "Active", "1", "2", made["Id"]] in map(cells, listed)


def test_an_endpoint_is_disabled_archived_and_brought_back(name):
    identity = answer("pipeline", "endpoint", "create", name, "-i", published(), "--json")["Id"]
    assert "is disabled" in canalis("pipeline", "endpoint", "disable", name).stdout
    refused = canalis("pipeline", "endpoint", "submit", name, check=1).stderr
    assert f"`canalis pipeline endpoint enable {identity}` does [disabled]" in refused
    assert "is active" in canalis("pipeline", "endpoint", "enable", name).stdout

    archived = canalis("pipeline", "endpoint", "archive", name).stdout
    assert f"`canalis pipeline endpoint enable {identity} -n NAME`" in archived
    gone = canalis("pipeline", "endpoint", "show", name, check=1).stderr
    assert f"There is no pipeline endpoint '{name}'. " in gone and "`canalis pipeline endpoint list --all`" in gone
    assert identity in [one["Id"] for one in answer("pipeline", "endpoint", "list", "--all", "--json")]
    back = answer("pipeline", "endpoint", "enable", identity, "--name", name, "--json")
    assert (back["Name"], back["EntityStatus"]) == (name, "Active")
    assert canalis("pipeline", "endpoint", "show", name).stdout.startswith(f"Endpoint '{name}'")


def test_a_submission_through_an_endpoint_that_comes_again_is_one_run(project, name):
    canalis("pipeline", "endpoint", "create", name, "-i", published())
    words = ("pipeline", "endpoint", "submit", name, "--idempotency-key", f"k-{project.name}")
    first = canalis(*words)
    second = answer(*words, "--json")
    assert first.stdout.startswith(f"Run {second['Id']} of ") and f"Submitted run {second['Id']}" in first.stderr
    for words, said in (
        (("-p", "none=1"), "'none' is not a parameter of this pipeline"),
        (("--pipeline-version", "8", "-p", "rounds=1"), "has no version '8' (it has 0)"),
    ):
        assert said in canalis("pipeline", "endpoint", "submit", name, *words, check=1).stderr


def test_a_draft_is_kept_changed_run_and_published(project, ws):
    draft = answer(
        "ml", "pipeline", "create-draft", "-n", "draft", "-e", "drafts", "-y", "train.yml", "-d", "begun",
        "--parameters", "rounds=7,text=x", "-t", f"team=red,in={project.name}", "--properties", "by=ci", "-c", "true",
    )  # fmt: skip
    identity = draft["Id"]
    assert (draft["Name"], draft["ExperimentName"], draft["Description"]) == ("draft", "drafts", "begun")
    assert draft["tags"] == {"team": "red", "in": project.name} and draft["ContinueRunOnStepFailure"] is True
    assert [one["Id"] for one in answer("pipeline", "list-drafts", "-t", f"in={project.name}")] == [identity]

    run = answer("pipeline", "submit-draft", "-i", identity, "--wait")
    assert log_of(PipelineRun.get(ws, run["Id"]), "echo").startswith("['7', '0.5', 'False', 'x'")
    assert PipelineRun.get(ws, run["Id"]).properties["by"] == "ci"

    changed = answer(
        "pipeline", "update-draft", "-i", identity, "-n", "better", "--parameters", "rounds=8", "-c", "false"
    )
    assert changed["Name"] == "better" and changed["ContinueRunOnStepFailure"] is False
    assert changed["ParameterAssignments"] == {"rounds": "8", "text": "x"}, "what is not given stays"
    written(project, "print('other')\n")
    answer("pipeline", "update-draft", "-i", identity, "-y", "train.yml", "-d", "done", "-e", "e2", "-t", "a=1")
    shown = answer("pipeline", "show-draft", "--pipeline-draft-id", identity)
    assert (shown["Description"], shown["ExperimentName"], shown["tags"]) == ("done", "e2", {"a": "1"})

    made = answer("pipeline", "publish-draft", "-i", identity)
    assert (made["Name"], made["EntityStatus"]) == ("better", "Active")
    assert answer("pipeline", "get", "-d", identity, "-p", "draft.yml") == {"Path": "draft.yml"}
    assert answer("pipeline", "delete-draft", "-i", identity) == {"Id": identity, "Deleted": True}
    assert f"There is no draft '{identity}'. " in canalis("pipeline", "show-draft", "-i", identity, check=1).stderr


def test_a_draft_is_made_of_whatever_can_run(project):
    identity = published()
    of_pipeline = answer("pipeline", "clone-draft", "-i", identity)
    assert (of_pipeline["Name"], of_pipeline["ExperimentName"]) == ("echo", "echo")
    run = answer("pipeline", "submit-draft", "-i", of_pipeline["Id"], "--idempotency-key", f"d-{project.name}")
    assert answer("pipeline", "submit-draft", "-i", of_pipeline["Id"], "--idempotency-key", f"d-{project.name}")["Id"] == run["Id"]  # fmt: skip
    of_run = answer("pipeline", "clone-draft", "--pipeline-run-id", run["Id"], "-e", "other")
    assert of_run["ExperimentName"] == "other"
    assert answer("pipeline", "clone-draft", "-d", of_run["Id"])["GraphId"] == of_run["GraphId"]
    assert "Name one original" in canalis("pipeline", "clone-draft", check=1).stderr
    canalis("pipeline", "clone-draft", "-i", identity, "-r", run["Id"], check=1)
    assert json.loads(canalis("pipeline", "list-drafts").stdout)
