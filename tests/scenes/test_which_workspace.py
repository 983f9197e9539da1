"""Which workspace a command means when several are there, or none yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canalis import local
from canalis.workspace import Workspace
from tests.scenes.conftest import Author, canalis


@pytest.fixture
def two(own_home, project):
    """A run in the workspace `prod-ws`, beside an empty one called `local`."""
    Workspace.create("local", show_output=False)
    author = Author(Workspace.create("prod-ws", show_output=False), project)
    yield author.runs(author.step("only", "print('here I am')"))
    author.ws._client.close()


def test_a_run_is_found_in_whichever_workspace_it_is(two):
    done = canalis("show", two.id[:8])
    assert f"Run {two.id} of scene" in done.stdout
    assert f"Run {two.id[:8]} is in workspace 'prod-ws'" in done.stderr
    assert canalis("logs", f"{two.id[:8]}.only").stdout == "here I am\n"
    assert "is completed" in canalis("cancel", two.id[:8]).stdout
    assert "has succeeded and is still valid" in canalis("resume", two.id[:8], check=1).stderr


def test_a_run_is_found_also_where_no_service_is_running(two, own_home):
    local.stop(own_home / "prod-ws")
    assert f"Run {two.id} of scene" in canalis("show", two.id[:8]).stdout


def test_a_run_that_is_in_none_of_them_is_told_with_where_it_was_looked_for(two, own_home):
    done = canalis("show", "00000000", check=1)
    assert f"There is no run 00000000 in any workspace of {own_home} (there: local, prod-ws)" in done.stderr
    assert "has no step 'none' (it has: only)" in canalis("show", f"{two.id}.none", check=1).stderr
    assert "Give at least 4 characters of a run's id; 'abc' is too short" in canalis("show", "abc", check=1).stderr


def test_a_workspace_that_was_named_is_the_only_one_that_is_searched(two):
    assert canalis("show", two.id, "-w", "local", check=1).stderr.endswith(f"There is no run {two.id} [not_found]\n")
    assert "There is no workspace 'prod' in" in canalis("show", two.id, "-w", "prod", check=1).stderr


def test_without_a_configuration_the_folders_own_is_meant_and_nothing_said_of_it(two):
    done = canalis("runs")
    assert done.stdout.startswith("No runs yet") and "config.json" not in done.stderr


def test_a_cluster_goes_to_the_workspace_that_config_json_names(own_home):
    Path("config.json").write_text(json.dumps({"workspace_name": "ws-prod"}))
    done = canalis("compute", "create", "cpu-cluster", "--max-nodes", "2")
    assert "runs 2 steps at once" in done.stdout and "Workspace 'ws-prod' is new" in done.stderr
    assert local.workspaces(own_home) == ["ws-prod"]
    (found,) = json.loads(canalis("compute", "list", "--json").stdout)
    assert found["name"] == "cpu-cluster" and found["max_nodes"] == 2


def test_a_cluster_goes_to_the_folders_own_workspace_when_nothing_names_one(own_home):
    canalis("compute", "create", "cpu-cluster")
    assert local.workspaces(own_home) == ["local"]


@pytest.mark.parametrize("words", [["serve"], ["compute", "create", "cpu-cluster"], ["stop"], ["runs"]])
def test_a_workspace_that_is_misspelt_is_not_made(own_home, words):
    Workspace.create("mine", show_output=False)
    assert "There is no workspace 'mien' in" in canalis(*words, "-w", "mien", check=1).stderr
    assert local.workspaces(own_home) == ["mine"]


def test_to_stop_where_nothing_is_does_no_harm(own_home):
    assert canalis("stop").stdout == "Canalis is not running here\n"
    assert not own_home.exists()
