"""Run configurations as files: v1's .runconfig."""

from __future__ import annotations

import pytest
import yaml

from canalis.conda import CondaDependencies
from canalis.exceptions import RunConfigurationException, UserErrorException
from canalis.runconfig import RunConfiguration
from canalis.runconfig_yaml import as_dict

OF_V1 = """\
# The script to run.
script: train.py
# The arguments to the script file.
arguments: []
target: cpu-cluster
framework: PySpark
communicator: None
autoPrepareEnvironment: true
maxRunDurationSeconds:
nodeCount: 2
priority:
environment:
  environmentVariables:
    EXAMPLE_ENV_VAR: EXAMPLE_VALUE
    COUNT: 010
  python:
    userManagedDependencies: false
    interpreterPath: python
    condaDependenciesFile: aml_config/conda_dependencies.yml
  docker:
    enabled: true
    baseImage: mcr.microsoft.com/azureml/base:0.2.4
    sharedVolumes: true
    gpuSupport: false
    arguments: [--cpus, 2]
    baseImageRegistry:
      address:
      username: me
      password: secret
  spark:
    repositories: []
    packages:
    - group: com.microsoft.ml.spark
      artifact: mmlspark_2.11
      version: '0.12'
    precachePackages: true
history:
  outputCollection: true
spark:
  configuration:
    spark.app.name: Azure ML Experiment
    spark.yarn.maxAppAttempts: 1
hdi:
  yarnDeployMode: cluster
tensorflow:
  workerCount: 1
  parameterServerCount: 1
mpi:
  processCountPerNode: 1
dataReferences: {}
sourceDirectoryDataStore:
amlcompute:
  vmSize:
"""


def test_a_file_of_v1_is_read_with_its_conda_file(tmp_path):
    (tmp_path / "aml_config").mkdir()
    (tmp_path / "aml_config" / "cpu.runconfig").write_text(OF_V1)
    (tmp_path / "aml_config" / "conda_dependencies.yml").write_text(
        "dependencies: [python=3.6, {pip: [azureml-defaults]}]"
    )

    found = RunConfiguration.load(tmp_path, "cpu")

    assert (found.target, found.framework, found.node_count) == ("cpu-cluster", "PySpark", 2)
    assert (found.max_run_duration_seconds, found.priority, found.communicator) == (None, None, "None")
    assert found.environment.environment_variables == {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE", "COUNT": "010"}
    assert found.environment.python.conda_dependencies.python_version == "3.6"
    assert (found.environment.docker.enabled, found.environment.docker.arguments) == (True, ["--cpus", "2"])
    assert found.environment.docker.base_image_registry.username == "me"
    assert found.spark.configuration == {"spark.app.name": "Azure ML Experiment", "spark.yarn.maxAppAttempts": 1}


def test_what_is_saved_is_loaded_as_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = RunConfiguration(conda_dependencies=CondaDependencies.create(pip_packages=["a==1"], python_version="3.8"))
    made.environment.name = "mine"
    made.environment.docker.base_image, made.environment.docker.base_dockerfile = None, "FROM x\nRUN y\n"
    made.environment.docker.base_image_registry.password = "secret"
    made.environment_variables = {"A": "yes", "B": "1.10", "C": "None"}
    made.target, made.max_run_duration_seconds, made.priority = "gpu", 60, -1
    made.arguments, made.command = ["--n", 1], ["python", "x.py"]
    made.environment.python.user_managed_dependencies = True

    made.save(name="mine")

    assert "secret" not in (tmp_path / ".azureml" / "mine.runconfig").read_text()
    again = RunConfiguration.load(tmp_path, "mine")
    assert as_dict(again) == as_dict(made)
    assert again.environment._to_dict() == made.environment._to_dict()
    again.node_count = 5
    again.save()
    assert RunConfiguration.load(".azureml/mine.runconfig").node_count == 5
    again.environment.python.conda_dependencies = None
    again.save("other.runconfig")
    assert RunConfiguration.load("other.runconfig").environment.python.conda_dependencies is None


def test_what_is_written_are_v1s_keys_in_camel_case(tmp_path):
    RunConfiguration().save(tmp_path / "x.runconfig")
    found = yaml.safe_load((tmp_path / "x.runconfig").read_text())
    assert found["environment"]["python"]["condaDependencies"]["name"] == "project_environment"
    assert (found["nodeCount"], found["environment"]["docker"]["shmSize"], found["mpi"]) == (
        1,
        "2g",
        {"processCountPerNode": 1, "nodeCount": 1},
    )


def test_everything_that_is_wrong_with_a_file_is_told(tmp_path):
    (tmp_path / "conda.yml").write_text("dependencies: [a]\ndependencise: [b]\n")
    file = tmp_path / "x.runconfig"
    file.write_text(
        "nodecount: 2\nnodeCount: many\nautoPrepareEnvironment: 1\nenvironment:\n  python: [x]\n  docker:\n"
        "    arguments: {a: b}\n    baseImag: x\nhistory: 3\nspark:\n  configuration: x\nenvironmentVariables: {A: [b]}\n"
    )
    with pytest.raises(RunConfigurationException) as caught:
        RunConfiguration.load(file)
    assert caught.value.code == "yaml_invalid"
    assert caught.value.message.splitlines() == [
        f"{file}:{line}"
        for line in (
            "1: nodecount: there is no key 'nodecount' here: did you mean 'nodeCount'?",
            "2: nodeCount: this must be a whole number of 1 or more, not 'many'",
            "3: autoPrepareEnvironment: this must be true or false, not '1'",
            "5: environment.python: this is a list, where a section with keys must be",
            "7: environment.docker.arguments: this must be a list, not a section",
            "8: environment.docker.baseImag: there is no key 'baseImag' here: did you mean 'baseImage'?",
            "9: history: this is '3', where a section with keys must be",
            "11: spark.configuration: this is 'x', where a section with keys must be",
            "12: environmentVariables.A: this must be text, not a list",
        )
    ]
    file.write_text("environment: {python: {condaDependenciesFile: conda.yml}}")
    with pytest.raises(
        RunConfigurationException, match=r"conda\.yml:2: dependencise: there is no key .*'dependencies'"
    ):
        RunConfiguration.load(file)
    file.write_text("environment: {python: {condaDependenciesFile: none.yml}}")
    with pytest.raises(RunConfigurationException, match=r"there is no file 'none\.yml', neither below the project nor"):
        RunConfiguration.load(file)


def test_a_file_that_is_not_there_or_not_named_is_told(tmp_path):
    with pytest.raises(RunConfigurationException, match="no run configuration 'cpu'"):
        RunConfiguration.load(tmp_path, "cpu")
    with pytest.raises(RunConfigurationException, match="a folder; name the run configuration in it"):
        RunConfiguration.load(tmp_path)
    with pytest.raises(RunConfigurationException, match="the file cannot be read: No such file"):
        RunConfiguration.load(tmp_path / "x.runconfig")
    with pytest.raises(UserErrorException, match="needs a path or a name"):
        RunConfiguration().save()
