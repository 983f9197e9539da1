"""Where the time went, as an author sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from canalis import local
from canalis.data import DataReference
from canalis.workspace import Workspace
from tests.scenes.conftest import Author, canalis, cells, until

NAP = "import time\ntime.sleep(1)"


@pytest.mark.laptop("instances in Azure do not share the slots of a cluster")
def test_the_segments_of_each_step_say_where_its_time_went_and_leave_nothing_out(author):
    single = author.cluster("one-slot", max_nodes=1)
    first = author.step("first", NAP, compute_target=single)
    wide = [author.step(f"wide{number}", NAP, compute_target=single) for number in range(3)]
    last = author.step("last", NAP, compute_target=single)
    for step in wide:
        step.run_after(first)
        last.run_after(step)

    run = author.runs(first, *wide, last)

    views = {step.name: step._view() for step in run.get_steps()}
    times = {name: view["times"] for name, view in views.items()}
    for name, view in views.items():
        assert sum(times[name].values()) == pytest.approx(view["ended_at"] - view["submitted_at"], abs=1.0)
        assert times[name]["user_code"] == pytest.approx(1.0, abs=0.5), name
        assert view["waits_for"] == [] and view["waits_since"] is None

    assert "inputs" not in times["first"]
    waited = sorted(times[step.name].get("capacity", 0.0) for step in wide)
    assert waited == pytest.approx([0.0, 1.0, 2.0], abs=0.7)  # one slot: each waits for those before it
    for step in wide:
        assert times[step.name]["inputs"] == pytest.approx(1.0, abs=0.6)
    assert times["last"]["inputs"] == pytest.approx(4.0, abs=1.5)

    found = run._client.get(f"/runs/{run.id}/times")
    whole = run._view()
    assert found["wall_s"] == pytest.approx(whole["ended_at"] - whole["submitted_at"], abs=0.01)
    assert sum(found["times"].values()) == pytest.approx(found["wall_s"], abs=0.1)
    slowest = max(wide, key=lambda step: views[step.name]["ended_at"]).name
    assert [step["name"] for step in found["path"]] == ["first", slowest, "last"]
    assert found["times"]["user_code"] == pytest.approx(3.0, abs=1.0)
    assert found["times"]["capacity"] == pytest.approx(2.0, abs=1.0)


@pytest.mark.laptop("instances in Azure do not share the slots of a cluster")
def test_a_waiting_step_says_what_it_waits_for_and_since_when(author):
    single = author.cluster("one-slot", max_nodes=1)
    first = author.step("first", "import time\ntime.sleep(30)", compute_target=single)
    second = author.step("second", NAP, compute_target=single)
    third = author.step("third", NAP, compute_target=single)
    third.run_after(first)
    run = author.submits(first, second, third)
    try:
        first_run, second_run, third_run = run.get_steps()
        until(lambda: first_run._view()["times"].get("user_code", 0.0) > 0.2)
        waiting = until(lambda: second_run._view() if second_run._view()["times"].get("capacity") else None)
        assert waiting["waits_for"] == ["a free slot of one-slot"]
        assert waiting["claimed_at"] <= waiting["waits_since"]
        behind = third_run._view()
        assert behind["waits_for"] == ["step first"] and behind["waits_since"] == behind["submitted_at"]
        assert behind["times"].keys() == {"inputs"}
    finally:
        run.cancel()
        run.wait_for_completion(show_output=False, raise_on_error=False)
    over = third_run._view()
    assert over["times"].keys() == {"inputs"} and over["waits_for"] == []


def test_a_retried_step_shows_its_earlier_attempts_and_its_rest(author, project):
    text = """
        import pathlib, sys, time
        time.sleep(0.5)
        mark = pathlib.Path(sys.argv[1])
        if not mark.exists():
            mark.touch()
            sys.exit(1)
    """
    step = author.step("flaky", text, arguments=[project / "tried"], retries=1, retry_rest_s=1.0)
    (found,) = author.runs(step).get_steps()
    times = found._view()["times"]
    assert times["earlier_attempts"] == pytest.approx(0.6, abs=0.4)
    assert times["rest"] == pytest.approx(1.0, abs=0.1)
    assert times["user_code"] == pytest.approx(0.5, abs=0.3)


def test_the_command_line_shows_where_the_time_went(author):
    first = author.step("first", "import time\ntime.sleep(0.5)")
    second = author.step("second")
    second.run_after(first)
    run = author.runs(first, second)

    lines = canalis("show", run.id).stdout.splitlines()
    assert cells(next(line for line in lines if line.startswith("first ")))[3].startswith("user code 0.")

    lines = canalis("show", run.id, "--times").stdout.splitlines()
    head, rows = cells(lines[1]), [cells(line) for line in lines[2:4]]
    assert head[0] == "step" and {"inputs", "user code", "wall"} <= set(head)
    assert float(rows[0][head.index("user code")]) == pytest.approx(0.6, abs=0.3)
    assert "#" in rows[0][-1]
    assert any(line.startswith("Critical path: first > second") for line in lines)

    step = run.find_step_run("second")[0]
    said = canalis("show", step.id).stdout
    assert "waiting for the steps before it" in said and "the author's code at work" in said


@pytest.mark.laptop("puts 12,000 files below the workspace's folder")
def test_a_step_whose_inputs_take_long_to_be_copied_is_preparing_and_says_so(author, ws):
    store = ws.get_default_datastore()
    folder = Path(ws._root) / "datastores" / store.name / "many"
    folder.mkdir()
    for number in range(12_000):
        (folder / str(number)).touch()
    many = DataReference(store, "many", "many").as_download()
    run = author.submits(author.step("copies", inputs=[many], arguments=[many]))

    (step,) = run.get_steps()
    seen = until(lambda: view if (view := step._view())["run_status_v1"] == "Preparing" else None)
    assert seen["times"]["data_in"] > 0 and seen["waits_for"] == []
    run.wait_for_completion(show_output=False)
    times = step._view()["times"]
    assert times["data_in"] > 0.25 and times["data_in"] >= seen["times"]["data_in"]


def test_a_step_that_could_not_be_put_in_place_has_no_time_of_the_authors_code(author, ws):
    nowhere = DataReference(ws.get_default_datastore(), "nowhere", "no/such/path").as_download()
    (step,) = author.runs(author.step("read", inputs=[nowhere], arguments=[nowhere])).get_steps()
    view = step._view()
    assert view["status"] == "failed" and "user_code" not in view["times"]
    assert sum(view["times"].values()) == pytest.approx(view["ended_at"] - view["submitted_at"], abs=1.0)


def test_a_step_that_outlived_its_service_keeps_the_times_from_before(own_home, project):
    author = Author(Workspace.create("times", show_output=False), project)
    single = author.cluster("one-slot", max_nodes=1)
    steps = [author.step(f"s{number}", "import time\ntime.sleep(1.5)", compute_target=single) for number in range(2)]
    run = author.submits(*steps)
    second = until(lambda: [step for step in run.get_steps() if step._view()["times"].get("user_code", 0) > 0.3][1:])[0]
    before = second._view()["times"]
    assert local.stop(own_home / "times") is not None
    Workspace.get("times")
    run.wait_for_completion(show_output=False)

    view = second._view()
    assert view["times"]["capacity"] == pytest.approx(before["capacity"], abs=0.05)
    assert view["times"]["user_code"] > max(1.4, before["user_code"])  # how much longer is the machine's affair
    assert sum(view["times"].values()) == pytest.approx(view["ended_at"] - view["submitted_at"], abs=1.0)
