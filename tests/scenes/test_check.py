"""`canalis check`: what a script asks for and is not here, all at once and without running it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scenes.conftest import canalis

pytestmark = pytest.mark.laptop("nothing is asked of a service")

SCRIPT = """\
print("it was run")
import azureml.train.automl
from azureml.core import Workspace, Experiment as E; from azureml.core.compute import KustoCompute
from azureml.pipeline.core import Pipeline, ModuleVersion, TrainingOutput
from azureml.pipeline.steps import PythonScriptStep, EstimatorStep
import azureml.core.run, pandas
try:
    from azureml.core.compute import BatchCompute
except ImportError:
    BatchCompute = None

def late():
    from azureml.pipeline.core import Module
    ws = Workspace.from_config()
    print(ws.update(), ws.name)
    pipeline = Pipeline(ws, [])
    pipeline.service_endpoint()
    pipeline.validate()
"""


def test_everything_that_is_missing_is_listed_with_its_line_and_fate():
    Path("script.py").write_text(SCRIPT)
    told = canalis("check", "script.py", check=1).stdout.splitlines()
    assert told == [
        "script.py: 9 missing",
        "  line 2: azureml.train.automl will not come: search with a library of your choice in a PythonScriptStep",
        "  line 3: azureml.core.compute.KustoCompute is planned",
        "  line 4: azureml.pipeline.core.ModuleVersion is planned",
        "  line 4: azureml.pipeline.core.TrainingOutput is planned",
        "  line 5: azureml.pipeline.steps.EstimatorStep will not come: use PythonScriptStep, whose environment and "
        "arguments say the same",
        "  line 8: azureml.core.compute.BatchCompute is planned",
        "  line 13: azureml.pipeline.core.Module is planned",
        "  line 15: Workspace.update is planned",
        "  line 17: Pipeline.service_endpoint is planned",
    ]
    found = json.loads(canalis("check", "script.py", "--json", check=1).stdout)["script.py"]
    assert [one["line"] for one in found if one["is_fatal"]] == [2, 3, 4, 4, 5]


def test_a_script_of_what_is_here_has_nothing_missing():
    example = Path(__file__).resolve().parents[2] / "examples" / "compare_models" / "pipeline.py"
    assert canalis("check", str(example)).stdout == f"{example}: nothing is missing\n"


def test_run_tells_up_front_all_that_a_script_would_fail_on():
    Path("script.py").write_text(SCRIPT)
    done = canalis("run", "script.py", check=1)
    assert "it was run" not in done.stdout
    assert done.stderr.startswith("canalis: script.py imports what is not in Canalis 0.1.0; nothing of it was run. ")
    assert (
        "line 3: azureml.core.compute.KustoCompute is planned" in done.stderr
        and "line 17: Pipeline.service" in done.stderr
    )


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    from azureml.core.compute import KustoCompute\nexcept ImportError:\n    print('went on')\n",
        "def late():\n    from azureml.core.compute import KustoCompute\nprint('went on')\n",
        "from azureml.core import *\nprint('went on')\n",
    ],
)
def test_run_refuses_nothing_that_would_not_fail(text):
    Path("script.py").write_text(text)
    assert canalis("run", "script.py").stdout == "went on\n"
