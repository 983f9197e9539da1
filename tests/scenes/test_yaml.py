"""Pipelines in YAML files: run, published, saved, and run again somewhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from canalis.contract.errors import ParameterError, YamlInvalid
from canalis.datastore import Datastore
from canalis.pipeline import Pipeline
from tests.scenes.conftest import log_of, statuses

PREPARE = """
    import os, sys
    source, target, rate = sys.argv[1:]
    os.makedirs(target)
    with open(os.path.join(target, "prepared.txt"), "w") as file:
        file.write(f"{open(source).read()} at {rate}")
"""
TRAIN = """
    import os, sys
    from helpers.shout import shout
    print(shout(open(os.path.join(sys.argv[1], "prepared.txt")).read()), os.environ["AML_PARAMETER_rounds"])
"""
TRAINING = """\
pipeline:
  description: trains
  parameters:
    rate: {type: float, default: 0.5}
    rounds: {type: int, default: 3}
  data_references:
    raw: {datastore: workspaceblobstore, path_on_datastore: yaml/raw.txt}
  steps:
    prepare:
      type: PythonScriptStep
      script_name: prepare.py
      source_directory: src
      arguments: [input:raw, output:prepared, parameter:rate]
      parameters:
        rate: {source: rate}
      inputs:
        raw: {source: raw, bind_mode: download}
      outputs:
        prepared: {destination: features, datastore: workspaceblobstore, bind_mode: mount}
    train:
      python_script_step:
        name: Train the model
        script_name: train.py
        source_directory: src
        allow_reuse: false
      arguments: [input:features]
      parameters:
        rounds: {source: rounds}
      inputs:
        features: {source: features, bind_mode: download}
"""


@pytest.fixture
def training(author, project) -> Path:
    """The YAML file of a pipeline of two steps, with its scripts and its data in place."""
    author.writes("prepare.py", PREPARE)
    author.writes("train.py", TRAIN)
    author.writes("helpers/shout.py", "def shout(text):\n    return text.upper() + '!'\n")
    (project / "raw.txt").write_text("raw data")
    store = Datastore.get(author.ws, "workspaceblobstore")
    store.upload_files([project / "raw.txt"], target_path="yaml", overwrite=True, show_progress=False)
    (project / "train.yml").write_text(TRAINING)
    return project / "train.yml"


def the_end_of(run) -> str:
    run.wait_for_completion(show_output=False)
    return log_of(run, "Train the model").strip()


def test_a_pipeline_of_a_yaml_file_runs(author, training):
    pipeline = Pipeline.load_yaml(author.ws, "train.yml")
    assert pipeline.validate() == [] and pipeline.description == "trains"

    run = pipeline.submit("yaml", pipeline_parameters={"rounds": 7})

    assert the_end_of(run) == "RAW DATA AT 0.5! 7"
    assert statuses(run) == {"prepare.py": "Finished", "Train the model": "Finished"}
    with pytest.raises(ParameterError, match="'rounds' is of type int"):
        pipeline.submit("yaml", pipeline_parameters={"rounds": "many"})


def test_what_the_workspace_has_not_is_told_with_the_rest(author, training):
    training.write_text(
        TRAINING.replace("workspaceblobstore, path", "nowhere, path").replace(
            "steps:", "default_compute: no-such\n  steps:"
        )
        + "      compute: missing\n      retries: x\n"
    )
    with pytest.raises(YamlInvalid) as caught:
        Pipeline.load_yaml(author.ws, "train.yml")
    told = caught.value.message.splitlines()
    assert [line.partition(" in this workspace")[0] for line in told] == [
        "train.yml:7: data_references.raw.datastore: there is no datastore 'nowhere'",
        "train.yml:8: default_compute: there is no compute target 'no-such'",
        "train.yml:32: steps.train.compute: there is no compute target 'missing'",
        "train.yml:33: steps.train.retries: this must be a whole number from 0 to 100, not 'x'",
    ]
    assert (
        isinstance(caught.value, ValueError) and "`canalis compute create missing --max-nodes N` makes one" in told[2]
    )


def test_a_file_that_is_not_there_and_a_word_that_is_none_are_told(author):
    with pytest.raises(ValueError, match=r"^no\.yml:1: the file cannot be read: No such file or directory$"):
        Pipeline.load_yaml(author.ws, "no.yml")
    with pytest.raises(ValueError, match="load_yaml\\(\\) of a pipeline has no parameter filname"):
        Pipeline.load_yaml(author.ws, "no.yml", filname="x")
