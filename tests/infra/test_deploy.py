"""`canalis deploy` against a stand-in for `az`, and its plan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from canalis.cli.words import app
from canalis.deployment import az, costs
from canalis.deployment.actions import Wanted, actions, script
from canalis.deployment.project import Project
from canalis.exceptions import UserErrorException
from tests.infra.conftest import ROOT

PROJECT = Project.at(ROOT)


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/v1/health" else 404)
        self.end_headers()

    def log_message(self, *ignored):
        pass


@pytest.fixture
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class Cloud:
    """What the stand-in has in its file."""

    def __init__(self, file):
        self.file = file

    def read(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {"calls": []}

    def put(self, **state):
        self.file.write_text(json.dumps({**self.read(), **state}))

    def calls(self):
        """The commands so far, which are forgotten."""
        state = self.read()
        self.put(calls=[])
        return state["calls"]


@pytest.fixture
def cloud(tmp_path, monkeypatch, service):
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "az").write_text(f'#!/bin/sh\nexec "{sys.executable}" -SE "{Path(__file__).with_name("az.py")}" "$@"\n')
    (commands / "az").chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("AZ_STATE", str(tmp_path / "cloud.json"))
    monkeypatch.setenv("AZ_URL", service)
    return Cloud(tmp_path / "cloud.json")


def wanted(tmp_path, **changes):
    package = tmp_path / "app.zip"
    package.write_bytes(b"PK")
    given = {
        "name": "mine",
        "resource_group": "rg-mine",
        "location": "westeurope",
        "workspace": "team's own",
        "profile": "frugal",
        "root": str(ROOT),
        "package": str(package),
        "budget_start": "2026-11-01",
    }
    return Wanted(**{**given, **changes})


def ignore(said):
    pass


def test_the_plan_as_a_script_does_what_a_deployment_does(cloud, tmp_path):
    """What is shown is what is run: with nothing there, and with everything there."""
    found = actions(wanted(tmp_path))
    for _ in range(2):
        before = cloud.read()
        az.run(found, ignore)
        run = cloud.calls()
        cloud.file.write_text(json.dumps({**before, "calls": []}))
        subprocess.run(["bash", "-eu", "-c", script(found)], check=True, capture_output=True, timeout=60)
        assert cloud.calls() == run


def test_a_deployment_can_be_made_again(cloud, tmp_path):
    """The key, the budget's day and the application stay; nobody is assigned twice."""
    az.run(actions(wanted(tmp_path)), ignore)
    first = cloud.read()["deployed"]
    assert first["makeRunKey"] == "true" and first["audience"] == "app-1" and first["workspace"] == "team's own"
    az.run(actions(wanted(tmp_path, budget_start="2027-03-01", profile="responsive")), ignore)
    assert cloud.read()["keys"] == 1
    assert cloud.read()["deployed"] == {**first, "makeRunKey": "false"}
    assert ["ad", "app", "create"] in [call[:3] for call in cloud.calls()]


def test_a_key_is_made_anew_only_when_that_is_asked_for(cloud, tmp_path):
    for asked, keys in ((False, 1), (True, 2), (False, 2)):
        az.run(actions(wanted(tmp_path, new_run_key=asked)), ignore)
        assert cloud.read()["keys"] == keys


@pytest.mark.parametrize(
    "command", ["ad sp create", "deployment group create", "functionapp deployment source config-zip"]
)
def test_a_deployment_that_failed_half_way_goes_on(cloud, tmp_path, command):
    cloud.put(fails=command)
    with pytest.raises(UserErrorException, match=f"ERROR: {command} was refused") as caught:
        az.run(actions(wanted(tmp_path)), ignore)
    assert "goes on from there" in caught.value.message
    cloud.put(fails="")
    assert az.run(actions(wanted(tmp_path)), ignore)["SITE"] == "canalis-x"
    assert cloud.read()["keys"] == 1


