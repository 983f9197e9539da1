"""v1's REST contract, as callers that were written for Azure ML speak it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from canalis.contract.layout import STEP_LOG, artifacts
from canalis.contract.messages import StepEnded
from canalis.contract.run import StepRunId
from canalis.contract.status import Outcome
from orchestrator.advance import advance
from tests.api.conftest import V1
from tests.api.test_pipelines import KEY, a_graph

HOST, BASE = "http://test", V1


@pytest.fixture
def published(ask) -> dict:
    graph = a_graph(ask)
    (node,) = graph["nodes"]
    graph["nodes"] = [node | {"outputs": [{"name": "out", "pipeline_output": "model"}]}]
    store = {"datastore": "workspaceblobstore", "path": "raw"}
    graph["parameters"].append({"name": "data", "type": "datapath", "default": store})
    answer = ask("POST", "/pipelines", json={"graph": graph, "name": "train", "version": "7"})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
def submit(ask, published):
    def submit(url: str | None = None, status: int = 200, headers: Any = None, **body: Any) -> dict:
        answer = ask("POST", url or published["url"].replace("/pipelines", f"{HOST}/pipelines", 1),
                     json={"ExperimentName": "My_Pipeline", **body}, headers=headers)  # fmt: skip
        assert answer.status_code == status, answer.text
        return answer.json()

    return submit


def test_a_body_that_does_not_say_that_it_is_json_is_told_which_header_says_so(ask, published):
    url = published["url"].replace("/pipelines", f"{HOST}/pipelines", 1)
    answer = ask("POST", url, content=b'{"ExperimentName": "e"}')
    assert answer.status_code == 400
    assert "must be a JSON object, sent with Content-Type: application/json" in answer.json()["error"]["message"]
    assert "body.ExperimentName: it must be there" in ask("POST", url, json={}).json()["error"]["message"]


def test_a_run_is_started_as_every_caller_of_v1_starts_one(ask, submit, published):
    run = submit(ParameterAssignments={"n": 20}, Description="from the ERP", RunSource="ERP", tags={"team": "red"})

    assert ask("GET", f"/runs/{run['Id']}").json()["parameters"]["n"] == 20
    assert (run["Description"], run["RunHistoryExperimentName"]) == ("from the ERP", "My_Pipeline")
    assert (run["RunSource"], run["RunType"], run["tags"]) == ("ERP", "HTTP", {"team": "red"})
    assert run["PipelineId"] == published["id"] and run["GraphId"] == published["graph"]
    assert run["ParameterAssignments"] == {"n": "20", "rate": "0.5", "name": "", "flag": "True"}
    assert run["DataPathAssignments"] == {"data": {"DataStoreName": "workspaceblobstore", "RelativePath": "raw"}}
    assert run["Status"]["StatusCode"] == "Running" and run["Status"]["CreationTime"].endswith("Z")
    assert (run["TotalRunSteps"], run["IsSubmitted"], run["HasErrors"], run["EntityStatus"]) == (
        1,
        True,
        False,
        "Active",
    )
    assert {"Etag", "CreatedDate", "LastModifiedDate", "UploadState", "Properties", "ScheduleId"} <= run.keys()
    again = ask("GET", f"{BASE}/PipelineRuns/{run['Id']}").json()
    assert again == run | {"Etag": again["Etag"], "LastModifiedDate": again["LastModifiedDate"]}
    (change,) = [line for line in ask("GET", "/audit").json() if "PipelineSubmit" in line["route"]]
    assert (change["name"], change["made"]) == (published["id"], run["Id"])


def test_values_come_as_texts_or_numbers_and_unknown_names_are_warned_of(submit, ask):
    run = submit(
        ParameterAssignments={"n": "20", "rate": 2, "flag": "false", "name": "", "nobody": "x"},
        DataPathAssignments={"data": {"DataStoreName": "workspaceblobstore", "RelativePath": "fresh/2026"}},
        EnableNotification=True,
        StepTags={},
        WhoKnows={"a": 1},
    )
    shown = ask("GET", f"/runs/{run['Id']}").json()["parameters"]
    assert shown == {"n": 20, "rate": 2.0, "flag": False, "name": "", "data": shown["data"]}
    assert shown["data"] == {"datastore": "workspaceblobstore", "path": "fresh/2026"}
    assert run["HasWarnings"] and "names 'nobody', which is no parameter of this pipeline" in run["Warnings"][0]


@pytest.fixture
def reads(ask, published) -> str:
    """The address of a pipeline whose parameters are a dataset, a compute target and a part of an output's path."""
    graph = ask("GET", f"/pipelines/{published['id']}/graph").json()
    (node,) = graph["nodes"]
    node |= {
        "inputs": [{"name": "in", "source": {"kind": "parameter", "parameter": "files"}, "style": "dataset"}],
        "outputs": [{"name": "out", "path": ["out/", {"kind": "parameter", "name": "name"}]}],
        "compute": {"kind": "parameter", "name": "where"},
    }
    graph["parameters"] += [
        {"name": "files", "type": "dataset", "default": "weather"},
        {"name": "where", "type": "string", "default": "local"},
    ]
    places = [{"datastore": "workspaceblobstore", "path": "in/*.csv"}]
    for number in (1, 2):
        body = {"places": places * number, "create_new_version": True}
        assert ask("POST", "/datasets/weather", json=body).status_code == 200
    answer = ask("POST", "/pipelines", json={"graph": graph})
    assert answer.status_code == 201, answer.text
    return answer.json()["url"].replace("/pipelines", f"{HOST}/pipelines", 1)


