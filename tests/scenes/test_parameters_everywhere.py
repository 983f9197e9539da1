"""Parameters in every place where an author may write one: real steps run, and what they leave lies where it shall."""

from __future__ import annotations

import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from canalis.contract.errors import GraphError, ParameterError
from canalis.data import DataPath, DataPathComputeBinding, DataReference, PipelineData, PipelineParameter
from canalis.dataset import Dataset, DatasetConsumptionConfig, OutputFileDatasetConfig
from canalis.exceptions import UserErrorException
from canalis.experiment import Experiment
from canalis.pipeline import Pipeline
from canalis.steps import CommandStep
from tests.scenes.conftest import canalis, log_of

WRITE = "import sys\nopen(sys.argv[1] + '/f.txt', 'w').write('written')"
READ = """
    import os, sys
    for path in sys.argv[1:]:
        whole = [os.path.join(root, name) for root, _, names in os.walk(path) for name in names] or [path]
        print(sorted(open(found).read() for found in whole))
"""


@pytest.fixture
def store(ws):
    return ws.get_default_datastore()


@pytest.fixture
def place() -> str:
    """A folder of the datastore that is this scene's alone."""
    return f"everywhere/{uuid.uuid4().hex[:12]}"


def put(store, folder: str, *names: str) -> None:
    """Files in a datastore, each with its own name as its content."""
    for name in names:
        local = Path("put") / name
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_text(name)
        store.upload_files([local], relative_root="put", target_path=folder, overwrite=True, show_progress=False)


def lies(store, prefix: str) -> list[str]:
    """Paths of the files in a datastore that begin so."""
    listed = store.workspace._client.get(f"/datastores/{store.name}/files", prefix=prefix)
    return [found["path"] for found in listed]


def ended(pipeline: Pipeline, **parameters: object):
    """The run of a pipeline at its end, with these values."""
    run = pipeline.submit("everywhere", pipeline_parameters=parameters)
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.get_status() == "Finished", [step.get_stdout_log() for step in run.get_steps()]
    return run


# --- where outputs go


def test_an_output_goes_where_its_parameters_say_and_is_read_there(author, ws, store, place):
    year, name = PipelineParameter("year", 2020), PipelineParameter("name", f"{place}/named")
    where = PipelineParameter("where", DataPath(store, f"{place}/where"))
    written = [
        OutputFileDatasetConfig("by_text", (store, f"{place}/{year}_{{output-name}}/out")),
        OutputFileDatasetConfig("by_parameter", (store, name)),
        OutputFileDatasetConfig("by_place", where).as_upload(overwrite=True),
    ]
    make = "import sys\nfor n, path in enumerate(sys.argv[1:]):\n    open(path + '/f.txt', 'w').write(str(n))"
    pipeline = Pipeline(
        ws,
        [
            author.step("make", make, arguments=written),
            author.step("read", READ, arguments=[output.as_input() for output in written]),
        ],
    )

    run = ended(pipeline)
    assert lies(store, f"{place}/") == [
        f"{place}/2020_by_text/out/f.txt",
        f"{place}/named/f.txt",
        f"{place}/where/f.txt",
    ]
    assert log_of(run, "read").splitlines() == ["['0']", "['1']", "['2']"]

    other = ws.datastores["workspacefilestore"]
    run = ended(pipeline, year=2021, name=f"{place}/other/{{run-id}}", where=DataPath(other, f"{place}/there"))
    (step,) = run.find_step_run("make")
    assert lies(store, f"{place}/2021") == [f"{place}/2021_by_text/out/f.txt"]
    assert lies(store, f"{place}/other") == [f"{place}/other/{step.id}/f.txt"]
    assert lies(other, place) == [f"{place}/there/f.txt"]
    found = {output.name: output.get_port_data_reference() for output in step.get_outputs().values()}
    assert (found["by_place"].datastore_name, found["by_place"].path_on_datastore) == (other.name, f"{place}/there")
    assert log_of(run, "read").splitlines() == ["['0']", "['1']", "['2']"]


def test_an_output_that_is_named_like_a_pattern_is_read_by_its_own_name_alone(author, ws, store, place):
    put(store, f"{place}/1", "other.txt")
    name = PipelineParameter("name", "x")
    made = OutputFileDatasetConfig("made", (store, f"{place}/{name}"))
    steps = [author.step("make", WRITE, arguments=[made]), author.step("read", READ, arguments=[made.as_input("got")])]
    run = ended(Pipeline(ws, steps), name="[1]*")
    assert lies(store, f"{place}/[") == [f"{place}/[1]*/f.txt"]
    assert log_of(run, "read").strip() == "['written']"

    made_there = run.find_step_run("make")[0].get_output_data("made")
    again = author.runs(author.step("again", READ, arguments=[made_there], inputs=[made_there]))
    assert log_of(again, "again").strip() == "['written']"


