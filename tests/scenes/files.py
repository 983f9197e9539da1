"""A pipeline as files, for scenes that begin with YAML, and what commands answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.scenes.conftest import canalis

PIPELINE = """
pipeline:
  description: echoes
  parameters:
    rounds: {type: int, default: 3}
    rate: {type: float, default: 0.5}
    quick: {type: bool, default: false}
    text: {type: string, default: hi}
    data: {type: datapath, default: {datastore: workspaceblobstore, path_on_datastore: raw}}
  steps:
    echo:
      type: PythonScriptStep
      name: echo
      script_name: echo.py
      source_directory: scripts
      parameters:
        rounds: {source: rounds}
        rate: {source: rate}
        quick: {source: quick}
        text: {source: text}
      arguments: [parameter:rounds, parameter:rate, parameter:quick, parameter:text]
"""
ECHO = "import sys\nprint(sys.argv[1:])\n"


def written(project: Path, script: str = ECHO) -> None:
    """A pipeline of one step that prints its parameters, in train.yml."""
    (project / "scripts").mkdir(parents=True, exist_ok=True)
    (project / "scripts" / "echo.py").write_text(script)
    (project / "train.yml").write_text(PIPELINE)


def answer(*words: str, check: int = 0) -> Any:
    """The JSON that a command answers."""
    return json.loads(canalis(*words, check=check).stdout)


def published(*words: str) -> str:
    """The id of the pipeline, published."""
    return str(answer("pipeline", "create", "-n", "echo", "-y", "train.yml", *words)["Id"])
