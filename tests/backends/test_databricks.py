"""Steps in a Databricks workspace: through the SDK and the whole service, against a peer, also under faults."""

from __future__ import annotations

import pytest

from canalis.compute import ComputeTarget, DatabricksCompute
from canalis.contract.errors import GraphError
from canalis.data import DataReference, PipelineData
from canalis.databricks_libraries import EggLibrary, JarLibrary, MavenLibrary, PyPiLibrary, RCranLibrary
from canalis.databricks_step import DatabricksStep
from canalis.exceptions import ComputeTargetException
from canalis.parameter import PipelineParameter
from steps import jobs
from tests.peers.databricks import TOKEN, DatabricksPeer, Plan
from tests.scenes.conftest import Author, log_of, until

GONE = 300.0


@pytest.fixture
def peer(monkeypatch):
    """A workspace, and jobs that are looked at often."""
    peer = DatabricksPeer()
    monkeypatch.setenv("CANALIS_DATABRICKS_HOSTS", "127.0.0.1")
    monkeypatch.setattr(jobs, "pause_s", lambda age_s: 0.1)
    yield peer
    peer.close()


@pytest.fixture
def dbr(peer, author: Author) -> str:
    """The compute target of the workspace."""
    said = DatabricksCompute.attach_configuration("g", "ws", access_token=TOKEN, workspace_url=peer.url)
    return ComputeTarget.attach(author.ws, "dbr", said).name


@pytest.fixture
def lake(cloud, author: Author):
    """A datastore that is a container of a storage account."""
    body = {"type": "AzureBlob", "account_name": "acct", "container_name": "lake"}
    cloud.engine.ports.documents.put("datastores", "lake", body)
    return author.ws.datastores["lake"]


def a_notebook(name: str = "nb", path: str = "/Users/ada/nb", **parts: object) -> DatabricksStep:
    parts.setdefault("allow_reuse", False)
    parts.setdefault("compute_target", "dbr")
    if "existing_cluster_id" not in parts:
        parts.setdefault("num_workers", 1)
    return DatabricksStep(name, notebook_path=path, **parts)


def test_a_target_is_attached_or_got_as_v1s_scripts_do(peer, author: Author):
    with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound"):
        DatabricksCompute(workspace=author.ws, name="dbr")
    said = DatabricksCompute.attach_configuration("g", "ws", access_token=TOKEN)
    made = ComputeTarget.attach(author.ws, "dbr", said)
    made.wait_for_completion(True)

    found = DatabricksCompute(author.ws, "dbr")
    assert (found.type, found.is_attached, found.provisioning_state) == ("Databricks", True, "Succeeded")
    assert found.settings == {"resource_group": "g", "workspace_name": "ws"}
    assert TOKEN not in str(author.ws._client.get("/computes")) and author.ws._client.get("/secrets") == []
    found.detach()
    assert "dbr" not in author.ws.compute_targets


def test_a_notebook_has_its_data_and_parameters_as_widgets_on_a_cluster_of_its_own(peer, dbr, lake, author: Author):
    made = PipelineData("made", datastore=lake)
    step = a_notebook(
        inputs=[DataReference(lake, "raw", "in/2024")],
        outputs=[made],
        notebook_params={"rounds": "3", "day": PipelineParameter("day", "monday")},
        spark_env_variables={"LEVEL": 1},
        spark_conf={"spark.x": "y"},
        init_scripts=["dbfs:/init.sh", "/Volumes/main/init.sh"],
        cluster_log_dbfs_path="dbfs:/logs",
        num_workers=None,
        min_workers=1,
        max_workers=4,
        instance_pool_id="pool",
        maven_libraries=[MavenLibrary("org:jar:1", exclusions=["x:y"])],
        pypi_libraries=[PyPiLibrary("pandas==2", repo="https://own")],
        egg_libraries=[EggLibrary("dbfs:/a.egg")],
        jar_libraries=[JarLibrary("dbfs:/a.jar")],
        rcran_libraries=[RCranLibrary("ada")],
        run_name="mine",
        timeout_seconds=3600,
    )
    peer.plans["nb"] = Plan(output={"notebook_output": {"result": "42 rows", "truncated": False}})
    run = author.runs(step, pipeline_parameters={"day": "tuesday"})

    assert run.get_status() == "Finished"
    asked = peer.only_run.body
    assert asked["run_name"] == "mine" and asked["timeout_seconds"] == 3600
    assert asked["idempotency_token"].endswith(f"{run.id}.nb")
    (task,) = asked["tasks"]
    uri = "wasbs://lake@acct.blob.core.windows.net"
    opens = "fs.azure.account.key.acct.blob.core.windows.net"
    assert task["notebook_task"] == {
        "notebook_path": "/Users/ada/nb",
        "base_parameters": {
            "raw": f"{uri}/in/2024",
            "made": f"{uri}/azureml/{run.id}.nb/made",
            "raw_blob_secretname": "lake",
            "raw_blob_config": opens,
            "made_blob_secretname": "lake",
            "made_blob_config": opens,
            "rounds": "3",
            "day": "tuesday",
            "_AML_PARAMETER_day": "tuesday",
        },
    }
    assert task["new_cluster"] == {
        "spark_version": "10.4.x-scala2.12",
        "instance_pool_id": "pool",
        "autoscale": {"min_workers": 1, "max_workers": 4},
        "spark_env_vars": {"LEVEL": "1"},
        "spark_conf": {"spark.x": "y"},
        "init_scripts": [
            {"dbfs": {"destination": "dbfs:/init.sh"}},
            {"volumes": {"destination": "/Volumes/main/init.sh"}},
        ],
        "cluster_log_conf": {"dbfs": {"destination": "dbfs:/logs"}},
    }
    assert task["libraries"] == [
        {"maven": {"coordinates": "org:jar:1", "exclusions": ["x:y"]}},
        {"pypi": {"package": "pandas==2", "repo": "https://own"}},
        {"egg": "dbfs:/a.egg"},
        {"jar": "dbfs:/a.jar"},
        {"cran": {"package": "ada"}},
    ]
    log = log_of(run, "nb")
    assert "The notebook's result: 42 rows" in log and f"{peer.url}/#job/" in log


