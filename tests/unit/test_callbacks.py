"""Azure DevOps hears of the end of a run that its task has started, where an operator allows it. Its token leaks nowhere."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest

from canalis.contract import logs
from canalis.contract.messages import NOTICES_QUEUE
from canalis.contract.status import Outcome
from orchestrator.notices.callback import CALLBACKS, remember_callback
from orchestrator.notices.deliver import GIVE_UP_S
from orchestrator.notices.sweep import LATE_S
from tests.contract.test_vault import forms
from tests.receivers import Receiver
from tests.unit.listeners import Town

HERE = "127.0.0.1"
TOKEN = "canary-azdevops+/=token-7f3c"
INFO = {
    "JobId": "12f1170f-54f2-53f3-20dd-22fc7dff55f9",
    "HubName": "build",
    "TaskInstanceId": "9c939e41-62c2-5605-5e05-fc3554afc9f5",
    "PlanId": "a2f0d1e0-2b4e-4b8f-9d0e-0a8d2b0c1a04",
    "ProjectId": "6f0f4d3e-0a53-4f0e-9d0f-6a1b8f6a7c11",
    "PlanUri": "https://dev.azure.com/contoso/",
    "AuthToken": TOKEN,
}


@pytest.fixture
def town(tmp_path):
    town = Town(tmp_path, callback_hosts=[HERE, "*.visualstudio.com"])
    yield town
    town.close()


@pytest.fixture
def azure():
    """Azure DevOps, as far as it takes events."""
    with Receiver() as azure:
        yield azure


def info(azure: Receiver, **more: Any) -> dict[str, Any]:
    return {**INFO, "PlanUri": f"http://{HERE}:{azure.port}/contoso/", **more}


@pytest.mark.parametrize(
    ("outcome", "result"), [(Outcome.SUCCEEDED, "succeeded"), (Outcome.FAILED, "failed"), (Outcome.TIMED_OUT, "failed")]
)
def test_the_task_that_waits_is_told_how_its_run_ended_and_then_forgotten(town, azure, outcome, result):
    assert remember_callback(town.ports, "run-one", info(azure)) == ""
    town.runs(outcome=outcome)

    (came,) = azure.came
    assert came.target == (
        f"/contoso/{INFO['ProjectId']}/_apis/distributedtask/hubs/build/plans/{INFO['PlanId']}/events?api-version=7.1"
    )
    said = {"name": "TaskCompleted", "taskId": INFO["TaskInstanceId"], "jobId": INFO["JobId"], "result": result}
    assert json.loads(came.body) == said
    _, _, password = base64.b64decode(came.headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    assert password == TOKEN
    assert town.ports.vault.names() == [] and town.documents.list(CALLBACKS) == [] and town.owed() is None


def test_a_task_that_is_remembered_when_its_run_has_begun_or_is_over_is_told_as_well(town, azure):
    town.submits()
    assert remember_callback(town.ports, "run-one", info(azure)) == ""
    town.ends()
    town.runs("run-two")
    assert remember_callback(town.ports, "run-two", info(azure)) == ""
    assert town.carries() == 0, "no commit has said so"
    town.clock.pass_s(2 * LATE_S)
    assert town.looks() == 2
    town.carries()
    assert len(azure.came) == 2 and town.ports.vault.names() == []


def test_azure_devops_is_called_again_until_it_answers_and_forgotten_after_a_day(town, azure):
    azure.answer = (500, {}, b"")
    for run_id in ("run-one", "run-two"):
        assert remember_callback(town.ports, run_id, info(azure)) == ""
    town.runs("run-one")
    town.carries(100)
    assert len(azure.came) == 3
    azure.answer = (200, {}, b"")
    town.carries(300)
    assert len(azure.came) == 4 and town.owed() is None

    azure.answer = (401, {}, b"")
    town.runs("run-two")
    town.carries(GIVE_UP_S)
    assert town.owed("run-two") is None and town.ports.vault.names() == [] and town.documents.list(CALLBACKS) == []


def test_nobody_is_called_back_unless_an_operator_has_named_the_host(tmp_path, azure):
    town = Town(tmp_path)
    warning = remember_callback(town.ports, "run-one", info(azure))
    assert "CANALIS_CALLBACK_HOSTS" in warning and TOKEN not in warning
    town.runs()
    assert azure.came == [] and town.ports.vault.names() == []
    town.close()


@pytest.mark.parametrize(
    "uri",
    [
        "https://elsewhere.example.com/contoso/",
        "https://127.0.0.1.example.com/",
        "https://visualstudio.com/",
        "https://xvisualstudio.com/",
        "https://team.visualstudio.com.evil.net/",
        "https://team.visualstudio.com@evil.net/",
        "https://[::1]x/",
        "http://team.visualstudio.com/",
        "ftp://team.visualstudio.com/",
        "https://team.visualstudio.com:22/",
        "https://team.visualstudio.com/?x=",
        "https://team.visualstudio.com/#",
        "//team.visualstudio.com/",
        "https://",
        "",
        None,
        7,
    ],
)
def test_a_host_that_nobody_has_named_is_not_called_and_neither_is_a_malformed_address(town, uri):
    warning = remember_callback(town.ports, "run-one", {**INFO, "PlanUri": uri})
    assert warning.startswith("AzDevOpsCallBackInfo was ignored") and "evil" not in warning and TOKEN not in warning
    assert town.ports.vault.names() == [] and town.documents.list("announcements") == []


@pytest.mark.parametrize("part", sorted(INFO))
@pytest.mark.parametrize("value", [None, 7, "", "../../x", "a/b", "a?b", "a b", "x" * 20_000, ["a"], "é"])
def test_what_azure_devops_would_not_send_is_ignored_with_a_word_on_it(town, azure, part, value):
    warning = remember_callback(town.ports, "run-one", {**info(azure), part: value})
    if part == "AuthToken" and value in ("../../x", "a/b", "a?b", "a b"):
        assert warning == ""  # a token may have any visible character
        return
    assert warning.startswith("AzDevOpsCallBackInfo was ignored") and TOKEN not in warning
    assert town.ports.vault.names() == []


def test_a_host_that_is_no_longer_allowed_is_not_called(town, azure, tmp_path):
    assert remember_callback(town.ports, "run-one", info(azure)) == ""
    later = Town(tmp_path, callback_hosts=["*.visualstudio.com"])
    later.runs()
    assert azure.came == [] and set(later.owed()) == {"callback"}
    later.close()


def test_the_token_and_secrets_of_webhooks_stand_nowhere_but_in_what_is_sent(town, azure, tmp_path, caplog):
    """Canaries: in what is stored, in every message, in the log, in every error and in everything that is shown."""
    from orchestrator.notices import webhooks

    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(logs.PlainLines())
    azure.answer = (500, {}, f"your token {TOKEN} is bad".encode())
    bodies: list[bytes] = []
    taken = town.bus.take

    def watched(queue: Any, count: int, wait_s: float) -> Any:
        found = taken(queue, count, wait_s)
        bodies.extend(message.body for message in found if message.queue == NOTICES_QUEUE)
        return found

    town.bus.take = watched  # type: ignore[method-assign]
    hook, secret = town.hook(azure)
    assert remember_callback(town.ports, "run-one", info(azure)) == ""
    town.submits(reply="replies")
    town.ends(outcome=Outcome.FAILED, error="it did not work")
    town.carries(2_000)
    assert len(azure.came) >= 6 and len(bodies) >= 6
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"callback run-one" in stored, "it is there that it would be"
    run = town.ports.runs.load("run-one")
    shown = repr((run, webhooks.all_webhooks(town.documents), webhooks.deliveries_of(town.documents, hook.id)))
    said = "\n".join([shown, *(one.body for one in town.heard("replies")), caplog.text]).encode()
    basic = base64.b64encode(f":{TOKEN}".encode()).decode()
    for canary in (TOKEN, basic, secret, secret.removeprefix("whsec_")):
        for place, text in (("stored", stored), ("messages", b"".join(bodies)), ("said", said)):
            assert not [form for form in forms(canary) if form in text], (canary, place)
    assert all(secret.encode() not in came.body for came in azure.came)
    basics = [came for came in azure.came if came.headers.get("authorization") == f"Basic {basic}"]
    assert len(basics) >= 3
