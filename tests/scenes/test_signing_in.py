"""Signing in with azure-identity itself: against a managed identity's endpoint, and a command line of Azure's."""

from __future__ import annotations

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from canalis import host
from canalis.authentication import (
    AbstractAuthentication,
    AzureCliAuthentication,
    InteractiveLoginAuthentication,
    MsiAuthentication,
    ServicePrincipalAuthentication,
    TokenAuthentication,
)
from canalis.exceptions import AuthenticationException
from canalis.sign_in import Authority
from canalis.workspace import Workspace
from tests.cloud import AUDIENCE, Cloud, access_token
from tests.scenes.conftest import canalis

pytestmark = pytest.mark.laptop("brings a service in the cloud of its own")

TENANT = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def cloud(tmp_path):
    cloud = Cloud(tmp_path / "elsewhere" / "root")
    yield cloud
    cloud.close()


@pytest.fixture(autouse=True)
def connections(monkeypatch):
    made, client = [], host.CloudHost.client
    monkeypatch.setattr(host.CloudHost, "client", lambda self: made.append(client(self)) or made[-1])
    host._default_sign_in.cache_clear()
    yield
    for one in made:
        one.close()


@pytest.fixture
def machine(cloud, monkeypatch):
    """The endpoint that an app in Azure has for its managed identity. Source: Microsoft, App Service, REST endpoint."""
    asked: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            is_ours = self.headers["X-IDENTITY-HEADER"] == "secret"
            asked.append(query)
            token = cloud.guard.knows("the machine")
            body = {"access_token": token, "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
            body |= {"resource": query["resource"][0], "client_id": "id"}
            said = json.dumps(body).encode()
            self.send_response(200 if is_ours else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *ignored: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "secret")
    yield asked
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def az(cloud, tmp_path, monkeypatch):
    """An `az` that is signed in, and writes down how it was called."""
    folder, token = tmp_path / "bin", cloud.guard.knows("ada@example.com")
    folder.mkdir()
    answer = {"accessToken": token, "expires_on": int(time.time()) + 3600, "expiresOn": "2099-01-01 00:00:00.000000"}
    program = folder / "az"
    program.write_text(f"#!/bin/sh\necho \"$*\" >> {folder}/calls\necho '{json.dumps(answer)}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "calls"


def test_a_machine_signs_in_with_its_identity(cloud, machine):
    ws = Workspace.get("cloud-ws", auth=MsiAuthentication({"client_id": "1234"}), canalis_url=cloud.url)
    ws._client.get("/runs")
    assert [asked["resource"] for asked in machine] == [[AUDIENCE]], "asked for once"
    assert machine[0]["client_id"] == ["1234"]


def test_without_a_word_azure_identitys_default_signs_in_once_for_all_workspaces(cloud, machine, monkeypatch):
    monkeypatch.setenv("CANALIS_URL", cloud.url)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "prod")  # not those of whoever runs the tests
    assert Workspace.from_config() == Workspace.get("cloud-ws")
    assert [asked["resource"] for asked in machine] == [[AUDIENCE]]


def test_the_azure_command_line_is_asked_once(cloud, az):
    ws = Workspace.get("cloud-ws", auth=AzureCliAuthentication(), canalis_url=cloud.url)
    for _ in range(3):
        ws._client.get("/runs")
    (call,) = az.read_text().splitlines()
    assert f"--resource {AUDIENCE}" in call and f"--tenant {TENANT}" in call


def test_a_command_line_that_is_not_signed_in_is_told_with_what_to_do(cloud, az):
    (az.parent / "az").write_text("#!/bin/sh\necho \"ERROR: Please run 'az login' to setup account.\" >&2\nexit 1\n")
    with pytest.raises(AuthenticationException, match=r"(?s)Signing in to http.* did not work: .*az login"):
        Workspace.get("cloud-ws", auth=AzureCliAuthentication(), canalis_url=cloud.url)


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        (AbstractAuthentication(), "DefaultAzureCredential"),
        (InteractiveLoginAuthentication(tenant_id=TENANT), "InteractiveBrowserCredential"),
        (AzureCliAuthentication(), "AzureCliCredential"),
        (MsiAuthentication(), "ManagedIdentityCredential"),
        (MsiAuthentication({"object_id": "1234"}), "ManagedIdentityCredential"),
        (ServicePrincipalAuthentication(TENANT, "id", "password"), "ClientSecretCredential"),
        (ServicePrincipalAuthentication(TENANT, "id", "password", cloud="AzureUSGovernment"), "ClientSecretCredential"),
    ],
)
def test_each_of_v1s_ways_is_a_credential_of_azure_identity(auth, expected):
    import azure.identity

    found = auth._credential(Authority("login.microsoftonline.com", TENANT))
    assert type(found) is getattr(azure.identity, expected)


def test_a_password_goes_nowhere_but_to_the_cloud_that_was_named():
    authority = Authority("login.microsoftonline.com", TENANT)
    for cloud, login in (("AzureCloud", authority.host), ("AzureUSGovernment", "login.microsoftonline.us")):
        assert ServicePrincipalAuthentication(TENANT, "id", "password", cloud=cloud)._host(authority) == login
    with pytest.raises(AuthenticationException, match="'Elsewhere' is no cloud that is known here"):
        ServicePrincipalAuthentication(TENANT, "id", "password", cloud="Elsewhere")._credential(authority)


def test_something_else_than_an_authentication_is_refused(cloud):
    with pytest.raises(AuthenticationException, match="auth must be one of"):
        Workspace.get("cloud-ws", auth="a token", canalis_url=cloud.url)


def test_a_token_in_the_environment_opens_the_service_that_is_named_beside_it(cloud, monkeypatch):
    monkeypatch.setenv("CANALIS_URL", cloud.url + "/")
    monkeypatch.setenv("CANALIS_TOKEN", cloud.guard.knows("ci@example.com") + "\n")
    ws = Workspace.from_config()
    assert ws.name == "cloud-ws" and ws._host.sign_in.who() == "ci@example.com"
    listed = canalis("runs", check=0)
    assert listed.stdout.startswith("No runs yet")

    other = cloud.guard.knows("ada@example.com")
    Workspace.get("cloud-ws", auth=TokenAuthentication(lambda audience: other))
    assert cloud.guard.brought[-1] == other, "who signs in explicitly is meant"


def test_a_token_in_the_environment_is_sent_to_no_other_service(cloud, machine, project, monkeypatch):
    secret = access_token("ci@example.com")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "prod")
    monkeypatch.setenv("CANALIS_TOKEN", secret)
    cloud.writes_config(project)
    Workspace.from_config()
    monkeypatch.setenv("CANALIS_URL", "https://canalis.example.com")
    Workspace.get("cloud-ws", canalis_url=cloud.url)
    assert len(cloud.guard.brought) == 2 and secret not in cloud.guard.brought


@pytest.mark.parametrize("token", ['"a.b.c"', "a b", "{accessToken: a.b.c}"])
def test_what_cannot_be_a_token_is_told_before_anything_is_sent(cloud, monkeypatch, token):
    monkeypatch.setenv("CANALIS_URL", cloud.url)
    monkeypatch.setenv("CANALIS_TOKEN", token)
    with pytest.raises(AuthenticationException, match="CANALIS_TOKEN is no access token"):
        Workspace.from_config()
    assert cloud.guard.brought == []