def test_a_dataset_is_named_in_each_of_v1s_ways_and_shown_so_that_it_can_be_sent_again(ask, submit, reads):
    first, second = (ask("GET", f"/datasets/weather?version={version}").json()["id"] for version in (1, 2))
    place = {"LiteralValue": {"DataStoreName": "workspaceblobstore", "RelativePath": "x/*"}}
    saved = {version: {"SavedDataSetReference": {"Id": identity}} for version, identity in ((1, first), (2, second))}
    for sent, shown in (
        ({}, saved[2]),
        ({"ParameterAssignments": {"files": "weather:1"}}, saved[1]),
        ({"ParameterAssignments": {"files": first}}, saved[1]),
        ({"DataSetDefinitionValueAssignments": {"files": saved[1]}}, saved[1]),
        ({"DataSetDefinitionValueAssignments": {"files": {"DataSetReference": {"Name": "weather"}}}}, saved[2]),
        ({"DataSetDefinitionValueAssignments": {"files": {"DataSetReference": {"Id": first, "Version": 1}}}}, saved[1]),
        ({"DataSetDefinitionValueAssignments": {"files": place}}, place),
    ):
        run = submit(reads, **sent)
        assert run["DataSetDefinitionValueAssignments"] == {"files": shown}, sent
        assert "files" not in run["ParameterAssignments"] and run["Warnings"] == []
        kept = ("ParameterAssignments", "DataPathAssignments", "DataSetDefinitionValueAssignments")
        again = submit(reads, **{field: run[field] for field in kept})
        assert all(again[field] == run[field] for field in kept)


def test_values_name_places_and_targets_and_all_that_is_wrong_is_told_at_once(ask, submit, reads):
    run = submit(reads, ParameterAssignments={"name": 2026, "where": ""})
    (output,) = ask("GET", f"/runs/{run['Id']}.a/outputs").json()
    assert (output["path"], run["ParameterAssignments"]["name"]) == ("out/2026", "2026")

    said = submit(
        reads,
        status=422,
        ParameterAssignments={"n": "many", "rate": {"a": 1}},
        DataSetDefinitionValueAssignments={"files": {"DataStoreName": "workspaceblobstore", "RelativePath": "x"}},
    )["error"]["message"]
    for part in ("'n' must be of type int", "'rate' must be text", "'files' must be one of", '{"LiteralValue": '):
        assert part in said
    for values, part in (
        ({"name": "../../x"}, "which leaves its datastore: parameter 'name' is"),
        ({"where": "gpu"}, "Compute target 'gpu' of step 'a', which parameter 'where' names"),
        ({"files": "climate"}, "There is no dataset 'climate'"),
    ):
        assert part in submit(reads, status=422, ParameterAssignments=values)["error"]["message"]


