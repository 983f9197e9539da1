"""Small things that v1 scripts expect of runs."""

from __future__ import annotations

import json
import urllib.request

import pytest

from canalis.contract.errors import NotFound
from canalis.exceptions import AzureMLException
from canalis.pipeline_run import PipelineRun
from canalis.run import Run, get_run


@pytest.mark.parametrize("name", ["nope", "00000000-0000-0000-0000-000000000000"])
@pytest.mark.parametrize(
    "asks",
    [
        lambda ws, name: Run.get(ws, name),
        lambda ws, name: PipelineRun.get(ws, name),
        lambda ws, name: ws.get_run(name),
        lambda ws, name: get_run(ws.experiments["runs"], name),
    ],
)
def test_a_run_that_is_not_there_is_v1s_exception_and_ours(ws, name, asks):
    ws._experiment("runs")
    for kind in (AzureMLException, NotFound):
        with pytest.raises(kind, match=f"There is no run {name}") as caught:
            asks(ws, name)
        assert caught.value.code == "not_found"


def test_other_things_that_are_not_there_are_no_runs(ws):
    with pytest.raises(NotFound) as caught:
        ws._client.get("/computes/none-such")
    assert type(caught.value) is NotFound


def test_details_come_with_logs_for_a_run_and_for_a_step(author):
    run = author.runs(author.step("first", "print(1)"), author.step("second", "print(2)"))
    assert run.get_details_with_logs()["logFiles"] == {
        "first/user_logs/std_log.txt": "1\n",
        "second/user_logs/std_log.txt": "2\n",
    }
    step = run.find_step_run("first")[0]
    assert step.get_details_with_logs()["logFiles"] == {"user_logs/std_log.txt": "1\n"}
    assert json.loads(step.get_job_log())["exit_code"] == 0


def test_the_address_of_a_run_leads_to_the_portal(author):
    run = author.runs(author.step("only"))
    with urllib.request.urlopen(run.get_portal_url(), timeout=5) as answer:
        assert b"/portal/app.js" in answer.read()
