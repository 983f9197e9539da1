"""A step of U-SQL, as the graph has it, whether it was written in Python or in YAML."""

from __future__ import annotations

import pytest

from canalis.adla_step import AdlaStep
from canalis.contract.graph import CommandWork, InputPath, OutputPath, ParameterText
from canalis.data import PipelineData
from canalis.parameter import PipelineParameter
from tests.unit.test_pipeline_yaml import folder, graph_of, told  # noqa: F401  which is a fixture

YAML = """\
pipeline:
  parameters:
    least: {type: int, default: 3}
  data_references:
    rows: {datastore: workspaceblobstore, path_on_datastore: rows.csv}
  steps:
    sum:
      type: AdlaStep
      script_name: a.usql
      degree_of_parallelism: 4
      priority: 5
      inputs: {rows: {source: rows}}
      outputs: {made: {destination: made}}
      parameters: {least: {source: least}, word: x}
"""


def test_the_program_is_told_what_each_placeholder_is():
    rows, made, least = PipelineData("rows"), PipelineData("made"), PipelineParameter("least", 3)
    step = AdlaStep(
        "./a.usql", inputs=[rows], outputs=[made], params={"least": least, "none": ""}, degree_of_parallelism=2
    )
    assert step.name == "./a.usql" and step._work() == CommandWork(line=("python -m canalis.usql",))
    put, script = ("--put",), ("a.usql",)
    assert step._arguments == [
        script,
        *(put, ("rows",), (InputPath(name="rows"),)),
        *(put, ("made",), (OutputPath(name="made"),)),
        *(put, ("least",), (ParameterText(name="least"),)),
        *(put, ("none",), ("",)),
        *(("--threads",), ("2",)),
    ]
    assert made._producer is step


@pytest.mark.parametrize("count", [0, -1, True, "2", 1.5])
def test_a_degree_of_parallelism_is_a_whole_number_from_1(count):
    with pytest.raises(ValueError, match="degree_of_parallelism must be a whole number from 1"):
        AdlaStep("a.usql", degree_of_parallelism=count)


def test_a_script_must_be_named():
    with pytest.raises(ValueError, match="script_name must be text"):
        AdlaStep(None)


def test_yaml_says_the_same_in_both_of_its_forms(folder):  # noqa: F811
    (folder / "a.usql").write_text("")
    (node,) = graph_of(YAML).nodes
    assert node.work == CommandWork(line=("python -m canalis.usql",)) and node.name == "a.usql"
    assert node.arguments[:4] == (("a.usql",), ("--put",), ("rows",), (InputPath(name="rows"),))
    assert node.arguments[-5:] == (("--put",), ("word",), ("x",), ("--threads",), ("4",))
    assert node.parameters == {} and node.used_parameters() == {"least"}
    inner = YAML.partition("      type: AdlaStep\n")[2].replace("      ", "        ")
    block = YAML.partition("      type: AdlaStep\n")[0] + "      adla_step:\n" + inner
    assert graph_of(block).nodes == (node,)


def test_what_is_wrong_with_it_in_yaml_is_told(folder):  # noqa: F811
    (folder / "a.usql").write_text("")
    found = told(YAML.replace("priority: 5", "arguments: [x]").replace("parallelism: 4", "parallelism: 0"))
    assert [one.partition("steps.sum.")[2] for one in found] == [
        "degree_of_parallelism: this must be a whole number from 1 to 1000, not '0'",
        "arguments: there is no key 'arguments' here: did you mean 'parameters'?",
    ]
