"""Somebody sets the clock of the machine while a run is under way: it ends as it should, and when it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from canalis import local
from canalis.pipeline_run import PipelineRun
from canalis.workspace import Workspace
from tests.scenes.clock import SetClock
from tests.scenes.conftest import CANALIS, Author, canalis, until

pytestmark = pytest.mark.laptop("sets the clock of the service of a laptop")

# Writes down when it was alive, by a clock that nobody can set.
ALIVE = """
    import os, sys, time
    begun = time.monotonic()
    with open(sys.argv[1], "a") as file:
        file.write("begun\\n")
    while time.monotonic() - begun < float(sys.argv[2]):
        time.sleep(0.02)
        with open(sys.argv[1] + ".new", "w") as file:
            file.write(str(time.monotonic() - begun))
        os.replace(file.name, sys.argv[1] + ".alive")  # it may be ended at any place
    print("worked to the end")
    sys.exit(int(sys.argv[3]) if open(sys.argv[1]).read().count("begun") == 1 else 0)
"""
WORKS_S, LIMIT_S, REST_S = 4.0, 5.0, 4.0


class Lives:
    """A service under a clock that can be set, and the marks of the scripts that it runs."""

    def __init__(self, home: Path, project: Path) -> None:
        self.clock = SetClock(project)
        self._root = home / "own"
        local.create(self._root, {"name": "own", "subscription_id": "s", "resource_group": "r", "location": "l"})
        self.log = self._root / "service.log"
        self.starts()
        self.author = Author(Workspace.get("own"), project)
        self._marks = project

    def starts(self) -> None:
        """A service, and whatever it starts, under that clock."""
        with self.log.open("ab") as log:
            line = [sys.executable, "-P", str(local._DOOR), "--root", str(self._root)]
            self.service = subprocess.Popen(line, stdout=log, stderr=log, env={**os.environ, **self.clock.variables})
        until(lambda: local.running(self._root))

    def step(self, name: str, works_s: float, code: int = 0, **parts: object):
        """A step that works so long, and ends so the first time."""
        return self.author.step(name, ALIVE, arguments=[self._marks / name, works_s, code], **parts)

    def begun(self, name: str) -> int:
        """How often it was begun."""
        mark = self._marks / name
        return mark.read_text().count("begun") if mark.exists() else 0

    def alive_s(self, name: str) -> float:
        """How long it was alive the last time."""
        return float((self._marks / f"{name}.alive").read_text())


@pytest.fixture
def lives(own_home, project):
    found = Lives(own_home, project)
    yield found
    found.author.ws._client.close()
    assert found.service.poll() is None
    found.service.kill()
    found.service.wait()


@pytest.mark.parametrize("ahead_s", [3600, -3600, 86400])
def test_setting_the_clock_ends_no_step_early_delays_none_and_doubles_none(lives, ahead_s):
    warm = lives.author.runs(lives.step("earlier", 0.0))
    works = lives.step("works", WORKS_S)
    after = lives.step("after", 0.0)
    after.run_after(works)
    run = lives.author.submits(
        works,
        after,
        lives.step("limited", WORKS_S, timeout_s=600.0),
        lives.step("overdue", 600.0, timeout_s=LIMIT_S),
        lives.step("stumbles", 0.0, code=3, retries=1, retry_rest_s=REST_S),
        continue_on_step_failure=True,
    )
    with subprocess.Popen(
        [CANALIS, "logs", run.id, "--follow", "-w", "own"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **lives.clock.variables},
    ) as follower:
        names = ("works", "limited", "overdue")
        until(lambda: all(lives.begun(name) for name in names) and _rests(run, "stumbles"))
        lives.clock.set(ahead_s)
        jumped = time.monotonic()
        run.wait_for_completion(show_output=False, raise_on_error=False, timeout_seconds=60)
        took_s = time.monotonic() - jumped
        later = lives.author.runs(lives.step("later", 0.0))
        told = follower.communicate(timeout=30)[0]

    assert took_s < LIMIT_S + REST_S + 10, "about as long as without"
    executed = {name: lives.begun(name) for name in ("works", "after", "limited", "overdue", "stumbles")}
    assert Counter(executed) == {"works": 1, "after": 1, "limited": 1, "overdue": 1, "stumbles": 2}
    views = {step.name: step._view() for step in run.get_steps()}
    assert {name: view["status"] for name, view in views.items()} == {
        "works": "succeeded",
        "after": "succeeded",
        "limited": "succeeded",
        "overdue": "failed",
        "stumbles": "succeeded",
    }
    assert views["overdue"]["error"]["code"] == "timed_out" and LIMIT_S - 1 < lives.alive_s("overdue") < LIMIT_S + 5
    assert min(lives.alive_s("works"), lives.alive_s("limited")) >= WORKS_S - 0.1
    for view in views.values():
        assert all(seconds >= 0 for seconds in view["times"].values()), view["times"]
    for name in ("works", "limited", "after", "stumbles"):
        assert re.search(rf"\b{name}\b.*worked to the end", told), f"who follows hears of {name} too:\n{told}"

    listed = [found["id"] for found in lives.author.ws._client.get("/runs")]
    expected = [later.id, run.id, warm.id] if ahead_s > 0 else [run.id, warm.id, later.id]
    assert listed == expected, "by the time of day at which each was submitted"
    assert "Traceback" not in lives.log.read_text()
    assert run.id[:8] in canalis("runs", "--workspace", "own").stdout


def _rests(run: PipelineRun, name: str) -> bool:
    (step,) = run.find_step_run(name)
    return step._view()["attempt_now"] == 2


def test_a_service_that_starts_with_another_clock_takes_up_what_runs_and_what_rests(lives):
    run = lives.author.submits(
        lives.step("works", WORKS_S, timeout_s=600.0), lives.step("stumbles", 0.0, code=3, retries=1, retry_rest_s=1.0)
    )
    until(lambda: lives.begun("works") and _rests(run, "stumbles"))
    lives.service.kill()
    lives.service.wait()
    lives.clock.set(86400)
    lives.starts()
    began = time.monotonic()
    assert run.wait_for_completion(show_output=False, timeout_seconds=60) == "Finished"
    assert time.monotonic() - began < 20 and (lives.begun("works"), lives.begun("stumbles")) == (1, 2)
