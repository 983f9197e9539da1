"""Objects at the author's desk that need no service: conda specifications, snapshots, metrics, patterns."""

from __future__ import annotations

import importlib
import math
import os
import sys
from pathlib import Path

import pytest
import yaml

from canalis.azureml import install_as_azureml
from canalis.conda import CondaDependencies
from canalis.contract.graph import ParameterText
from canalis.contract.metrics import fold
from canalis.contract.patterns import below_common, escaped, is_pattern, listing_prefix, matches, unescaped
from canalis.contract.run import StepRunId
from canalis.contract.status import Phase, RunStatus, StepStatus, pipeline_word, run_word, step_words
from canalis.data import PipelineParameter
from canalis.environment import Environment
from canalis.exceptions import SnapshotException, UserErrorException
from canalis.recording import checked_file_name, point
from canalis.runconfig import RunConfiguration
from canalis.snapshot import read_folder
from canalis.steps import PythonScriptStep
from canalis.wiring import Wiring


def test_a_conda_specification_is_built_and_written_as_conda_reads_it(tmp_path):
    conda = CondaDependencies.create(pip_packages=["a==1", "b"], conda_packages=["numpy"], python_version="3.8")
    conda.add_pip_package("a==2")
    conda.add_conda_package("scikit-learn=1.0")
    conda.add_channel("conda-forge")

    assert (conda.pip_packages, conda.conda_packages) == (["b", "a==2"], ["python=3.8", "numpy", "scikit-learn=1.0"])
    path = conda.save_to_file(str(tmp_path), "conda.yml")
    written = yaml.safe_load((tmp_path / "conda.yml").read_text())
    assert written["dependencies"] == ["python=3.8", "numpy", "scikit-learn=1.0", {"pip": ["b", "a==2"]}]
    assert CondaDependencies(conda_dependencies_file_path=path).serialize_to_string() == conda.serialize_to_string()


def test_without_packages_v1s_own_are_asked_for():
    assert CondaDependencies.create().pip_packages == ["azureml-defaults"]
    assert CondaDependencies().pip_packages == ["azureml-defaults"]


@pytest.mark.parametrize("text", ["dependencies: [", "- a", "names: x\ndependencies: []"])
def test_what_is_no_conda_specification_is_told(tmp_path, text):
    (tmp_path / "c.yml").write_text(text)
    with pytest.raises(UserErrorException, match=r"c\.yml"):
        Environment.from_conda_specification("e", str(tmp_path / "c.yml"))


def test_an_environment_is_saved_and_loaded(tmp_path):
    (tmp_path / "r.txt").write_text("# tools\na==1\n\nb\n")
    environment = Environment.from_pip_requirements("e", str(tmp_path / "r.txt"))
    assert environment.python.conda_dependencies.pip_packages == ["a==1", "b"]
    environment.save_to_directory(str(tmp_path / "saved"))
    again = Environment.load_from_directory(str(tmp_path / "saved"))
    assert (again.name, again.python.conda_dependencies.pip_packages) == ("e", ["a==1", "b"])
    assert environment.clone("f").name == "f" and environment.name == "e"


def test_the_switches_that_old_scripts_turn_are_there():
    configuration = RunConfiguration(framework="python", conda_dependencies=CondaDependencies())
    configuration.environment.docker.enabled = True
    configuration.environment.docker.base_image = "image"
    configuration.environment.python.user_managed_dependencies = True
    configuration.environment.spark.precache_packages = False
    configuration.history.output_collection = True
    configuration.auto_prepare_environment = True
    configuration.target = "cpu-cluster"
    assert configuration.target == "cpu-cluster"


def test_a_snapshot_has_the_files_that_are_not_ignored(tmp_path):
    for name in (
        "a.py",
        "b/c.py",
        "data/big.csv",
        ".git/HEAD",
        "__pycache__/a.pyc",
        ".canalis/x",
        "venv/pyvenv.cfg",
        "venv/lib/x.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "run.sh").write_text("#!/bin/sh")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    (tmp_path / ".gitignore").write_text("data/\n")

    found = read_folder(tmp_path)
    assert sorted(found) == [".gitignore", "a.py", "b/c.py", "run.sh"]
    assert found["run.sh"]["executable"] and "executable" not in found["a.py"]
    assert found["a.py"]["size"] == 4


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0)
    with pytest.raises(SnapshotException, match="secret cannot be read"):
        read_folder(tmp_path)


def test_points_fold_into_v1s_shapes_whatever_their_order_and_however_often_they_come():
    points = [
        point("a", "scalar", 1),
        point("b", "scalar", 1),
        point("b", "scalar", 2),
        point("l", "list", [1, 2]),
        point("l", "list", [3]),
        point("r", "row", {"x": 1}),
        point("r", "row", {"x": 2, "y": 3}),
        point("n", "scalar", math.inf),
    ]
    expected = {"a": 1, "b": [1, 2], "l": [1, 2, 3], "r": {"x": [1, 2], "y": [3]}, "n": math.inf}
    assert fold(points) == expected == fold(points[::-1]) == fold(points + points[:3])


def test_names_and_values_that_cannot_be_kept_are_told():
    with pytest.raises(UserErrorException, match="name of a metric"):
        point("", "scalar", 1)
    with pytest.raises(UserErrorException, match="a object cannot be logged"):
        point("x", "scalar", object())
    for name in ("../x", "", "a/../../x", "/"):
        with pytest.raises(UserErrorException, match="cannot be the name of a file"):
            checked_file_name(name)