def test_rows_for_files_and_datastores_that_are_not_there_start_nothing(ask, submit, reads, published):
    rows = {"places": [{"datastore": "workspaceblobstore", "path": "x.csv"}], "table": {"read": {"kind": "delimited"}}}
    identity = ask("POST", "/datasets/rows", json=rows).json()["id"]
    nowhere, before = {"DataStoreName": "nowhere", "RelativePath": "x"}, ask("GET", "/runs").json()
    for url, values, part in (
        (reads, {"ParameterAssignments": {"files": "rows"}}, "'files' is a dataset of rows, rows:1: give a dataset of"),
        (
            reads,
            {"DataSetDefinitionValueAssignments": {"files": {"SavedDataSetReference": {"Id": identity}}}},
            "Input 'in' of step 'a' is mounted",
        ),
        (
            reads,
            {"DataSetDefinitionValueAssignments": {"files": {"LiteralValue": nowhere}}},
            "'files' names datastore 'nowhere', which is not there (there: workspaceblobstore)",
        ),
        (None, {"DataPathAssignments": {"data": nowhere}}, "'data' names datastore 'nowhere', which is not there"),
    ):
        error = submit(url, status=422, **values)["error"]
        assert part in error["message"] and {"code", "message", "details", "innerError"} <= error.keys(), error
    assert ask("GET", "/runs").json() == before


def test_routes_are_found_in_any_letter_case_as_v1_found_them(ask, submit, published):
    odd = (
        f"{HOST}/Pipelines/V1.0/Subscriptions/S/resourcegroups/R/providers/microsoft.machinelearningservices/"
        f"workspaces/W/pipelineruns/pipelinesubmit/{published['id']}"
    )
    run = submit(odd)
    assert ask("GET", f"{BASE}/pipelineRuns/{run['Id']}".replace("resourceGroups", "resourcegroups")).status_code == 200


def test_an_address_of_another_workspace_starts_nothing_here(ask, submit, published):
    for name, mine in (("subscriptions", "s"), ("resourceGroups", "r"), ("workspaces", "w")):
        url = BASE.replace(f"/{name}/{mine}", f"/{name}/x")
        said = submit(f"{url}/PipelineRuns/PipelineSubmit/{published['id']}", status=404)
        assert "serves workspace 'w'" in said["error"]["message"]
    assert ask("GET", f"/runs?pipeline={published['id']}").json() == []


def test_errors_have_v1s_shape_and_a_sentence_that_helps(ask, submit, published):
    submits = f"{BASE}/PipelineRuns/PipelineSubmit"
    for url, body, status, code in [
        (f"{submits}/00000000-nothing", {}, 404, "not_found"),
        (None, {"ExperimentName": None}, 400, "bad_request"),
        (None, {"ExperimentName": "no blanks"}, 422, "name_invalid"),
        (None, {"ParameterAssignments": {"n": "x", "rate": "y"}}, 422, "parameter_invalid"),
        (None, {"ParameterAssignments": {"n": [1]}}, 422, "parameter_invalid"),
        (None, {"ParameterAssignments": [1]}, 400, "bad_request"),
        (
            None,
            {"DataPathAssignments": {"data": {"DataStoreName": "d", "RelativePath": "../x"}}},
            422,
            "parameter_invalid",
        ),
    ]:
        error = submit(url, status=status, **body)["error"]
        assert (
            error["code"] == code and error["message"] and {"code", "message", "details", "innerError"} == error.keys()
        )
        assert [one.keys() for one in error["details"]] == [{"code", "message", "target"}]
    ask("PATCH", f"/pipelines/{published['id']}", json={"status": "Disabled"})
    assert submit(status=409)["error"]["code"] == "disabled"
    assert ask("GET", f"/runs?pipeline={published['id']}").json() == [], "nothing is started by half"
    assert ask("GET", f"{BASE}/Nothing").json()["error"]["details"][0]["code"] == "not_found"


def test_json_that_nobody_can_bear_is_a_400_and_never_a_500(ask, published):
    url = published["url"].replace("/pipelines", f"{HOST}/pipelines", 1)
    for body in (
        b"[" * 100_000,
        b'{"ExperimentName": "e", "ParameterAssignments": {"n": ' + b"9" * 5_000 + b"}}",
        b'{"ExperimentName": "e", "ExperimentName": "f"}',
        b'{"ExperimentName": "\\ud800"}',
        b'{"ExperimentName": "e", "ParameterAssignments": {"rate": NaN}}',
        b'{"ExperimentName": "e", "ParameterAssignments": {"rate": 1e999}}',
        b'{"ExperimentName": "e", "tags": {"a": {"b": "\\ud800"}}}',
        b"\xff",
        b"",
        b"5",
    ):
        answer = ask("POST", url, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), (body[:60], answer.status_code, answer.text[:200])
        assert answer.json()["error"]["message"]