def test_an_empty_value_is_no_part_of_a_path_and_an_empty_path_is_the_default_one(author, ws, store, place):
    part = PipelineParameter("part", "")
    below = OutputFileDatasetConfig("below", (store, f"{place}/{part}/deep"))
    whole = OutputFileDatasetConfig("whole", (store, part))
    text = "import sys\nfor path in sys.argv[1:]:\n    open(path + '/f.txt', 'w').write('x')"
    run = ended(Pipeline(ws, [author.step("make", text, arguments=[below, whole])]))
    (step,) = run.find_step_run("make")
    assert lies(store, place) == [f"{place}/deep/f.txt"]
    assert step.get_output_data("whole").path_on_datastore == f"dataset/{step.id}/whole"
    assert lies(store, f"dataset/{step.id}/") == [f"dataset/{step.id}/whole/f.txt"]


# --- where inputs are


def test_references_and_patterns_name_another_place_in_another_run(author, ws, store, place):
    put(store, place, "2020/a.csv", "2020/b.txt", "2021/c.csv", "2021/d.csv")
    year = PipelineParameter("year", "2020")
    one = DataReference(store, "one", f"{place}/{year}")
    copy = DataReference(store, "copy", place).path(year).as_download()
    csvs = Dataset.File.from_files((store, f"{place}/{year}/*.csv")).as_named_input("csvs")
    inputs = [one, copy, csvs.as_mount()]
    pipeline = Pipeline(ws, [author.step("read", READ, arguments=inputs, inputs=inputs)])

    assert log_of(ended(pipeline), "read").splitlines() == ["['2020/a.csv', '2020/b.txt']"] * 2 + ["['2020/a.csv']"]
    said = log_of(ended(pipeline, year="2021"), "read").splitlines()
    assert said == ["['2021/c.csv', '2021/d.csv']"] * 3


def test_a_value_is_a_name_and_never_a_pattern(author, ws, store, place):
    put(store, place, "1/x.csv", "[1]/y.csv", "2/z.csv")
    name = PipelineParameter("name", "1")
    reference = DataReference(store, "reference", f"{place}/{name}")
    csvs = Dataset.File.from_files((store, f"{place}/{name}/*.csv")).as_named_input("csvs").as_download()
    where = (PipelineParameter("where", DataPath(store, f"{place}/2")), DataPathComputeBinding())
    inputs = [reference, csvs, where]
    pipeline = Pipeline(ws, [author.step("read", READ, arguments=inputs, inputs=inputs)])

    said = log_of(ended(pipeline, name="[1]", where=DataPath(store, f"{place}/[1]")), "read").splitlines()
    assert said == ["['[1]/y.csv']"] * 3
    run = pipeline.submit("everywhere", pipeline_parameters={"name": "*"})
    run.wait_for_completion(show_output=False, raise_on_error=False)
    (step,) = run.get_steps()
    assert "there is nothing at" in step.get_details()["error"]["error"]["message"], "there is no folder called *"


def test_every_place_outside_of_its_datastore_is_told_before_anything_runs(author, ws, store, place):
    name = PipelineParameter("name", "x")
    made = OutputFileDatasetConfig("made", (store, f"out/{name}"))
    read = DataReference(store, "read", f"in/{name}")
    pipeline = Pipeline(ws, [author.step("step", "print('ran')", inputs=[read], outputs=[made])])
    with pytest.raises(GraphError) as told:
        pipeline.submit("everywhere", pipeline_parameters={"name": "../../../etc"})
    assert told.value.message.splitlines() == [
        "Input 'read' of step 'step' would be at 'in/../../../etc', which leaves its datastore: parameter 'name' is "
        "'../../../etc'",
        "Output 'made' of step 'step' would be at 'out/../../../etc', which leaves its datastore: parameter 'name' is "
        "'../../../etc'",
    ]


# --- where steps run


def test_a_compute_target_is_named_when_the_run_is_submitted(author, ws):
    for name in ("everywhere-one", "everywhere-two"):
        author.cluster(name, 1)
    where = PipelineParameter("where", "everywhere-one")
    steps = [
        author.step("script", "print('ran')", compute_target=where),
        CommandStep("echo ran", name="command", source_directory=str(author.folder), compute_target=where),
    ]
    pipeline = Pipeline(ws, steps)

    def targets(run) -> set[str]:
        return {step["compute"] for step in ws._client.get(f"/runs/{run.id}/steps")}

    assert targets(ended(pipeline)) == {"everywhere-one"}
    run = ended(pipeline, where="everywhere-two")
    assert targets(run) == {"everywhere-two"} and log_of(run, "command").strip() == "ran"
    assert targets(ended(pipeline, where="local")) == targets(ended(pipeline, where="")) == {""}


