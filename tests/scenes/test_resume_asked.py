"""How one asks to go on from a run: what is refused, what comes twice, and the command line."""

from __future__ import annotations

import json
import uuid

import pytest

from canalis.contract.errors import AlreadyExists, GraphError, NotFound, NotResumable
from canalis.data import PipelineParameter
from canalis.pipeline_run import PipelineRun
from canalis.workspace import Workspace
from tests.scenes.chain import Chain, goes_on
from tests.scenes.conftest import canalis, cells, log_of

pytestmark = pytest.mark.laptop(
    "what is refused is told by the same routes; that runs go on is seen through both doors"
)


@pytest.fixture
def chain(author, project):
    return Chain(author, project)


def test_the_new_run_has_all_that_the_original_was_asked_for(author):
    bad = author.step("bad", "import sys\nsys.exit(1)")
    run = author.runs(
        bad, author.step("beside"), experiment="carried", tags={"team": "red"}, continue_on_step_failure=True
    )
    run.tag("said", "later")
    run.display_name = "night run"

    resumed = goes_on(run)

    view = resumed._view()
    assert resumed.experiment.name == "carried" and resumed.display_name == "night run"
    assert resumed.tags == {"team": "red", "said": "later"}
    assert view["continue_on_step_failure"] is True
    assert view["resumed_from"] == run.id and run._view()["resumed_by"] == [resumed.id]
    assert resumed.number == run.number + 1


def test_compute_targets_are_looked_up_anew(author):
    cluster = author.cluster("passing", max_nodes=1)
    run = author.runs(author.step("bad", "raise SystemExit(1)", compute_target=cluster))
    cluster.delete()

    with pytest.raises(GraphError, match="passing"):
        run.resubmit()


def test_a_run_that_has_not_ended_is_refused_and_said_how_to_end_it(author, project):
    run = author.submits(author.step("slow", "import time\ntime.sleep(60)"))

    with pytest.raises(NotResumable, match=rf"is running: .*cancel it first \(canalis cancel {run.id[:8]}\)"):
        run.resubmit()
    run.cancel()


def test_nothing_to_run_and_unknown_steps_are_said_plainly(chain):
    run = chain.runs("ab")

    with pytest.raises(NotResumable, match=r"Every step .* has succeeded and is still valid"):
        run.resubmit()
    with pytest.raises(NotFound, match=r"has no step 'x' \(it has: a, b\)"):
        run.resubmit(from_steps=["a", "x"])
    assert [
        found.id for found in chain.author.ws.experiments["scene"].get_runs() if found._view()["resumed_from"] == run.id
    ] == []


def test_a_request_that_comes_twice_is_one_run(chain, ws: Workspace):
    chain.breaks("b")
    run = chain.runs("ab")
    other = chain.runs("ab")
    chain.mends("b")
    body = {"run_id": str(uuid.uuid4())}

    first = ws._client.post(f"/runs/{run.id}/resume", body)
    second = ws._client.post(f"/runs/{run.id[:12]}/resume", body)

    assert first["id"] == second["id"] == body["run_id"]
    assert first["submitted_at"] == second["submitted_at"]
    assert ws._client.get(f"/runs/{run.id}")["resumed_by"] == [first["id"]]
    with pytest.raises(AlreadyExists):
        ws._client.post(f"/runs/{other.id}/resume", body)
    PipelineRun.get(ws, first["id"]).wait_for_completion(show_output=False)
    assert chain.began == "aabbb"

    third = ws._client.post(f"/runs/{run.id}/resume")  # with nothing to say it needs no body, and is another run
    assert third["id"] != first["id"] and third["steps"]["reused"] == 1
    PipelineRun.get(ws, third["id"]).wait_for_completion(show_output=False)


@pytest.mark.laptop("in Azure a script reaches no run but its own and those it has submitted")
def test_a_script_resumes_a_run_from_within_a_step_and_waits_for_it(chain, author, ws):
    chain.breaks("b")
    run = chain.runs("ab")
    chain.mends("b")
    outer = author.step(
        "outer",
        f"""
        from azureml.core import Run
        inner = Run.get(Run.get_context().experiment.workspace, {run.id!r}).resubmit()
        print("ended", inner.wait_for_completion(show_output=False), inner.id)
        """,
    )

    outside = author.runs(outer)

    assert outside.get_status() == "Finished", log_of(outside, "outer")
    (said,) = (line for line in log_of(outside, "outer").splitlines() if line.startswith("ended"))
    inner = PipelineRun.get(ws, said.split()[2])
    assert inner.get_status() == "Finished" and inner.parent.id == outside.find_step_run("outer")[0].id


def test_the_command_line_goes_on_from_a_run_and_shows_what_was_kept(chain):
    chain.breaks("b")
    run = chain.runs("abc")
    short = run.id[:8]
    chain.mends("b")

    done = canalis("resume", short)

    assert f"Kept 1 of 3 steps of run {run.id}; the others run" in done.stdout
    assert "b started" in done.stdout and "a started" not in done.stdout and "Never began" not in done.stdout
    assert "is completed after" in done.stdout
    (resumed,) = run._view()["resumed_by"]
    shown = canalis("show", resumed).stdout
    assert f"Goes on from run {run.id}" in shown
    assert ["a", "Completed", f"kept from run {run.id}"] in map(cells, shown.splitlines())
    assert f"Resumed as run {resumed}" in canalis("show", short).stdout
    assert "==> a <==\nwrote a\n" in canalis("logs", resumed).stdout
    followed = canalis("logs", "-f", "-s", "a", resumed).stdout
    assert "| wrote a\n" in followed and f"a was kept from run {run.id}" in followed
    assert json.loads(canalis("resume", short, "--from", "c", "--json", "--only-failed").stdout)["steps"] == {
        "succeeded": 2,
        "reused": 1,
    }


def test_the_command_line_takes_parameters_and_says_what_is_wrong_with_them(author):
    rate = PipelineParameter("rate", 1.5)
    fails = author.step("fails", "import sys\nsys.exit(sys.argv[1] != '2.0')", arguments=[rate])
    run = author.runs(fails)

    canalis("resume", run.id, check=1)
    canalis("resume", run.id, "-p", "rate=2")
    for given, said in (
        ("rate=fast", "Parameter 'rate' must be of type float, and 'fast' is not [parameter_invalid]"),
        ("speed=1", "'speed' is not a parameter of this pipeline"),
        ("rate", "'rate' is not NAME=VALUE"),
    ):
        assert said in canalis("resume", run.id, "-p", given, check=1).stderr
    assert "[not_resumable]" in canalis("resume", run._view()["resumed_by"][1], check=1).stderr
    assert "has no step 'x'" in canalis("resume", run.id, "--from", "x", check=1).stderr
    assert "There is no run" in canalis("resume", "ffffffff", check=1).stderr
