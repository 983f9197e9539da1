"""Going on from a run that has ended: what succeeded is kept, the rest runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from canalis.contract.errors import NotResumable, ParameterError
from canalis.data import DataPath, DataPathComputeBinding, PipelineData, PipelineParameter
from tests.scenes.chain import Chain, goes_on, kept
from tests.scenes.conftest import log_of, statuses, until


@pytest.fixture
def chain(author, project):
    return Chain(author, project)


def test_after_a_failure_a_run_goes_on_where_it_was_and_runs_nothing_twice(chain):
    chain.breaks("c")
    run = chain.runs()
    assert statuses(run) == {"a": "Finished", "b": "Finished", "c": "Failed", "d": "Canceled", "e": "Canceled"}
    chain.mends("c")

    resumed = goes_on(run)

    assert resumed.id != run.id and resumed.get_status() == "Finished"
    assert chain.began == "abccde"
    assert kept(resumed) == "ab"
    assert statuses(resumed) == dict.fromkeys("abcde", "Finished")
    assert log_of(resumed, "e").strip() == "wrote abcde"
    assert run.get_status() == "Failed", "the original stays as it ended"


def test_what_a_kept_step_left_is_found_in_the_new_run_too(chain, tmp_path):
    chain.breaks("c")
    run = chain.runs("abc")
    made = run.find_step_run("b")[0]
    made.log("rows", 7)
    made.upload_file("outputs/note.txt", str(chain.author.folder / "link.py"))
    chain.mends("c")

    (step,) = goes_on(run).find_step_run("b")

    assert step.id != made.id and step._reused_run_id == made.id
    assert (step.status, step.get_status(), step.type) == ("Completed", "Finished", "azureml.ReusedStepRun")
    assert step.properties["azureml.reusedrunid"] == made.id
    assert step.get_stdout_log().strip() == "wrote ab"
    assert step.get_metrics() == {"rows": 7}
    assert "outputs/note.txt" in step.get_file_names()
    step.get_output_data("made_b").download(tmp_path / "got")
    (file,) = (path for path in (tmp_path / "got").rglob("*") if path.is_file())
    assert file.read_text() == "ab"
    step.tag("seen", "here")
    assert step.tags["seen"] == "here" and "seen" not in made.tags, "what is said of it is said of the new run's step"


def test_a_cancelled_run_goes_on(author, project):
    go = project / "go"
    first = author.step("first", f"open({str(project / 'began')!r}, 'a').write('1')")
    slow = author.step(
        "slow",
        f"""
        import pathlib, time
        pathlib.Path({str(project / "slow")!r}).touch()
        while not pathlib.Path({str(go)!r}).exists():
            time.sleep(0.01)
        """,
    )
    last = author.step("last")
    slow.run_after(first)
    last.run_after(slow)
    last.run_after(first)
    run = author.submits(last)
    until(lambda: (project / "slow").exists())
    run.cancel()
    until(lambda: run.get_status() == "Canceled")

    resumed = run.resubmit()

    assert resumed.find_step_run("last")[0]._view()["waits_for"] == ["step slow"], "what was kept is not waited for"
    go.touch()
    resumed.wait_for_completion(show_output=False)
    assert resumed.get_status() == "Finished"
    assert (project / "began").read_text() == "1"
    assert [step.name for step in resumed.get_steps() if step._is_reused] == ["first"]


def test_from_a_step_on_everything_runs_again_even_what_succeeded(chain):
    run = chain.runs("abcd")
    assert run.get_status() == "Finished"

    resumed = goes_on(run, from_steps="c")

    assert kept(resumed) == "ab"
    assert chain.began == "abccdd"
    assert kept(goes_on(run, from_steps=["b", run.find_step_run("d")[0].id])) == "a"


def test_only_failed_keeps_what_comes_after_a_step_that_runs_again(chain):
    run = chain.runs("abc")

    resumed = goes_on(run, from_steps="a", only_failed=True)

    assert resumed.get_status() == "Finished"
    assert (kept(resumed), chain.began) == ("bc", "aabc")


def test_a_resumed_run_can_be_resumed_and_names_the_step_run_that_truly_made_what_it_keeps(chain):
    chain.breaks("b")
    first = chain.runs("abc")
    chain.mends("b")
    chain.breaks("c")
    second = goes_on(first)
    chain.mends("c")

    third = goes_on(second)

    assert third.get_status() == "Finished"
    assert {step.name: step._reused_run_id for step in third.get_steps()} == {
        "a": f"{first.id}.a",
        "b": f"{second.id}.b",
        "c": None,
    }
    assert log_of(third, "c").strip() == "wrote abc"
    assert chain.began == "abbcc"


def test_a_step_kept_from_its_second_attempt_is_kept_with_what_that_one_wrote(author, project):
    made = PipelineData("made")
    flaky = author.step(
        "flaky",
        """
        import pathlib, sys
        once = pathlib.Path(sys.argv[2])
        pathlib.Path(sys.argv[1]).write_text("second" if once.exists() else "first")
        if not once.exists():
            once.touch()
            sys.exit(1)
        """,
        arguments=[made, project / "once"],
        outputs=[made],
        retries=1,
    )
    reads = author.step(
        "reads",
        "import sys\nprint(open(sys.argv[1]).read())\nopen(sys.argv[2])",
        arguments=[made, project / "key"],
        inputs=[made],
    )
    run = author.runs(flaky, reads)
    (project / "key").touch()

    resumed = goes_on(run)

    assert resumed.get_status() == "Finished"
    assert resumed.find_step_run("flaky")[0]._reused_run_id == f"{run.id}.flaky.2"
    assert log_of(resumed, "reads").strip() == "second"


def test_steps_that_use_a_changed_parameter_run_again_with_what_comes_after_them(author):
    rate = PipelineParameter("rate", 1)
    say = "import sys\nprint(sys.argv[1:])"
    plain = author.step("plain", say, arguments=[PipelineParameter("other", "o")])
    uses = author.step("uses", say, arguments=["--rate", rate])
    after = author.step("after", say)
    after.run_after(uses)
    run = author.runs(plain, after)

    resumed = goes_on(run, pipeline_parameters={"rate": 2, "other": "o"})

    assert [step.name for step in resumed.get_steps() if step._is_reused] == ["plain"]
    assert log_of(resumed, "uses").strip() == "['--rate', '2']"
    with pytest.raises(ParameterError, match="'speed' is not a parameter"):
        run.resubmit(pipeline_parameters={"speed": 2})
    with pytest.raises(ParameterError, match="of type int"):
        run.resubmit(pipeline_parameters={"rate": "fast"})
    with pytest.raises(NotResumable, match="change a parameter"):
        run.resubmit(pipeline_parameters={"rate": 1})


def test_another_data_path_makes_the_step_that_reads_it_run_again(author, ws, project):
    store = ws.get_default_datastore()
    for name in ("one", "two"):
        (project / name).write_text(name)
        store.upload_files([str(project / name)], target_path=f"paths_{name}", overwrite=True, show_progress=False)
    where = PipelineParameter("where", DataPath(store, "paths_one/one"))
    data = (where, DataPathComputeBinding(mode="mount"))
    reads = author.step("reads", "import sys\nprint(open(sys.argv[1]).read())", arguments=[data], inputs=[data])
    run = author.runs(reads, author.step("beside"))

    resumed = goes_on(run, pipeline_parameters={"where": DataPath(store, "paths_two/two")})

    assert log_of(resumed, "reads").strip() == "two"
    assert kept(resumed) == "beside"


@pytest.mark.laptop("deletes files below the workspace's folder")
def test_a_step_whose_output_was_deleted_runs_again_when_somebody_reads_it(chain):
    chain.breaks("c")
    run = chain.runs("abc")
    chain.mends("c")
    root = Path(chain.author.ws._root) / "datastores" / "workspaceblobstore"
    for name in "ab":
        written = root / run.find_step_run(name)[0].get_output_data(f"made_{name}").path_on_datastore
        assert written.is_file()
        shutil.rmtree(written.parent)

    resumed = goes_on(run)

    assert resumed.get_status() == "Finished"
    assert (kept(resumed), chain.began) == ("", "aabbcc")
    assert log_of(resumed, "c").strip() == "wrote abc"


def test_an_output_that_was_never_written_does_not_make_its_step_run_again(author, project):
    marker = PipelineData("marker")
    first = author.step("first", f"open({str(project / 'began')!r}, 'a').write('1')", outputs=[marker])
    last = author.step("last", f"open({str(project / 'key')!r})", inputs=[marker])
    run = author.runs(first, last)
    (project / "key").touch()

    resumed = goes_on(run)

    assert resumed.get_status() == "Finished"
    assert (kept(resumed), (project / "began").read_text()) == ("first", "1")
