"""A workspace in the cloud: the same scripts and commands against a service that is somewhere else."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api import incoming
from api.access import Role
from canalis import host, local
from canalis.authentication import ArmTokenAuthentication, InteractiveLoginAuthentication, TokenAuthentication
from canalis.cli import main
from canalis.contract.errors import CanalisError, Forbidden, NotAllowed, StoreUnavailable
from canalis.data import PipelineData
from canalis.datastore import Datastore
from canalis.exceptions import AuthenticationException, UserErrorException, WorkspaceException
from canalis.workspace import Workspace
from tests.cloud import AUDIENCE, Cloud, access_token
from tests.scenes.conftest import Author, log_of

pytestmark = pytest.mark.laptop("brings a service in the cloud of its own")


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
    with pytest.raises(Forbidden, match=r"needs the role submitter; you are reader.*\(signed in as eve@example.com\)"):
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
    with pytest.raises(WorkspaceException, match=r"No Canalis service answers at http://127.0.0.1:1"):
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


def test_a_step_in_the_cloud_works_with_the_token_of_its_run(ws, cloud, project):
    author = Author(ws, project)
    step = author.step(
        "only",
        """
        import json, os
        from azureml.core import Datastore, Run, Workspace
        from azureml.core.authentication import InteractiveLoginAuthentication

        assert "home" not in json.load(open(os.environ["CANALIS_CONTEXT"]))
        run = Run.get_context()
        run.log("loss", 0.5)
        ws = run.experiment.workspace
        assert ws == Workspace.from_config() == Workspace.get("cloud-ws"), ws
        open("data.txt", "w").write("from inside")
        store = ws.get_default_datastore()
        store.upload_files(["data.txt"], target_path="inside", overwrite=True, show_progress=False)
        assert store.download("back", prefix="inside", show_progress=False) == 1
        run.upload_file("notes/data.txt", "data.txt")
        run.parent.upload_file("parents.txt", "data.txt")
        print(ws.name, ws.location, run.parent.get_status(), [one.name for one in run.parent.get_steps()])
        print(InteractiveLoginAuthentication().get_authentication_header()["Authorization"])
        """,
    )
    run = author.runs(step)
    log = log_of(run, "only")
    assert run.get_status() == "Finished", log
    first, header = log.splitlines()
    assert first == "cloud-ws westeurope Running ['only']"
    token = header.removeprefix("Bearer ")
    assert cloud.guard.callers[token].name == f"run {run.find_step_run('only')[0].id}"
    assert token in cloud.guard.brought
    assert run.get_metrics(recursive=True) == {run.find_step_run("only")[0].id: {"loss": 0.5}}
    assert run.get_file_names() == ["parents.txt"]
    assert ("PUT", "inside/data.txt") in cloud.links.seen and ("GET", "inside/data.txt") in cloud.links.seen


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


def test_a_service_that_was_asleep_is_waited_for(ws, cloud, monkeypatch):
    monkeypatch.setattr("canalis.client._STARTING_REST_S", 0.01)
    cloud.in_front = [(502, {}), (503, {})]
    assert ws._client.get("/workspace")["name"] == "cloud-ws" and cloud.in_front == []


def test_what_stands_before_a_service_and_refuses_is_told_as_such(ws, cloud):
    cloud.in_front = [(403, {})]
    with pytest.raises(Forbidden, match=r"refuses \(403\): ask .* reader to look.*\(signed in as ada@example.com\)"):
        ws._client.get("/runs")
    cloud.in_front = [(302, {"location": "https://login.example.com"})]
    with pytest.raises(CanalisError, match=r"302 from .*, which leads to https://login.example.com"):
        ws._client.get("/runs")


def test_files_go_straight_to_the_storage_several_at_once(ws, cloud, project, capsys):
    store = ws.get_default_datastore()
    for number in range(40):
        path = project / "many" / f"{number % 3}" / f"{number:02}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * 1000 * number)
    cloud.links.rest_s = 0.02
    store.upload("many", "set")
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[-1] == "Uploaded 40 of 40 files"
        and lines[0] == "Uploaded many/0/00.bin to workspaceblobstore/set/0/00.bin"
    )
    assert cloud.links.count("PUT") == 40 and 2 <= cloud.links.most_at_once <= 8

    store.upload("many", "set")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Uploaded 0 of 40 files" and "set/0/00.bin is there already and was kept" in lines[0]
    assert cloud.links.count("PUT") == 40

    assert store.download("back", "set") == 40
    assert capsys.readouterr().out.splitlines()[0] == "Downloaded set/0/00.bin"
    assert cloud.links.count("GET") == 40
    for path in (project / "many").rglob("*.bin"):
        assert (project / "back" / "set" / path.relative_to(project / "many")).read_bytes() == path.read_bytes()
    assert store.download("back", "set") == 0


def test_a_file_whose_answer_was_lost_counts_and_one_that_somebody_else_put_does_not(ws, cloud, project, capsys):
    store = ws.get_default_datastore()
    Path("mine.txt").write_text("mine")
    cloud.links.drop_after = 1
    store.upload_files(["mine.txt"], target_path="a")
    assert "Uploaded 1 of 1 files" in capsys.readouterr().out and cloud.links.count("PUT") == 2

    blobs = cloud.ports.stores.open(store.name)
    give = cloud.links.give
    # Between the look and the upload: the link was given, and somebody is faster.
    cloud.links.give = lambda *asked: (blobs.put("b/mine.txt", b"theirs"), give(*asked))[1]
    store.upload_files(["mine.txt"], target_path="b")
    assert "Uploaded 0 of 1 files" in capsys.readouterr().out
    assert blobs.get("b/mine.txt") == b"theirs" and blobs.get("a/mine.txt") == b"mine"


def test_an_upload_that_fails_says_so_and_counts_nothing(ws, cloud, project, capsys, monkeypatch):
    monkeypatch.setattr("canalis.transfer._AWAY_S", 0.5)
    Path("mine.txt").write_text("mine")
    cloud.links.drop = 10_000
    with pytest.raises(StoreUnavailable, match=r"mine.txt: the storage does not answer"):
        ws.get_default_datastore().upload_files(["mine.txt"])
    assert "Uploaded" not in capsys.readouterr().out
    author = Author(ws, project)
    with pytest.raises(StoreUnavailable):
        author.submits(author.step("only", "print(1)"))
    assert ws._client.get("/runs") == []


def test_many_source_files_go_in_rounds_and_what_is_known_is_not_sent_again(ws, cloud, project):
    author = Author(ws, project)
    for number in range(incoming.FILES_MAX + 50):
        author.writes(f"package/part_{number}.py", f"NUMBER = {number}\n")
    step = author.step("only", "from package import part_7; print(part_7.NUMBER)")
    cloud.links.drop_after = 3
    run = author.runs(step)
    assert log_of(run, "only").strip() == "7"
    assert cloud.links.count("PUT") == incoming.FILES_MAX + 51 + 3 and cloud.incoming() == []
    author.runs(author.step("only", "from package import part_8; print(part_8.NUMBER)"))
    assert cloud.links.count("PUT") == incoming.FILES_MAX + 51 + 3 + 1


def test_a_source_file_that_is_changed_while_it_is_sent_is_read_again(ws, cloud, project):
    author = Author(ws, project)
    step = author.step("only", "print('first')")
    give = cloud.links.give

    def give_and_change(blobs, key, lifetime_s, write):
        if write and not cloud.links.seen:
            author.writes("only.py", "print('later')")
        return give(blobs, key, lifetime_s, write)

    cloud.links.give = give_and_change
    assert log_of(author.runs(step), "only").strip() == "later"
    assert cloud.incoming() == []


def test_where_the_service_gives_no_links_everything_goes_through_it(tmp_path, project):
    cloud = Cloud(tmp_path / "plain" / "root", with_links=False)
    try:
        token = cloud.guard.knows("ada")
        ws = Workspace.get("cloud-ws", auth=TokenAuthentication(lambda audience: token), canalis_url=cloud.url)
        author = Author(ws, project)
        run = author.runs(author.step("only", "open('outputs/made', 'w').write('made')"))
        run.find_step_run("only")[0].download_file("outputs/made", "made")
        assert Path("made").read_text() == "made"
        store = ws.get_default_datastore()
        store.upload_files(["made"], target_path="x", show_progress=False)
        assert store.download("back", show_progress=False) >= 1 and Path("back/x/made").read_text() == "made"
        assert cloud.links.seen == []
    finally:
        cloud.close()
