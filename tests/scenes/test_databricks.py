"""Steps in a Databricks workspace, between steps that run here, through either door."""

from __future__ import annotations

import os
import signal

import pytest

from canalis.compute import ComputeTarget, DatabricksCompute
from canalis.databricks_step import DatabricksStep
from canalis.workspace import Workspace
from tests.peers.databricks import TOKEN, DatabricksPeer, Plan
from tests.scenes.conftest import Author, log_of, process_of, until


@pytest.fixture
def peer():
    peer = DatabricksPeer()
    yield peer
    peer.close()


@pytest.mark.laptop("kills the service")
def test_a_service_that_is_killed_finds_its_run_again(peer, own_home, project):
    own = Author(Workspace.create("own", show_output=False), project)
    said = DatabricksCompute.attach_configuration(access_token=TOKEN, workspace_url=peer.url)
    ComputeTarget.attach(own.ws, "dbr", said)
    peer.plans["nb"] = Plan(running_s=300)
    run = own.submits(DatabricksStep("nb", notebook_path="/nb", num_workers=1, compute_target="dbr"))
    until(lambda: peer.count("/runs/get") > 1)
    os.kill(process_of(own.ws._root), signal.SIGKILL)
    peer.plans["nb"].running_s = 0.0
    run.wait_for_completion(show_output=False)

    assert run.get_status() == "Finished" and len(peer.runs) == 1 and peer.count("/submit") == 1
    own.ws._client.close()


def test_a_pipeline_goes_through_databricks_and_comes_back(peer, author: Author):
    said = DatabricksCompute.attach_configuration("g", "ws", access_token=TOKEN, workspace_url=peer.url)
    target = ComputeTarget.attach(author.ws, "scene-dbr", said)
    peer.plans["count.py"] = Plan(runs=True)
    peer.fails("/submit", 0, is_done=True)  # the answer is lost, and the run is there
    author.writes(
        "count.py", "import sys; print('counted with', sys.argv[1], sys.argv[sys.argv.index('--AZUREML_RUN_ID') + 1])"
    )
    count = DatabricksStep(
        "count",
        python_script_name="count.py",
        source_directory=str(author.folder),
        python_script_params=["spark"],
        num_workers=2,
        compute_target=target,
        allow_reuse=False,
    )
    after = author.step("after", "print('after it')")
    after.run_after(count)
    run = author.runs(count, after)

    assert run.get_status() == "Finished", log_of(run, "count")
    assert f"counted with spark {run.id}.count" in log_of(run, "count") and "after it" in log_of(run, "after")
    assert len(peer.runs) == 1 and TOKEN not in log_of(run, "count")
    target.detach()
