"""The classic walk through a v1 pipeline, as its example tells it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.scenes.conftest import CANALIS

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "walkthrough" / "walkthrough.py"


@pytest.mark.laptop("its author signs in, as nobody can here; tests/scenes/test_signing_in.py is about that")
def test_the_walk_goes_from_an_empty_workspace_to_a_model_that_retrains_itself(project):
    done = subprocess.run([str(CANALIS), "run", str(EXAMPLE)], capture_output=True, text=True, timeout=400, cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (float(found.replace(",", "")) for found in re.findall(r"after \d+ rounds: ([\d,]+)", done.stdout))
    assert second < first
    assert re.search(r"Published: My_Published_Pipeline .* - runs: \w+ Finished", done.stdout)
    assert re.search(r"Retrained on 2026.csv: 3,\d\d\d a square metre", done.stdout)
