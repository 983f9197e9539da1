"""A graph's faults: all of them at once, in the author's words."""

from __future__ import annotations

import pytest

from canalis.contract.errors import ParameterError
from canalis.contract.faults import faults
from canalis.contract.graph import (
    DataPathValue,
    FromParameter,
    FromStep,
    FromStore,
    Graph,
    Input,
    InputPath,
    Node,
    Output,
    OutputPath,
    Parameter,
    ParameterText,
    PythonWork,
)
from canalis.contract.parameters import assign
from tests.stories import a_graph


def a_node(name: str, **parts: object) -> Node:
    return Node(key=name, name=name, work=PythonWork(script="x.py"), **parts)


def said(*nodes: Node, **options: object) -> list[str]:
    return [str(fault) for fault in faults(Graph(nodes=nodes), **options)]


def test_a_sound_graph_has_no_faults():
    assert faults(a_graph("a > b > c", "a > c", data=True)) == []


def test_a_cycle_is_named_step_by_step():
    (message,) = [str(fault) for fault in faults(a_graph("a > b > c > a"))]

    assert message.startswith("Steps wait for each other: ")
    ring = message.removeprefix("Steps wait for each other: ").split(" -> ")
    assert ring[0] == ring[-1] and sorted(ring[1:]) == ["a", "b", "c"]


def test_a_step_that_waits_for_itself_is_a_cycle():
    assert said(a_node("a", after=("a",))) == ["Steps wait for each other: a -> a"]


def test_all_faults_are_told_at_once():
    found = said(
        a_node("train", inputs=(Input(name="features", source=FromStep(node="prep", output="features")),)),
        a_node("score", after=("nobody",), arguments=((InputPath(name="model"),),)),
        a_node("score", compute="gpu"),
        computes={"cpu"},
    )

    assert len(found) == 5
    text = "\n".join(found)
    assert "train reads features, which no step writes" in text
    assert "score shall run after 'nobody', which is no step" in text
    assert "uses input 'model', which is not among its inputs" in text
    assert "Compute target 'gpu' of step 'score' is not in this workspace (there: cpu)" in text
    assert "Two steps have the key 'score'" in text


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (a_node("a", inputs=(Input(name="x y", source=FromStore()),)), "'x y' among the inputs of step 'a' is no name"),
        (a_node("a", outputs=(Output(name="o"), Output(name="o"))), "Step 'a' has two outputs named 'o'"),
        (a_node("a", arguments=((OutputPath(name="o"),),)), "uses output 'o', which is not among its outputs"),
        (a_node("a", arguments=((ParameterText(name="p"),),)), "uses parameter 'p', which the pipeline does not have"),
        (a_node("a", inputs=(Input(name="i", source=FromParameter(parameter="p")),)), "wants the data path 'p'"),
        (a_node("a", inputs=(Input(name="i", source=FromStore(path="../x")),)), "names '../x', which leaves"),
        (Node(key="a", name="a", work=PythonWork(script="/etc/x.py")), "is not below its source directory"),
        (Node(key="a.b", name="a", work=PythonWork(script="x.py")), "'a.b' cannot be a step's key"),
    ],
)
def test_each_fault_names_the_thing(node, message):
    (found,) = said(node)
    assert message in found


def test_a_pipeline_output_name_is_used_once():
    found = said(
        a_node("a", outputs=(Output(name="o", pipeline_output="model"),)),
        a_node("b", outputs=(Output(name="o", pipeline_output="model"),)),
    )
    assert found == ["Two outputs have the pipeline output name 'model'"]


def test_a_script_without_its_snapshot_cannot_be_submitted():
    assert said(a_node("a"), snapshots_needed=True) == ["Step 'a' came without its source files"]


def test_an_empty_pipeline_is_a_fault():
    assert said() == ["The pipeline has no steps"]


PARAMETERS = (
    Parameter(name="rate", type="float", default=0.1),
    Parameter(name="rounds", type="int", default=10),
    Parameter(name="label", type="string", default="y"),
    Parameter(name="data", type="datapath", default=DataPathValue(datastore="d", path="p")),
)


def test_values_given_at_submission_take_the_place_of_defaults():
    assert assign(PARAMETERS, {"rounds": 3})["rounds"] == 3
    assert assign(PARAMETERS, {})["rate"] == 0.1


