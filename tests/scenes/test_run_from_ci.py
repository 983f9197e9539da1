"""A CI job publishes, submits and waits by the command line, in the words that `az` took."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from canalis.pipeline_run import PipelineRun
from tests.scenes.conftest import CANALIS, log_of
from tests.scenes.files import written

CI_SCRIPT = """
set -euo pipefail
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$@"; }

# Publish what was merged.
touch published.json
canalis ml pipeline create -n echo -y train.yml -d "what was merged" -v "$BUILD" -f published.json > /dev/null
pipeline=$(field published.json Id)
canalis pipeline endpoint create "$ENDPOINT" -i "$pipeline" --json > endpoint.json
test "$(field endpoint.json DefaultVersion)" = 0

# The next build takes over at the same address.
echo 'print("newer")' > scripts/echo.py
canalis ml pipeline create -n echo -y train.yml --version "$BUILD.1" --output-file published.json > /dev/null
canalis pipeline endpoint add-version "$ENDPOINT" -i "$(field published.json Id)" --default --json > endpoint.json
test "$(field endpoint.json DefaultVersion)" = 1

# Run it, and wait.
canalis pipeline endpoint submit "$ENDPOINT" -n ci --wait -p rounds=5 --json > run.json
field run.json Id

# As it was with az.
canalis ml run submit-pipeline -i "$pipeline" -n ci -p rounds=7,text=old --output_file run.json > /dev/null
canalis ml pipeline list-steps -i "$(field run.json Id)" > steps.json
field run.json Id
"""


@pytest.fixture(autouse=True)
def sources(project, ws, monkeypatch):
    monkeypatch.setenv("CANALIS_WORKSPACE", ws.name)  # other scenes leave workspaces of theirs beside it
    assert ws.discovery_url  # its service is there by now, and needs no word when it is started
    written(project)


def test_a_ci_script_publishes_submits_and_waits_as_it_did_with_az(project, ws):
    environment = {**os.environ, "PATH": f"{CANALIS.parent}:{os.environ['PATH']}", "BUILD": "17"}
    environment["ENDPOINT"] = f"ci {project.name}"
    done = subprocess.run(
        ["bash", "-c", CI_SCRIPT], capture_output=True, text=True, cwd=project, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    newer, older = (PipelineRun.get(ws, line) for line in done.stdout.split())

    assert newer.get_status() == "Finished" and log_of(newer, "echo") == "newer\n"
    assert "echo                     | newer" in done.stderr and f"Run {newer.id} is completed after" in done.stderr
    older.wait_for_completion(show_output=False)
    assert log_of(older, "echo") == "['7', '0.5', 'False', 'old']\n"
    (step,) = json.loads(Path("steps.json").read_text())
    assert (step["Name"], step["NodeId"], step["RunId"]) == ("echo", "echo", older.id)
    assert json.loads(Path("published.json").read_text())["Version"] == "17.1"
