"""Which steps a run that goes on keeps, and that the rest, and nothing else, is walked."""

from __future__ import annotations

import random
from collections.abc import Collection

import pytest

from canalis.contract.errors import NotFound, ParameterError
from canalis.contract.graph import (
    CommandWork,
    DataPathValue,
    FromParameter,
    FromStep,
    Graph,
    Input,
    Node,
    ParameterText,
    PythonWork,
)
from canalis.contract.parameters import value_from
from canalis.contract.status import StepStatus
from orchestrator.plan import first_state
from orchestrator.resume import changed, find_step, steps_to_keep, users_of
from tests.stories import RUN, Story, a_graph, a_plan, ended, failed

CHAIN = a_graph("a > b > c > d", data=True)


def kept(
    graph: Graph,
    succeeded: Collection[str],
    again: Collection[str] = (),
    only_failed: bool = False,
    gone: Collection[str] = (),
) -> str:
    """Keys of the kept steps in one word; `gone` are the steps whose output was deleted."""
    return "".join(sorted(steps_to_keep(graph, succeeded, again, only_failed, lambda key, _: key not in gone)))


def test_what_succeeded_is_kept_and_the_rest_runs():
    assert kept(CHAIN, "ab") == "ab"
    assert kept(CHAIN, "") == ""
    assert kept(CHAIN, "abcd") == "abcd"


def test_what_comes_after_a_step_that_runs_again_runs_too_by_data_and_by_order():
    for data in (True, False):
        graph = a_graph("a > b > d", "a > c > d", "e", data=data)
        assert kept(graph, "acde") == "ace"
        assert kept(graph, "abcde", again="b") == "ace"
        assert kept(graph, "abcde", again="a") == "e"


def test_only_failed_keeps_what_comes_after_a_step_that_runs_again():
    graph = a_graph("a > b > d", "a > c > d", "e", data=True)
    assert kept(graph, "acde", only_failed=True) == "acde"
    assert kept(graph, "abcde", again="a", only_failed=True) == "bcde"


def test_a_deleted_output_makes_its_step_run_again_when_it_will_be_read():
    assert kept(CHAIN, "abc", gone="c") == "ab"
    assert kept(CHAIN, "abc", gone="a") == "abc"  # only b reads it, and b is kept
    assert kept(CHAIN, "abc", gone="bc") == "a"
    assert kept(CHAIN, "abc", gone="abc") == ""


def test_a_step_that_runs_for_a_deleted_output_takes_with_it_what_comes_after():
    graph = a_graph("a > b", "a > c", data=True)
    assert kept(graph, "ab", gone="a") == ""
    assert kept(graph, "ab", gone="a", only_failed=True) == "b"


def test_an_output_that_nobody_will_read_is_not_looked_at():
    looked = []
    steps_to_keep(
        a_graph("a > b > c", "d", data=True), "abd", (), False, lambda *which: bool(looked.append(which)) or True
    )
    assert looked == [("b", "out")]


@pytest.mark.parametrize("seeds", [range(500), pytest.param(range(500, 50_000), marks=pytest.mark.soak)])
def test_of_any_graph_just_what_must_run_runs_and_the_run_comes_to_its_end(seeds):
    for seed in seeds:
        choose = random.Random(seed)
        count = choose.randint(1, 10)
        names = [f"s{n}" for n in range(count)]
        edges = [f"s{a} > s{b}" for b in range(count) for a in range(b) if choose.random() < 0.35]
        graph = a_graph(*names, *edges, data=choose.random() < 0.7)
        some = lambda part: {name for name in names if choose.random() < part}  # noqa: B023, E731
        succeeded, again, gone = some(0.7), some(0.15), some(0.2)
        only_failed = choose.random() < 0.5

        keep = set(steps_to_keep(graph, succeeded, again, only_failed, lambda key, _, gone=gone: key not in gone))
        runs = set(names) - keep

        before = {node.key: set(node.predecessors()) for node in graph.nodes}
        read = {
            node.key: {i.source.node for i in node.inputs if isinstance(i.source, FromStep)} for node in graph.nodes
        }
        assert keep <= succeeded - again, seed
        if not only_failed:
            assert all(not before[name] & runs for name in keep), seed
        assert all(name in runs or name not in gone for key in runs for name in read[key]), seed
        for name in runs:  # nothing runs without a reason
            reasons = name not in succeeded or name in again
            reasons = reasons or (name in gone and any(name in read[key] for key in runs))
            assert reasons or (not only_failed and before[name] & runs), (seed, name)

        story = Story(a_plan(graph))
        story.sent.clear()
        story.state = first_state(story.plan, keep)
        story._settle()
        for _ in range(count):
            for name in sorted(set(story.started)):
                done = [story.step(early) in (StepStatus.SUCCEEDED, StepStatus.REUSED) for early in before[name]]
                assert all(done), (seed, name)
                story.hear(ended(name))
        assert story.status == "completed", seed
        assert sorted(story.started) == sorted(runs), seed
        assert {name for name in names if story.step(name) is StepStatus.REUSED} == keep, seed


