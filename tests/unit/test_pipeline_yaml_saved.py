"""Graphs as YAML and back: equal, or refused, and never anything else."""

from __future__ import annotations

from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from canalis import pipeline_yaml_saved
from canalis.contract.errors import NotSupported, YamlInvalid
from canalis.contract.faults import faults
from canalis.contract.graph import (
    CommandWork,
    DataPathValue,
    DatasetValue,
    FromParameter,
    FromStore,
    Graph,
    Input,
    Node,
    Output,
    Parameter,
    ParameterText,
    PythonWork,
)
from canalis.data import DataPath, DataPathComputeBinding, DataReference, PipelineData, PipelineParameter
from canalis.dataset import FileDataset, OutputFileDatasetConfig
from canalis.pipeline import Pipeline
from canalis.pipeline_yaml import load, read_saved
from canalis.pipeline_yaml_saved import as_saved, with_defaults
from canalis.runconfig import RunConfiguration
from canalis.schedule_yaml import load_schedule_yaml
from canalis.steps import CommandStep, PythonScriptStep
from canalis.submission import as_json, values_in
from tests.unit.made_graphs import TEXTS, a_made_graph

NAMES = ("workspaceblobstore", "workspacefilestore", "other")
PLACE = SimpleNamespace(
    compute_targets={"cpu-cluster": None, "None": None},
    datastores={name: SimpleNamespace(name=name, datastore_type="AzureBlob") for name in NAMES},
    _client=None,
)


def saved(graph: Graph, name: str | None = None, description: str | None = None) -> str:
    return as_saved(graph, name, description, lambda node: f"sources/{node.key}")


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_a_graph_is_equal_to_what_its_yaml_is_read_as(first):
    for seed in range(first, first + 50):
        graph = a_made_graph(seed)
        assert faults(graph) == [], seed
        again = read_saved(saved(graph, "a name" if seed % 2 else None), "f.yml").graph
        assert again == graph, seed