def test_every_step_whose_target_is_not_there_is_told(author, ws):
    where = PipelineParameter("where", "no-such-cluster")
    steps = [author.step(name, "print('ran')", compute_target=where) for name in ("one", "two")]
    pipeline = Pipeline(ws, steps)  # another value may be given later
    for refused in (lambda: pipeline.submit("everywhere"), lambda: pipeline.publish("everywhere")):
        with pytest.raises(GraphError) as told:
            refused()
        assert [line.split("'")[3] for line in told.value.message.splitlines()] == ["one", "two"]
        assert "which parameter 'where' names, is not in this workspace" in told.value.message
    assert len(pipeline.validate()) == 2
    assert ended(pipeline, where="local").get_status() == "Finished"


def test_sizes_that_this_backend_cannot_give_are_parameters_all_the_same(author, ws):
    nodes = PipelineParameter("nodes", 2)
    step = author.step("one", "print('ran')", runconfig_pipeline_params={"NodeCount": nodes})
    run = ended(Pipeline(ws, [step]), nodes=4)
    assert run.get_graph().nodes[0].sizing.keys() == {"NodeCount"} and log_of(run, "one").strip() == "ran"


# --- datasets


@pytest.mark.parametrize("how", ["as_mount", "as_download"])
def test_a_parameter_is_a_dataset(author, ws, store, place, how):
    put(store, place, "one/a.csv", "two/b.csv", "two/c.txt")
    files = Dataset.File.from_files((store, f"{place}/one/*.csv"))
    read = getattr(DatasetConsumptionConfig("data", PipelineParameter("files", files)), how)()
    pipeline = Pipeline(ws, [author.step("read", READ, arguments=[read])])
    assert log_of(ended(pipeline), "read").strip() == "['one/a.csv']"
    other = Dataset.File.from_files((store, f"{place}/two"))
    assert log_of(ended(pipeline, files=other), "read").strip() == "['two/b.csv', 'two/c.txt']"
    assert log_of(ended(pipeline, files=DataPath(store, f"{place}/two/*.txt")), "read").strip() == "['two/c.txt']"


@pytest.mark.parametrize("how", ["as_mount", "as_download"])
def test_rows_and_what_is_no_dataset_are_refused_for_files_before_anything_runs(author, ws, store, place, how):
    put(store, place, "a.csv")
    files = Dataset.File.from_files((store, f"{place}/a.csv"))
    rows = Dataset.Tabular.from_delimited_files((store, f"{place}/a.csv"), validate=False)
    named = rows.register(ws, f"rows {place[-12:]} {how}").name
    read = getattr(DatasetConsumptionConfig("data", PipelineParameter("files", files)), how)()
    pipeline = Pipeline(ws, [author.step("read", READ, arguments=[read, PipelineParameter("rate", 0.5)])])
    experiment = f"refused_{how}_{place[-12:]}"
    for value, said in (
        (rows, r"Input 'data' of step 'read' is .*'files' is a dataset of rows, .*a dataset of files \(Dataset.File\)"),
        (named, rf"'files' is a dataset of rows, {named}:1: give"),
        ("no such dataset", "There is no dataset 'no such dataset'"),
        (7, "Parameter 'files' is of type dataset; 7 is of type int"),
        (DataPath(SimpleNamespace(name="nowhere"), "x"), "'files' names datastore 'nowhere', which is not there"),
    ):
        with pytest.raises(UserErrorException, match=said) as refused:
            pipeline.submit(experiment, pipeline_parameters={"files": value})
        assert isinstance(refused.value, ValueError), "as every fault of a pipeline is"
    assert list(Experiment(ws, experiment).get_runs()) == []
    pipeline.submit(experiment, pipeline_parameters={"rate": 1}).cancel()


