"""Processes of attempts, when services die at the wrong moment or clocks are set."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from steps.processes import MARK, Attached, Launched, forestall, kill_leftover
from tests.scenes.conftest import is_alive, until


@pytest.fixture
def record(tmp_path: Path) -> Path:
    folder = tmp_path / "record"
    folder.mkdir()
    return folder


def launch(record: Path, script: str) -> Launched:
    line = ["/bin/sh", "-c", script]
    return Launched(line, record.parent, dict(os.environ), record, record.parent / "log")


def test_of_two_shells_for_one_attempt_one_begins_and_both_tell_how_it_ended(record):
    first = launch(record, "echo begun; sleep 0.3; exit 7")
    while Attached.find(record) is None:
        time.sleep(0.005)
    second = launch(record, "echo begun; sleep 0.3; exit 7")
    assert (second.wait(), first.wait()) == (7, 7)
    assert (record.parent / "log").read_text() == "begun\n"


def test_an_attempt_that_is_to_begin_no_more_does_not_even_when_its_shell_is_on_its_way(record):
    assert forestall(record)
    assert launch(record, "echo begun").wait() is None
    assert (record.parent / "log").read_text() == ""
    assert forestall(record) and Attached.find(record) is None


def test_an_attempt_that_has_begun_cannot_be_forestalled(record):
    process = launch(record, "exit 0")
    process.wait()
    assert not forestall(record)


def test_a_shell_that_was_killed_before_it_wrote_its_number_counts_as_lost_and_not_as_failed(record):
    (record / "pid").touch()
    assert launch(record, "echo begun").wait() is None


def test_a_group_whose_number_has_become_somebody_elses_is_left_alone(record):
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    (record / "pid").write_text(str(stranger.pid))
    (record / "exit").write_text("0\n")
    assert Attached.find(record).wait() == 0
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_how_long_a_process_has_worked_is_known_though_the_clock_was_set(record):
    process = launch(record, "sleep 60")
    while Attached.find(record) is None:
        time.sleep(0.005)
    os.utime(record / "pid", (0, 0))  # as if the clock had been at 1970 when it began
    again = Attached.find(record)
    assert 0 <= again.age_s() < 30 and 0 <= process.age_s() < 30
    os.killpg(process.group, 9)
    process.wait()


def test_a_script_whose_shell_was_killed_is_ended_with_its_attempt(record, monkeypatch):
    monkeypatch.setenv(MARK, "r-1.lonely")
    process = launch(record, "echo $$ >script; exec sleep 60")
    while not (record.parent / "script").exists() or not (record.parent / "script").read_text():
        time.sleep(0.005)
    os.kill(process.group, 9)
    kill_leftover(record, "r-1.lonely")
    script = int((record.parent / "script").read_text())
    until(lambda: not is_alive(script))
    process.wait()


KILL = """
import sys
from steps.processes import kill_marked
print(kill_marked({sys.argv[1]}))
"""


def test_who_ends_what_an_attempt_has_left_behind_does_not_end_itself():
    marked = {**os.environ, MARK: "run.of-this-test"}
    left = subprocess.Popen(["sleep", "600"], env=marked)
    try:
        done = subprocess.run(
            [sys.executable, "-c", KILL, "run.of-this-test"], env=marked, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
        assert left.wait(timeout=10) == -9
    finally:
        left.kill()
        left.wait()


def began(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]


@pytest.mark.skipif(sys.platform != "linux", reason="warm starts are for Linux")
def test_what_a_warm_parent_is_about_to_begin_is_waited_for(record):
    (record / "pid").write_text(f"by {os.getpid()} {began(os.getpid())}\n")
    later = threading.Timer(0.2, (record / "pid").write_text, (f"{os.getpid()} {began(os.getpid())}   \n",))
    later.start()
    assert not forestall(record), "it was just about to begin"
    found = Attached.find(record)
    assert found is not None and found.group == os.getpid() and found.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="warm starts are for Linux")
def test_what_a_warm_parent_was_about_to_begin_when_it_was_killed_counts_as_lost(record):
    parent = subprocess.Popen(["sleep", "60"])
    (record / "pid").write_text(f"by {parent.pid} {began(parent.pid)}\n")
    parent.kill()
    parent.wait()
    assert not forestall(record), "it may have begun"
    found = Attached.find(record)
    assert found is not None and not found.is_alive() and found.wait() is None


@pytest.mark.skipif(sys.platform != "linux", reason="warm starts are for Linux")
def test_a_warm_parent_that_drops_what_it_has_claimed_leaves_it_to_others(record):
    (record / "pid").write_text(f"by {os.getpid()} {began(os.getpid())}\n")
    later = threading.Timer(0.2, (record / "pid").unlink)
    later.start()
    assert Attached.find(record) is None
    assert launch(record, "exit 3").wait() == 3