def test_what_a_script_draws_is_the_same_document_to_the_byte(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    graph = a_drawn_pipeline(tmp_path).graph

    read = read_saved(saved(graph), "f.yml")

    assert read.graph.to_bytes() == graph.to_bytes()
    assert read.folders == {node.key: f"sources/{node.key}" for node in graph.nodes}


def test_a_parameter_that_is_a_dataset_is_told_whatever_its_value_is():
    value = DatasetValue(places=(DataPathValue(datastore="workspaceblobstore", path="x/*.csv"),))
    node = Node(key="a", name="a", work=PythonWork(script="a.py"), inputs=(Input(name="i", source=FromParameter(parameter="data")),))  # fmt: skip
    graph = Graph(nodes=(node,), parameters=(Parameter(name="data", type="dataset", default=value),))
    for default in (values_in(as_json({"data": value})), {"data": "weather"}):
        with pytest.raises(NotSupported, match="has no parameters that are datasets: 'data'"):
            saved(with_defaults(graph, default))


def a_drawn_pipeline(folder: Path) -> Pipeline:
    """A pipeline that uses all that scripts have to say."""
    (folder / "a.py").write_text("")
    blob = PLACE.datastores["workspaceblobstore"]
    rate, where = PipelineParameter("rate", 0.5), PipelineParameter("where", DataPath(blob, "a/b", name="w"))
    path = (where, DataPathComputeBinding(mode="download"))
    made, kept = (
        PipelineData("made", blob, pipeline_output_name="result"),
        OutputFileDatasetConfig("kept", (blob, "k/{run-id}"), source="k").as_upload(source_globs=["*.csv", "a/**"]),
    )
    up = PipelineData("up", output_mode="upload", output_path_on_compute="results", output_overwrite=True)
    raw = DataReference(blob, "raw", "raw/data").as_download("data")
    files = FileDataset([(blob, "x/*.csv"), (blob, "y")]).as_named_input("files")
    configuration = RunConfiguration()
    configuration.environment.name = "mine"
    configuration.environment.environment_variables = {"A": "1"}
    configuration.environment_variables = {"R": rate, "T": "a text"}
    configuration.target, configuration.max_run_duration_seconds = "cpu-cluster", 90
    first = PythonScriptStep(
        "a.py", name="make it", inputs=[raw, path, files], outputs=[made, up], runconfig=configuration,
        arguments=["--rate", rate, f"--r={rate}", "--in", raw, path, "--out", made, kept, files, "parameter:k", "output:x"],
        params={"k": rate, "j": 7}, source_directory=".", allow_reuse=False, retries=2,
    )  # fmt: skip
    second = CommandStep(
        ["cat", made, kept.as_input("in"), f"--x={made}"],
        name="make it",
        inputs=[made.as_download(), kept.as_input("in")],
    )
    third = PythonScriptStep("a.py", inputs=[made.as_input("again"), kept], outputs=[PipelineData("again")])
    third.run_after(second)
    return Pipeline(PLACE, [first, second, third], description="all of it", default_datastore="workspacefilestore")


def a_node(key: str, **parts: object) -> Node:
    return Node(**{"key": key, "name": key, "work": PythonWork(script="a.py"), **parts})


def test_the_values_of_a_run_become_the_defaults():
    graph = next(graph for graph in map(a_made_graph, range(100)) if [one.type for one in graph.parameters] == ["int"])
    (parameter,) = graph.parameters
    again = read_saved(saved(with_defaults(graph, {parameter.name: 42})), "f.yml").graph
    assert again.parameters[0].default == 42 and again.nodes == graph.nodes


def test_what_was_published_keeps_its_name_and_description_beside_the_graphs():
    graph = Graph(nodes=(a_node("a"),), description="of the graph")
    for name, description in (
        ("echo", "echoes"),
        ("echo", ""),
        ("echo", None),
        (None, "echoes"),
        (None, None),
        ("", ""),
    ):
        read = read_saved(saved(graph, name, description), "f.yml")
        assert read.graph == graph
        assert (read.name, read.description) == (name or None, "of the graph" if description is None else description)


def test_what_v1_could_say_is_said_in_its_words():
    graph = Graph(
        nodes=(
            a_node(
                "train",
                inputs=(Input(name="raw", source=FromStore(datastore="workspaceblobstore", path="raw")),),
                outputs=(Output(name="model"),),
                parameters={"rate": (ParameterText(name="r"),)},
                arguments=(("--rate",), (ParameterText(name="r"),), ("1.0",)),
            ),
        ),
        parameters=({"name": "r", "type": "float", "default": 0.5},),
    )
    assert saved(graph) == (
        "pipeline:\n"
        "  parameters:\n"
        "    r:\n"
        "      type: float\n"
        "      default: 0.5\n"
        "  data_references:\n"
        "    raw:\n"
        "      datastore: workspaceblobstore\n"
        "      path_on_datastore: raw\n"
        "  steps:\n"
        "    train:\n"
        "      type: PythonScriptStep\n"
        "      name: train\n"
        "      script_name: a.py\n"
        "      source_directory: sources/train\n"
        "      environment: null\n"
        "      parameters:\n"
        "        rate:\n"
        "          source: r\n"
        "      arguments:\n"
        "      - --rate\n"
        "      - parameter:rate\n"
        "      - '1.0'\n"
        "      inputs:\n"
        "        raw:\n"
        "          source: raw\n"
        "          bind_mode: mount\n"
        "      outputs:\n"
        "        model:\n"
        "          destination: model\n"
        "          bind_mode: mount\n"
    )


def test_outputs_of_one_name_and_data_of_that_name_too_are_told_apart():
    store = FromStore(datastore="other", path="x")
    nodes = [
        a_node(key, outputs=(Output(name="o"),), inputs=(Input(name="o", source=store),)) for key in ("a", "b", "data")
    ]
    renamed = [node.model_copy(update={"inputs": (Input(name="INPUT_o", source=store),)}) for node in nodes]
    assert read_saved(saved(Graph(nodes=tuple(renamed))), "f.yml").graph.nodes == tuple(renamed)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (a_node("a", inputs=(Input(name="i", source=FromStore(path="x")),)), "the key 'datastore' is missing"),
        (
            a_node("a", inputs=(Input(name="i", source=FromStore(datastore="other", path="/x")),)),
            "which would lose inputs of step 'a'",
        ),
        (a_node("a", outputs=(Output(name="o", mode="upload"),)), "what is uploaded needs `path_on_compute`"),
        (a_node("a", name=""), "which would lose name of step ''"),
    ],
)
def test_what_yaml_cannot_say_is_refused_and_not_left_out(node, said):
    with pytest.raises(NotSupported) as caught:
        saved(Graph(nodes=(node,)))
    assert said in caught.value.message


