"""A workspace in the cloud: the same scripts and commands against a service that is somewhere else."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api.access import Role
from canalis import host, local
from canalis.authentication import ArmTokenAuthentication, InteractiveLoginAuthentication, TokenAuthentication
from canalis.cli import main
from canalis.contract.errors import NotAllowed
from canalis.data import PipelineData
from canalis.datastore import Datastore
from canalis.exceptions import AuthenticationException, UserErrorException, WorkspaceException
from canalis.workspace import Workspace
from tests.cloud import AUDIENCE, Cloud, access_token, environment_of
from tests.scenes.conftest import Author, log_of


@pytest.fixture
def cloud(tmp_path):
    cloud = Cloud(tmp_path / "elsewhere" / "root")
    yield cloud
    cloud.close()


@pytest.fixture(autouse=True)
def connections(monkeypatch):
    """Connections do not outlive their test."""
    made, client = [], host.CloudHost.client
    monkeypatch.setattr(host.CloudHost, "client", lambda self: made.append(client(self)) or made[-1])
    yield
    for one in made:
        one.close()


@pytest.fixture
def ada(cloud):
    """Somebody who may submit, as v1's scripts sign in."""
    token = cloud.guard.knows("ada@example.com")
    return TokenAuthentication(lambda audience: token if audience == AUDIENCE else "no token for that")


@pytest.fixture
def ws(cloud, ada, project):
    cloud.writes_config(project)
    return Workspace.from_config(auth=ada)


@pytest.fixture
def signed_in(cloud, ada, project, monkeypatch):
    """The command line, in this process: without az and a browser its credential is given to it."""
    cloud.writes_config(project)
    host._default_sign_in.cache_clear()
    monkeypatch.setattr(host, "_default_sign_in", lambda url: host.EntraSignIn(url, ada))

    def command(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["canalis", *words])
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0)

    return command


def test_a_pipeline_runs_in_the_cloud_that_config_json_names(ws, cloud, project):
    author = Author(ws, project)
    model = PipelineData("model", datastore=ws.get_default_datastore())
    train = author.step(
        "train",
        """
        import sys
        open(sys.argv[1], "w").write("weights")
        open("outputs/note.txt", "w").write("noted")
        print("trained far away")
        """,
        arguments=[model],
        outputs=[model],
    )
    run = author.submits(train)

    assert run.wait_for_completion(show_output=False) == "Finished"
    assert log_of(run, "train").strip() == "trained far away"
    (step,) = run.get_steps()
    assert step.get_output_data("model").download("got", show_progress=False) == 1
    assert [path.read_text() for path in Path("got").rglob("model")] == ["weights"]
    step.download_files("outputs/", "files")
    assert Path("files/outputs/note.txt").read_text() == "noted"

    assert not (local.home() / "cloud-ws").exists()
    assert cloud.links.count("PUT") == 1, "the source file went straight to the storage"
    assert cloud.links.count("GET") == 2 and cloud.incoming() == []
    assert {*cloud.guard.brought} == {ws._host.token()}


def test_a_workspace_in_the_cloud_says_where_it_is(ws, cloud, project, ada, monkeypatch):
    assert (ws.name, ws.location, ws.resource_group) == ("cloud-ws", "westeurope", "group")
    assert ws.get_details()["discoveryUrl"] == f"{cloud.url}/discovery" and ws._root is None
    ws.write_config("copy")
    assert json.loads(Path("copy/.azureml/config.json").read_text())["canalis_url"] == cloud.url

    again = Workspace.from_config("copy", auth=ada)
    by_name = Workspace.get("cloud-ws", auth=ada, canalis_url=cloud.url + "/")
    monkeypatch.setenv("CANALIS_URL", cloud.url)
    by_setting = Workspace(workspace_name="cloud-ws", auth=ada)
    assert ws == again == by_name == by_setting and len({ws, again, by_name, by_setting}) == 1
    assert ws != Workspace._at(host.LocalHost(project / ".canalis" / "cloud-ws"))
    assert Workspace.create("cloud-ws", auth=ada, exist_ok=True) == ws
    with pytest.raises(UserErrorException, match="exists already at http"):
        Workspace.create("cloud-ws", auth=ada)
    assert ws in Workspace.list(auth=ada)["cloud-ws"]


