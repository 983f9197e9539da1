"""Where the time went, as an author sees it.

How long a machine takes for a step is its own affair, so each step of a Timed writes down when its code began and
when it ended, and the segments are held against that.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from canalis import local
from canalis.data import DataReference
from canalis.pipeline_run import PipelineRun
from canalis.workspace import Workspace
from tests.scenes.conftest import Author, canalis, cells, until

NAP = "import time\ntime.sleep(1)"
SLACK_S = 0.01  # segments are rounded to milliseconds, and those of a sum each for itself

TIMED = """
    import sys, time
    began = time.time()
    time.sleep(float(sys.argv[2]))
    with open(sys.argv[1], "a") as book:
        print(began, time.time(), file=book)
"""


class Timed:
    """A step that works for a while, and what it wrote down of each of its attempts."""

    def __init__(self, author: Author, name: str, naps_s: float, after: str = "", **parts: object) -> None:
        self._book = author.folder.parent / f"{name}.times"
        self.step = author.step(name, dedent(TIMED) + dedent(after), arguments=[self._book, naps_s], **parts)

    def spans(self) -> list[tuple[float, float]]:
        """When the code of each attempt began and ended, in seconds since 1970."""
        return [(float(began), float(ended)) for began, ended in map(str.split, self._book.read_text().splitlines())]

    @property
    def began(self) -> float:
        return self.spans()[-1][0]

    @property
    def ended(self) -> float:
        return self.spans()[-1][1]


def adds_up(view: dict, run: PipelineRun) -> bool:
    """Whether the segments of a step leave nothing out; its end is part of its run a moment after it ended."""
    slack_s = SLACK_S * len(view["times"])
    least_s, most_s = (end - view["submitted_at"] for end in (view["ended_at"], run._view()["ended_at"]))
    return least_s - slack_s <= sum(view["times"].values()) <= most_s + slack_s


def lies(low: float, found: float, high: float) -> bool:
    """Whether a time is within what the steps saw, but for roundings; when not, pytest shows the three."""
    return low - SLACK_S <= found <= high + SLACK_S


@pytest.mark.laptop("instances in Azure do not share the slots of a cluster")
def test_the_segments_of_each_step_say_where_its_time_went_and_leave_nothing_out(author):
    single = author.cluster("one-slot", max_nodes=1)
    timed = {name: Timed(author, name, 1.0, compute_target=single) for name in ("first", "w1", "w2", "w3", "last")}
    first, *wide, last = timed.values()
    for one in wide:
        one.step.run_after(first.step)
        last.step.run_after(one.step)

    run = author.runs(*(one.step for one in timed.values()))

    views = {step.name: step._view() for step in run.get_steps()}
    times = {name: view["times"] for name, view in views.items()}
    for name, view in views.items():
        code = timed[name]
        assert adds_up(view, run) and view["waits_for"] == [] and view["waits_since"] is None
        assert lies(code.ended - code.began, times[name]["user_code"], view["ended_at"] - view["started_at"]), name

    assert "inputs" not in times["first"]
    by_turn = sorted(wide, key=lambda one: one.began)
    for one, before in zip(by_turn, [None, *by_turn], strict=False):  # one slot: each waits for those before it
        view = views[one.step.name]
        waits_s = 0.0 if before is None else before.ended - view["claimed_at"]
        assert lies(waits_s, view["times"].get("capacity", 0.0), one.began - view["claimed_at"])
        assert lies(first.ended - view["submitted_at"], view["times"]["inputs"], one.began - view["submitted_at"])
    slowest = by_turn[-1]
    submitted_at = views["last"]["submitted_at"]
    assert lies(slowest.ended - submitted_at, times["last"]["inputs"], last.began - submitted_at)

    found = run._client.get(f"/runs/{run.id}/times")
    whole = run._view()
    assert found["wall_s"] == pytest.approx(whole["ended_at"] - whole["submitted_at"], abs=0.01)
    assert sum(found["times"].values()) == pytest.approx(found["wall_s"], abs=0.1)
    path = ["first", slowest.step.name, "last"]
    assert [step["name"] for step in found["path"]] == path
    for segment in ("user_code", "capacity"):
        of_path = sum(times[name].get(segment, 0.0) for name in path)
        assert found["times"][segment] == pytest.approx(of_path, abs=3 * SLACK_S)


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
    fails_once = """
        sys.exit(len(open(sys.argv[1]).readlines()) == 1)
    """
    flaky = Timed(author, "flaky", 0.5, fails_once, retries=1, retry_rest_s=1.0)
    run = author.runs(flaky.step)
    (found,) = run.get_steps()
    view, times = found._view(), found._view()["times"]
    first, second = flaky.spans()
    assert lies(1.0, times["rest"], 1.0)
    assert lies(first[1] - first[0], times["earlier_attempts"], second[0] - view["submitted_at"] - times["rest"])
    assert lies(second[1] - second[0], times["user_code"], view["ended_at"] - view["started_at"])
    assert adds_up(view, run)


def test_the_command_line_shows_where_the_time_went(author):
    first, second = Timed(author, "first", 0.5), author.step("second")
    second.run_after(first.step)
    run = author.runs(first.step, second)

    times = run.find_step_run("first")[0]._view()["times"]
    longest = max(times, key=lambda segment: times[segment])
    lines = canalis("show", run.id).stdout.splitlines()
    said = cells(next(line for line in lines if line.startswith("first ")))[3]
    assert said.startswith(f"{longest.replace('_', ' ')} {times[longest]:.1f} s")

    lines = canalis("show", run.id, "--times").stdout.splitlines()
    head, rows = cells(lines[1]), [cells(line) for line in lines[2:4]]
    assert head[0] == "step" and {"inputs", "user code", "wall"} <= set(head)
    assert float(rows[0][head.index("user code")]) == pytest.approx(times["user_code"], abs=0.05)
    assert times["user_code"] >= first.ended - first.began - SLACK_S
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
    run = author.runs(author.step("read", inputs=[nowhere], arguments=[nowhere]))
    (step,) = run.get_steps()
    view = step._view()
    assert view["status"] == "failed" and "user_code" not in view["times"]
    assert adds_up(view, run)


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
    assert adds_up(view, run)
