"""The kill loop itself: a slice of it, the long one, and that it finds what it is for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kills.defects import DEFECTS

ROOT = Path(__file__).resolve().parents[2]


def kills(count: int, seed: int, *more: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: it forks, and adopts what its children leave."""
    line = [sys.executable, "-m", "tests.kills", "--kills", str(count), "--seed", str(seed), *more]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=3600)


def test_a_service_and_steps_that_are_killed_at_random_lose_nothing_and_double_nothing():
    done = kills(60, seed=1)
    assert done.returncode == 0 and "; 0 lost, 0 doubled, 0 otherwise wrong;" in done.stdout, done.stdout + done.stderr


@pytest.mark.soak
def test_ten_thousand_kills_lose_nothing_and_double_nothing():
    done = kills(10_000, seed=1)
    print(done.stdout)
    assert done.returncode == 0 and "; 0 lost, 0 doubled, 0 otherwise wrong;" in done.stdout, done.stdout + done.stderr


# What the loop has to say of each: the words of its oracle, and not that a life came to an end by itself.
SAID = {
    "recovery": "lost: .* is STARTED at the end",
    "commit-before-acknowledgement": "lost: .* was acknowledged and is not there",
    "finding-again": "doubled: .* was done [2-9] times",
    "exclusive-pid-file": "doubled: .* began [2-9] times",
    "forestalling": "wrong: .* by itself|too late: begin of|doubled: ",
}


@pytest.mark.soak
@pytest.mark.parametrize("name", DEFECTS)
def test_a_safeguard_that_is_taken_away_is_missed(name):
    done = kills(3000, 1, "--without", name)
    assert done.returncode == 1 and re.search(f"^  ({SAID[name]})", done.stdout, re.M), done.stdout + done.stderr
    assert "life ended" not in done.stdout, done.stdout
