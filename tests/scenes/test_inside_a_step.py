"""What a script finds around it, and what it may log."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from canalis import Run
from canalis.data import PipelineParameter
from canalis.exceptions import RunEnvironmentException, UserErrorException
from canalis.logged import _OfflineRun
from canalis.pipeline import Pipeline
from canalis.pipeline_run import StepRun
from canalis.runconfig import RunConfiguration
from tests.scenes.conftest import log_of


def test_a_script_runs_in_its_source_directory_and_imports_from_both_roots(author):
    author.writes("training/helper.py", "where = 'beside the script'")
    author.writes("util/__init__.py", "")
    author.writes("util/tools.py", "where = 'below the root'")
    author.writes("data.txt", "beside")
    step = author.step(
        "training/1_train",
        """
        import helper, os
        from util import tools
        print(helper.where, "|", tools.where, "|", open("data.txt").read(), "|", sorted(os.listdir(".")))
        open("outputs/made.txt", "w").write("made")
        open("logs/own.log", "w").write("log")
        """,
    )
    run = author.runs(step)

    (found,) = run.get_steps()
    said = found.get_stdout_log().strip().split(" | ")
    assert said[:3] == ["beside the script", "below the root", "beside"]
    assert {"outputs", "logs"} <= set(eval(said[3]))
    assert sorted(found.get_file_names()) == ["logs/own.log", "outputs/made.txt", "user_logs/std_log.txt"]


@pytest.mark.laptop("in Azure steps run in the service's interpreter")
def test_a_script_runs_in_the_interpreter_of_who_submitted_it(author):
    run = author.runs(author.step("which", "import sys\nprint(sys.executable)"))
    assert os.path.realpath(log_of(run, "which").strip()) == os.path.realpath(sys.executable)


def test_files_that_the_author_ignores_do_not_reach_the_step(author):
    author.writes(".amlignore", "*.csv\nsecret/\n!keep.csv\n")
    author.writes(".gitignore", "keep_too.txt\n")
    for name in ("a.csv", "keep.csv", "secret/x", "keep_too.txt", ".git/HEAD", "__pycache__/x.pyc"):
        author.writes(name, "x")
    run = author.runs(
        author.step("look", "import glob\nprint(sorted(glob.glob('**', recursive=True, include_hidden=True)))")
    )
    found = set(eval(log_of(run, "look")))
    assert {"keep.csv", "keep_too.txt", "look.py"} <= found
    assert not found & {"a.csv", "secret", "secret/x", ".git", "__pycache__"}


def test_parameters_reach_arguments_and_variables(author):
    rounds, rate, flag = (
        PipelineParameter("rounds", 10),
        PipelineParameter("rate", 0.5),
        PipelineParameter("flag", True),
    )
    configuration = RunConfiguration()
    configuration.environment_variables["MINE"] = "mine"
    step = author.step(
        "look",
        """
        import os, sys
        print(sys.argv[1:], [os.environ[n] for n in ("AML_PARAMETER_rounds", "AML_PARAMETER_rate", "AML_PARAMETER_K", "MINE")])
        """,
        arguments=["--rounds", rounds, "--rate", rate, f"embedded-{flag}-text", "parameter:K", 3, None],
        params={"K": "value of K"},
        runconfig=configuration,
    )
    pipeline = Pipeline(author.ws, [step])

    run = pipeline.submit("scene", pipeline_parameters={"rounds": 3})
    run.wait_for_completion(show_output=False)
    assert log_of(run, "look").strip() == str(
        ["--rounds", "3", "--rate", "0.5", "embedded-True-text", "value of K", "3", "None"]
    ) + " " + str(["3", "0.5", "value of K", "mine"])


def test_the_variables_that_v1_promises_are_there(author):
    names = (
        "AZUREML_RUN_ID AZUREML_ARM_SUBSCRIPTION AZUREML_ARM_RESOURCEGROUP AZUREML_ARM_WORKSPACE_NAME "
        "AZUREML_ARM_PROJECT_NAME AZUREML_EXPERIMENT_ID AZUREML_WORKSPACE_ID AZUREML_SERVICE_ENDPOINT "
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT AZUREML_RUN_TOKEN AZUREML_RUN_TOKEN_EXPIRY"
    )
    run = author.runs(
        author.step(
            "look",
            f"""
            import os
            missing = [name for name in {names!r}.split() if not os.environ.get(name)]
            print(missing, os.environ["AZUREML_RUN_ID"], os.environ["AZUREML_ARM_WORKSPACE_NAME"])
            """,
        )
    )
    assert log_of(run, "look").split() == ["[]", run.find_step_run("look")[0].id, "scenes"]


def test_what_is_logged_is_there_in_v1s_shapes(author):
    run = author.runs(
        author.step(
            "log",
            """
            import numpy as np
            from azureml.core import Run
            run = Run.get_context()
            run.log("once", 0.5)
            for value in (1, 2, 3):
                run.log("often", np.int64(value))
            run.log("numpy", np.float32(0.25))
            run.log("text", "good")
            run.log_list("list", [1, 2.5])
            run.log_row("row", x=1, y="a")
            run.log_row("rows", x=1)
            run.log_row("rows", x=2)
            run.log_table("table", {"x": [1, 2], "y": [3, 4]})
            print(run.get_metrics()["often"], run is Run.get_context())
            run.complete()
            """,
        )
    )
    (step,) = run.get_steps()
    assert step.get_metrics() == {
        "once": 0.5,
        "often": [1, 2, 3],
        "numpy": 0.25,
        "text": "good",
        "list": [1, 2.5],
        "row": {"x": 1, "y": "a"},
        "rows": {"x": [1, 2]},
        "table": {"x": [1, 2], "y": [3, 4]},
    }
    assert step.get_metrics("once") == {"once": 0.5}
    assert log_of(run, "log").strip() == "[1, 2, 3] True"
    assert run.get_metrics(recursive=True) == {step.id: step.get_metrics()}


def test_pictures_and_files_are_kept_with_the_run(author, project):
    run = author.runs(
        author.step(
            "keep",
            """
            import io, os
            from azureml.core import Run
            run = Run.get_context()
            open("pic.png", "wb").write(b"picture")
            run.log_image("curve", path="pic.png")
            class Plot:
                def savefig(self, file, format): file.write(b"drawn")
            run.log_image("drawn", plot=Plot())
            run.upload_file("models/m.pkl", "pic.png")
            run.upload_file("note.txt", io.StringIO("a note"))
            os.makedirs("folder/in"); open("folder/in/x", "w").write("x")
            run.upload_folder("up", "folder")
            print(sorted(run.get_file_names()))
            """,
        )
    )
    (step,) = run.get_steps()
    names = step.get_file_names()
    assert {"models/m.pkl", "note.txt", "up/in/x", "user_logs/std_log.txt"} < set(names)
    metrics = step.get_metrics()
    for name, content in (("curve", b"picture"), ("drawn", b"drawn")):
        file = metrics[name].removeprefix("aml://artifactId/")
        step.download_file(file, f"{name}.png")
        assert Path(f"{name}.png").read_bytes() == content

    step.download_files(prefix="up", output_directory="got")
    assert Path("got/up/in/x").read_text() == "x"
    with pytest.raises(UserErrorException, match="has no file 'nothing'"):
        step.download_file("nothing")


def test_a_step_speaks_of_its_pipeline_run(author):
    run = author.runs(
        author.step(
            "speak",
            """
            from azureml.core import Run
            run = Run.get_context()
            run.parent.log("best", 0.9)
            run.parent.tag("stage", "trained")
            run.tag("mine", 1)
            run.parent.upload_file("summary.txt", __file__)
            print(run.parent.get_metrics(), run.get_tags()["mine"], run.experiment.name, run.experiment.workspace.name, run.name)
            """,
        ),
        experiment="speaking",
        tags={"from": "submit"},
    )
    assert run.get_metrics() == {"best": 0.9}
    assert run.get_tags() == {"from": "submit", "stage": "trained"}
    assert run.get_file_names() == ["summary.txt"]
    (step,) = run.get_steps()
    assert step.get_tags()["mine"] == "1" and step.tags["azureml.nodeid"] == "speak"
    assert step.parent.id == run.id
    assert log_of(run, "speak").strip() == "{'best': 0.9} 1 speaking scenes speak"

    run.remove_tags(["stage"])
    assert run.get_tags() == {"from": "submit"}


def test_a_step_finds_its_workspace_without_any_configuration(author):
    run = author.runs(
        author.step(
            "find",
            """
            from azureml.core import Workspace, Datastore
            ws = Workspace.from_config()
            open("x.txt", "w").write("x")
            ws.get_default_datastore().upload_files(["x.txt"], target_path="from_step", overwrite=True)
            print(ws.name, sorted(ws.datastores)[1:3])
            """,
        )
    )
    assert log_of(run, "find").splitlines()[-1] == "scenes ['workspaceblobstore', 'workspacefilestore']"


def test_a_step_may_not_manage_compute_targets(author):
    run = author.runs(
        author.step(
            "manage",
            """
            from azureml.core import Run
            from azureml.core.compute import AmlCompute, ComputeTarget
            from azureml.exceptions import ComputeTargetException
            try:
                ComputeTarget.create(Run.get_context().experiment.workspace, "c-1", AmlCompute.provisioning_configuration(max_nodes=1))
            except ComputeTargetException as error:
                print(error.message)
            """,
        )
    )
    assert "not from inside a step" in log_of(run, "manage")


def test_outside_of_a_run_a_script_gets_one_that_prints(capsys):
    run = Run.get_context()
    assert type(run) is _OfflineRun and run.id.startswith("OfflineRun_")
    for name in ("experiment", "parent", "input_datasets"):
        assert not hasattr(run, name)
    with pytest.raises(AttributeError, match=r"runs outside a run: .* no 'experiment'\. Workspace\.from_config"):
        _ = run.experiment
    with pytest.raises(AttributeError, match=r"no 'log_lst'\. Did you mean 'log_list'"):
        _ = run.log_lst
    assert not hasattr(run, "_experiment")

    run.log("accuracy", 0.5)
    assert capsys.readouterr().out == "Attempted to log scalar metric accuracy:\n0.5\n"
    assert run.get_metrics() == {"accuracy": 0.5}
    with pytest.raises(RunEnvironmentException):
        Run.get_context(allow_offline=False)


@pytest.mark.parametrize("value", [[1], (1,), {"a": 1}])
def test_a_list_is_not_logged_as_a_number(value):
    with pytest.raises(UserErrorException, match="log_list"):
        Run.get_context().log("x", value)


def test_steps_of_one_name_are_told_apart(author):
    steps = [author.step("same", "import sys\nprint(sys.argv[1])", arguments=[number]) for number in (1, 2)]
    run = author.runs(*steps)

    found = run.find_step_run("same")
    assert len(found) == 2 and all(isinstance(step, StepRun) for step in found)
    assert sorted(step.get_stdout_log().strip() for step in found) == ["1", "2"]
    assert len({step.id for step in found}) == 2


def test_numbers_that_json_does_not_have_are_logged_all_the_same(author):
    import math

    run = author.runs(
        author.step(
            "log",
            "from azureml.core import Run\nr = Run.get_context()\nr.log('x', float('nan'))\nr.log_list('y', [float('inf'), 1])",
        )
    )
    metrics = run.find_step_run("log")[0].get_metrics()
    assert math.isnan(metrics["x"]) and metrics["y"] == [math.inf, 1]


def test_a_parameters_name_may_hold_what_no_variables_name_can(author):
    share = PipelineParameter("test-share", 0.25)
    run = author.runs(
        author.step(
            "look",
            "import os, sys\nprint(sys.argv[1], os.environ['AML_PARAMETER_test_share'])",
            arguments=[f"={share}"],
        )
    )
    assert log_of(run, "look").strip() == "=0.25 0.25"


def test_runs_of_an_experiment_are_numbered(author):
    numbers = [author.runs(author.step("a"), experiment="numbered").number for _ in range(3)]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
