"""`import azureml...`: what resolves, what does not, and what is said then."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from canalis.azureml import COVERED, install_as_azureml

pytestmark = pytest.mark.laptop("names resolve at the author's desk, whatever the service")

PATHS = [(module, name) for module, homes in COVERED.items() for names in homes.values() for name in names.split()]


@pytest.mark.parametrize(("module", "name"), PATHS)
def test_every_covered_path_resolves_to_ours(module, name):
    public = name.partition(":")[0]
    found = getattr(importlib.import_module(module), public)
    assert isinstance(found, str) or found.__module__.startswith("canalis.")


def test_one_class_is_the_same_by_whichever_path():
    from azureml.core import ComputeTarget, Datastore, Workspace
    from azureml.core.compute_target import ComputeTargetException
    from azureml.core.conda_dependencies import CondaDependencies
    from azureml.core.datastore import Datastore as again
    from azureml.core.runconfig import CondaDependencies as third
    from azureml.exceptions import ComputeTargetException as other

    from canalis import Workspace as ours

    assert (Datastore, ComputeTargetException, CondaDependencies, Workspace) == (again, other, third, ours)
    assert ComputeTarget.__module__ == "canalis.compute_target"


def test_the_forms_that_scripts_use_all_work():
    import azureml.core
    import azureml.pipeline.core as pipeline

    assert azureml.core.VERSION.startswith("1.")
    assert pipeline.graph.PipelineParameter is pipeline.PipelineParameter
    scope: dict[str, object] = {}
    exec("from azureml.core import *", scope)
    assert "Workspace" in scope and "Experiment" in scope
    assert not hasattr(azureml.core, "__wrapped__")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from azureml.core.compute import BatchCompute", "azureml.core.compute.BatchCompute"),
        ("from azureml.pipeline.core import ModuleVersion, TrainingOutput", "azureml.pipeline.core.ModuleVersion"),
        ("import azureml.train.automl", "azureml.train"),
        ("from azureml.train.hyperdrive import choice", "azureml.train"),
        ("from azureml.pipeline.steps import AzureBatchStep", "azureml.pipeline.steps.AzureBatchStep"),
        ("import azureml.core.nothing", "azureml.core.nothing"),
    ],
)
def test_a_name_that_is_not_there_yet_says_so_when_it_is_imported(line, name):
    with pytest.raises(ImportError) as caught:
        exec(line)
    message = str(caught.value)
    assert message.startswith(f"{name} is not in Canalis ")
    assert "`canalis coverage` lists what is" in message


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, timeout=60
    )


def test_one_line_switches_it_on_in_a_notebook():
    code = (
        "import canalis\ncanalis.install_as_azureml()\nfrom azureml.core import Workspace\nprint(Workspace.__module__)"
    )
    assert run_python(code).stdout == "canalis.workspace\n"
    assert "No module named 'azureml'" in run_python("import azureml").stderr


def test_the_original_packages_are_refused_plainly(tmp_path):
    (tmp_path / "azureml" / "core").mkdir(parents=True)
    (tmp_path / "azureml" / "core" / "__init__.py").write_text("")
    for code in (
        "import canalis\ncanalis.install_as_azureml()",
        f"import sys\nsys.path.insert(0, {str(Path(sys.modules['canalis'].__file__).parent / 'alias')!r})\nimport azureml",
    ):
        done = run_python(code, PYTHONPATH=str(tmp_path))
        assert done.returncode == 1
        assert "The original azureml packages are installed in this environment" in done.stderr
        assert "uninstall them" in done.stderr


def test_installing_it_twice_does_no_harm():
    before = list(sys.path)
    install_as_azureml()
    assert sys.path == before


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Pipeline.service_endpoint", "Pipeline.service_endpoint"),
        ("Workspace.update", "Workspace.update"),
        ("FileDataset([]).as_hdfs", "FileDataset.as_hdfs"),
    ],
)
def test_a_member_that_is_not_there_yet_says_so_when_it_is_asked_for(line, name):
    scope: dict[str, object] = {}
    exec("from azureml.core import *\nfrom azureml.pipeline.core import *\nfrom azureml.data import *", scope)
    with pytest.raises(AttributeError, match=rf"^{name} is not in Canalis .*`canalis coverage` lists what is"):
        eval(line, scope)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "from azureml.core.compute import KustoCompute",
            "azureml.core.compute.KustoCompute is not in Canalis 0.1.0 and is planned;",
        ),
        ("import azureml.train.automl", "azureml.train is not in Canalis 0.1.0; "),
        ("from azureml.pipeline.steps import EstimatorStep", "and will not come: use PythonScriptStep, whose"),
        ("import azureml.pipeline.steps.parallel_run_step", "parallel_run_step is not in Canalis 0.1.0 and is planned"),
        (
            "from azureml.pipeline.steps import PythonScriptStp",
            "PythonScriptStp is not in Canalis 0.1.0. Did you mean 'PythonScriptStep'? `canalis coverage` lists",
        ),
        (
            "from azureml.core import Run\nRun.get_contxt()",
            "Run.get_contxt is not in Canalis 0.1.0. Did you mean 'get_context'?",
        ),
        (
            "from azureml.core import Environment\nEnvironment('e').clon",
            "Environment.clon is not in Canalis 0.1.0. Did you mean 'clone'?",
        ),
        ("from azureml.core import Run\nRun.frobnicate", "Run.frobnicate is not in Canalis 0.1.0; `canalis coverage`"),
        (
            "from azureml.core import Workspace\nWorkspace.update",
            "Workspace.update is not in Canalis 0.1.0 and is planned",
        ),
    ],
)
def test_a_name_that_is_not_there_says_whether_it_will_be(line, said):
    with pytest.raises((ImportError, AttributeError)) as caught:
        exec(line, {})
    assert said in str(caught.value)


def test_what_is_called_absent_is_absent():
    from canalis.planned import _MODULES, MEMBERS, NAMES

    covered = {name.partition(":")[0] for _, name in PATHS}
    assert covered & NAMES.keys() == set() and MEMBERS.keys() <= covered
    assert {module for module, _ in PATHS} & _MODULES.keys() == set(), "a misspelt name in it would have a fate"
    homes = {name.partition(":")[0]: module for module, name in PATHS}
    for name, members in MEMBERS.items():
        found = getattr(importlib.import_module(homes[name]), name)
        assert [member for member in members if hasattr(found, member)] == [], name


def test_what_is_covered_can_be_listed_anywhere(tmp_path):
    from tests.scenes.conftest import canalis

    listed = canalis("coverage", cwd=tmp_path).stdout
    assert (
        "azureml.pipeline.steps: AdlaStep, CommandStep, DataTransferStep, DatabricksStep, PythonScriptStep\n" in listed
    )
    assert "\nPipeline: graph, load_yaml, plan, publish, steps, submit, validate, workspace" in listed.replace(
        "description, ", ""
    )
    assert "  planned: service_endpoint\n" in listed
    assert "  will not come: webservices (serve what" in listed
    assert "\nRunConfiguration: " in listed and "environment_variables" in listed
