"""Steps that need not run again: what an author sees of it, and why one does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from canalis.data import DataReference, PipelineData
from canalis.experiment import Experiment
from canalis.parameter import PipelineParameter
from canalis.pipeline import Pipeline
from canalis.planning import planning
from tests.scenes.conftest import canalis, log_of, statuses

COUNTS = """
    import os, pathlib, sys
    with open(sys.argv[1], "a") as book:
        print(sys.argv[2], file=book)
    for path in sys.argv[3:]:
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_text("made")
"""


class Two:
    """A step that makes something, a step that reads it, and a book of what has really run."""

    def __init__(self, author) -> None:
        self.author = author
        self._book = author.folder.parent / "book"
        self.experiment = author.folder.parent.name  # of this scene alone: others run the same steps
        self.rate = PipelineParameter("rate", 0.1)

    @property
    def ran(self) -> list[str]:
        return self._book.read_text().split() if self._book.exists() else []

    def pipeline(self, *, text: str = "", more: tuple = (), **parts) -> Pipeline:
        author, parts = self.author, {"allow_reuse": True, **parts}
        made = PipelineData("made", datastore=author.ws.get_default_datastore())
        prep = author.step("prep", COUNTS, arguments=[self._book, "prep", made], outputs=[made], **parts)
        arguments = [self._book, "train", *more]
        parameters = {"rate": self.rate}
        train = author.step("train", COUNTS + text, arguments=arguments, inputs=[made], params=parameters, **parts)
        return Pipeline(author.ws, [prep, train])

    def runs(self, pipeline: Pipeline, experiment: str = "", **options):
        run = pipeline.submit(experiment or self.experiment, **options)
        run.wait_for_completion(show_output=False, raise_on_error=False)
        return run

    def plan(self, pipeline: Pipeline, **options) -> dict[str, tuple]:
        """By step: why, and what has changed."""
        return {step.name: (step.why, *map(str, step.changes)) for step in pipeline.plan(self.experiment, **options)}


@pytest.fixture
def two(author):
    return Two(author)


def test_what_has_not_changed_does_not_run_again(two):
    first = two.runs(two.pipeline())
    again = two.runs(two.pipeline(), "another")

    assert two.ran == ["prep", "train"]
    assert statuses(first) == statuses(again) == {"prep": "Finished", "train": "Finished"}
    assert again.get_status() == "Finished"
    (prep, train), (old_prep, old_train) = ([*run.get_steps()] for run in (again, first))
    assert train.get_details()["properties"]["azureml.reusedrunid"] == old_train.id
    assert prep.get_output_data("made").path_on_datastore == old_prep.get_output_data("made").path_on_datastore
    assert log_of(again, "train") == log_of(first, "train")
    shown = canalis("why", again.id).stdout
    assert shown.splitlines()[0] == "0 of 2 steps were to run" and f"reused from run {first.id[:8]}" in shown


def test_a_plan_names_exactly_what_has_changed_and_is_what_happens(two, author):
    pipeline = two.pipeline()
    assert two.plan(pipeline) == {"prep": ("new",), "train": ("new",)}
    first = two.runs(pipeline)
    assert two.plan(two.pipeline()) == {"prep": ("reused",), "train": ("reused",)}
    assert two.plan(pipeline, pipeline_parameters={"rate": 0.2}) == {
        "prep": ("reused",),
        "train": ("changed", "parameter rate: 0.1 -> 0.2"),
    }
    assert two.plan(two.pipeline(more=("--deep",)))["train"] == ("changed", "argument 3: none -> --deep")

    (author.folder / "notes.txt").write_text("beside the scripts")
    changed = two.plan(two.pipeline())
    file = changed["prep"][1]
    assert file.startswith("file notes.txt: none -> ") and changed["prep"] == ("changed", file)
    assert changed["train"] == (
        "changed",
        f"input made: made of {first.id}.prep, mount -> made of this-run.prep, mount",
        file,
    )
    assert two.ran == ["prep", "train"]

    second = two.runs(two.pipeline(), pipeline_parameters={"rate": 0.2})
    assert two.ran == ["prep", "train"] * 2
    said = json.loads(canalis("why", second.id, "--json").stdout)
    assert sorted(change["name"] for change in said[1]["changes"]) == ["file notes.txt", "input made", "parameter rate"]
    third = two.runs(two.pipeline(), pipeline_parameters={"rate": 0.3})
    assert two.ran == [*["prep", "train"] * 2, "train"]
    assert [step["kept_from"] for step in third._client.get(f"/runs/{third.id}/steps")] == [f"{second.id}.prep", None]


def test_what_was_switched_off_or_asked_for_anew_runs(two):
    two.runs(two.pipeline())
    two.runs(two.pipeline(), regenerate_outputs=True)
    assert two.ran == ["prep", "train"] * 2
    off = two.pipeline(allow_reuse=False)
    assert [why for why, *_ in two.plan(off).values()] == ["switched_off", "switched_off"]
    two.runs(off)
    said = canalis("why", two.runs(off).id).stdout.splitlines()
    assert said == ["2 of 2 steps were to run", *(f"  {name:5}  runs: allow_reuse=False" for name in ("prep", "train"))]
    assert two.ran == ["prep", "train"] * 4
    newest = two.runs(two.pipeline())
    assert two.ran == ["prep", "train"] * 4 and newest.get_status() == "Finished"


@pytest.mark.laptop("reaches into the folder of the datastore")
def test_what_is_gone_is_made_again_and_what_was_only_touched_is_not(two, author):
    first = two.runs(two.pipeline())
    store = author.ws.get_default_datastore()
    made = first.find_step_run("prep")[0].get_output_data("made").path_on_datastore
    file = Path(author.ws._root) / "datastores" / store.name / made
    file.touch()
    assert [why for why, *_ in two.plan(two.pipeline()).values()] == ["reused", "reused"]

    file.write_text("mode")  # as long as what the step wrote
    assert two.plan(two.pipeline())["prep"] == ("gone",)
    again = two.runs(two.pipeline())
    assert two.ran == ["prep", "train"] * 2
    assert "what an earlier run left in made is not there any more as it was" in canalis("why", again.id).stdout

    shutil.rmtree(file.parent) if file.is_dir() else file.unlink()
    assert [why for why, *_ in two.plan(two.pipeline()).values()] == ["reused", "reused"]  # the second run's are there


def test_what_lies_in_a_datastore_counts_for_a_step_that_says_so(two, author, project):
    store = author.ws.get_default_datastore()
    where = f"{two.experiment}/raw"

    def uploads(text: str) -> None:
        (project / "data.csv").write_text(text)
        store.upload_files([str(project / "data.csv")], target_path=where, overwrite=True)

    def pipeline(counts: bool) -> Pipeline:
        raw = DataReference(store, "raw", where)
        step = author.step("reads", COUNTS, arguments=[two._book, "reads"], inputs=[raw], allow_reuse=True)
        step.reuse_by_content = counts
        return Pipeline(author.ws, [step])

    uploads("one")
    two.runs(pipeline(counts=False))
    uploads("two")
    assert two.plan(pipeline(counts=False)) == {"reads": ("reused",)}
    two.runs(pipeline(counts=True))
    uploads("two")
    assert two.plan(pipeline(counts=True)) == {"reads": ("reused",)} or author.ws._root is None  # it was only touched
    uploads("three")
    why, change = two.plan(pipeline(counts=True))["reads"]
    assert why == "changed" and change.startswith("content of input raw: ")
    two.runs(pipeline(counts=True))
    assert two.ran == ["reads"] * 3


def test_what_failed_is_not_reused_and_what_succeeded_before_it_is(two):
    failed = two.runs(two.pipeline(text="    sys.exit(3)\n"))
    assert statuses(failed) == {"prep": "Finished", "train": "Failed"}
    assert two.plan(two.pipeline(text="    sys.exit(3)\n")) == {"prep": ("reused",), "train": ("unfinished",)}
    two.runs(two.pipeline(text="    sys.exit(3)\n"))
    assert two.ran == ["prep", "train", "train"]


def test_what_succeeded_later_is_found_although_it_failed_beside_what_it_was_made_from(two, project):
    text = "    sys.exit(pathlib.Path('{}').exists())\n".format(project / "broken")
    (project / "broken").touch()  # nothing that the step is made of
    assert statuses(two.runs(two.pipeline(text=text))) == {"prep": "Finished", "train": "Failed"}
    (project / "broken").unlink()
    mended = two.runs(two.pipeline(text=text))
    assert two.ran == ["prep", "train", "train"] and statuses(mended)["train"] == "Finished"
    assert two.plan(two.pipeline(text=text)) == {"prep": ("reused",), "train": ("reused",)}
    two.runs(two.pipeline(text=text))
    assert two.ran == ["prep", "train", "train"]


def test_a_run_that_goes_on_from_another_runs_what_it_was_told_to(two):
    first = two.runs(two.pipeline())
    again = first.resubmit(from_steps="train")
    again.wait_for_completion(show_output=False)
    assert two.ran == ["prep", "train", "train"]


def test_pipelines_that_others_start_reuse_as_well(two):
    published = two.pipeline().publish("two", "two steps", "1")
    for _ in range(2):
        run = published.submit(two.author.ws, "two")
        run.wait_for_completion(show_output=False)
    assert two.ran == ["prep", "train"]
    with planning() as found, pytest.raises(SystemExit):
        published.submit(two.author.ws, "two")
    assert found.ended_at == "starts a published pipeline" and found.written == [] and len([*published.get_runs()]) == 2


SCRIPT = """
from azureml.core import Environment, Experiment, Workspace
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.from_config()
Environment("noted").register(ws)
step = PythonScriptStep(script_name="train.py", arguments=["--rate", {rate}], name="train", source_directory="scripts")
run = Experiment(ws, "planned").submit(Pipeline(ws, steps=[step]))
run.wait_for_completion(show_output=False)
print("the script went on")
"""


def test_a_script_is_planned_without_running_its_pipeline(project, own_home):
    (project / "scripts").mkdir()
    (project / "scripts" / "train.py").write_text("print('trained')")
    script = project / "pipeline.py"
    script.write_text(SCRIPT.format(rate="0.1"))
    done = canalis("plan", str(script))
    assert done.stdout.splitlines() == [
        "1 of 1 steps would run",
        "  train  runs: nobody has made this before",
        f"{script} was ended where it submits a pipeline: what comes after that is not in the plan. "
        "What it did before that stays: environment noted",
    ]
    canalis("run", str(script))
    script.write_text(SCRIPT.format(rate="0.5"))
    done = canalis("plan", str(script))
    assert done.stdout.splitlines()[2].split() == ["argument", "2:", "0.1", "->", "0.5"]
    assert "went on" not in done.stdout
    (planned,) = json.loads(canalis("plan", "--json", str(script)).stdout)
    assert planned[0]["changes"] == [{"name": "argument 2", "before": "0.1", "now": "0.5"}]


def test_a_script_that_is_run_alone_always_runs(two, author, project):
    from canalis.runconfig import ScriptRunConfig

    author.writes("alone.py", COUNTS)
    for _ in range(2):
        config = ScriptRunConfig(str(author.folder), "alone.py", arguments=[project / "book", "alone"])
        Experiment(author.ws, "alone-again").submit(config).wait_for_completion(show_output=False)
    assert two.ran == ["alone", "alone"]