def test_a_key_makes_a_submission_one_run(submit, ask, published):
    headers = {KEY: "order-1"}
    first = submit(headers=headers, ParameterAssignments={"n": 1})
    assert submit(headers=headers, ParameterAssignments={"n": 1})["Id"] == first["Id"]
    assert submit(headers=headers, ParameterAssignments={"n": 2}, status=422)["error"]["code"] == "key_reused"
    assert len(ask("GET", f"/runs?pipeline={published['id']}").json()) == 1


def test_an_endpoint_is_started_by_id_by_version_and_by_name(ask, submit, published):
    endpoint = ask("POST", "/endpoints", json={"name": "My endpoint", "pipeline": published["id"]}).json()
    other = ask("POST", "/pipelines", json={"run": submit()["Id"], "parameters": {"n": 9}}).json()
    ask("PUT", f"/endpoints/{endpoint['id']}/versions/{other['id']}")
    by_id = f"{BASE}/PipelineRuns/PipelineEndpointSubmit/Id/{endpoint['id']}"
    by_name = f"{BASE}/PipelineRuns/PipelineEndpointSubmit/Name?name=My%20endpoint"
    for url, n in ((by_id, "3"), (f"{by_id}/1", "9"), (f"{by_id}?pipelineVersion=1", "9"), (f"{by_id}/0", "3"),
                   (by_name, "3"), (f"{by_name}&pipelineVersion=1", "9")):  # fmt: skip
        assert submit(url)["ParameterAssignments"]["n"] == n, url
    assert submit(f"{by_id}/7", status=404)["error"]["code"] == "not_found"
    assert submit(by_name.replace("My", "Your"), status=404)["error"]["code"] == "not_found"
    shown = ask("GET", f"{BASE}/PipelineEndpoints/{endpoint['id']}").json()
    assert (shown["Name"], shown["DefaultVersion"], shown["DefaultPipelineId"]) == ("My endpoint", "0", published["id"])
    assert [one["Version"] for one in shown["PipelineVersionList"]] == ["0", "1"]
    assert ask("GET", f"{BASE}/PipelineEndpoints/Name?name=My%20endpoint").json() == shown
    assert ask("GET", f"{BASE}/PipelineEndpoints").json() == [shown]
    disabled = ask("PUT", f"{BASE}/PipelineEndpoints/{endpoint['id']}/status", json="Disabled").json()
    assert disabled["EntityStatus"] == "Disabled" and submit(by_id, status=409)["error"]["code"] == "disabled"


def test_a_run_is_followed_by_its_nodes_outputs_and_logs(app, ask, submit):
    run = submit()["Id"]
    path, ports = f"{BASE}/PipelineRuns/{run}", app.state.service.ports
    assert ask("POST", f"{path}/Graph/Node/StatusCode", json=["a"]).json() == {"a": "Queued"}
    ports.blobs.put(artifacts(StepRunId(run, "a")) + STEP_LOG, b"hello\n")
    advance(ports, run, [StepEnded(run_id=run, node="a", attempt=1, outcome=Outcome.SUCCEEDED)])

    assert ask("GET", path).json()["Status"]["StatusCode"] == "Finished"
    assert ask("POST", f"{path}/Graph/Node/StatusCode", json=[f"{run}.a"]).json() == {f"{run}.a": "Finished"}
    assert ask("POST", f"{path}/Graph/AllNodes/Status").json()["a"]["StatusCode"] == "Finished"
    place = {"DataStoreName": "workspaceblobstore", "RelativePath": f"azureml/{run}.a/out"}
    assert ask("POST", f"{path}/Outputs", json=["a"]).json() == {"a": {"out": place}}
    assert ask("GET", f"{path}/PipelineRunOutputs/model").json() == place
    assert ask("GET", f"{path}/PipelineRunOutputs/Status").status_code == 404
    for log in ("STDOUT", "STDERR"):
        assert ask("POST", f"{path}/Graph/Shareable/{log}", json=["a"]).json() == {"a": "hello\n"}
    assert json.loads(ask("POST", f"{path}/Graph/Shareable/JobLog", json=["a"]).json()["a"])["node"] == "a"
    for wrong, status in ((["b"], 404), ("a", 400), ([1], 400), ({"a": 1}, 400)):
        assert ask("POST", f"{path}/Graph/Node/StatusCode", json=wrong).status_code == status
    assert ask("POST", f"{path}/Graph/Shareable/Other", json=["a"]).status_code == 400


