"""What an author gets wrong in a pipeline: v1's error, at v1's moment, with the thing's name in it."""

from __future__ import annotations

import pytest

from canalis.compute import AmlCompute, ComputeTarget
from canalis.data import DataPath, DataReference, PipelineData, PipelineParameter
from canalis.dataset import OutputFileDatasetConfig
from canalis.datastore import Datastore
from canalis.exceptions import ComputeTargetException, UserErrorException
from canalis.experiment import Experiment
from canalis.pipeline import Pipeline
from canalis.pipeline_run import PipelineRun
from canalis.steps import CommandStep, PythonScriptStep, StepSequence
from canalis.workspace import Workspace

pytestmark = pytest.mark.laptop(
    "told at the author's desk; what the service refuses by itself is in tests/api, and that scripts hear it in test_cloud.py"
)


def test_a_missing_script_is_told_when_the_pipeline_is_made(author):
    step = PythonScriptStep("nothing.py", source_directory=str(author.folder))
    with pytest.raises(ValueError, match=r"Script 'nothing.py' of step 'nothing.py' is not in its source directory"):
        Pipeline(author.ws, [step])


def test_a_missing_source_directory_is_told_when_the_pipeline_is_made(author):
    step = PythonScriptStep("a.py", source_directory="no/such/folder")
    with pytest.raises(ValueError, match=r"source directory 'no/such/folder' of step 'a.py' is not there"):
        Pipeline(author.ws, [step])


def test_an_unknown_compute_target_is_told_when_the_pipeline_is_made(author):
    author.cluster("known-one", 1)
    with pytest.raises(
        ValueError, match=r"Compute target 'gpu-cluster' of step 'a' is not in this workspace .*known-one"
    ):
        Pipeline(author.ws, [author.step("a", compute_target="gpu-cluster")])
    with pytest.raises(ComputeTargetException, match=r"^ComputeTargetNotFound"):
        ComputeTarget(workspace=author.ws, name="gpu-cluster")


@pytest.mark.parametrize(
    "uses",
    [
        lambda author: Pipeline(author.ws, [author.step("a", compute_target="gpu-cluster")]),
        lambda author: author.ws.compute_targets["gpu-cluster"],
        lambda author: ComputeTarget(author.ws, "gpu-cluster"),
        lambda author: AmlCompute(author.ws, "gpu-cluster"),
    ],
)
def test_a_missing_compute_target_is_told_with_the_command_that_makes_it(author, uses):
    with pytest.raises((ValueError, KeyError, ComputeTargetException)) as caught:
        uses(author)
    assert "`canalis compute create gpu-cluster --max-nodes N` makes one" in str(caught.value)


def test_what_is_not_among_a_workspaces_things_is_a_key_error_that_says_what_is(author):
    with pytest.raises(KeyError) as caught:
        author.ws.datastores["mine"]
    assert str(caught.value).startswith("There is no datastore 'mine' (there: workspaceartifactstore, ")
    assert author.ws.datastores.get("mine") is None and "mine" not in author.ws.experiments


def test_a_cycle_is_told_by_validate_and_at_submission(author):
    a, b, c = (author.step(name) for name in "abc")
    b.run_after(a)
    c.run_after(b)
    a.run_after(c)
    pipeline = Pipeline(author.ws, [a, b, c])

    (found,) = pipeline.validate()
    assert found.startswith("Steps wait for each other: ")
    with pytest.raises(ValueError, match="Steps wait for each other"):
        pipeline.submit("scene")


@pytest.mark.parametrize("make", [PipelineData, OutputFileDatasetConfig])
def test_a_second_writer_of_one_output_is_told_when_its_step_is_made(author, make):
    made = make("made")
    author.step("first", outputs=[made])
    with pytest.raises(ValueError, match=r"'made' is .* by step 'first' already|'made' is an output of step 'first'"):
        author.step("second", outputs=[made])


def test_an_input_that_nobody_writes_is_told_when_the_pipeline_is_made(author):
    with pytest.raises(ValueError, match="read reads nowhere, which no step writes"):
        Pipeline(author.ws, [author.step("read", inputs=[PipelineData("nowhere")])])


def test_an_argument_that_is_neither_input_nor_output_is_told_when_its_step_is_made(author):
    reference = DataReference(author.ws.get_default_datastore(), "raw", "raw")
    for data in (PipelineData("made"), reference):
        with pytest.raises(ValueError, match="neither in its inputs nor in its outputs"):
            author.step("a", arguments=["--data", data])


def test_every_fault_of_a_pipeline_is_told_at_once(author):
    steps = [
        PythonScriptStep("gone.py", source_directory=str(author.folder)),
        author.step("reads", inputs=[PipelineData("nowhere")], compute_target="no-cluster"),
        author.step("one", arguments=[PipelineParameter("rate", 1)]),
        author.step("two", arguments=[PipelineParameter("rate", 2)]),
    ]
    with pytest.raises(ValueError) as caught:
        Pipeline(author.ws, steps)
    for part in (
        "Script 'gone.py'",
        "reads reads nowhere",
        "'no-cluster'",
        "Two different pipeline parameters have the name 'rate'",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["", "with blank", "with-dash", "a.b"])
def test_a_bad_name_of_pipeline_data_is_told_at_once(name):
    with pytest.raises(ValueError, match="letters, digits and _ only"):
        PipelineData(name)


def test_two_inputs_of_one_name_are_told_when_the_step_is_made(author):
    store = author.ws.get_default_datastore()
    with pytest.raises(ValueError, match="Step 'a' has two inputs named 'raw'"):
        author.step("a", inputs=[DataReference(store, "raw", "x"), DataReference(store, "raw", "y")])