def test_a_parameter_is_a_dataset_that_is_read_directly_and_found_by_its_id(author, ws, store, place):
    put(store, place, "a.csv", "b.csv")
    plain = Dataset.File.from_files((store, f"{place}/a.csv"))
    known = Dataset.File.from_files((store, f"{place}/b.csv")).register(ws, f"direct {place[-12:]}")
    read = DatasetConsumptionConfig("data", PipelineParameter("files", plain))
    step = author.step(
        "read",
        """
        import os, sys
        from azureml.core import Dataset, Run
        run = Run.get_context()
        data, by_id = run.input_datasets["data"], Dataset.get_by_id(run.experiment.workspace, id=sys.argv[1])
        assert data.id == by_id.id == sys.argv[1] == os.environ["data"] == os.environ["AML_PARAMETER_files"]
        print([open(path).read() for path in by_id.download("got")], data.name, data.version)
        """,
        arguments=[read],
    )
    pipeline = Pipeline(ws, [step])
    assert log_of(ended(pipeline), "read").strip() == "['a.csv'] None None"
    run = ended(pipeline, files=known)
    assert log_of(run, "read").strip() == f"['b.csv'] {known.name} 1"
    assert ws._client.get(f"/runs/{run.id}")["parameters"]["files"]["registered"]["id"] == known.id


def test_a_registered_dataset_is_named_by_text_and_read_as_it_was_when_the_run_was_submitted(author, ws, store, place):
    put(store, place, "one.csv", "two.csv")
    name = f"everywhere_{place[-12:]}"
    Dataset.File.from_files((store, f"{place}/one.csv")).register(ws, name)
    read = DatasetConsumptionConfig("data", PipelineParameter("which", name)).as_mount()
    wait = author.step("wait", "import time\ntime.sleep(1)")
    reader = author.step("read", READ, arguments=[read])
    reader.run_after(wait)
    pipeline = Pipeline(ws, [wait, reader])

    run = pipeline.submit("everywhere")
    second = Dataset.File.from_files((store, f"{place}/two.csv")).register(ws, name, create_new_version=True)
    run.wait_for_completion(show_output=False)
    assert log_of(run, "read").strip() == "['one.csv']", "what was registered later is not what was meant"

    assert log_of(ended(pipeline), "read").strip() == "['two.csv']"
    assert log_of(ended(pipeline, which=f"{name}:1"), "read").strip() == "['one.csv']"
    assert log_of(ended(pipeline, which=second.id), "read").strip() == "['two.csv']"
    with pytest.raises(ParameterError, match=rf"'which': Dataset '{name}' has no version '7' \(the newest is 2\)"):
        pipeline.submit("everywhere", pipeline_parameters={"which": f"{name}:7"})

    resumed = canalis("resume", run.id, "-p", f"which={name}:2").stdout
    assert "Kept 1 of 2 steps" in resumed
    after = canalis("logs", canalis_id(resumed), "--step", "read").stdout
    assert "two.csv" in after


def canalis_id(printed: str) -> str:
    """The run that a command says it has submitted."""
    (line,) = [line for line in printed.splitlines() if line.startswith("Submitted run ")]
    return line.removeprefix("Submitted run ").partition(":")[0]


def test_datasets_are_registered_and_found_as_in_v1(ws, store, place):
    put(store, place, "a.csv", "b.csv")
    name = f"everywhere {place[-12:]}"
    first = Dataset.File.from_files((store, f"{place}/a.csv"))
    made = first.register(ws, name, "of stations", tags={"k": 1})
    assert (made.name, made.version, made.description, made.tags) == (name, 1, "of stations", {"k": "1"})
    assert first.name is None and first.register(ws, name).id == made.id, "the same files keep their version"

    second = Dataset.File.from_files((store, f"{place}/b.csv"))
    with pytest.raises(UserErrorException, match="create_new_version=True"):
        second.register(ws, name)
    assert second.register(workspace=ws, name=name, create_new_version=True).version == 2
    assert [Dataset.get_by_name(ws, name, version=which).version for which in (1, "1", 2, "latest")] == [1, 1, 2, 2]
    assert Dataset.get_by_name(ws, name).to_path() == ["/b.csv"] and Dataset.get_by_id(ws, made.id).version == 1
    assert DatasetConsumptionConfig("old", (ws, name, 1)).dataset.id == made.id
    assert DatasetConsumptionConfig("new", (ws, name)).dataset.version == 2
    assert name in ws.datasets and ws.datasets[name].version == Dataset.get_all(ws)[name].version == 2
    assert ws.datasets.get("no such dataset") is None
    for missing in (
        lambda: Dataset.get_by_name(ws, "no such dataset"),
        lambda: Dataset.get_by_name(ws, name, version=3),
        lambda: Dataset.get_by_name(ws, name, version="newest"),
        lambda: Dataset.get_by_name(ws, name, version=1.0),
        lambda: Dataset.get_by_id(ws, str(uuid.uuid4())),
        lambda: Dataset.get_by_id(ws, name),
    ):
        with pytest.raises(UserErrorException):
            missing()
    for wrong in ("a:b", "a/b", "", made.id):
        with pytest.raises(UserErrorException, match="cannot be the name of a dataset"):
            first.register(ws, wrong)


