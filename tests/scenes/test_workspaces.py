"""How a script finds its workspace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canalis.authentication import InteractiveLoginAuthentication, ServicePrincipalAuthentication
from canalis.conda import CondaDependencies
from canalis.environment import Environment
from canalis.exceptions import UserErrorException
from canalis.workspace import Workspace

pytestmark = pytest.mark.laptop("about workspaces in folders of this machine")


@pytest.fixture
def nowhere(project, monkeypatch):
    """A folder with no workspace in it, and none named."""
    monkeypatch.delenv("CANALIS_HOME")
    return project


def test_without_any_configuration_it_is_the_folders_own_and_says_so(nowhere, capsys):
    ws = Workspace.from_config()
    assert ws.name == "local"
    assert (nowhere / ".canalis" / "local" / "workspace.json").is_file()
    assert (nowhere / ".canalis" / ".gitignore").read_text() == "*\n"
    assert f"using the local workspace in {nowhere}/.canalis/local" in capsys.readouterr().err


def test_a_script_in_a_folder_below_finds_the_same_workspace(nowhere, monkeypatch):
    root = Workspace.from_config()._root
    (nowhere / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(nowhere / "a" / "b")
    assert Workspace.from_config()._root == root


@pytest.mark.parametrize(
    "place", [".azureml/config.json", "aml_config/config.json", "config.json", ".azureml/project.json"]
)
def test_a_configuration_is_found_from_below_and_names_the_workspace(nowhere, monkeypatch, place):
    config = nowhere / place
    config.parent.mkdir(exist_ok=True)
    config.write_text(json.dumps({"subscription_id": "s", "resource_group": "r", "workspace_name": "from-config"}))
    (nowhere / "scripts").mkdir()
    monkeypatch.chdir(nowhere / "scripts")

    ws = Workspace.from_config()
    assert (ws.name, ws.subscription_id, ws.resource_group) == ("from-config", "s", "r")
    assert ws._root == nowhere / ".canalis" / "from-config"


def test_a_written_configuration_is_read_again(nowhere):
    ws = Workspace.create("mine", subscription_id="sub", resource_group="group", location="westeurope")
    ws.write_config()
    again = Workspace.from_config()
    assert (again.name, again.subscription_id, again.resource_group, again.location) == (
        "mine",
        "sub",
        "group",
        "westeurope",
    )
    assert Workspace.from_config(path=".azureml/config.json") == ws == Workspace.get("mine")


def test_a_workspace_is_created_once_unless_that_does_not_matter(nowhere):
    Workspace.create("mine")
    with pytest.raises(UserErrorException, match="exists already; pass exist_ok=True"):
        Workspace.create("mine")
    assert Workspace.create("mine", exist_ok=True).name == "mine"
    assert list(Workspace.list("any")) == ["mine"]


def test_a_configuration_that_was_named_and_is_not_there_is_an_error(nowhere):
    for path in ("nothing.json", "no/folder"):
        with pytest.raises(UserErrorException, match="There is no configuration at"):
            Workspace.from_config(path=path)
    Path("bad.json").write_text("{}")
    with pytest.raises(UserErrorException, match="is no workspace configuration"):
        Workspace.from_config(path="bad.json")


def test_two_workspaces_do_not_see_each_other(project, ws):
    other = Workspace.create("other", exist_ok=True, show_output=False)
    ws._experiment("only-here")
    assert "only-here" in ws.experiments and "only-here" not in other.experiments
    other._client.close()


def test_the_members_that_samples_print_are_there(ws):
    for member in ("name", "subscription_id", "resource_group", "location", "sku", "discovery_url"):
        assert isinstance(getattr(ws, member), str) and getattr(ws, member)
    assert ws.get_details()["name"] == "scenes"
    assert "nothing" not in ws.compute_targets and ws.compute_targets.get("nothing") is None
    assert ws.get_default_datastore().name == "workspaceblobstore"
    assert ws.get_default_datastore().datastore_type == "AzureBlob"
    with pytest.raises(KeyError):
        ws.compute_targets["nothing"]


def test_a_cluster_is_created_or_found_and_is_of_its_own_class(author):
    from canalis.compute import AmlCompute, ComputeTarget

    made = author.cluster("cpu-cluster", 4)
    made.wait_for_completion(show_output=False, min_node_count=None, timeout_in_minutes=20)
    found = author.ws.compute_targets["cpu-cluster"]
    assert type(found) is AmlCompute and found.type == "AmlCompute"
    assert type(ComputeTarget(author.ws, "cpu-cluster")) is AmlCompute is type(AmlCompute(author.ws, "cpu-cluster"))
    assert found.get_status().serialize()["scaleSettings"]["maxNodeCount"] == 4
    assert found.status.serialize() == made.status.serialize()
    assert found.provisioning_state == "Succeeded"
    found.update(max_nodes=6)
    assert author.ws.compute_targets["cpu-cluster"].scale_settings.maximum_node_count == 6
    found.delete()
    assert "cpu-cluster" not in author.ws.compute_targets


def test_the_default_datastore_can_be_another_one(ws):
    ws.set_default_datastore("workspacefilestore")
    assert ws.get_default_datastore().name == "workspacefilestore"
    ws.datastores["workspaceblobstore"].set_as_default()
    assert ws.get_default_datastore().name == "workspaceblobstore"
    with pytest.raises(UserErrorException, match="no datastore 'nothing'"):
        ws.set_default_datastore("nothing")


def test_each_way_to_sign_in_gives_a_header_that_opens_the_workspace(ws):
    import urllib.request

    for who in (InteractiveLoginAuthentication(), ServicePrincipalAuthentication("t", "id", "password")):
        header = who.get_authentication_header()
        assert header["Authorization"].startswith("Bearer ")
        request = urllib.request.Request(f"{ws._client.endpoint.url}/api/v1/workspace", headers=header)
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert json.load(answer)["name"] in Workspace.list("")


def test_an_environment_is_registered_with_versions(ws):
    environment = Environment("training")
    environment.python.conda_dependencies = CondaDependencies.create(
        pip_packages=["scikit-learn==1.5"], conda_packages=["numpy"], python_version="3.11"
    )
    environment.docker.enabled = True
    assert environment.register(ws).version == "1"
    assert environment.register(ws).version == "1", "the same again"
    environment.environment_variables["A"] = "b"
    assert environment.register(ws).version == "2"

    again = Environment.get(ws, "training", version="1")
    assert (
        again.python.conda_dependencies.serialize_to_string()
        == environment.python.conda_dependencies.serialize_to_string()
    )
    assert Environment.get(ws, "training").environment_variables == {"A": "b"}
    assert ws.environments["training"].version == "2"
    assert Environment.get(ws, "AzureML-Tutorial").name == "AzureML-Tutorial"
    with pytest.raises(UserErrorException, match="no environment 'nothing'"):
        Environment.get(ws, "nothing")


def test_a_pipelines_environments_are_recorded_with_its_graph_once(author):
    from canalis.runconfig import RunConfiguration

    configuration = RunConfiguration()
    configuration.environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["azureml-a-package"])
    run = author.runs(author.step("a", runconfig=configuration), author.step("b", runconfig=configuration))
    graph = run.get_graph()
    assert len(graph.environments) == 1
    assert "azureml-a-package" in json.dumps(graph.environments)
