"""The example with what an author's second day needs: datasets, an environment, MLflow, a model, and edits."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.scenes.conftest import CANALIS, canalis

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "disease_progression"


@pytest.mark.laptop("in Azure environments are recorded")
def test_a_model_is_trained_registered_and_used_and_an_edit_says_what_it_costs(own_home, tmp_path):
    folder = shutil.copytree(EXAMPLE, tmp_path / "mine")
    script = str(folder / "pipeline.py")
    done = subprocess.run([str(CANALIS), "run", script], capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    error, version = (
        re.search(said, done.stdout).group(1) for said in (r"wrong by (\d+) of 25", r"Model: .* version (\d)")
    )
    assert int(error) < 70 and version == "1"  # who says the mean of all to everybody is wrong by 70
    assert "MLflow saw: training_mean_absolute_error, training_mean_squared_error, training_r2_score" in done.stdout
    assert "Predictions: east.csv north.csv south.csv west.csv" in done.stdout
    assert "trees=200" in canalis("models", "show", "disease-progression").stdout

    assert "0 of 2 steps would run" in canalis("plan", script).stdout
    text = (folder / "pipeline.py").read_text()
    (folder / "pipeline.py").write_text(text.replace('{"trees": 200}', '{"trees": 300}'))
    planned = canalis("plan", script).stdout
    assert "2 of 2 steps would run" in planned
    assert "parameter trees: 200 -> 300" in planned and "score  runs: after train changed" in planned
