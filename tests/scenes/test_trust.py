"""Who may look into a workspace, and whom its token is given to."""

from __future__ import annotations

import http.server
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from canalis import local
from canalis.contract.token import proof
from canalis.exceptions import WorkspaceException
from canalis.workspace import Workspace
from tests.scenes.conftest import Author, is_alive, process_of, until

pytestmark = pytest.mark.laptop("about the folder and the port of a workspace on this machine")


@pytest.fixture
def own(own_home, project) -> Author:
    """An author with a workspace of their own."""
    author = Author(Workspace.create("own", show_output=False), project)
    yield author
    author.ws._client.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_can_look_into_a_workspace(own, own_home):
    own.runs(own.step("a"))
    assert (mode(own_home), mode(own_home / "own"), mode(own_home / "token")) == (0o700, 0o700, 0o600)


def test_a_folder_that_was_there_for_other_things_stays_as_it_is(project, monkeypatch):
    home = project / "shared"
    home.mkdir(mode=0o755)
    (home / ".gitignore").write_text("mine: build/\n")
    monkeypatch.setenv("CANALIS_HOME", str(home))

    Workspace.create("own", show_output=False)

    assert (home / ".gitignore").read_text() == "mine: build/\n"
    assert (home / "own" / ".gitignore").read_text() == "*\n"
    assert (mode(home), mode(home / "own")) == (0o755, 0o700)


def test_who_has_taken_the_port_of_a_service_that_died_is_not_given_the_token(own):
    """The impostor has read service.json, and passes nonces on to the service that came after."""
    root = own.ws._root
    own.ws._client.get("/health")
    known = json.loads((root / "service.json").read_text())
    os.kill(known["pid"], signal.SIGKILL)
    until(lambda: not is_alive(known["pid"]))
    opens = (root.parent / "token").read_text().strip()
    seen: list[str | None] = []

    class Impostor(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.headers.get("Authorization"))
            nonce = self.path.partition("nonce=")[2]
            body = json.dumps({"instance": known["instance"], "proof": proof(opens, "http://127.0.0.1:1", nonce)})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *ignored):
            pass

    port = int(known["endpoint"].rpartition(":")[2])

    def bound() -> http.server.HTTPServer | None:
        try:
            return http.server.HTTPServer(("127.0.0.1", port), Impostor)
        except OSError:
            return None  # the last threads of the one that died still hold it

    with until(bound) as impostor:
        threading.Thread(target=impostor.serve_forever, daemon=True).start()
        assert Workspace.get("own")._client.endpoint.url != known["endpoint"], "the true one is started beside it"
        time.sleep(1.1)  # a client trusts for a second what it has found
        assert own.ws._client.get("/runs") == [], "who knew the old one asks anew before it sends the token"
        assert process_of(root) != known["pid"]
        impostor.shutdown()
    assert set(seen) == {None}, "it was asked for its proof, and told nothing"


def test_a_service_proves_itself_for_no_other_place(own):
    endpoint, opens = own.ws._client.endpoint
    asked = urllib.request.Request(f"{endpoint}/api/v1/health?nonce=n", headers={"Host": "127.0.0.1:1"})
    with urllib.request.urlopen(asked, timeout=5) as answer:
        assert json.load(answer)["proof"] == proof(opens, endpoint, "n")


@pytest.mark.parametrize("text", ["", "\n", "short"])
def test_a_token_that_keeps_nobody_out_is_refused_by_both_sides(own_home, text):
    root = own_home / "own"
    local.create(root, {"name": "own", "subscription_id": "s", "resource_group": "r", "location": "l"})
    (own_home / "token").write_text(text)

    door = subprocess.run([sys.executable, "-P", str(local._DOOR), "--root", str(root)], capture_output=True, text=True)
    assert door.returncode == 1 and "fewer than 32: delete the file" in door.stderr
    with pytest.raises(WorkspaceException, match="fewer than 32: delete the file"):
        local.endpoint(root)
