"""The service is killed again and again while a run is under way."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections import Counter

import pytest

from canalis.workspace import Workspace
from tests.scenes.conftest import Author, is_alive, process_of, until

pytestmark = pytest.mark.laptop("kills the service of a laptop")

STEP = """
    import os, sys, time
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + "\\n")
    time.sleep(float(sys.argv[3]))
"""


def a_run_survives(own_home, project, seed: int, kills: int, width: int = 6, depth: int = 5) -> None:
    """A layered run whose service dies `kills` times at moments that the seed chooses."""
    choose = random.Random(seed)
    own = Author(Workspace.create(f"killed-{seed}", show_output=False), project)
    executed = project / f"executed-{seed}"
    own.writes("step.py", STEP)
    from canalis.steps import PythonScriptStep, StepSequence

    def step(name: str) -> PythonScriptStep:
        seconds = choose.choice([0, 0.05, 0.3])
        return PythonScriptStep(
            "step.py", name=name, arguments=[executed, name, seconds], source_directory=str(own.folder)
        )

    layers = [[step(f"s{level}_{place}") for place in range(width)] for level in range(depth)]
    run = own.submits(StepSequence(layers))
    for _ in range(kills):
        time.sleep(choose.uniform(0.0, 0.6))
        own.ws._client.get("/health")  # asking starts it again
        process = process_of(own.ws._root)
        os.kill(process, signal.SIGKILL)
        until(lambda process=process: not is_alive(process))
    run.wait_for_completion(show_output=False)

    assert run.get_status() == "Finished"
    names = [f"s{level}_{place}" for level in range(depth) for place in range(width)]
    assert Counter(executed.read_text().split()) == Counter(names), "each step ran exactly once"
    assert {one.name: one._view()["attempt"] for one in run.get_steps()} == dict.fromkeys(names, 1)
    database = sqlite3.connect(own.ws._root / "canalis.db")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert database.execute("SELECT count(*) FROM messages WHERE queue LIKE '%/dead'").fetchone() == (0,)
    database.close()
    own.ws._client.close()


def test_a_run_whose_service_is_killed_five_times_does_each_step_once(own_home, project):
    a_run_survives(own_home, project, seed=1, kills=5)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 42))
def test_runs_whose_services_are_killed_many_times_do_each_step_once(own_home, project, seed):
    a_run_survives(own_home, project, seed=seed, kills=12)