def test_without_az_or_without_having_signed_in_it_is_said(cloud, monkeypatch, tmp_path):
    cloud.put(signed_out=True)
    with pytest.raises(UserErrorException, match="az login") as caught:
        az.signed_in()
    assert caught.value.code == "not_signed_in"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserErrorException, match="no `az` on the PATH") as caught:
        az.signed_in()
    assert caught.value.code == "no_az"


def canalis(*words, answer="n\n"):
    from canalis.cli import commands  # noqa: F401  brings the commands

    return CliRunner().invoke(app, ["deploy", *words], input=answer)


def test_the_plan_needs_no_az_and_says_everything(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = canalis("--plan", "--profile", "responsive", "--email", "ada@example.net", "--name", "mine")
    assert done.exit_code == 0, done.output
    for said in (*PROJECT.plan["settings"], *PROJECT.plan["queues"], *(role for role, _, _ in PROJECT.plan["roles"])):
        assert said in done.output
    for line in script(actions(wanted(tmp_path, profile="responsive", email="ada@example.net"))).splitlines():
        if "resource list" in line:
            assert line in done.output
    assert "2 instances that are always ready" in done.output and "A thousand steps of 10 s each: $0.66" in done.output
    found = json.loads(canalis("--plan", "--json").output)
    assert found["cost"]["idle_month_usd"] == pytest.approx(12.15, abs=0.01)
    assert found["queues"] == PROJECT.plan["queues"] and found["commands"]


def test_nothing_is_done_before_it_was_agreed_to(cloud, tmp_path):
    done = canalis("--config", str(tmp_path / "config.json"))
    assert done.exit_code == 1 and "Into Pay as you go as ada: resource group rg-canalis" in done.output
    assert [call[:2] for call in cloud.calls()] == [["account", "show"]]
    assert not (tmp_path / "config.json").exists()


@pytest.mark.skipif(not (ROOT / "function_app.py").exists(), reason="the door is not there")
def test_a_deployment_from_the_command_line_leaves_a_config_that_scripts_find(cloud, tmp_path, service):
    done = canalis("--yes", "--config", str(tmp_path / "config.json"))
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "workspace_name": "canalis",
        "subscription_id": "sub-1",
        "resource_group": "rg-canalis",
        "canalis_url": service,
    }
    assert canalis("--yes", "--config", str(tmp_path / "config.json")).exit_code == 0


def test_a_config_of_another_workspace_is_not_written_over(cloud, tmp_path):
    (tmp_path / "config.json").write_text('{"workspace_name": "theirs"}')
    done = canalis("--yes", "--config", str(tmp_path / "config.json"))
    assert "name another file with --config" in str(done.exception)
    assert [call[:2] for call in cloud.calls()] == [["account", "show"]]
    assert json.loads((tmp_path / "config.json").read_text()) == {"workspace_name": "theirs"}


@pytest.mark.parametrize("words", [("--name", "Mine"), ("--name", "ab"), ("--name", "a--b"), ("--profile", "lavish")])
def test_what_cannot_be_is_said_before_anything_is_done(cloud, words):
    done = canalis("--yes", *words)
    assert isinstance(done.exception, UserErrorException) and words[1] in done.exception.message
    assert cloud.calls() == []


def test_a_service_that_does_not_answer_is_not_waited_for_without_end():
    assert not az.wait_for_answer("http://127.0.0.1:9", patience_s=0.05)


def test_a_bill_is_counts_times_prices():
    """Worked out by hand for a thousand steps of a second, in an instance of 2 GB that is billed by the second."""
    by_hand = 1000 * (2 * 2 * 0.000026 + 2 * 0.000026) + 6000 * 0.8e-6 + 0.004 * 2.3
    by_hand += 2000 * 0.4e-6 + 8000 * 0.00036e-4 + 7000 * 0.05e-4 + 6000 * 0.004e-4
    assert costs.total(costs.of_steps(PROJECT.plan, "frugal", script_s=1)) == pytest.approx(by_hand)
    ready = costs.total(costs.idle(PROJECT.plan, "responsive")) - costs.total(costs.idle(PROJECT.plan, "frugal"))
    assert ready == pytest.approx(2 * 2 * 730 * 3600 * 0.000004)
