"""Azure DevOps starts a run by v1's contract and waits to be called back."""

from __future__ import annotations

import dataclasses
import json

import pytest

from adapters.web import HttpWeb
from api.app import make_app
from canalis.contract.announcements import Listening
from tests.api.conftest import SOURCE, V1, Client
from tests.api.test_pipelines import a_graph
from tests.api.test_webhooks import ends
from tests.receivers import Receiver
from tests.unit.test_callbacks import HERE, TOKEN, info


@pytest.fixture
def azure():
    with Receiver() as azure:
        yield azure


def started(app, azure, **more) -> dict:
    """A run that Azure DevOps starts."""
    ask = Client(app)
    published = ask("POST", "/pipelines", json={"graph": a_graph(ask), "name": "train"}).json()
    asked = {"ExperimentName": "e", "RunSource": "PipelineRun", "AzDevOpsCallBackInfo": info(azure, **more)}
    answer = ask("POST", f"{V1}/PipelineRuns/PipelineSubmit/{published['id']}", json=asked)
    assert answer.status_code == 200 and TOKEN not in answer.text, answer.text
    return answer.json()


def test_the_task_that_waits_hears_of_the_end_of_its_run_as_soon_as_it_has_ended(app, azure):
    service = app.state.service
    ports = service.ports.with_changes(
        listening=Listening(SOURCE, callback_hosts=(HERE,)), web=HttpWeb((HERE,), may_reach_this_machine=True)
    )
    allowing = make_app(dataclasses.replace(service, ports=ports), app.state.guard)
    run = started(allowing, azure)
    assert not run["HasWarnings"] and ports.vault.names() == [f"callback {run['Id']}"]

    ends(allowing, {"id": run["Id"]})

    (came,) = azure.came
    assert json.loads(came.body)["result"] == "succeeded"
    assert ports.vault.names() == [] and ports.documents.list("announcements") == []


def test_where_no_operator_allows_it_the_run_is_started_and_the_caller_is_warned(app, azure):
    run = started(app, azure)
    assert run["HasWarnings"] and "CANALIS_CALLBACK_HOSTS" in run["Warnings"][0]
    ends(app, {"id": run["Id"]})
    assert azure.came == [] and app.state.service.ports.vault.names() == []


def test_what_is_no_callback_is_ignored_with_a_warning(app, azure):
    run = started(app, azure, PlanUri=7, AuthToken=None)
    assert run["Id"] and run["Warnings"][0].startswith("AzDevOpsCallBackInfo was ignored")
