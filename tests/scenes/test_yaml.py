"""Pipelines in YAML files: run, published, saved, and run again somewhere else."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path

import pytest

from canalis.contract.errors import ParameterError, YamlInvalid
from canalis.data import PipelineData, PipelineParameter
from canalis.datastore import Datastore
from canalis.exceptions import SnapshotException, UserErrorException
from canalis.pipeline import Pipeline
from canalis.pipeline_yaml_saving import save_pipeline
from canalis.published import PublishedPipeline
from canalis.steps import CommandStep
from tests.scenes.conftest import canalis, log_of, statuses

pytestmark = pytest.mark.laptop(
    "files are read and written at the author's desk, and what is submitted is a graph like any other"
)

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


def test_a_yaml_file_is_published_saved_loaded_and_run_in_another_folder(author, training, project, monkeypatch):
    published = Pipeline.load_yaml(author.ws, "train.yml").publish(name="My training", version="1.0")
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / "elsewhere")

    saved = published.save()

    assert saved == "My_training.yml" and sorted(os.listdir()) == ["My_training.yml", "My_training_sources"]
    (folder,) = Path("My_training_sources").iterdir()  # both steps have the same files
    assert sorted(path.name for path in folder.rglob("*.py")) == ["prepare.py", "shout.py", "train.py"]
    assert Path(saved).read_text().startswith(f"# Published pipeline {published.id}, version '1.0'\npipeline:\n")

    (project / "elsewhere" / "far").mkdir()
    monkeypatch.chdir(project / "elsewhere" / "far")  # paths are found beside the file
    again = Pipeline.load_yaml(author.ws, "../My_training.yml")
    copy = again.publish()
    assert (copy.name, copy.description, copy.graph_id) == ("My training", "trains", published.graph_id)
    assert the_end_of(again.submit("yaml")) == "RAW DATA AT 0.5! 3"


def test_a_run_is_saved_with_the_values_that_it_ran_with(author, training, project):
    run = Pipeline.load_yaml(author.ws, "train.yml").submit("yaml", pipeline_parameters={"rate": 2, "rounds": 9})
    assert the_end_of(run) == "RAW DATA AT 2.0! 9"
    (project / "kept").mkdir()

    assert run.save("kept") == "kept/pipeline.yml"

    again = Pipeline.load_yaml(author.ws, "kept/pipeline.yml").submit("yaml")
    assert the_end_of(again) == "RAW DATA AT 2.0! 9"
    nodes = [one.model_dump() for one in again.get_graph().nodes]
    assert nodes == [one.model_dump() for one in run.get_graph().nodes], "snapshots too"


def test_what_a_script_has_drawn_is_saved_and_is_the_same_again(author, project, monkeypatch):
    rate = PipelineParameter("rate", 0.5)
    made = PipelineData("made")
    (author.folder / "tool.sh").write_text("#!/bin/sh\necho tool says $1\n")
    (author.folder / "tool.sh").chmod(0o755)
    author.writes(".amlignore", "*.log\n")
    author.writes("left.log", "not taken")
    first = author.step(
        "first",
        "import sys; open(sys.argv[1], 'w').write(sys.argv[2])",
        outputs=[made],
        arguments=[made, f"--rate={rate}"],
        retries=1,
    )
    second = CommandStep(
        ["./tool.sh", made], name="say it", inputs=[made], source_directory=str(author.folder), timeout_s=30
    )
    run = author.runs(first, second, pipeline_parameters={"rate": 0.25})
    published = run.publish_pipeline("drawn", "by a script", "2", continue_on_step_failure=True)

    saved = published.save("mine.yml")

    assert "continue_on_step_failure=True" in Path(saved).read_text()
    again = Pipeline.load_yaml(author.ws, saved)
    assert again.publish().graph_id != published.graph_id, "its default is the value that it ran with"
    copy = again.submit("yaml")
    copy.wait_for_completion(show_output=False)
    assert "tool says" in log_of(copy, "say it")
    assert copy.get_graph().nodes == run.get_graph().nodes
    monkeypatch.chdir(author.folder)
    assert not list(project.glob("mine_sources/*/left.log"))


def test_nothing_is_overwritten_without_saying_so(author, training, project):
    published = Pipeline.load_yaml(author.ws, "train.yml").publish(name="x")
    published.save("a.yml")
    before = Path("a.yml").read_text()
    with pytest.raises(UserErrorException, match=r"^a\.yml and a_sources are there already; pass overwrite=True"):
        published.save("a.yml")
    Path("a.yml").unlink()
    with pytest.raises(UserErrorException, match=r"^a_sources is there already; pass overwrite=True"):
        published.save("a.yml")
    (project / "a_sources" / "old.txt").write_text("of an earlier save")

    published.save("a.yml", overwrite=True)

    assert Path("a.yml").read_text() == before and not (project / "a_sources" / "old.txt").exists()
    with pytest.raises(UserErrorException, match="There is no folder nothing to save the pipeline in"):
        published.save("nothing/a.yml")


def test_a_save_that_fails_leaves_nothing_and_takes_nothing_away(author, training, project):
    published = Pipeline.load_yaml(author.ws, "train.yml").publish(name="x")
    published.save("a.yml")
    kept = {path: path.read_bytes() for path in project.rglob("a*/**/*") if path.is_file()}
    there = sorted(os.listdir())
    graph = published.get_graph()
    gone = graph.model_copy(
        update={"nodes": (*graph.nodes, graph.nodes[0].model_copy(update={"key": "z", "snapshot": "0" * 64}))}
    )

    for name in ("a.yml", "b.yml"):
        with pytest.raises(Exception, match="0000"):
            save_pipeline(author.ws, gone, {}, name, overwrite=True)

    assert sorted(os.listdir()) == there
    assert {path: path.read_bytes() for path in kept} == kept


@pytest.mark.parametrize("name", [".git/config", "env/pyvenv.cfg", "__pycache__/a.pyc"])
def test_files_that_a_submission_would_leave_out_are_not_lost_in_silence(author, training, name):
    """Who speaks HTTP may send any files; a folder of them would be taken without these."""
    import hashlib

    client, text = author.ws._client, b"print(1)"
    sha256 = hashlib.sha256(text).hexdigest()
    client.send_file(f"/content/{sha256}", text)
    entry = {"sha256": sha256, "size": len(text)}
    snapshot = client.post("/snapshots", {"files": {"prepare.py": entry, name: entry}})["id"]
    graph = Pipeline.load_yaml(author.ws, "train.yml").graph
    nodes = tuple(node.model_copy(update={"snapshot": snapshot}) for node in graph.nodes)
    with pytest.raises(SnapshotException, match=f"take them differently from a folder: {name}"):
        save_pipeline(author.ws, graph.model_copy(update={"nodes": nodes}), {}, "a.yml")
    assert not Path("a.yml").exists() and not Path("a_sources").exists()


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


def test_data_paths_datasets_and_uploads_of_a_yaml_file_work(author, project):
    author.writes(
        "show.py",
        """
        import os, sys
        print(sorted(os.listdir(sys.argv[1])), open(sys.argv[2]).read(), os.environ["files"] == sys.argv[1])
        os.makedirs("results")
        open("results/r.txt", "w").write("made")
        """,
    )
    author.writes(
        "read.py", "import sys, os; print(open(os.path.join(sys.argv[1], 'r.txt')).read(), os.environ['SAYS'])"
    )
    store = Datastore.get(author.ws, "workspaceblobstore")
    (project / "d").mkdir()
    for name in ("a.csv", "b.csv", "c.txt"):
        (project / "d" / name).write_text(name)
    store.upload(project / "d", "yaml/d", overwrite=True, show_progress=False)
    (project / "p.yml").write_text(
        textwrap.dedent(
            """\
            pipeline:
              name: data
              parameters:
                where: {type: datapath, default: {datastore: workspaceblobstore, path_on_datastore: yaml/d/a.csv}}
              data_references:
                tables:
                  files: [{datastore: workspaceblobstore, path_on_datastore: yaml/d/*.csv}]
              steps:
                show:
                  type: PythonScriptStep
                  script_name: show.py
                  source_directory: src
                  inputs:
                    files: {source: tables}
                    where: {source: where, bind_mode: download}
                  outputs:
                    made: {bind_mode: upload, path_on_compute: results}
                  arguments: [input:files, input:where]
                read:
                  type: PythonScriptStep
                  name: read
                  script_name: read.py
                  source_directory: src
                  inputs:
                    results: {source: made}
                  arguments: [input:results]
                  environment_variables: {SAYS: "where is $AZUREML_DATAREFERENCE_results"}
            """
        )
    )
    run = Pipeline.load_yaml(author.ws, "p.yml").submit("yaml")
    run.wait_for_completion(show_output=False)
    assert log_of(run, "show.py").strip() == "['a.csv', 'b.csv'] a.csv True"
    assert log_of(run, "read").startswith("made where is /")
    published = run.publish_pipeline("data", "", "1")
    again = Pipeline.load_yaml(author.ws, PublishedPipeline.get(author.ws, published.id).save())
    assert again.graph.nodes == Pipeline.load_yaml(author.ws, "p.yml").graph.nodes


def test_the_example_of_the_documents_runs_as_it_stands(project):
    text = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "use-yaml.md").read_text()
    yaml_file, script = (re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL)[1] for kind in ("yaml", "python"))
    (project / "train.yml").write_text(yaml_file)
    (project / "go.py").write_text(script)
    (project / "scripts").mkdir()
    (project / "scripts" / "prepare.py").write_text("import sys; open(sys.argv[1], 'w').write('1,2')")
    (project / "scripts" / "train.py").write_text("import sys; print(open(sys.argv[2]).read(), sys.argv[4])")
    done = canalis("run", "go.py")
    assert "1,2 5" in done.stdout and "is completed after" in done.stdout