@pytest.mark.parametrize(
    ("path", "fitting"),
    [
        ("a", ["a/1.csv", "a/b/2.csv", "a/b/3.txt"]),
        ("a/", ["a/1.csv", "a/b/2.csv", "a/b/3.txt"]),
        ("", ["a/1.csv", "a/b/2.csv", "a/b/3.txt", "ab"]),
        ("a/1.csv", ["a/1.csv"]),
        ("a/*.csv", ["a/1.csv"]),
        ("a/**/*.csv", ["a/1.csv", "a/b/2.csv"]),
        ("a/**", ["a/1.csv", "a/b/2.csv", "a/b/3.txt"]),
        ("a/b/?.[ct]??", ["a/b/2.csv", "a/b/3.txt"]),
        ("a/b/[!2].*", ["a/b/3.txt"]),
        ("*", ["ab"]),
    ],
)
def test_a_path_stands_for_files(path, fitting):
    keys = ["a/1.csv", "a/b/2.csv", "a/b/3.txt", "ab"]
    assert [key for key, _ in matches(path, keys)] == fitting


@pytest.mark.parametrize("name", ["[1].csv", "a*", "?", "[*]", "[[]", "[]", "**/x", "]", "x[!a]", "plain"])
def test_a_name_that_looks_like_a_pattern_is_found_by_its_own_name_and_finds_no_other(name):
    path, keys = escaped(name), sorted({name, "1.csv", "ab", "*", "?", "[", "d/x", "xb"})
    assert not is_pattern(path) and unescaped(path) == listing_prefix(path) == name
    assert [key for key, _ in matches(path, keys)] == [name]
    assert [key for key, _ in matches(f"{path}/*.csv", [f"{name}/a.csv", "1.csv/a.csv", "ab/a.csv"])] == [
        f"{name}/a.csv"
    ]
    assert list(matches(path, [f"{name}/in/it"])) == [(f"{name}/in/it", name)], "a folder of that name is one"


def test_files_are_seen_below_the_folder_that_all_share():
    assert below_common([("a/b/x", "a/b"), ("a/c/y", "a/c")]) == [("a/b/x", "b/x"), ("a/c/y", "c/y")]
    assert below_common([("x", "")]) == [("x", "x")]
    assert below_common([]) == []


@pytest.mark.parametrize("text", ["r-1.train", "r-1.train.2", "r-1.train_model.12"])
def test_a_step_runs_id_says_which_attempt_it_is(text):
    assert str(StepRunId.parse(text)) == text


@pytest.mark.parametrize("text", ["r-1", "r-1.a.b", "r-1.a.1.2", ""])
def test_other_ids_are_no_step_runs(text):
    assert StepRunId.parse(text) is None


def test_every_status_has_a_word_in_both_vocabularies():
    assert {pipeline_word(status) for status in RunStatus} <= {
        "NotStarted",
        "Running",
        "Failed",
        "Finished",
        "Canceled",
    }
    assert {run_word(status) for status in RunStatus} <= {
        "Running",
        "CancelRequested",
        "Completed",
        "Failed",
        "Canceled",
    }
    ended = {"Finished", "Failed", "Canceled", "Bypassed"}
    for status in StepStatus:
        for phase in Phase:
            word, _ = step_words(status, phase)
            assert not status.is_terminal or word in ended, "a v1 wait loop would never end"


@pytest.mark.parametrize(
    "module",
    [
        "canalis.contract.datasets",
        "canalis.contract.patterns",
        "canalis.contract.places",
        "canalis.contract.run",
        "canalis.contract.zones",
        "canalis.cli.kept",
        "canalis.conda",
        "canalis.filters",
        "canalis.telling",
        "steps.arguments",
    ],
)
def test_the_examples_in_the_docstrings_are_true(module):
    import doctest
    import importlib

    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0 and found.failed == 0


def test_a_parameter_in_a_text_is_the_one_that_was_written_there():
    """Two pipelines of one process may each have a parameter of the same name."""
    first, second = PipelineParameter("n", 1), PipelineParameter("n", 2)
    for meant in (first, second, first):
        wiring = Wiring("step", [], [])
        assert wiring.argument(f"--n={meant}") == ("--n=", ParameterText(name="n"))
        assert wiring.parameters == [meant]


@pytest.mark.parametrize("name", [b"we\\ird.txt", b"caf\xe9.txt"])
def test_a_file_with_a_name_that_not_every_machine_can_have_is_told_by_name(tmp_path, name):
    (tmp_path / "a.py").write_text("")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("")
    with pytest.raises(SnapshotException, match="Rename them") as told:
        read_folder(tmp_path)
    assert name.decode("ascii", "ignore")[:2] in str(told.value)
    str(told.value).encode()

    (tmp_path / ".amlignore").write_text("*.txt\n")
    assert "a.py" in read_folder(tmp_path)


@pytest.mark.parametrize("for_v1", [True, False])
def test_what_lies_where_a_step_reads_counts_for_reuse_unless_the_script_is_one_for_v1(monkeypatch, tmp_path, for_v1):
    monkeypatch.delitem(sys.modules, "azureml", raising=False)
    if for_v1:
        install_as_azureml()
        importlib.import_module("azureml.pipeline.steps")
    step = PythonScriptStep("train.py", source_directory=tmp_path)
    assert step.reuse_by_content is not for_v1
