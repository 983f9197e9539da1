"""Steps that begin as forks of a warm parent: the service, the parent and the step may each be killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from canalis.runconfig import RunConfiguration
from canalis.workspace import Workspace
from tests.scenes.conftest import Author, is_alive, log_of, process_of, statuses, until, warm_parent_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm starts are for Linux")

WAITS = """
    import os, pathlib, sys, time
    place = pathlib.Path(sys.argv[1])
    (place / f"process.{len(list(place.glob('process.*')))}").write_text(str(os.getpid()))
    while not (place / "gate").exists(): time.sleep(0.02)
    sys.exit(7)
"""


@pytest.fixture
def own(own_home, project) -> Author:
    """An author in a workspace of this scene's own, in which a warm parent is ready."""
    author = Author(Workspace.create("own", show_output=False), project)
    asks = "import os\nprint(open(f'/proc/{os.getppid()}/cmdline').read())"
    until(lambda: "warm_parent.py" in log_of(author.runs(author.step("asks", asks)), "asks"))
    yield author
    author.ws._client.close()


def begins(own: Author, project: Path, text: str = WAITS, **parts: object):
    """A run whose one warm step has begun, and the process of that step."""
    run = own.submits(own.step("waits", text, arguments=[project], **parts))
    first = project / "process.0"
    until(lambda: first.exists() and first.read_text())
    process = int(first.read_text())
    assert warm_parent_of(process) is not None
    return run, process


def kill_service(own: Author) -> None:
    process = process_of(own.ws._root)
    os.kill(process, signal.SIGKILL)
    until(lambda: not is_alive(process))


def test_a_warm_step_outlives_its_service_and_the_next_one_records_its_true_exit_code(own, project):
    run, process = begins(own, project)
    kill_service(own)
    assert is_alive(process)
    (project / "gate").touch()
    run.wait_for_completion(show_output=False, raise_on_error=False)
    (step,) = run.get_steps()
    assert "waits ended with exit code 7" in run._view()["error"]["message"]
    assert step._view()["attempt"] == 1


def test_a_warm_step_that_ends_while_no_service_runs_is_recorded_too(own, project):
    run, process = begins(own, project)
    kill_service(own)
    (project / "gate").touch()
    until(lambda: not is_alive(process))
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert "waits ended with exit code 7" in run._view()["error"]["message"]


def test_a_warm_step_is_tried_again_when_its_warm_parent_is_killed(own, project):
    run, process = begins(own, project)
    os.kill(warm_parent_of(process), signal.SIGKILL)
    until(lambda: (project / "process.1").exists())
    assert not is_alive(process), "two attempts never run side by side"
    (project / "gate").touch()
    run.wait_for_completion(show_output=False, raise_on_error=False)
    (step,) = run.get_steps()
    assert step._view()["attempt"] == 2
    assert "waits ended with exit code 7" in run._view()["error"]["message"]


def test_a_warm_step_that_ignores_the_polite_signal_is_cancelled(own, project):
    run, process = begins(
        own, project, "import signal\nsignal.signal(15, signal.SIG_IGN)\n" + "\n".join(WAITS.split("\n    "))
    )
    run.cancel()
    assert run.wait_for_completion(show_output=False) == "Canceled"
    assert not is_alive(process)


def test_a_cancel_reaches_a_warm_step_of_an_earlier_service(own, project):
    run, process = begins(own, project)
    kill_service(own)
    run.cancel()
    assert run.wait_for_completion(show_output=False) == "Canceled"
    until(lambda: not is_alive(process))


def test_a_warm_step_that_works_too_long_is_ended(own, project):
    run, process = begins(own, project, timeout_s=1.0)
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert "longer than its limit of 1 s" in run._view()["error"]["message"]
    assert not is_alive(process)


def test_warm_parents_end_after_their_service_and_their_last_step(own, project):
    _, process = begins(own, project)
    parent = warm_parent_of(process)
    kill_service(own)
    assert is_alive(parent)
    (project / "gate").touch()
    until(lambda: not is_alive(parent))


def test_a_step_may_ask_for_a_new_interpreter(own):
    text = "import sys\nprint('json' in sys.modules)"
    without = RunConfiguration()
    without.environment.environment_variables = {"CANALIS_WARM": "off"}
    run = own.runs(own.step("warm", text), own.step("cold", text, runconfig=without))
    assert statuses(run) == {"warm": "Finished", "cold": "Finished"}
    assert (log_of(run, "warm"), log_of(run, "cold")) == ("True\n", "False\n")