def test_what_could_not_be_read_again_for_its_size_is_not_written(monkeypatch):
    monkeypatch.setattr(pipeline_yaml_saved, "BYTES_MAX", 4 * 2**10)
    with pytest.raises(NotSupported, match="As YAML the pipeline has 9 KiB; a file that is read again has 4 at most"):
        saved(Graph(nodes=(a_node("a", work=CommandWork(line=("x" * 10_000,))),)))


# Whatever is in a file ------------------------------------------------------------------------------------------

TOKENS = (
    *TEXTS, "{", "}", "[", "]", ": ", "- ", "  ", "!!int ", "!!python/object:os.system ", "&a ", "|\n", "? ", "---\n",
    "...\n", "%YAML 1.1\n", "{}", "[]", "9" * 400, "1e999", "pipeline:", "steps: ", "default: ", "type: int\n",
)  # fmt: skip
A_SCHEDULE = """\
Schedule:
  description: x
  recurrence: {frequency: Week, interval: 1, hours: [1], minutes: [0], week_days: [Friday], start_time: 2019-06-07T10:50:00}
  pipeline_parameters: {a: 1}
"""


def mutated(random: Random, text: str) -> str:
    """The text, somewhat spoilt."""
    for _ in range(random.randint(1, 5)):
        start = random.randrange(len(text) + 1)
        end = min(len(text), start + random.randint(0, 30))
        lines = text.split("\n")
        line = random.randrange(len(lines))
        key = lines[line].partition(": ")[0]
        changed = [*lines[:line], f"{key}: {random.choice(TOKENS)}", *lines[line + 1 :]]
        moved = [*lines[:line], *lines[line + 1 :], lines[line]]
        text = random.choice(
            (
                text[:start] + text[end:],
                text[:start] + random.choice(TOKENS) + text[end:],
                text[:start] + text[start:end] * 3 + text[end:],
                "\n".join(changed),
                "\n".join(moved),
            )
        )
    return text


@pytest.fixture
def current(tmp_path, monkeypatch) -> Path:
    """The current folder, with a script in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("")
    return tmp_path


def refused(seeds: range) -> int:
    """How many of the spoilt files of these seeds are refused. Whatever else is raised comes through."""
    texts = [as_saved(a_made_graph(seed), None, None, lambda node: ".") for seed in range(10)]
    file = Path("f.yml")
    count = 0
    for seed in seeds:
        random = Random(seed)
        is_schedule = random.randrange(8) == 0
        file.write_text(mutated(random, A_SCHEDULE if is_schedule else random.choice(texts)))
        try:
            load_schedule_yaml(PLACE, file) if is_schedule else load(PLACE, file)
        except YamlInvalid as error:
            count += 1
            assert error.message.startswith("f.yml:"), seed
    return count


@pytest.mark.filterwarnings("ignore:`hash_paths`")
@pytest.mark.parametrize("first", range(0, 1_000, 250))
def test_whatever_is_in_a_file_it_is_read_or_refused_in_our_words(current, first):
    assert refused(range(first, first + 250)) > 125


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore:`hash_paths`")
def test_twenty_thousand_spoilt_files_are_read_or_refused_in_our_words(current):
    assert refused(range(1_000, 21_000)) > 10_000