def test_a_script_that_names_its_old_workspace_goes_on_in_the_new_one(cloud, ada, project, monkeypatch, capsys):
    monkeypatch.setenv("CANALIS_URL", cloud.url)
    assert Workspace.get("old-ws", auth=ada, subscription_id="s", resource_group="r").name == "cloud-ws"
    assert "serves workspace 'cloud-ws', not 'old-ws'" in capsys.readouterr().err


def test_v1s_header_opens_the_cloud_as_well(ws, ada):
    assert ada.get_authentication_header() == {"Authorization": f"Bearer {ws._host.token()}"}


def test_a_token_is_asked_for_again_before_it_runs_out_and_not_sooner(cloud, project):
    asked = []

    def ask(audience: str) -> str:
        asked.append(audience)
        return cloud.guard.knows("ada@example.com", lifetime_s=400, number=len(asked))

    ws = Workspace.get("cloud-ws", auth=TokenAuthentication(ask), canalis_url=cloud.url)
    for _ in range(5):
        ws._client.get("/runs")
    assert asked == [AUDIENCE]

    ws._host.sign_in._expires_at = time.time() + 299
    ws._client.get("/runs")
    ws._client.get("/runs")
    assert asked == [AUDIENCE] * 2 and len({*cloud.guard.brought}) == 2


def test_who_is_refused_reads_as_whom_and_what_is_missing(cloud, project):
    reader = cloud.guard.knows("eve@example.com", Role.READER)
    ws = Workspace.get("cloud-ws", auth=TokenAuthentication(lambda audience: reader), canalis_url=cloud.url)
    with pytest.raises(NotAllowed, match=r"needs the role submitter; you are reader.*\(signed in as eve@example.com\)"):
        author = Author(ws, project)
        author.submits(author.step("only", "print(1)"))

    stranger = access_token("mallory@example.com")
    with pytest.raises(NotAllowed, match=r"not good here \(signed in as mallory@example.com\)"):
        Workspace.get("cloud-ws", auth=TokenAuthentication(lambda audience: stranger), canalis_url=cloud.url)


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com",
        "https://user:secret@example.com",
        "https://example.com/api/v1",
        "https://example.com?x=1",
        "ftp://127.0.0.1",
        "http://127.0.0.1.example.com",
        "example.com",
        "https://",
    ],
)
def test_an_address_that_would_send_tokens_astray_is_refused(project, address):
    Path("config.json").write_text(json.dumps({"workspace_name": "w", "canalis_url": address}))
    with pytest.raises(UserErrorException, match=r"canalis_url is .*must be the address of a service, https"):
        Workspace.from_config()


def test_an_address_where_nothing_is_is_told_as_such(project, monkeypatch):
    monkeypatch.setattr("canalis.sign_in._FIRST_AWAY_S", 0.5)
    with pytest.raises(WorkspaceException, match=r"There is no Canalis service at http://127.0.0.1:1"):
        Workspace.get("w", auth=TokenAuthentication(lambda audience: "x"), canalis_url="http://127.0.0.1:1")


@pytest.mark.parametrize("audience", ["https://management.azure.com", "", "https://graph.microsoft.com", "api: //x"])
def test_a_service_gets_no_token_for_anything_but_its_own_application(tmp_path, audience):
    asked = []
    cloud = Cloud(tmp_path / "wicked" / "root", audience=audience)
    try:
        with pytest.raises(AuthenticationException, match=r"audience|application of its own"):
            Workspace.get("w", auth=TokenAuthentication(lambda one: asked.append(one) or "x"), canalis_url=cloud.url)
        assert asked == [] and cloud.guard.brought == []
    finally:
        cloud.close()


def test_nobody_signs_in_anywhere_but_at_microsofts(tmp_path):
    cloud = Cloud(tmp_path / "wicked" / "root", authority="https://login.example.com/tenant")
    try:
        with pytest.raises(AuthenticationException, match=r"sign in at https://login.example.com/tenant"):
            Workspace.get("w", auth=InteractiveLoginAuthentication(), canalis_url=cloud.url)
    finally:
        cloud.close()


def test_a_token_of_azures_own_is_not_sent(cloud):
    arm = access_token("ada@example.com", audience="https://management.azure.com/")
    with pytest.raises(AuthenticationException, match=r"opens https://management.azure.com/, so it is not sent"):
        Workspace.get("w", auth=ArmTokenAuthentication(arm), canalis_url=cloud.url)
    assert cloud.guard.brought == []