def test_a_failed_run_says_why(app, ask, submit):
    run = submit()["Id"]
    ended = StepEnded(
        run_id=run, node="a", attempt=1, outcome=Outcome.FAILED, error_code="script_failed", error="Exit code 3"
    )
    advance(app.state.service.ports, run, [ended])
    found = ask("GET", f"{BASE}/PipelineRuns/{run}").json()
    assert found["HasErrors"] and found["Status"]["StatusCode"] == "Failed"
    assert found["Status"]["StatusDetail"] == "Exit code 3"


def test_a_run_is_cancelled_by_deleting_its_execution(ask, submit):
    run = submit()["Id"]
    for _ in range(2):
        assert ask("DELETE", f"{BASE}/PipelineRuns/{run}/Execution").status_code == 200
    assert ask("GET", f"/runs/{run}").json()["status"] == "cancelling"
    assert ask("DELETE", f"{BASE}/PipelineRuns/00000000-nothing/Execution").status_code == 404


def test_published_pipelines_are_listed_shown_and_switched_off(ask, submit, published):
    shown = ask("GET", f"{BASE}/Pipelines/{published['id']}").json()
    assert (shown["Name"], shown["Version"], shown["TotalRunSteps"]) == ("train", "7", 1)
    assert shown["Url"] == published["url"] and shown["ParameterAssignments"]["n"] == "3"
    assert ask("GET", f"{BASE}/Pipelines").json() == [shown]
    run = submit()
    assert [one["Id"] for one in ask("GET", f"{BASE}/PipelineRuns/Pipeline/{published['id']}").json()] == [run["Id"]]
    for said, status in (
        ("Disabled", "Disabled"),
        (0, "Active"),
        ("2", "Disabled"),
        ({"EntityStatus": 1}, "Deprecated"),
    ):
        put = ask("PUT", f"{BASE}/Pipelines/{published['id']}/status", json=said)
        assert put.json()["EntityStatus"] == status, put.text
    assert ask("PUT", f"{BASE}/Pipelines/{published['id']}/status", json="Gone").status_code == 400
    graph = ask("GET", f"{BASE}/Graphs/{published['graph']}").json()
    assert graph == ask("GET", f"/pipelines/{published['id']}/graph").json()
    for nothing in ("Graphs/nothing-there", "Graphs/..%2fx", "Pipelines/nothing-there", "PipelineDrafts/nothing-there"):
        assert ask("GET", f"{BASE}/{nothing}").status_code == 404


def test_schedules_and_drafts_are_shown_and_a_schedule_has_a_last_run_or_none(ask, published):
    trigger = {
        "kind": "recurrence",
        "frequency": "Day",
        "interval": 1,
        "hours": [6],
        "start_time": "2030-01-01T00:00:00",
    }
    asked = {"experiment": "e", "pipeline": published["id"], "trigger": trigger, "name": "daily"}
    schedule = ask("POST", "/schedules", json=asked).json()
    shown = ask("GET", f"{BASE}/Schedules/{schedule['id']}").json()
    assert (shown["Name"], shown["EntityStatus"], shown["ProvisioningStatus"]) == ("daily", "Active", "Completed")
    assert shown["Recurrence"]["hours"] == [6] and shown["NextRunTimes"] == ["2030-01-01T06:00:00.000000Z"]
    assert ask("GET", f"{BASE}/Schedules").json() == [shown]
    last = ask("GET", f"{BASE}/PipelineRuns/Schedule/{schedule['id']}/Last")
    assert (last.status_code, last.content) == (204, b"")
    assert ask("GET", f"{BASE}/PipelineRuns/Schedule/{schedule['id']}").json() == []
    off = ask("PUT", f"{BASE}/Schedules/{schedule['id']}/status", json="Disabled").json()
    assert off["EntityStatus"] == "Disabled" and ask("GET", f"{BASE}/Schedules").json() == []
    draft = ask("POST", "/drafts", json={"name": "d", "experiment": "e", "pipeline": published["id"]}).json()
    assert ask("GET", f"{BASE}/PipelineDrafts").json()[0]["Id"] == draft["id"]
    assert ask("GET", f"{BASE}/PipelineDrafts/{draft['id']}").json()["ExperimentName"] == "e"