def test_a_dataset_that_one_step_registers_is_there_for_the_next(author, place):
    made = OutputFileDatasetConfig("made")
    name = f"from a step {place[-12:]}"
    register = f"""
        import sys
        from azureml.core import Dataset, Run
        ws = Run.get_context().experiment.workspace
        store = ws.get_default_datastore()
        open("x.txt", "w").write("from the first step")
        store.upload_files(["x.txt"], target_path="{place}", show_progress=False)
        print(Dataset.File.from_files((store, "{place}/x.txt")).register(ws, "{name}").version)
    """
    read = f"""
        from azureml.core import Dataset, Run
        ws = Run.get_context().experiment.workspace
        (path,) = ws.datasets["{name}"].download("got")
        print(open(path).read())
    """
    first = author.step("register", register, outputs=[made])
    second = author.step("read", read)
    second.run_after(first)
    run = author.runs(first, second)
    assert (log_of(run, "register").strip(), log_of(run, "read").strip()) == ("1", "from the first step")


# --- empty texts


def test_an_empty_text_is_a_value_wherever_it_comes_from(author, ws):
    label = PipelineParameter("label", "")
    tell = "import os, sys\nprint(sys.argv[1:], repr(os.environ['AML_PARAMETER_label']))"
    steps = [
        author.step("script", tell, arguments=["--label", label, f"--to={label}"]),
        CommandStep(["printf '<%s>'", label, "end"], name="command", source_directory=str(author.folder)),
    ]
    pipeline = Pipeline(ws, steps)
    run = ended(pipeline)
    assert log_of(run, "script").strip() == "['--label', '', '--to='] ''"
    assert log_of(run, "command").strip() == "<><end>"
    assert log_of(ended(pipeline, label="x"), "script").strip() == "['--label', 'x', '--to=x'] 'x'"
    run = pipeline.publish("empty").submit(ws, "everywhere", pipeline_parameters={"label": ""})
    run.wait_for_completion(show_output=False)
    assert log_of(run, "script").strip() == "['--label', '', '--to='] ''"

    run = ended(pipeline, label="x")
    resumed = canalis("resume", run.id, "-p", "label=").stdout
    assert "Kept 0 of 2 steps" in resumed
    assert "['--label', '', '--to='] ''" in canalis("logs", canalis_id(resumed), "--step", "script").stdout


# --- going on


def test_another_value_runs_the_steps_again_that_it_means_and_no_others(author, ws, store, place):
    put(store, place, "1/a.csv", "2/b.csv")
    values = {"read_from": "1", "write_to": "x", "where": "local", "nodes": 1}
    from_, to, where, nodes = (PipelineParameter(name, value) for name, value in values.items())
    made = OutputFileDatasetConfig("made", (store, f"{place}/out/{to}"))
    middle = PipelineData("middle")
    pipeline = Pipeline(
        ws,
        [
            author.step("reads", READ, inputs=[reference := DataReference(store, "r", f"{place}/{from_}")], arguments=[reference]),
            author.step("writes", WRITE, arguments=[made]),
            author.step("after", READ, arguments=[made.as_input("got")]),
            author.step("there", "print('ran')", compute_target=where),
            author.step("sized", "print('ran')", runconfig_pipeline_params={"NodeCount": nodes}),
            author.step("plain", "import sys\nopen(sys.argv[1], 'w').write('x')", arguments=[middle], outputs=[middle]),
        ],
    )  # fmt: skip
    run = ended(pipeline)

    def ran_again(**changed: object) -> set[str]:
        again = run.resubmit(pipeline_parameters=changed)
        assert again.wait_for_completion(show_output=False) == "Finished"
        return {step.name for step in again.get_steps() if not step._is_reused}

    assert ran_again(read_from="2") == {"reads"}
    assert ran_again(write_to="y") == {"writes", "after"}
    assert lies(store, f"{place}/out") == [f"{place}/out/x/f.txt", f"{place}/out/y/f.txt"]
    assert ran_again(where="", nodes=3) == {"there", "sized"}
    with pytest.raises(GraphError, match="no-such-cluster"):
        run.resubmit(pipeline_parameters={"where": "no-such-cluster"})
    with pytest.raises(GraphError, match="leaves its datastore"):
        run.resubmit(pipeline_parameters={"write_to": "../x"})
