"""Small things that v1 scripts expect of runs."""

from __future__ import annotations

import json
import urllib.request

import pytest

from canalis import (
    Dataset,
    Experiment,
    OutputFileDatasetConfig,
    PipelineData,
    PipelineParameter,
    RunConfiguration,
    ScriptRunConfig,
)
from canalis.contract.errors import NotFound
from canalis.exceptions import AzureMLException
from canalis.pipeline_run import PipelineRun
from canalis.run import Run, get_run


@pytest.mark.parametrize("name", ["nope", "00000000-0000-0000-0000-000000000000"])
@pytest.mark.parametrize(
    "asks",
    [
        lambda ws, name: Run.get(ws, name),
        lambda ws, name: PipelineRun.get(ws, name),
        lambda ws, name: ws.get_run(name),
        lambda ws, name: get_run(ws.experiments["runs"], name),
    ],
)
def test_a_run_that_is_not_there_is_v1s_exception_and_ours(ws, name, asks):
    ws._experiment("runs")
    for kind in (AzureMLException, NotFound):
        with pytest.raises(kind, match=f"There is no run {name}") as caught:
            asks(ws, name)
        assert caught.value.code == "not_found"


def test_other_things_that_are_not_there_are_no_runs(ws):
    with pytest.raises(NotFound) as caught:
        ws._client.get("/computes/none-such")
    assert type(caught.value) is NotFound


def test_details_come_with_logs_for_a_run_and_for_a_step(author):
    run = author.runs(author.step("first", "print(1)"), author.step("second", "print(2)"))
    assert run.get_details_with_logs()["logFiles"] == {
        "first/user_logs/std_log.txt": "1\n",
        "second/user_logs/std_log.txt": "2\n",
    }
    step = run.find_step_run("first")[0]
    assert step.get_details_with_logs()["logFiles"] == {"user_logs/std_log.txt": "1\n"}
    assert json.loads(step.get_job_log())["exit_code"] == 0


def test_the_address_of_a_run_leads_to_the_portal(author):
    run = author.runs(author.step("only"))
    with urllib.request.urlopen(run.get_portal_url(), timeout=5) as answer:
        assert b"/portal/app.js" in answer.read()


def test_the_details_of_a_step_say_what_it_was_asked_to_do_and_what_data_it_read_and_wrote(author, ws):
    store = ws.get_default_datastore()
    (author.folder / "data").mkdir()
    (author.folder / "data" / "a.csv").write_text("x,y\n1,2\n")
    raw = Dataset.File.upload_directory(str(author.folder / "data"), (store, "details"), show_progress=False)
    registered = raw.register(ws, "details-raw", create_new_version=True)
    rows = Dataset.Tabular.from_delimited_files((store, "details/a.csv"))
    made = OutputFileDatasetConfig("made", destination=(store, "details-made/{run-id}"))
    plain = PipelineData("plain", datastore=store)
    rate = PipelineParameter("rate", 0.5)
    configuration = RunConfiguration()
    configuration.environment.name = "mine"
    configuration.environment.python.user_managed_dependencies = True
    configuration.environment_variables = {"MODE": "fast"}
    first = author.step(
        "first",
        "import os, sys\nopen(sys.argv[3] + '/out.txt', 'w').write('x')\nopen(sys.argv[4], 'w').write('x')",
        arguments=["--rate", rate, made, plain, registered.as_named_input("raw").as_mount()],
        inputs=[registered.as_named_input("raw").as_mount(), rows.as_named_input("rows")],
        outputs=[made, plain],
        runconfig=configuration,
    )
    second = author.step("second", inputs=[made.as_input("again"), plain])
    run = author.runs(first, second, pipeline_parameters={"rate": 0.25})

    step = run.find_step_run("first")[0]
    details = step.get_details()
    asked = details["runDefinition"]
    assert asked["script"] == "first.py" and asked["target"] == details["target"] and asked["nodeCount"] == 1
    assert asked["arguments"] == [
        "--rate", "0.25", "DatasetOutputConfig:made", "$AZUREML_DATAREFERENCE_plain", "DatasetConsumptionConfig:raw",
    ]  # fmt: skip
    assert asked["environment"]["name"] == "mine" and asked["environment"]["python"]["userManagedDependencies"]
    assert asked["environmentVariables"] == {"MODE": "fast"} and asked["data"]["rows"]["mechanism"] == "Direct"
    assert asked["data"]["raw"]["dataLocation"] == {
        "dataset": {"id": registered.id, "name": "details-raw", "version": str(registered.version)}
    }
    where = asked["outputData"]["made"]["outputLocation"]["dataPath"]
    assert where == {"datastoreName": store.name, "relativePath": f"details-made/{step.id}"}
    read, table = details["inputDatasets"]
    assert read["consumptionDetails"] == {"type": "RunInput", "inputName": "raw", "mechanism": "Mount"}
    assert (read["dataset"].id, read["dataset"].name) == (registered.id, "details-raw")
    assert read["dataset"].to_path() == ["/a.csv"] or ws._root is None
    assert table["dataset"].to_pandas_dataframe().shape == (1, 2)
    (written,) = details["outputDatasets"]
    assert written["outputDetails"] == {"outputName": "made"} and written["dataset"].to_path() == ["/out.txt"]

    again = run.find_step_run("second")[0].get_details()
    assert again["inputDatasets"][0]["dataset"].to_path() == ["/out.txt"]
    assert again["runDefinition"]["dataReferences"]["plain"]["pathOnDataStore"] == f"azureml/{step.id}/plain"
    assert step.get_environment().name == "mine"
    assert run.get_details()["runDefinition"] is None, "a pipeline's run is none of a script"


def test_a_script_alone_has_a_definition_as_well(author, ws):
    author.writes("alone.py", "print(1)")
    config = ScriptRunConfig(str(author.folder), "alone.py", arguments=["--n", 3])
    run = Experiment(ws, "definition").submit(config)
    details = run.wait_for_completion()
    assert (details["runDefinition"]["script"], details["runDefinition"]["arguments"]) == ("alone.py", ["--n", "3"])
    assert run.get_details()["inputDatasets"] == []
    assert run.get_environment().name == config.run_config.environment.name
