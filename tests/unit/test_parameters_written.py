"""Parameters as authors write them, in each place where they may stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from canalis.building import Draft, build
from canalis.contract.errors import GraphError
from canalis.contract.faults import faults
from canalis.contract.graph import DataPathValue, DatasetValue, Graph, ParameterText
from canalis.contract.parameters import assign
from canalis.contract.places import Place, output_place
from canalis.contract.run import StepRunId
from canalis.contract.value_faults import value_faults
from canalis.data import DataPath, DataPathComputeBinding, DataReference, PipelineParameter
from canalis.dataset import Dataset, DatasetConsumptionConfig, OutputFileDatasetConfig
from canalis.datastore_known import of_document
from canalis.exceptions import UserErrorException
from canalis.runconfig import RunConfiguration
from canalis.steps import CommandStep, PythonScriptStep
from tests.stories import a_request


@pytest.fixture
def store():
    return of_document(None, {"name": "blobs", "type": "AzureBlob", "is_default": True})


def drawn(tmp_path: Path, **parts: object) -> Graph:
    """The graph of one step with these parts."""
    step = PythonScriptStep(script_name="x.py", source_directory=tmp_path, **parts)
    return build(Draft(None, [step], {}, "", None, str(tmp_path)))


def names(graph: Graph) -> set[str]:
    assert faults(graph) == []
    return {parameter.name for parameter in graph.parameters}


def test_a_destination_is_made_of_parameters_in_each_way_that_authors_write_it(tmp_path, store):
    year, part = PipelineParameter("year", 2020), PipelineParameter("part", "x")
    where = PipelineParameter("where", DataPath(store, "kept"))
    for destination, path in (
        ((store, f"/out/{year}/"), ("out/", ParameterText(name="year"))),
        ((store, part), (ParameterText(name="part"),)),
        ((store, f"{year}_{part}"), (ParameterText(name="year"), "_", ParameterText(name="part"))),
        ((store, "out/" + str(year) + "_x/{run-id}"), ("out/", ParameterText(name="year"), "_x/{run-id}")),
        ((store, "out/$AML_PARAMETER_year/x"), ("out/", ParameterText(name="year"), "/x")),
        ((store, "/out/"), "out"),
        (where, None),
    ):
        graph = drawn(tmp_path, outputs=[OutputFileDatasetConfig("made", destination)])
        (output,) = graph.nodes[0].outputs
        assert output.path == path, destination
        assert (output.datastore, output.parameter) == ((None, "where") if path is None else ("blobs", None))
        assert names(graph) == graph.nodes[0].used_parameters() and names(graph) <= {"year", "part", "where"}


def test_references_and_datasets_are_made_of_parameters(tmp_path, store):
    year = PipelineParameter("year", 2020)
    below = DataReference(store, "below", f"in/{year}").path("deeper")
    reference, plain = DataReference(store, "whole", year), store.path(f"in/{year}/x", "plain")
    dataset = Dataset.File.from_files([(store, f"./in/{year}/*.csv"), (store, "all")]).as_named_input("csvs")
    graph = drawn(tmp_path, inputs=[below, reference, plain, dataset], arguments=[dataset, reference])
    paths = [path for _, path in graph.nodes[0].paths()]
    y = ParameterText(name="year")
    assert paths == [("in/", y, "/deeper"), (y,), ("in/", y, "/x"), ("in/", y, "/*.csv"), "all"]
    assert names(graph) == {"year"} and str(reference) == "$AZUREML_DATAREFERENCE_whole"
    with pytest.raises(GraphError, match="known in a run alone, since it depends on parameter 'year'"):
        dataset.dataset.to_path()


def test_two_pipelines_of_one_process_have_parameters_of_the_same_name_in_their_paths(tmp_path, store):
    first, second = PipelineParameter("year", 1), PipelineParameter("year", 2)
    for meant in (first, second, first):
        graph = drawn(tmp_path, inputs=[DataReference(store, "r", f"in/{meant}").path("x")])
        assert [parameter.default for parameter in graph.parameters] == [meant.default_value]


@pytest.mark.parametrize("kind", ["script", "command", "runconfig"])
def test_a_compute_target_is_a_parameter_for_every_kind_of_step(tmp_path, kind):
    where = PipelineParameter("where", "cpu-cluster")
    configuration = RunConfiguration()
    configuration.target = where
    step = {
        "script": lambda: PythonScriptStep("x.py", source_directory=tmp_path, compute_target=where),
        "command": lambda: CommandStep("true", source_directory=tmp_path, compute_target=where),
        "runconfig": lambda: PythonScriptStep("x.py", source_directory=tmp_path, runconfig=configuration),
    }[kind]()
    graph = build(Draft(None, [step], {}, "", None, str(tmp_path)))
    assert graph.nodes[0].compute == ParameterText(name="where") and names(graph) == {"where"}
    with pytest.raises(ValueError, match="its default must be the name of one, not 3"):
        PythonScriptStep("x.py", source_directory=tmp_path, compute_target=PipelineParameter("n", 3))


def test_the_size_of_a_step_is_recorded_with_its_parameters(tmp_path):
    graph = drawn(tmp_path, runconfig_pipeline_params={"NodeCount": PipelineParameter("nodes", 2)})
    assert graph.nodes[0].sizing == {"NodeCount": (ParameterText(name="nodes"),)} and names(graph) == {"nodes"}


def test_a_dataset_is_a_parameter_in_every_mode_and_by_name(tmp_path, store):
    files = Dataset.File.from_files((store, "in/*.csv"), validate=False)
    by_files, by_name = PipelineParameter("files", files), PipelineParameter("name", "weather:2")
    inputs = [
        DatasetConsumptionConfig("one", by_files),
        DatasetConsumptionConfig("two", by_files).as_mount(),
        DatasetConsumptionConfig("three", by_name).as_download("here"),
    ]
    graph = drawn(tmp_path, inputs=inputs, arguments=[inputs[0], f"--x={by_name}"])
    value = DatasetValue(places=(DataPathValue(datastore="blobs", path="in/*.csv"),))
    assert {one.name: (one.type, one.default) for one in graph.parameters} == {
        "files": ("dataset", value),
        "name": ("dataset", "weather:2"),
    }
    assert [(port.mode, port.source.parameter) for port in graph.nodes[0].inputs] == [
        ("direct", "files"),
        ("mount", "files"),
        ("download", "name"),
    ]
    assert names(graph) == {"files", "name"}


def test_what_cannot_be_said_with_a_parameter_is_told_where_it_is_written(tmp_path, store):
    place, year = PipelineParameter("place", DataPath(store, "x")), PipelineParameter("year", 1)
    files = PipelineParameter("files", Dataset.File.from_files((store, "x"), validate=False))
    inner = PipelineParameter("inner", Dataset.File.from_files((store, f"in/{year}")))
    deeper = PipelineParameter("deeper", DataPath(store, f"in/{year}"))
    for wrong, error, message in (
        (lambda: DataReference(store, "r", f"in/{place}"), ValueError, "'place' has the default DataPath"),
        (lambda: OutputFileDatasetConfig("o", (store, files)), ValueError, "cannot be a part of a path"),
        (lambda: OutputFileDatasetConfig("o", year), UserErrorException, r"for a parameter that is the path alone use"),
        (lambda: DataReference(store, "r", "in/$AML_PARAMETER_nobody"), ValueError, "names parameter 'nobody'"),
        (lambda: DatasetConsumptionConfig("d", place), UserErrorException, "needs a dataset, not DataPath"),
        (lambda: DatasetConsumptionConfig("d", year), UserErrorException, "needs a dataset, not int"),
        (lambda: drawn(tmp_path, arguments=[files]), ValueError, r"give it as DatasetConsumptionConfig\('name'"),
        (lambda: drawn(tmp_path, inputs=[DatasetConsumptionConfig("d", inner)]), GraphError, "parameter 'year'"),
        (
            lambda: drawn(tmp_path, inputs=[(deeper, DataPathComputeBinding())]),
            GraphError,
            "since it is made of one itself",
        ),
    ):
        with pytest.raises(error, match=message):
            wrong()


def test_an_empty_text_is_a_value_like_any_other(tmp_path, store):
    empty = PipelineParameter("empty", "")
    graph = drawn(
        tmp_path,
        arguments=["--x", empty, f"--y={empty}", ""],
        compute_target=empty,
        outputs=[OutputFileDatasetConfig("made", (store, f"{empty}/out"))],
    )
    values = assign(graph.parameters, {"empty": ""})
    assert values == assign(graph.parameters, {}) == {"empty": ""}
    assert faults(graph) == value_faults(graph, values, {}) == []
    assert graph.nodes[0].arguments[3] == ("",)
    assert output_place(a_request(parameters=values), graph.nodes[0].outputs[0], StepRunId("r", "a")) == Place(
        "blobs", "out"
    )