@pytest.mark.parametrize("name", ["-x", "a b", "", "x" * 256, "ä"])
def test_a_bad_experiment_name_is_told(author, name):
    with pytest.raises(UserErrorException, match="cannot be the name of an experiment"):
        Experiment(author.ws, name)


@pytest.mark.parametrize("name", ["ab", "with blank", "-abc", "x" * 34])
@pytest.mark.laptop("a workspace in the cloud has its name already")
def test_a_bad_workspace_name_is_told(name):
    with pytest.raises(UserErrorException, match="cannot be the name of a workspace"):
        Workspace.create(name)


@pytest.mark.parametrize("name", ["local", "amlcompute", "containerinstance", "a b", "-x", "x" * 25])
def test_a_bad_or_reserved_compute_name_is_told(author, name):
    with pytest.raises(UserErrorException, match="cannot be the name of a compute target"):
        author.cluster(name, 1)


def test_a_cluster_needs_its_number_of_nodes():
    with pytest.raises(ComputeTargetException, match="needs max_nodes"):
        AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2")
    with pytest.raises(ComputeTargetException, match="do not go together"):
        AmlCompute.provisioning_configuration(min_nodes=3, max_nodes=2)


def test_an_unknown_datastore_is_told_with_those_that_are_there(ws):
    with pytest.raises(
        UserErrorException, match=r"no datastore 'mine' \(there: workspaceartifactstore, workspaceblobstore, "
    ):
        Datastore.get(ws, "mine")


def test_an_unknown_run_is_told(ws):
    for name in ("00000000-0000-0000-0000-000000000000", "../../etc/passwd", "x"):
        with pytest.raises(Exception, match=r"is not a run id|There is no run|Not Found"):
            PipelineRun.get(ws, name)


@pytest.mark.parametrize("default", [None, [1], {"a": 1}, object()])
def test_a_parameter_that_cannot_be_one_is_told(default):
    with pytest.raises(ValueError, match="must be text, a number, a bool, a DataPath or a dataset"):
        PipelineParameter("p", default)


def test_a_data_path_parameter_needs_its_binding(author):
    parameter = PipelineParameter("where", DataPath(author.ws.get_default_datastore(), "x"))
    with pytest.raises(ValueError, match="DataPathComputeBinding"):
        author.step("a", arguments=[parameter])
    with pytest.raises(ValueError, match="needs a datastore"):
        DataPath()


def test_what_is_no_step_is_told(author):
    with pytest.raises(NotImplementedError, match="cannot be a step of a pipeline"):
        Pipeline(author.ws, ["a.py"])
    with pytest.raises(ValueError, match="A Pipeline has no parameter colour"):
        Pipeline(author.ws, [author.step("a")], colour="red")
    with pytest.raises(TypeError, match="'a' can run after a step"):
        author.step("a").run_after("b")
    with pytest.raises(ValueError, match="has no steps"):
        Pipeline(author.ws, StepSequence([]))


def test_what_is_no_script_name_or_command_is_told():
    with pytest.raises(ValueError, match="script_name must be text"):
        PythonScriptStep(7)
    with pytest.raises(ValueError, match="needs a command"):
        CommandStep()
    with pytest.raises(ValueError, match="cannot set Speed"):
        PythonScriptStep("a.py", runconfig_pipeline_params={"Speed": PipelineParameter("s", 1)})


def test_a_source_directory_that_changes_its_mind_between_making_and_submitting(author):
    step = author.step("a")
    pipeline = Pipeline(author.ws, [step])
    (author.folder / "a.py").unlink()
    author.writes("b.py", "")

    run = pipeline.submit("scene")
    run.wait_for_completion(show_output=False, raise_on_error=False)
    (found,) = run.get_steps()
    assert found.get_status() == "Failed"
    assert "Script 'a.py' is not in the snapshot of step 'a'" in found.get_stdout_log()


def test_one_parameter_name_with_two_defaults_is_told_also_within_a_step(author):
    step = author.step("a", arguments=[PipelineParameter("rate", 1), PipelineParameter("rate", 2)])
    with pytest.raises(ValueError, match="Two different pipeline parameters have the name 'rate'"):
        Pipeline(author.ws, [step])


def test_what_is_meant_otherwise_is_told_in_words(author):
    with pytest.raises(ValueError, match="arguments of step 'a' must be a list, not the text '--x 1'"):
        author.step("a", arguments="--x 1")
    with pytest.raises(ValueError, match="'parameter:ZZ' is in the arguments of step 'a', whose params have no 'ZZ'"):
        author.step("a", arguments=["parameter:ZZ"])
    with pytest.raises(UserErrorException, match="first argument of Experiment is a Workspace, not 'name'"):
        Experiment("name", author.ws)
    with pytest.raises(ValueError, match="must be a Workspace, not None"):
        Pipeline(None, [author.step("a")])
    with pytest.raises(ValueError, match=r"submit.. of a pipeline has no parameter nonsense"):
        Experiment(author.ws, "scene").submit(Pipeline(author.ws, [author.step("a")]), nonsense=1)
    with pytest.raises(ValueError, match="3 cannot be the name of a PipelineData"):
        PipelineData(3)
    with pytest.raises(ValueError, match="source directory 'nodir' of step 'c' is not there"):
        CommandStep("true", name="c", source_directory="nodir")


def test_a_program_that_is_not_there_is_told(author):
    run = author.runs(CommandStep("definitely-not-there --x", name="c", source_directory=str(author.folder)))
    assert "There is no program 'definitely-not-there' on this machine" in run._view()["error"]["message"]
