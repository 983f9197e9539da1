"""The peer is a Databricks workspace to Databricks' own client: what that sends and reads, it takes and answers."""

from __future__ import annotations

import base64
import io
from datetime import timedelta

import pytest

from tests.peers.databricks import TOKEN, DatabricksPeer, Plan

databricks = pytest.importorskip("databricks.sdk")
from databricks.sdk.core import Config  # noqa: E402
from databricks.sdk.errors import InvalidParameterValue, NotFound, PermissionDenied, ResourceDoesNotExist  # noqa: E402
from databricks.sdk.service import compute, jobs  # noqa: E402


@pytest.fixture
def peer():
    peer = DatabricksPeer()
    yield peer
    peer.close()


def client(peer: DatabricksPeer, token: str = TOKEN):
    return databricks.WorkspaceClient(
        config=Config(host=peer.url, token=token, auth_type="pat", retry_timeout_seconds=20)
    )


def a_task(path: str = "/nb", **parts: object) -> jobs.SubmitTask:
    cluster = compute.ClusterSpec(spark_version="10.4.x-scala2.12", node_type_id="Standard_D3_v2", num_workers=1)
    notebook = jobs.NotebookTask(notebook_path=path, base_parameters={"day": "monday"})
    if "existing_cluster_id" not in parts:
        parts["new_cluster"] = cluster
    return jobs.SubmitTask(task_key="step", notebook_task=notebook, **parts)


def test_its_client_submits_once_for_a_token_waits_and_reads_the_output(peer):
    peer.plans["/nb"] = Plan(running_s=0.2, output={"notebook_output": {"result": "42", "truncated": False}})
    w = client(peer)
    waiting = w.jobs.submit(run_name="mine", tasks=[a_task()], idempotency_token="one")
    assert w.jobs.submit(run_name="mine", tasks=[a_task()], idempotency_token="one").run_id == waiting.run_id
    ended = waiting.result(timeout=timedelta(seconds=20))

    assert ended.state.life_cycle_state is jobs.RunLifeCycleState.TERMINATED
    assert ended.state.result_state is jobs.RunResultState.SUCCESS
    assert ended.run_page_url.startswith(peer.url) and ended.start_time and ended.end_time >= ended.start_time
    (task,) = ended.tasks
    assert w.jobs.get_run_output(task.run_id).notebook_output.result == "42"
    with pytest.raises(InvalidParameterValue, match="multiple tasks"):
        w.jobs.get_run_output(ended.run_id)
    assert [run.run_id for run in w.jobs.list_runs()] == [ended.run_id]


def test_its_client_cancels_deletes_and_is_told_what_is_wrong(peer):
    peer.plans["/nb"] = Plan(running_s=300)
    w = client(peer)
    run = w.jobs.submit(tasks=[a_task()], idempotency_token="one").response
    w.jobs.cancel_run(run.run_id)
    assert w.jobs.get_run(run.run_id).state.result_state is jobs.RunResultState.CANCELED
    w.jobs.delete_run(run.run_id)

    with pytest.raises(ResourceDoesNotExist, match="does not exist"):
        w.jobs.get_run(run.run_id)
    with pytest.raises(InvalidParameterValue, match="was deleted"):
        w.jobs.submit(tasks=[a_task()], idempotency_token="one")
    with pytest.raises(InvalidParameterValue, match="Cluster gone does not exist"):
        w.jobs.submit(tasks=[a_task(existing_cluster_id="gone")])
    with pytest.raises(InvalidParameterValue, match="at most 64"):
        w.jobs.submit(tasks=[a_task()], idempotency_token="x" * 65)
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        client(peer, "another").jobs.get_run(1)


def test_its_client_comes_back_when_it_is_asked_to(peer):
    peer.fails("/runs/submit", 429, Retry_After="0")
    w = client(peer)
    assert w.jobs.submit(tasks=[a_task()], idempotency_token="one").response.run_id
    assert peer.count("/runs/submit") == 2 and len(peer.runs) == 1


def test_its_client_reads_back_the_files_that_it_writes(peer):
    w = client(peer)
    w.dbfs.put("/small.py", contents=base64.b64encode(b"print(1)").decode(), overwrite=True)
    w.dbfs.upload("/large.bin", io.BytesIO(b"x" * 1_500_000), overwrite=True)

    assert w.dbfs.get_status("/small.py").file_size == 8
    assert w.dbfs.download("/large.bin").read() == b"x" * 1_500_000
    with pytest.raises(NotFound):
        w.dbfs.get_status("/none")
    assert w.clusters.get("0101-there").state is compute.State.RUNNING