def test_a_local_script_runs_with_its_neighbours_and_v1s_arguments(peer, dbr, lake, author: Author):
    author.writes("helper.py", "def said(): return 'from a neighbour'")
    author.writes("large.bin", "x" * 1_500_000)
    author.writes("go.py", "import sys, helper; print(helper.said()); print('|'.join(sys.argv[1:]))")
    peer.plans["go.py"] = Plan(runs=True)
    parts = {"python_script_name": "go.py", "source_directory": str(author.folder), "existing_cluster_id": "0101-there"}
    step = DatabricksStep(
        "go",
        inputs=[DataReference(lake, "raw", "in")],
        python_script_params=["--rate", PipelineParameter("rate", 0.5)],
        compute_target=dbr,
        allow_reuse=False,
        **parts,
    )
    run = author.runs(step)

    assert run.get_status() == "Finished"
    log = log_of(run, "go")
    folder = "dbfs:/canalis/cloud-ws/"
    assert "from a neighbour" in log
    assert f"-raw|wasbs://lake@acct.blob.core.windows.net/in|--rate|0.5|--AZUREML_SCRIPT_DIRECTORY_NAME|{folder}" in log
    assert f"|--AZUREML_RUN_ID|{run.id}.go|" in log and "AZUREML_RUN_TOKEN" not in log
    assert peer.only_run.task["existing_cluster_id"] == "0101-there"

    sent = peer.count("/dbfs/put")
    with pytest.warns(UserWarning, match="a set, which has no order"):
        again = DatabricksStep("again", python_script_params={"b", "a"}, compute_target=dbr, **parts)
    assert "-raw" not in log_of(author.runs(again), "again") and peer.count("/dbfs/put") == sent, "sent once"


def test_a_script_in_dbfs_and_a_jar_are_named_as_they_are(peer, dbr, author: Author):
    script = DatabricksStep(
        "s", python_script_path="dbfs:/s.py", python_script_params=["1"], num_workers=1, compute_target=dbr
    )
    jar = DatabricksStep("j", main_class_name="org.Main", jar_params=["2"], num_workers=1, compute_target=dbr)
    assert author.runs(script, jar).get_status() == "Finished"

    tasks = sorted((run.task for run in peer.runs.values()), key=str)
    assert tasks[0]["spark_jar_task"]["main_class_name"] == "org.Main"
    assert tasks[0]["spark_jar_task"]["parameters"][0] == "2"
    assert tasks[1]["spark_python_task"]["python_file"] == "dbfs:/s.py"


def test_what_fails_there_fails_with_its_own_reason_first_and_a_link(peer, dbr, author: Author):
    trace = "Traceback...\nNameError: name 'x' is not defined"
    peer.plans["nb"] = Plan(
        result="FAILED", message="Workload failed", output={"error": "NameError: x", "error_trace": trace}
    )
    run = author.runs(a_notebook())

    log = log_of(run, "nb")
    assert run.get_status() == "Failed"
    assert (
        trace in log
        and f"canalis: NameError: x (Databricks ended run {peer.only_run.run_id} as FAILED: {peer.url}" in log
    )


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"existing_cluster_id": "gone"}, "INVALID_PARAMETER_VALUE: Cluster gone does not exist"),
        (
            {"existing_cluster_id": "0101-off", "permit_cluster_restart": False},
            "is TERMINATED, and permit_cluster_restart",
        ),
    ],
)
def test_what_is_refused_fails_at_once_and_nothing_was_begun(peer, dbr, author: Author, said, reason):
    peer.clusters["0101-off"] = "TERMINATED"
    run = author.runs(a_notebook(**said))
    assert run.get_status() == "Failed" and reason in log_of(run, "nb")
    assert peer.runs == {}