def test_a_kept_step_after_one_that_runs_again_neither_starts_nor_holds_up_the_end():
    story = Story(a_plan(CHAIN))
    story.sent.clear()
    story.state = first_state(story.plan, ["a", "c", "d"])
    story._settle()
    assert story.started == ["b"]

    story.hear(ended("b"))
    assert story.status == "completed"
    assert [story.step(name).name for name in "abcd"] == ["REUSED", "SUCCEEDED", "REUSED", "REUSED"]


def test_a_resumed_run_that_fails_again_leaves_the_kept_steps_kept():
    for go_on in (False, True):
        story = Story(a_plan(CHAIN, continue_on_step_failure=go_on))
        story.sent.clear()
        story.state = first_state(story.plan, ["a"])
        story._settle()
        story.hear(failed("b"))
        assert story.status == "failed"
        assert [story.step(name).name for name in "abcd"] == ["REUSED", "FAILED", "SKIPPED", "SKIPPED"]


def test_every_place_where_a_graph_can_hold_a_parameter_counts_as_using_it():
    rate = (ParameterText(name="rate"),)
    work = PythonWork(script="s.py")
    nodes = (
        Node(key="argument", name="1", work=work, arguments=(("--rate=", *rate),)),
        Node(key="variable", name="2", work=work, environment_variables={"RATE": rate}),
        Node(key="param", name="3", work=work, parameters={"r": rate}),
        Node(key="line", name="4", work=CommandWork(line=("tool ", *rate))),
        Node(key="input", name="5", work=work, inputs=(Input(name="i", source=FromParameter(parameter="rate")),)),
        Node(key="other", name="6", work=work, arguments=((ParameterText(name="other"),),)),
        Node(key="none", name="7", work=work, arguments=(("rate",),)),
    )
    graph = Graph(nodes=nodes)
    assert users_of(graph, {"rate"}) == {"argument", "variable", "param", "line", "input"}
    assert users_of(graph, {"other"}) == {"other"}
    assert users_of(graph, set()) == set()


def test_a_parameter_has_changed_when_steps_would_see_another_text():
    path = DataPathValue(datastore="s", path="a")
    assert changed({"a": 1, "b": path}, {"a": 1, "b": path}) == set()
    assert changed({"a": 1}, {"a": 2}) == {"a"}
    assert changed({"a": True}, {"a": 1}) == {"a"}  # "True" is not "1" to a script
    assert changed({"b": path}, {"b": DataPathValue(datastore="s", path="b")}) == {"b"}


def named(*steps: tuple[str, str]) -> Graph:
    return Graph(nodes=tuple(Node(key=key, name=name, work=PythonWork(script="s.py")) for key, name in steps))


def test_a_step_is_found_by_its_name_its_key_and_its_step_run_id():
    graph = named(("train_py", "train.py"), ("train_py_2", "train 2.py"))
    for said in ("train.py", "train_py", f"{RUN}.train_py", f"{RUN[:6]}.train_py", f"{RUN}.train_py"):
        assert find_step(graph, RUN, said) == "train_py"


def test_a_name_of_several_steps_is_refused_with_the_ids_that_tell_them_apart():
    graph = named(("train", "train"), ("train_2", "train"))
    with pytest.raises(NotFound) as caught:
        find_step(graph, RUN, "train")
    assert f"2 steps of run {RUN} are called 'train': say {RUN[:8]}.train or {RUN[:8]}.train_2" == caught.value.message
    assert find_step(graph, RUN, f"{RUN[:8]}.train") == "train"
    assert find_step(graph, RUN, "train_2") == "train_2"


def test_a_key_of_one_step_that_is_another_ones_name_is_refused_too():
    graph = named(("a_b", "a b"), ("a_b_2", "a_b"))
    with pytest.raises(NotFound, match="2 steps"):
        find_step(graph, RUN, "a_b")


@pytest.mark.parametrize("said", ["x", "", ".", "99.train", f"{RUN}.x", f"{RUN}.train.3"])
def test_an_unknown_step_is_refused_with_the_names_that_there_are(said):
    with pytest.raises(NotFound, match=r"has no step .* \(it has: train, score\)"):
        find_step(named(("train", "train"), ("score", "score"), ("score_2", "score")), RUN, said)


def test_a_typed_value_is_read_as_the_parameters_type():
    assert value_from("p", "string", "1") == "1"
    assert value_from("p", "int", "-3") == -3
    assert value_from("p", "float", "1e-3") == 0.001
    assert value_from("p", "bool", "False") is False
    assert value_from("p", "datapath", "store/a/b") == DataPathValue(datastore="store", path="a/b")
    assert value_from("p", "datapath", "store/") == DataPathValue(datastore="store", path="")
    assert value_from("p", "dataset", "weather:3") == "weather:3"  # for the service to look up
    assert value_from("p", "string", "") == ""
    for wanted, text in (("int", "1.5"), ("float", "x"), ("bool", "1"), ("datapath", "store"), ("datapath", "/x")):
        with pytest.raises(ParameterError, match="Parameter 'p' must be"):
            value_from("p", wanted, text)
