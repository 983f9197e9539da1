"""Programs of this machine hear of runs that have ended: by webhooks, and on the topic."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx2
import pytest
from standardwebhooks import Webhook

from canalis import local
from canalis.workspace import Workspace
from tests.cloud_events import data_of, read_event
from tests.house.test_docs import ROOT
from tests.receivers import Receiver
from tests.scenes.conftest import Author, process_of, until

pytestmark = pytest.mark.laptop("the service in the cloud sends nothing to this machine (tests/azure/test_events.py)")


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def subjects(receiver: Receiver) -> list[str]:
    return [json.loads(came.body)["subject"] for came in receiver.came]


def test_a_program_of_this_machine_hears_of_the_runs_of_its_experiment(author, receiver):
    client = author.ws._client
    made = client.post("/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/hook", "experiment": "heard"})
    try:
        heard = author.runs(author.step("quick", "print('done')"), experiment="heard")
        author.runs(author.step("other", "print('done')"), experiment="unheard")
        until(lambda: receiver.came)
        assert subjects(receiver) == [heard.id]
        (came,) = receiver.came
        Webhook(made["secret"]).verify(came.body, came.headers)
        event = read_event(came.body, came.headers["content-type"])
        assert event.get_type() == "io.canalis.run.completed" and data_of(came.body)["status"] == "completed"
        (last,) = until(lambda: client.get(f"/webhooks/{made['id']}")["last"])
        assert last["ok"] and last["run"] == heard.id
    finally:
        client.delete(f"/webhooks/{made['id']}")


def test_the_receiver_that_the_how_to_shows_believes_us_and_nobody_else(author, tmp_path):
    page = (ROOT / "docs" / "how-to" / "hear-of-runs-that-end.md").read_text()
    (script,) = re.findall(r"```python\n# receiver.py\n(.*?)```", page, re.DOTALL)
    (tmp_path / "receiver.py").write_text(script)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = author.ws._client
    made = client.post("/webhooks", {"url": f"http://127.0.0.1:{port}/", "experiment": "how-to"})
    environment = {**os.environ, "HOOK_SECRET": made["secret"], "PORT": str(port)}
    line = [sys.executable, "receiver.py"]
    with subprocess.Popen(
        line, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as receiver:
        try:
            until(lambda: client.post(f"/webhooks/{made['id']}/test")["status"])
            forged = {"webhook-id": "x", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"}
            assert httpx2.post(f"http://127.0.0.1:{port}/", content=b"{}", headers=forged).status_code == 401
            run = author.runs(author.step("quick", "print('done')"), experiment="how-to")
            kinds = {"io.canalis.webhook.test": made["id"], "io.canalis.run.completed": run.id}
            said = [receiver.stdout.readline().split() for _ in kinds]
            assert dict(said) == kinds
        finally:
            receiver.kill()
            client.delete(f"/webhooks/{made['id']}")


def test_what_a_receiver_did_not_take_is_told_by_the_next_service_when_this_one_is_killed(own_home, project, receiver):
    ws = Workspace.create("killed", exist_ok=True, show_output=False)
    author = Author(ws, project)
    receiver.answer = (503, {}, b"not now")
    made = ws._client.post("/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/hook"})
    run = author.runs(author.step("quick", "print('done')"))
    until(lambda: receiver.came)
    until(lambda: ws._client.get(f"/webhooks/{made['id']}")["last"])

    os.kill(process_of(own_home / "killed"), signal.SIGKILL)
    receiver.answer = (200, {}, b"")
    before = len(receiver.came)
    assert run.get_status() == "Finished", "whoever asks starts the next service"
    until(lambda: len(receiver.came) > before, 60)
    assert set(subjects(receiver)) == {run.id}
    assert len({came.headers["webhook-id"] for came in receiver.came}) == 1
    (last, *_) = until(lambda: [one for one in ws._client.get(f"/webhooks/{made['id']}")["last"] if one["ok"]])
    assert last["status"] == 200
    ws._client.close()


def test_what_would_be_on_the_topic_can_be_looked_at(own_home, project, monkeypatch):
    monkeypatch.setenv("CANALIS_EVENTS_TOPIC", "run-events")
    ws = Workspace.create("topic", exist_ok=True, show_output=False)
    author = Author(ws, project)
    good = author.runs(author.step("good", "print('done')"))
    bad = author.runs(author.step("bad", "raise SystemExit(3)"))

    found: list[dict] = []

    def both() -> bool:
        found.extend(ws._client.post("/queues/run-events/receive", count=10))
        return len(found) == 2

    until(both)
    assert [one["properties"]["subject"] for one in found] == [good.id, bad.id]
    assert [read_event(one["body"]).get_type().rpartition(".")[2] for one in found] == ["completed", "failed"]
    ws._client.close()


def test_a_setting_that_cannot_be_is_said_by_the_service_that_does_not_start(own_home, monkeypatch):
    monkeypatch.setenv("CANALIS_CALLBACK_HOSTS", "*")
    with pytest.raises(Exception, match="CANALIS_CALLBACK_HOSTS is for hosts that are named"):
        Workspace.create("odd", exist_ok=True, show_output=False)._client.get("/workspace")
    assert not local.running(own_home / "odd")
