"""In which order steps run, and what becomes of a run when one of them fails or is stopped."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from canalis.contract.errors import NotSupported, ParameterError
from canalis.data import PipelineData, PipelineParameter
from canalis.exceptions import ActivityFailedException
from canalis.pipeline import Pipeline
from canalis.pipeline_run import PipelineRun
from canalis.steps import CommandStep, StepSequence
from tests.scenes.conftest import is_alive, log_of, statuses, until


def times(run: PipelineRun) -> dict[str, tuple[float, float]]:
    """When each step started and ended."""
    return {step.name: (step._view()["started_at"], step._view()["ended_at"]) for step in run.get_steps()}


def test_a_list_of_steps_runs_side_by_side_as_far_as_the_cluster_has_nodes(author, project):
    # Each waits for the other to have begun: one after the other they would never end.
    meet = """
        import pathlib, sys, time
        here = pathlib.Path(sys.argv[1])
        (here / sys.argv[2]).touch()
        while not (here / sys.argv[3]).exists():
            time.sleep(0.01)
    """
    pair = author.cluster("pair", max_nodes=2)
    run = author.runs(
        author.step("a", meet, arguments=[project, "a", "b"], compute_target=pair, timeout_s=30),
        author.step("b", meet, arguments=[project, "b", "a"], compute_target=pair, timeout_s=30),
    )
    assert run.get_status() == "Finished"


@pytest.mark.laptop("instances in Azure do not share the slots of a cluster")
def test_a_cluster_of_one_node_runs_one_step_at_a_time(author):
    single = author.cluster("single", max_nodes=1)
    steps = [author.step(f"s{n}", "import time\ntime.sleep(0.2)", compute_target=single) for n in range(3)]
    spans = sorted(times(author.runs(*steps)).values())
    for (_, end), (start, _) in zip(spans, spans[1:], strict=False):
        assert start >= end


def test_run_after_and_sequences_order_steps_that_share_no_data(author):
    a, b, c, d, e = (author.step(name) for name in "abcde")
    b.run_after(a)
    pipeline = Pipeline(author.ws, StepSequence([b, [c, d], e]))

    run = pipeline.submit("scene")
    run.wait_for_completion(show_output=False)

    when = times(run)
    for before, after in (("a", "b"), ("b", "c"), ("b", "d"), ("c", "e"), ("d", "e")):
        assert when[before][1] <= when[after][0], (before, after)


def test_what_a_step_needs_is_pulled_in_by_itself(author):
    made = PipelineData("made")
    author.step("first", "import sys\nopen(sys.argv[1], 'w').write('x')", arguments=[made], outputs=[made])
    last = author.step("last", "import sys\nprint(open(sys.argv[1]).read())", arguments=[made], inputs=[made])

    assert [step.name for step in Pipeline(author.ws, last).steps] == ["first", "last"]
    assert [step.name for step in Pipeline(author.ws, [[made], last]).steps] == ["first", "last"]
    with pytest.raises(ValueError, match="'last' needs step 'first'"):
        Pipeline(author.ws, [last], resolve_closure=False)


def test_a_command_step_runs_a_line_as_it_would_be_typed(author):
    made = PipelineData("made")
    author.writes("tool.py", "import sys\nprint(sys.argv[1:])")
    blank = PipelineParameter("blank", "two words; $(echo no)")
    run = author.runs(
        CommandStep(
            command=["python tool.py --fixed 'a b'", "--value", blank, "$HOME"],
            name="listed",
            source_directory=str(author.folder),
        ),
        CommandStep(
            command=f'echo "{blank}" > {made} && echo done',
            name="shell",
            outputs=[made],
            source_directory=str(author.folder),
        ),
        CommandStep(command=["cat", made], name="read", inputs=[made], source_directory=str(author.folder)),
    )
    assert run.get_status() == "Finished", [log_of(run, name) for name in ("listed", "shell", "read")]
    assert log_of(run, "listed").strip() == "['--fixed', 'a b', '--value', 'two words; $(echo no)', '$HOME']"
    assert log_of(run, "shell").strip() == "done"
    assert log_of(run, "read").strip() == "two words; $(echo no)"


def test_a_failure_ends_the_run_and_is_told_where_one_looks_first(author, capsys):
    bad = author.step("bad", "print('before')\nraise ValueError('the reason')")
    after = author.step("after")
    after.run_after(bad)
    run = author.submits(after)

    with pytest.raises(ActivityFailedException) as caught:
        run.wait_for_completion(show_output=True)

    assert "bad ended with exit code 1: ValueError: the reason" in caught.value.message
    assert run.get_status() == "Failed" and run.status == "Failed"
    assert statuses(run) == {"bad": "Failed", "after": "Canceled"}
    told = capsys.readouterr().out
    assert "bad                      | before" in told
    assert "ValueError: the reason" in told
    assert "before" in log_of(run, "bad") and "canalis: bad ended with exit code 1" in log_of(run, "bad")


@pytest.mark.laptop("instances in Azure do not share the slots of a cluster")
def test_after_a_failure_steps_that_wait_for_a_slot_never_begin(author, project):
    single = author.cluster("recalling", max_nodes=1)
    bad = author.step("bad", "import time\ntime.sleep(0.5)\nexit(1)", compute_target=single)
    others = [author.step(f"o{n}", f"open({str(project / 'began')!r}, 'w')", compute_target=single) for n in range(3)]
    run = author.runs(bad, *others)

    assert run.get_status() == "Failed"
    assert statuses(run) == {"bad": "Failed", "o0": "Canceled", "o1": "Canceled", "o2": "Canceled"}
    assert not (project / "began").exists()


def test_after_a_failure_what_has_begun_may_end(author, project):
    pair = author.cluster("ending", max_nodes=2)
    bad = author.step(
        "bad",
        f"import pathlib, time\nwhile not pathlib.Path({str(project / 'begun')!r}).exists(): time.sleep(0.01)\nexit(1)",
        compute_target=pair,
    )
    other = author.step(
        "other", f"import time\nopen({str(project / 'begun')!r}, 'w')\ntime.sleep(1)", compute_target=pair
    )
    assert statuses(author.runs(bad, other)) == {"bad": "Failed", "other": "Finished"}


def test_with_continue_on_step_failure_what_does_not_need_it_still_runs(author):
    bad, free = author.step("bad", "exit(3)"), author.step("free")
    after_bad, after_free = author.step("after_bad"), author.step("after_free")
    after_bad.run_after(bad)
    after_free.run_after(free)

    run = author.runs(after_bad, after_free, continue_on_step_failure=True)
    assert run.get_status() == "Failed"
    assert statuses(run) == {"bad": "Failed", "free": "Finished", "after_bad": "Canceled", "after_free": "Finished"}
    assert run.find_step_run("bad")[0]._view()["exit_code"] == 3


def test_both_vocabularies_are_live_on_the_same_run(author):
    run = author.runs(author.step("a"))
    assert (run.status, run.get_status()) == ("Completed", "Finished")
    (step,) = run.get_steps()
    assert (step.status, step.get_status()) == ("Completed", "Finished")
    assert run.get_details()["status"] == "Completed"
    assert run.wait_for_completion(show_output=False) == "Finished"


def test_a_step_is_tried_again_as_often_as_it_may(author, project):
    flaky = """
        import pathlib, sys
        tries = pathlib.Path(sys.argv[1])
        count = len(tries.read_text()) if tries.exists() else 0
        tries.write_text("x" * (count + 1))
        open(sys.argv[2], "w").write(f"try {count + 1}")
        sys.exit(count < 2)
    """
    made = PipelineData("made")
    author.step("flaky", flaky, arguments=[project / "tries", made], outputs=[made], retries=2)
    read = author.step("read", "import sys\nprint(open(sys.argv[1]).read())", arguments=[made], inputs=[made])
    run = author.runs(read)

    assert run.get_status() == "Finished"
    (found,) = run.find_step_run("flaky")
    assert found.id.endswith(".flaky.3")
    assert log_of(run, "read").strip() == "try 3", "the reader sees what the last attempt wrote"


def test_a_step_that_works_too_long_is_ended_with_all_it_started(author, project):
    step = author.step(
        "slow",
        """
        import pathlib, subprocess, sys
        child = subprocess.Popen(["sleep", "600"])
        pathlib.Path(sys.argv[1]).write_text(str(child.pid))
        child.wait()
        """,
        arguments=[project / "child"],
        timeout_s=1.0,
    )
    run = author.runs(step)
    (found,) = run.get_steps()
    assert found.get_status() == "Failed"
    assert "worked longer than its limit of 1 s" in log_of(run, "slow")
    assert not is_alive(int((project / "child").read_text()))


STUBBORN = """
    import os, pathlib, signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", deaf])
    pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid}")
    print("here", flush=True)
    time.sleep(600)