def test_without_azure_identity_the_way_to_get_it_is_told(cloud, monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(AuthenticationException, match=r"pip install 'canalis\[azure\]'"):
        Workspace.get("w", auth=InteractiveLoginAuthentication(), canalis_url=cloud.url)


def test_azure_identity_is_not_loaded_before_somebody_signs_in(project):
    script = "import sys, canalis; from azureml.core import Workspace, Run; import azureml.core.authentication\n"
    script = f"import canalis; canalis.install_as_azureml()\n{script}"
    script += "print([name for name in sys.modules if name.startswith(('azure.', 'httpx2', 'rich', 'msal'))])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_step_in_the_cloud_knows_its_run_by_the_token_that_it_was_given(ws, cloud, project):
    author = Author(ws, project)
    run = author.runs(author.step("only", "print('done')"))
    (step,) = run.get_steps()
    token = cloud.guard.knows(f"run {run.id}")
    (project / "artifacts").mkdir()
    context = {
        "run_id": step.id,
        "pipeline_run_id": run.id,
        "node": "only",
        "attempt": 1,
        "name": "only",
        "experiment": "scene",
        "workspace": "cloud-ws",
        "subscription_id": "sub",
        "resource_group": "group",
        "location": "westeurope",
        "service": {"url": cloud.url, "token": token},
        "metrics": str(project / "metrics.jsonl"),
        "artifacts": str(project / "artifacts"),
        "inputs": {},
        "outputs": {},
    }
    (project / "context.json").write_text(json.dumps(context))
    (project / "inside.py").write_text(
        """
from azureml.core import Datastore, Run, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
run = Run.get_context()
run.log("loss", 0.5)
ws = run.experiment.workspace
assert ws == Workspace.from_config() == Workspace.get("whatever"), ws
open("data.txt", "w").write("from inside")
store = ws.get_default_datastore()
store.upload_files(["data.txt"], target_path="inside", overwrite=True, show_progress=False)
assert store.download("back", prefix="inside", show_progress=False) == 1
run.upload_file("notes/data.txt", "data.txt")
run.parent.upload_file("parents.txt", "data.txt")
print(ws.name, ws.location, run.parent.id, run.parent.get_status(), [one.name for one in run.parent.get_steps()])
print(InteractiveLoginAuthentication().get_authentication_header()["Authorization"])
"""
    )
    cloud.guard.brought.clear()
    done = subprocess.run(
        [sys.executable, "inside.py"], env=environment_of(project / "context.json"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first, header = done.stdout.splitlines()
    assert first == f"cloud-ws westeurope {run.id} Finished ['only']" and header == f"Bearer {token}"
    assert {*cloud.guard.brought} == {token}
    assert Path("back/inside/data.txt").read_text() == "from inside"
    assert json.loads((project / "metrics.jsonl").read_text())["name"] == "loss"
    assert run.get_file_names() == ["parents.txt"] and cloud.links.count("PUT") >= 2


def test_the_command_line_works_on_the_workspace_in_the_cloud(ws, signed_in, project, capsys, cloud):
    author = Author(ws, project)
    run = author.runs(author.step("only", "open('outputs/made.txt', 'w').write('made')\nprint('here I am')"))
    capsys.readouterr()

    assert signed_in("runs") == 0 and run.id[:8] in capsys.readouterr().out
    assert signed_in("show", run.id[:8]) == 0 and "only" in capsys.readouterr().out
    assert signed_in("logs", run.id[:8]) == 0 and capsys.readouterr().out == "here I am\n"
    assert signed_in("files", run.id[:8]) == 0 and "outputs/made.txt" in capsys.readouterr().out
    assert signed_in("download", run.id[:8], "outputs/", "-o", "here") == 0
    assert Path("here/only/outputs/made.txt").read_text() == "made"
    assert signed_in("cancel", run.id[:8]) == 0
    capsys.readouterr()

    assert signed_in("serve") == 1 and f"nothing to serve here: workspace 'cloud-ws' is served at {cloud.url}" in (
        capsys.readouterr().err
    )
    assert signed_in("stop") == 1 and "nothing to stop here" in capsys.readouterr().err
    assert signed_in("runs", "-w", "cloud-ws") == 0
    assert signed_in("runs", "-w", "cloud-w") == 1 and "serves 'cloud-ws'" in capsys.readouterr().err
    assert signed_in("show", "00000000") == 1 and "There is no run 00000000" in capsys.readouterr().err
    assert Datastore.get_default(ws).name == "workspaceblobstore"
