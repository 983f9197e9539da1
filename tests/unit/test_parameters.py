"""Parameters wherever a graph can hold them: what it says with their values, and what it is told when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from canalis.contract.errors import ParameterError
from canalis.contract.faults import faults
from canalis.contract.graph import (
    DataPathValue,
    DatasetValue,
    FromFiles,
    FromParameter,
    FromStep,
    FromStore,
    Graph,
    Input,
    Node,
    Output,
    Parameter,
    ParameterText,
    PythonWork,
    Registered,
    content_id,
)
from canalis.contract.limits import unfit
from canalis.contract.parameters import assign, compute_in, identity_of, pattern_in, text_in, text_of
from canalis.contract.places import output_place
from canalis.contract.ports import Attempt, AttemptKey, Run
from canalis.contract.run import ComputeChoice, StepRunId
from canalis.contract.value_faults import value_faults
from orchestrator.pipelines.differences import compare
from orchestrator.plan import first_state, make_plan
from orchestrator.resume import users_of
from steps.work import make_work
from tests.stories import RUN, a_request

GOLDEN = Path(__file__).parent / "golden" / "graph_of_0_1.json"
P = ParameterText(name="p")
PLACE = DataPathValue(datastore="blobs", path="a/b")
FILES = DatasetValue(places=(PLACE, DataPathValue(datastore="other", path="*.csv")))


def a_node(name: str = "a", **parts: object) -> Node:
    return Node.model_validate({"key": name, "name": name, "work": PythonWork(script="x.py"), **parts})


def a_graph(*nodes: Node, **defaults: object) -> Graph:
    """A graph whose parameters have these defaults."""
    types = {str: "string", int: "int", DataPathValue: "datapath", DatasetValue: "dataset"}
    parameters = [Parameter(name=name, type=types[type(value)], default=value) for name, value in defaults.items()]
    return Graph(nodes=nodes, parameters=tuple(parameters))


# --- documents


def test_a_graph_without_any_of_this_is_the_document_that_it_was():
    document = GOLDEN.read_bytes()
    graph = Graph.from_bytes(document)
    assert graph.to_bytes() == document
    assert content_id(document) == "9f921e9e9dfd0578845d4190a8eaf707053b6dd99c4d9c238add96de6b34f3fd"
    assert Graph.model_validate(graph.model_dump(mode="json", exclude_unset=True)).to_bytes() == document
    built = Graph(**{field: getattr(graph, field) for field in graph.model_fields_set})
    assert built.to_bytes() == document and faults(graph) == []


def test_a_graph_with_all_of_it_comes_back_as_it_was():
    node = a_node(
        compute=P,
        sizing={"NodeCount": (P,)},
        inputs=(
            Input(name="i", source=FromStore(datastore="d", path=("x/", P))),
            Input(name="f", source=FromFiles(places=(FromStore(path=(P, "/*.csv")),)), style="dataset"),
            Input(name="d", source=FromParameter(parameter="set"), style="dataset"),
        ),
        outputs=(Output(name="o", path=("out/", P)), Output(name="w", parameter="where")),
    )
    registered = FILES.model_copy(update={"registered": Registered(name="n", version=2, id="id")})
    graph = a_graph(node, p="v", where=PLACE, set=registered)
    again = Graph.from_bytes(graph.to_bytes())
    assert again == graph and again.to_bytes() == graph.to_bytes()
    assert faults(again, computes={"v"}) == []


# --- what a graph says with values


def test_a_text_is_its_pieces_with_the_values_between_them():
    values = {"p": 3, "q": ""}
    assert text_in("as it is {p}", values) == "as it is {p}"
    assert text_in(("out/", P, "/", ParameterText(name="q"), "x"), values) == "out/3/x"
    assert text_in((), values) == ""


def test_a_value_in_a_path_stands_for_itself_and_what_the_author_wrote_may_be_a_pattern():
    assert pattern_in(("in/", P, "/*.csv"), {"p": "a*[b]?"}) == "in/a[*][[]b][?]/*.csv"
    assert pattern_in("in/*.csv", {}) == "in/*.csv"


@pytest.mark.parametrize(
    ("compute", "value", "name"),
    [(None, "", ""), ("cpu", "", "cpu"), (P, "gpu", "gpu"), (P, "", ""), (P, "local", ""), ("local", "", "local")],
)
def test_the_compute_target_of_a_step_is_asked_for_in_one_place(compute, value, name):
    node = a_node(compute=compute)
    assert compute_in(node, {"p": value}) == name
    request = a_request(parameters={"p": value}, computes={name: ComputeChoice(backend="far")})
    assert make_plan(RUN, request, Graph(nodes=(node,))).queues == ("steps-far",)


@pytest.mark.parametrize(
    ("port", "values", "place"),
    [
        (Output(name="o", path=("out/", P)), {"p": "x"}, "blobs/out/x"),
        (Output(name="o", path=(P,), datastore="other"), {"p": "x/y/"}, "other/x/y"),
        (Output(name="o", path=(P, "/{run-id}/", P, "-{output-name}")), {"p": 7}, "blobs/7/run.a/7-o"),
        (Output(name="o", path=(P,)), {"p": "mine/{run-id}"}, "blobs/mine/run.a"),
        (Output(name="o", path=("a/", P, "/./b")), {"p": ""}, "blobs/a/b"),
        (Output(name="o", path=(P,)), {"p": ""}, "blobs/azureml/run.a/o"),
        (Output(name="o", path=(P,), style="dataset"), {"p": "/"}, "blobs/dataset/run.a/o"),
        (
            Output(name="o", parameter="p"),
            {"p": DataPathValue(datastore="other", path="/x/{output-name}")},
            "other/x/o",
        ),
        (Output(name="o", parameter="p"), {"p": DataPathValue(datastore="other", path="")}, "other/azureml/run.a/o"),
        (Output(name="o"), {}, "blobs/azureml/run.a/o"),
    ],
)
def test_an_output_lies_where_the_values_of_its_run_say(port, values, place):
    found = output_place(a_request(parameters=values, default_datastore="blobs"), port, StepRunId("run", "a"))
    assert f"{found.datastore}/{found.path}" == place


def places_of(source: object, writer: Output | None = None, **values: object) -> list[str]:
    """Where the data of an input lies, in a run with these values."""
    reader = a_node("b", inputs=(Input(name="i", source=source),))
    graph = Graph(nodes=(a_node("a", outputs=(writer or Output(name="o"),)), reader))
    request = a_request(parameters=values, default_datastore="blobs")
    run = Run(RUN, request, first_state(make_plan(RUN, request, graph)), 1, 0.0)
    work = make_work(run, graph, Attempt(AttemptKey(RUN, "b", 1)))
    return [f"{place.datastore}/{place.path}" for place in work.inputs["i"]]


def test_an_input_lies_where_the_values_of_its_run_say():
    files = FromFiles(places=(FromStore(path=("in/", P, "/*.csv")), FromStore(datastore="other", path="x")))
    assert places_of(FromStore(path=("in/", P)), p=2020) == ["blobs/in/2020"]
    assert places_of(FromStore(path=("in/", P)), p="[1]") == ["blobs/in/[[]1]"]
    assert places_of(FromStore(path=(P, "/x//y")), p="") == ["blobs/x/y"]
    assert places_of(files, p="*") == ["blobs/in/[*]/*.csv", "other/x"]
    assert places_of(FromParameter(parameter="p"), p=PLACE) == ["blobs/a/b"]
    assert places_of(FromParameter(parameter="p"), p=DataPathValue(datastore="d", path="/a*")) == ["d/a[*]"]
    assert places_of(FromParameter(parameter="p"), p=FILES) == ["blobs/a/b", "other/*.csv"]
    written = Output(name="o", path=("out/", P))
    assert places_of(FromStep(node="a", output="o"), written, p="x?") == ["blobs/out/x[?]"]


def test_the_text_of_a_dataset_is_its_id():
    registered = FILES.model_copy(update={"registered": Registered(name="n", version=2, id="its-id")})
    assert text_of(registered) == identity_of(registered) == "its-id"
    assert text_of(FILES) == text_of(FILES.model_copy()) != text_of(DatasetValue(places=(PLACE,)))


# --- what is told


@pytest.mark.parametrize(
    "value", ["..", "../x", "a/../../b", "/etc/passwd", "a\\b", "..\\..", "a\0b", "x/..", "/", "a/../b"]
)
@pytest.mark.parametrize("where", ["output", "input", "files"])
def test_no_value_leads_a_place_out_of_its_datastore(where, value):
    parts = {
        "output": {"outputs": (Output(name="port", path=(P,)),)},
        "input": {"inputs": (Input(name="port", source=FromStore(path=(P, "/x"))),)},
        "files": {"inputs": (Input(name="port", source=FromFiles(places=(FromStore(path=(P, "/*.csv")),))),)},
    }[where]
    (fault,) = value_faults(a_graph(a_node(**parts), p=""), {"p": value})
    assert fault.code == "path_outside" and fault.node == "a"
    kind = "Output" if where == "output" else "Input"
    assert fault.message.startswith(f"{kind} 'port' of step 'a' would be at ") and "parameter 'p' is " in fault.message


def test_values_lead_out_together_where_none_does_alone():
    path = (P, ParameterText(name="q"), "/x")
    graph = a_graph(a_node(outputs=(Output(name="o", path=path),)), p="", q="")
    assert value_faults(graph, {"p": "", "q": ""}) == []
    assert value_faults(graph, {"p": "a", "q": "/b"}) == []
    (fault,) = value_faults(graph, {"p": ".", "q": "."})
    assert "would be at '../x'" in fault.message and "parameter 'p' is '.' and parameter 'q' is '.'" in fault.message
    (fault,) = value_faults(graph, {"p": "", "q": "/etc"})
    assert fault.code == "path_outside"


@pytest.mark.parametrize("value", ["", "x", "a/b", "a..b", "...", "[x]*", "2020-01", " ", "x/"])
def test_other_values_are_places_below_their_datastore(value):
    ports = {
        "outputs": (Output(name="o", path=("out/", P)),),
        "inputs": (Input(name="i", source=FromStore(path=(P,))),),
    }
    assert value_faults(a_graph(a_node(**ports), p=""), {"p": value}) == []


def test_what_an_author_wrote_around_a_parameter_is_looked_at_before_any_value_is_known():
    for path in (("../", P), ("a/../", P), ("/", P), (P, "/../x"), ("a\\", P)):
        node = a_node(outputs=(Output(name="o", path=path),))
        assert [fault.code for fault in faults(a_graph(node, p=""))] == ["path_outside"], path


def test_every_target_that_a_value_names_and_that_is_not_there_is_told():
    graph = a_graph(a_node("a", compute=P), a_node("b", compute=P), a_node("c", compute="cpu"), p="cpu")
    assert faults(graph, computes={"", "cpu"}) == value_faults(graph, {"p": "cpu"}, {"", "cpu"}) == []
    assert value_faults(graph, {"p": "gpu"}) == [], "without a word on what there is"
    for value in ("", "local"):
        assert value_faults(graph, {"p": value}, {"cpu"}) == [], "the service itself is always there"
    found = value_faults(graph, {"p": "gpu"}, {"", "cpu"})
    assert [(fault.code, fault.node) for fault in found] == [("compute_unknown", "a"), ("compute_unknown", "b")]
    assert found[0].message == (
        "Compute target 'gpu' of step 'a', which parameter 'p' names, is not in this workspace (there: cpu). "
        "`canalis compute create gpu --max-nodes N` makes one that runs N steps at once"
    )


def test_what_a_target_cannot_do_is_told_of_the_one_that_a_value_names():
    node = a_node(compute=P, settings={"timeout_s": 60})
    short = ComputeChoice(backend="process", seconds_max=50.0)
    computes = {"": short, "far": ComputeChoice(backend="far"), "near": short}
    graph = a_graph(node, p="far")
    assert unfit(graph, computes, {"p": "far"}) == []
    (fault,) = unfit(graph, computes, {"p": "near"})
    assert "on compute target 'near' its script" in fault.message
    assert "on the service itself" in unfit(graph, computes, {"p": ""})[0].message


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (a_node(compute=P), "The compute target of step 'a' wants the text 'p', which is not a text parameter"),
        (a_node(sizing={"NodeCount": (P,)}), "Step 'a' uses parameter 'p', which the pipeline does not have"),
        (
            a_node(outputs=(Output(name="o", path=("x", P)),)),
            "The path of 'o' of step 'a' wants the text or number 'p'",
        ),
        (a_node(outputs=(Output(name="o", parameter="p"),)), "Output 'o' of step 'a' wants the data path 'p'"),
        (a_node(inputs=(Input(name="i", source=FromStore(path=(P,))),)), "The path of 'i' of step 'a' wants the text"),
        (
            a_node(inputs=(Input(name="i", source=FromFiles(places=(FromStore(path=(P,)),))),)),
            "The path of 'i' of step 'a' wants the text or number 'p'",
        ),
        (
            a_node(inputs=(Input(name="i", source=FromParameter(parameter="p"), style="dataset"),)),
            "Input 'i' of step 'a' wants the dataset 'p', which is not a dataset parameter",
        ),
    ],
)
def test_a_parameter_that_is_not_there_is_told_wherever_it_is_used(node, message):
    (fault,) = faults(Graph(nodes=(node,)), computes={"cpu"})
    assert message in fault.message and fault.code == "parameter_unknown"
    assert value_faults(Graph(nodes=(node,)), {}, {"cpu"}) == [], "that is told once"


def test_a_parameter_of_a_type_that_makes_no_sense_there_is_told():
    at_path, as_target = a_node("a", outputs=(Output(name="o", path=(P,)),)), a_node("b", compute=P)
    assert [fault.node for fault in faults(a_graph(at_path, as_target, p=3))] == ["b"]
    assert [fault.node for fault in faults(a_graph(at_path, as_target, p=PLACE))] == ["a", "b"]
    reference = a_node("c", inputs=(Input(name="i", source=FromParameter(parameter="p")),))
    assert [fault.node for fault in faults(a_graph(at_path, reference, p=FILES))] == ["a", "c"]


def test_an_output_has_one_place():
    node = a_node(outputs=(Output(name="o", parameter="p", path="x"), Output(name="q", parameter="p", datastore="d")))
    assert [fault.code for fault in faults(a_graph(node, p=PLACE))] == ["place_twice", "place_twice"]


# --- values


def test_a_dataset_parameter_takes_files_a_place_and_the_name_of_a_registered_one():
    parameter = Parameter(name="d", type="dataset", default=FILES)
    assert assign([parameter], {}) == {"d": FILES}
    assert assign([parameter], {"d": PLACE}) == {"d": DatasetValue(places=(PLACE,))}
    assert assign([parameter], {"d": "weather:3"}) == {"d": "weather:3"}, "for the service to look up"
    for value in (1, True, 0.5):
        with pytest.raises(ParameterError, match="'d' is of type dataset"):
            assign([parameter], {"d": value})
    with pytest.raises(ParameterError, match="'s' is of type string"):
        assign([Parameter(name="s", type="string", default="")], {"s": FILES})


def test_no_place_of_a_dataset_leaves_its_datastore():
    outside = DatasetValue(places=(PLACE, DataPathValue(datastore="d", path="../x")))
    parameter = Parameter(name="d", type="dataset", default=FILES)
    with pytest.raises(ParameterError, match=r"'d' names '\.\./x', which leaves its datastore"):
        assign([parameter], {"d": outside})
    graph = Graph(nodes=(a_node(),), parameters=(parameter.model_copy(update={"default": outside}),))
    assert [fault.code for fault in faults(graph)] == ["path_outside"]


def test_a_number_without_end_is_refused_in_words_that_have_one():
    parameters = [Parameter(name="n", type="int", default=1), Parameter(name="r", type="float", default=1.0)]
    with pytest.raises(ParameterError) as caught:
        assign(parameters, {"n": 10**5_000, "r": 10**5_000})
    assert "'n' is a number of more than 300 digits" in caught.value.message and len(caught.value.message) < 400
    assert assign(parameters, {"n": 10**299})["n"] == 10**299


# --- resume


def test_a_parameter_counts_as_used_in_every_new_place_too():
    files = FromFiles(places=(FromStore(path="x"), FromStore(path=(P, "/*"))))
    nodes = (
        a_node("compute", compute=P),
        a_node("sizing", sizing={"NodeCount": (P,)}),
        a_node("path", outputs=(Output(name="o", path=("x", P)),)),
        a_node("place", outputs=(Output(name="o", parameter="p"),)),
        a_node("store", inputs=(Input(name="i", source=FromStore(path=(P,))),)),
        a_node("files", inputs=(Input(name="i", source=files),)),
        a_node("dataset", inputs=(Input(name="i", source=FromParameter(parameter="p"), style="dataset"),)),
        a_node("none", compute="p", outputs=(Output(name="p", path="p"),)),
    )
    assert users_of(Graph(nodes=nodes), {"p"}) == {node.key for node in nodes} - {"none"}


def test_changes_are_told_in_words_where_parameters_stand():
    weather = FILES.model_copy(update={"registered": Registered(name="weather", version=2, id="its-id")})
    before = a_graph(a_node(compute="cpu"), p="x", d=FILES)
    after = a_graph(a_node(compute=P, sizing={"NodeCount": (P,)}), p="x", d=weather)
    defaults = tuple({one.name: one.default for one in graph.parameters} for graph in (before, after))
    told = {
        (change.where, change.what): (change.before, change.after) for change in compare(before, after, defaults, dict)
    }
    assert told == {
        ("parameter d", "default"): ("blobs/a/b, other/*.csv", "weather:2"),
        ("step a", "compute"): ("cpu", "$AML_PARAMETER_p"),
        ("step a", "sizing"): ({}, {"NodeCount": "$AML_PARAMETER_p"}),
    }