"""


def test_a_cancel_ends_what_will_not_end_by_itself_and_nothing_further_starts(author, project):
    stubborn = author.step("stubborn", STUBBORN, arguments=[project / "pids"])
    after = author.step("after")
    after.run_after(stubborn)
    run = author.submits(after)
    until((project / "pids").exists)
    until((project / "pids").read_text)

    run.cancel()
    assert run.status in ("CancelRequested", "Canceled")
    assert run.wait_for_completion(show_output=False) == "Canceled"
    assert statuses(run) == {"stubborn": "Canceled", "after": "Canceled"}
    assert not any(is_alive(int(pid)) for pid in (project / "pids").read_text().split())


@pytest.mark.laptop("instances in Azure do not share the slots of a cluster")
def test_a_cancel_reaches_steps_that_wait_for_a_slot(author, project):
    narrow = author.cluster("narrow", max_nodes=1)
    steps = [author.step(f"w{n}", STUBBORN, arguments=[project / f"pids{n}"], compute_target=narrow) for n in range(3)]
    run = author.submits(*steps)
    until(lambda: list(project.glob("pids*")))
    run.cancel()
    run.wait_for_completion(show_output=False)

    assert set(statuses(run).values()) == {"Canceled"}
    assert len(list(project.glob("pids*"))) == 1, "the others never began"


def test_a_step_that_is_cancelled_from_outside_names_the_way_that_works(author):
    run = author.submits(author.step("long", "import time\ntime.sleep(600)"))
    (step,) = run.get_steps()
    with pytest.raises(NotSupported, match=r"run\.parent\.cancel"):
        step.cancel()
    step.parent.cancel()
    assert run.wait_for_completion(show_output=False) == "Canceled"


def test_a_step_cancels_its_own_pipeline(author):
    run = author.runs(
        author.step(
            "stop", "import time\nfrom azureml.core import Run\nRun.get_context().parent.cancel()\ntime.sleep(60)"
        )
    )
    assert run.get_status() == "Canceled"


def test_steps_that_submit_pipelines_and_wait_for_them_do_not_block_their_own_cluster(author):
    author.cluster("one-slot", max_nodes=1)
    author.writes("inner/say.py", "print('inside')")
    outer = author.step(
        "outer",
        """
        from azureml.core import Experiment, Run
        from azureml.pipeline.core import Pipeline
        from azureml.pipeline.steps import PythonScriptStep
        ws = Run.get_context().experiment.workspace
        step = PythonScriptStep("say.py", source_directory="inner", compute_target="one-slot", name="say")
        run = Experiment(ws, "nested").submit(Pipeline(ws, [step]))
        print(run.wait_for_completion(show_output=True), run.id)
        """,
        compute_target="one-slot",
        timeout_s=45,
    )
    run = author.runs(outer)

    assert run.get_status() == "Finished", log_of(run, "outer")
    assert "say                      | inside" in log_of(run, "outer")
    child = PipelineRun.get(author.ws, log_of(run, "outer").split()[-1])
    assert child.parent.id == run.find_step_run("outer")[0].id


def test_what_a_step_prints_can_be_read_while_it_runs(author, project):
    step = author.step(
        "talk",
        """
        import pathlib, sys, time
        print("half a line", end="", flush=True)
        print("on stderr", file=sys.stderr)
        while not pathlib.Path(sys.argv[1]).exists():
            time.sleep(0.01)
        print("the end")
        """,
        arguments=[project / "go on"],
    )
    run = author.submits(step)
    (found,) = run.get_steps()
    until(lambda: "on stderr" in found.get_stdout_log())
    until(lambda: found.get_status() == "Running")
    (project / "go on").touch()
    run.wait_for_completion(show_output=False)
    assert found.get_stdout_log() == "half a lineon stderr\nthe end\n"


def test_a_wait_that_is_too_short_says_so_and_is_no_error(author, capsys):
    run = author.submits(author.step("sleep", "import time\ntime.sleep(3)"))
    before = time.monotonic()
    assert run.wait_for_completion(timeout_seconds=0.3) == "Running"
    assert time.monotonic() - before < 3
    assert "has not ended in the time that was given" in capsys.readouterr().out
    run.cancel()


def test_wrong_parameters_are_told_before_anything_is_sent(author):
    step = author.step("a", arguments=[PipelineParameter("rounds", 10)])
    pipeline = Pipeline(author.ws, [step])

    with pytest.raises(ParameterError, match="'rounds' is of type int; 'ten' is of type string"):
        pipeline.submit("wrong-parameters", pipeline_parameters={"rounds": "ten"})
    with pytest.raises(ValueError, match="'speed' is not a parameter of this pipeline"):
        pipeline.submit("wrong-parameters", pipeline_parameters={"speed": 1})
    assert list(author.ws.experiments["wrong-parameters"].get_runs()) == []


def test_a_run_can_be_looked_at_by_others(author):
    run = author.runs(author.step("a", "print('hello')"), experiment="look")
    again = PipelineRun.get(author.ws, run.id)
    assert again.get_status() == "Finished"
    assert run.id in [found.id for found in author.ws.experiments["look"].get_runs()]
    assert author.ws.get_run(run.find_step_run("a")[0].id).name == "a"
    assert [node.name for node in again.get_graph().nodes] == ["a"]
    assert Path(str(run.get_portal_url())).name == run.id