def test_a_bool_may_stand_for_an_int():
    assert assign(PARAMETERS, {"rounds": True})["rounds"] is True


@pytest.mark.parametrize(("name", "given", "value"), [("rate", 1, 1.0), ("rate", 2**53, 2.0**53), ("rounds", 6.0, 6)])
def test_a_number_that_converts_exactly_is_taken_as_the_parameters_type(name, given, value):
    found = assign(PARAMETERS, {name: given})[name]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "given"),
    [("rounds", 6.5), ("rounds", float("inf")), ("rounds", float("nan")), ("rate", 2**53 + 1), ("rate", 10**400)]
    + [("rate", True), ("rate", "1"), ("rounds", "6"), ("label", 6), ("data", 1)],
)
def test_a_value_that_would_have_to_be_changed_is_refused(name, given):
    with pytest.raises(ParameterError, match=f"'{name}' is of type "):
        assign(PARAMETERS, {name: given})


def test_every_wrong_parameter_is_named():
    with pytest.raises(ParameterError) as caught:
        assign(PARAMETERS, {"rounds": "3", "nobody": 1, "data": "d/p"})

    for part in (
        "'rounds' is of type int; '3' is of type string",
        "'nobody' is not a parameter",
        "'data' is of type datapath",
    ):
        assert part in caught.value.message


def test_ten_thousand_steps_are_checked_in_time():
    # The count of edges is what could make it quadratic: each step has three predecessors.
    lines = [f"s{max(0, n - k)} > s{n}" for n in range(1, 10_000) for k in (1, 50, 99)]
    assert faults(a_graph(*dict.fromkeys(lines))) == []


def test_a_graph_document_comes_back_as_it_was_and_says_only_what_was_given():
    graph = Graph(
        nodes=(
            a_node("a", outputs=(Output(name="o"),)),
            a_node(
                "b",
                inputs=(Input(name="i", source=FromStep(node="a", output="o")), Input(name="s", source=FromStore())),
                arguments=(("--in", InputPath(name="i")), (ParameterText(name="p"),)),
            ),
        ),
        parameters=(Parameter(name="p", type="bool", default=True),),
    )

    document = graph.to_bytes()
    assert Graph.from_bytes(document) == graph
    assert b"retries" not in document
    assert Graph.from_bytes(document).parameters[0].default is True


def test_no_value_of_a_data_path_leaves_its_datastore():
    inside = DataPathValue(datastore="d", path="/a/b")
    outside = DataPathValue(datastore="d", path="a/../../../../etc/passwd")
    assert assign([Parameter(name="raw", type="datapath", default=inside)], {"raw": inside}) == {"raw": inside}

    with pytest.raises(ParameterError, match=r"'raw' names 'a/\.\./.*passwd', which leaves its"):
        assign([Parameter(name="raw", type="datapath", default=inside)], {"raw": outside})
    graph = Graph(nodes=(a_node("a"),), parameters=(Parameter(name="raw", type="datapath", default=outside),))
    assert [fault.code for fault in faults(graph)] == ["path_outside"]


@pytest.mark.parametrize(
    ("port", "is_fault"),
    [
        (Input(name="p", source=FromStore(), path_on_compute="/mnt/data"), False),
        (Input(name="p", source=FromStore(), path_on_compute="data/here"), False),
        (Input(name="p", source=FromStore(), path_on_compute="../../others"), True),
        (Input(name="p", source=FromStore(), path_on_compute="/mnt/../etc"), True),
        (Output(name="p", mode="upload", path_on_compute="results/here"), False),
        (Output(name="p", mode="upload", path_on_compute="../results"), True),
        # Every step of every run would upload what all the others have left there.
        (Output(name="p", mode="upload", path_on_compute="/tmp/results"), True),
        (Output(name="p", mode="mount", path_on_compute="/mnt/results"), False),
    ],
)
def test_a_path_on_compute_is_one_that_a_step_can_have_for_itself(port, is_fault):
    node = a_node("a", **{"inputs" if isinstance(port, Input) else "outputs": (port,)})
    assert [fault.code for fault in faults(Graph(nodes=(node,)))] == ["path_outside"] * is_fault