def test_a_wrong_token_and_a_host_that_is_none_of_databricks_are_told(peer, dbr, author: Author):
    peer.token = "another"
    assert "Invalid access token" in log_of(author.runs(a_notebook()), "nb")

    said = DatabricksCompute.attach_configuration(access_token=TOKEN, workspace_url="https://example.com")
    ComputeTarget.attach(author.ws, "elsewhere", said)
    assert "is no https://adb-" in log_of(author.runs(a_notebook(compute_target="elsewhere")), "nb")


def test_data_on_the_services_own_machine_is_refused_since_no_cluster_could_read_it(peer, dbr, author: Author):
    store = author.ws.get_default_datastore()
    run = author.runs(a_notebook(inputs=[DataReference(store, "raw", "in")]))
    assert run.get_status() == "Failed" and "which no other service can reach" in log_of(run, "nb")


def test_faults_on_the_way_cost_time_and_no_second_run(peer, dbr, author: Author):
    peer.fails("/submit", 429, Retry_After="0")
    peer.fails("/submit", 503)
    peer.fails("/submit", 0, is_done=True)  # it was carried out, and the answer was lost
    peer.fails("/submit", 504, is_done=True)
    peer.fails("/runs/get", 429, times=2)
    peer.fails("/runs/get", 0)
    peer.fails("/get-output", 500)
    run = author.runs(a_notebook())

    assert run.get_status() == "Finished"
    assert len(peer.runs) == 1 and all(fault.times == 0 for fault in peer.faults)
    assert "REQUEST_LIMIT_EXCEEDED: Current request has to be retried (Databricks at 127.0.0.1" in log_of(run, "nb")


def test_a_run_that_is_cancelled_is_cancelled_there(peer, dbr, author: Author):
    peer.plans["nb"] = Plan(running_s=GONE)
    run = author.submits(a_notebook())
    until(lambda: peer.runs and run.find_step_run("nb")[0].get_status() == "Running")
    run.cancel()
    run.wait_for_completion(show_output=False, raise_on_error=False)

    assert run.get_status() == "Canceled" and peer.only_run.result == "CANCELED"


def test_a_step_that_works_too_long_is_ended_there(peer, dbr, author: Author):
    peer.plans["nb"] = Plan(running_s=GONE)
    run = author.runs(a_notebook(timeout_s=0.5))
    assert run.get_status() == "Failed" and peer.only_run.result == "CANCELED"
    (step,) = author.ws._client.get(f"/runs/{run.id}/steps")
    assert step["error"]["code"] == "timed_out"


def test_a_step_that_is_tried_again_is_another_run_there(peer, dbr, author: Author):
    peer.plans["nb"] = Plan(result="FAILED", message="flaky")
    run = author.runs(a_notebook(retries=1))
    tokens = [found.body["idempotency_token"] for found in peer.runs.values()]
    assert run.get_status() == "Failed"
    assert len(tokens) == 2 and tokens[1] == f"{tokens[0]}.2"


def test_a_run_that_is_lost_there_fails_the_step(peer, dbr, author: Author):
    peer.plans["nb"] = Plan(running_s=GONE)
    run = author.submits(a_notebook())
    until(lambda: peer.runs and peer.count("/runs/get") > 1)
    peer.lose(peer.only_run.run_id)
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.get_status() == "Failed" and "does not exist" in log_of(run, "nb")


def test_steps_and_targets_that_do_not_fit_are_told_before_the_run(peer, dbr, author: Author):
    author.cluster("cpu", 1)
    with pytest.raises(GraphError, match="'nb' is work of the kind databricks, but compute target 'cpu' takes python"):
        author.submits(a_notebook(compute_target="cpu"))
    with pytest.raises(
        GraphError, match="'train' is work of the kind python, but compute target 'dbr' takes databricks"
    ):
        author.submits(author.step("train", "print(1)", compute_target=dbr))


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({}, "must have one of notebook_path"),
        ({"notebook_path": "/n", "main_class_name": "m", "num_workers": 1}, "notebook_path and main_class_name"),
        ({"notebook_path": "/n"}, "needs num_workers, or min_workers and max_workers"),
        ({"notebook_path": "/n", "num_workers": 1, "min_workers": 1, "max_workers": 2}, "needs num_workers, or"),
        ({"notebook_path": "/n", "min_workers": 1}, "needs num_workers, or"),
        ({"notebook_path": "/n", "num_workers": "1"}, "num_workers of step 's' must be a int"),
        (
            {"notebook_path": "/n", "num_workers": 1, "node_type": "a", "instance_pool_id": "b"},
            "node_type and instance",
        ),
        ({"python_script_name": "a.py", "num_workers": 1}, "wants the source_directory"),
        ({"notebook_path": "/n", "num_workers": 1, "jar_params": []}, "takes no jar_params"),
        ({"notebook_path": "/n", "num_workers": 1, "pypi_libraries": ["pandas"]}, "it must be of PyPiLibrary"),
        ({"notebook_path": "/n", "num_workers": 1, "compute_target": None}, "needs a compute_target"),
    ],
    ids=str,
)
def test_what_cannot_be_is_told_when_the_step_is_made(parts, reason):
    with pytest.raises(ValueError, match=reason):
        DatabricksStep("s", **{"compute_target": "dbr", **parts})
