"""A pipeline's YAML file: what it means as a graph, and everything that can be wrong with it, with its line."""

from __future__ import annotations

import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from canalis.contract.errors import YamlInvalid
from canalis.contract.graph import (
    CommandWork,
    DataPathValue,
    FromFiles,
    FromParameter,
    FromStep,
    FromStore,
    Graph,
    InputPath,
    OutputPath,
    ParameterText,
    Settings,
)
from canalis.pipeline_yaml import Read, load
from canalis.runconfig import RunConfiguration

# What a file is held against: a workspace that has these.
PLACE = SimpleNamespace(
    compute_targets={"cpu": None},
    datastores={"workspaceblobstore": None, "workspacefilestore": None},
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, with scripts in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    for name in ("prep.py", "train.py"):
        (tmp_path / "src" / name).write_text("")
        (tmp_path / name).write_text("")
    return tmp_path


def reading(text: str, name: str = "p.yml") -> Read:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(textwrap.dedent(text))
    return load(PLACE, Path(name))


def graph_of(text: str) -> Graph:
    return reading(text).graph


def told(text: str) -> list[str]:
    """Every fault of a file."""
    with pytest.raises(YamlInvalid) as caught:
        reading(text)
    return caught.value.message.splitlines()


def one_step(*lines: str, **sections: str) -> str:
    """A file of one step `train` with these keys more; the first of them is in line 6. Sections come after it."""
    step = [
        "    train:",
        "      type: PythonScriptStep",
        "      script_name: train.py",
        *(f"      {line}" for line in lines),
    ]
    after = [
        line for name, text in sections.items() for line in (f"  {name}:", *(f"    {one}" for one in text.split("|")))
    ]
    return "\n".join(["pipeline:", "  steps:", *step, *after]) + "\n"


def node_of(*lines: str, **sections: str):
    return graph_of(one_step(*lines, **sections)).nodes[0]


# What it means --------------------------------------------------------------------------------------------------

V1_STEP = """
    pipeline:
      name: SamplePipelineFromYaml
      parameters:
        PipelineParam1: {type: int, default: 3}
      data_references:
        DataReference1:
          datastore: workspaceblobstore
          path_on_datastore: testfolder/sample.txt
      default_compute: cpu
      steps:
        Step1:
          runconfig: default_runconfig.yml
          parameters:
            NUM_ITERATIONS_2:
              source: PipelineParam1
            NUM_ITERATIONS_1: 7
"""
FLAT = """
          type: "PythonScriptStep"
          name: "MyPythonScriptStep"
          script_name: "train.py"
          allow_reuse: True
          source_directory: "src"
"""
NESTED = """
          python_script_step:
            name: "MyPythonScriptStep"
            script_name: "train.py"
            allow_reuse: True
            source_directory: "src"
"""
PORTS = """
          inputs:
            InputData:
              source: DataReference1
          outputs:
            OutputData:
              destination: Output4
              datastore: workspaceblobstore
              bind_mode: mount
"""


@pytest.mark.parametrize("form", [FLAT, NESTED])
def test_both_of_v1s_forms_of_a_step_mean_the_same(folder, form):
    RunConfiguration().save("default_runconfig.yml")
    read = reading(
        textwrap.dedent(V1_STEP) + "".join(textwrap.indent(textwrap.dedent(p), " " * 6) for p in (form, PORTS))
    )
    (node,) = read.graph.nodes
    assert (node.key, node.name, node.work.script, node.compute) == ("Step1", "MyPythonScriptStep", "train.py", "cpu")
    assert node.parameters == {"NUM_ITERATIONS_2": (ParameterText(name="PipelineParam1"),), "NUM_ITERATIONS_1": ("7",)}
    assert node.inputs[0].source == FromStore(datastore="workspaceblobstore", path="testfolder/sample.txt")
    assert [(port.name, port.datastore) for port in node.outputs] == [("OutputData", "workspaceblobstore")]
    assert read.folders == {"Step1": str(folder / "src")}
    assert (read.name, read.description) == ("SamplePipelineFromYaml", "SamplePipelineFromYaml")
    assert read.graph.environments == {node.environment: read.graph.environments[node.environment]}


def test_a_step_reads_what_another_one_writes_by_its_destination():
    first, second = graph_of(
        """
        pipeline:
          description: two steps
          steps:
            Dataprep:
              type: PythonScriptStep
              script_name: prep.py
              arguments: ['--train', output:train_path]
              outputs:
                train_path: {destination: train_csv, datastore: workspaceblobstore}
                test_path: {}
            Training:
              type: PythonScriptStep
              script_name: train.py
              arguments: [--train, input:train_path, --test, input:test]
              inputs:
                train_path: {source: train_csv, bind_mode: download}
                test: {source: test_path, type: download, path_on_compute: here, overwrite: true}
        """
    ).nodes
    assert first.arguments == (("--train",), (OutputPath(name="train_path"),))
    assert [port.source for port in second.inputs] == [
        FromStep(node="Dataprep", output="train_path"),
        FromStep(node="Dataprep", output="test_path"),
    ]
    assert [port.mode for port in second.inputs] == ["download", "download"]
    assert (second.inputs[1].path_on_compute, second.inputs[1].overwrite) == ("here", True)
    assert second.arguments[1] == (InputPath(name="train_path"),)


def test_parameters_have_their_types_and_without_a_default_v1s_nothing():
    found = graph_of(
        one_step(
            parameters="a: {type: string}|b: {type: int}|c: {type: float}|d: {type: bool}|e: {type: string, default: 1.10}|"
            "f: {type: int, default: 6.0}|g: {type: float, default: 1e-5}|h: {type: bool, default: yes}|"
            "i: {type: datapath, default: {datastore: workspaceblobstore, path_on_datastore: a/b, name: x}}|"
            "j: {type: Float, default: 3}|k: {type: string, default: None}"
        )
    ).parameters
    assert {one.name: one.default for one in found} == {
        "a": "", "b": 0, "c": 0.0, "d": False, "e": "1.10", "f": 6, "g": 1e-5, "h": True,
        "i": DataPathValue(datastore="workspaceblobstore", path="a/b"), "j": 3.0, "k": "None",
    }  # fmt: skip
    assert [type(one.default) for one in found[:4]] == [str, int, float, bool]
    assert type(found[5].default) is int and type(found[9].default) is float


def test_an_argument_is_a_word_of_v1_a_text_with_placeholders_or_a_list_of_pieces():
    node = node_of(
        "parameters: {own: {source: n}, mixed: 'x$AML_PARAMETER_n'}",
        "inputs: {i: {source: raw}, o: {source: raw}}",
        "outputs: {o: {}}",
        "side_inputs: {s: {source: raw}}",
        "arguments: [input:i, input:o, output:o, side_input:s, parameter:own, parameter:mixed, 7, 0.5, true, 1e-5, None, '',",
        "  --n=$AML_PARAMETER_n, --in=$AZUREML_DATAREFERENCE_i/x, $AZUREML_DATAREFERENCE_o, $AML_PARAMETER_other,",
        "  ['--n=', {parameter: n}, x], ['input:i'], [{input: INPUT_o}], []]",
        parameters="n: {type: int}",
        data_references="raw: {datastore: workspaceblobstore}",
    )
    n, i, o = ParameterText(name="n"), InputPath(name="i"), OutputPath(name="o")
    assert [port.name for port in node.inputs] == ["i", "INPUT_o", "s"]
    assert list(node.arguments) == [
        (i,), (InputPath(name="INPUT_o"),), (o,), (InputPath(name="s"),), (n,), ("x", n), ("7",), ("0.5",), ("True",),
        ("1e-5",), ("None",), ("",), ("--n=", n), ("--in=", i, "/x"), (o,), ("$AML_PARAMETER_other",), ("--n=", n, "x"),
        ("input:i",), (InputPath(name="INPUT_o"),), (),
    ]  # fmt: skip


def test_two_parameters_with_one_word_in_texts_are_told_apart_by_pieces():
    node = node_of(
        "arguments: [$AML_PARAMETER_a_b, [{parameter: a b}]]", parameters="a b: {type: int}|a_b: {type: int}"
    )
    assert node.arguments == (("$AML_PARAMETER_a_b",), (ParameterText(name="a b"),))


def test_data_comes_from_places_parameters_and_files_and_datasets_are_spoken_of_as_such():
    first, second = graph_of(
        """
        pipeline:
          parameters:
            where: {type: datapath, default: {datastore: workspaceblobstore, path_on_datastore: a}}
          data_references:
            raw: {datastore: workspaceblobstore, path_on_datastore: /raw/, bind_mode: download, path_on_compute: data}
            up: {datastore: workspaceblobstore, bind_mode: upload}
            many:
              files:
                - {datastore: workspaceblobstore, path_on_datastore: a/*.csv}
                - {datastore: workspacefilestore, path_on_datastore: b}
          steps:
            first:
              type: PythonScriptStep
              script_name: prep.py
              outputs: {a: {as_dataset: true}, b: {style: dataset, path_on_datastore: /made/, source_globs: "*.csv"}, c: {}}
            second:
              type: PythonScriptStep
              script_name: train.py
              inputs:
                place: {source: raw}
                here: {source: raw, bind_mode: mount, path_on_compute: other}
                whole: {source: up}
                path: {source: where}
                files: {source: many, bind_mode: direct}
                a: {source: a}
                b: {source: b}
                c: {source: c, style: dataset}
        """
    ).nodes
    place, here, whole, path, files, a, b, c = second.inputs
    assert place.source == here.source == FromStore(datastore="workspaceblobstore", path="raw")
    assert [(port.mode, port.path_on_compute) for port in (place, here)] == [("download", "data"), ("mount", "other")]
    assert (whole.mode, path.source) == ("mount", FromParameter(parameter="where"))
    assert isinstance(files.source, FromFiles) and [one.path for one in files.source.places] == ["a/*.csv", "b"]
    assert [port.style for port in (place, files, a, b, c)] == ["reference", "dataset", "dataset", "dataset", "dataset"]
    assert [(port.style, port.path) for port in first.outputs] == [
        ("reference", None),
        ("dataset", "made"),
        ("reference", None),
    ]
    assert first.outputs[1].source_globs == ("*.csv",)


def test_what_v1_could_not_say_has_keys_of_its_own():
    graph = graph_of(
        """
        pipeline:
          name: mine
          description: ''
          default_datastore: workspacefilestore
          environments:
            small: {name: e, environment_variables: {A: a, B: b}}
          steps:
            say it:
              type: CommandStep
              command: echo $AZUREML_DATAREFERENCE_o
              arguments: [output:o]
              outputs: {o: {bind_mode: upload, path_on_compute: results, pipeline_output_name: result, overwrite: yes}}
              environment: small
              environment_variables: {B: c, D: "$AZUREML_DATAREFERENCE_o"}
              retries: 2
              retry_rest_s: 1
              timeout_s: 60.5
              allow_reuse: no
            say_it:
              type: CommandStep
              command: echo
              name: after
              environment: null
              run_after: say it
        """
    )
    first, after = graph.nodes
    o = OutputPath(name="o")
    assert [(node.key, node.name) for node in graph.nodes] == [("say_it_2", "CommandStep_echo"), ("say_it", "after")]
    assert first.work == CommandWork(line=("echo ", o)) and first.arguments == ((o,),)
    assert (first.environment, first.environment_variables) == ("small", {"A": ("a",), "B": ("c",), "D": (o,)})
    assert first.settings == Settings(retries=2, retry_rest_s=1.0, timeout_s=60.5, reuse=False)
    assert (first.outputs[0].mode, first.outputs[0].pipeline_output) == ("upload", "result")
    assert (after.after, after.environment, after.settings) == (("say_it_2",), None, Settings())
    assert (graph.description, graph.default_datastore) == ("", "workspacefilestore")


def test_a_runconfig_gives_environment_variables_target_and_limit(folder):
    configuration = RunConfiguration()
    configuration.environment.name = "mine"
    configuration.environment.environment_variables = {"A": "a"}
    configuration.environment_variables = {"B": "--n=$AML_PARAMETER_n"}
    configuration.target, configuration.max_run_duration_seconds = "cpu", 90
    configuration.save("conf/x.runconfig")
    extra = {"parameters": "n: {type: int}"}
    node = node_of("runconfig: conf\\x.runconfig", "environment_variables: {A: c}", **extra)
    assert (node.compute, node.settings.timeout_s) == ("cpu", 90)
    assert node.environment_variables == {"A": ("c",), "B": ("--n=", ParameterText(name="n"))}
    assert node_of("runconfig: conf/x.runconfig", "timeout_s: 5", "compute: local", **extra).compute is None
    assert node_of("runconfig: conf/x.runconfig", **extra, default_compute=" local").compute is None


def test_paths_are_below_the_current_folder_or_else_beside_the_file(folder):
    (folder / "pipelines" / "own").mkdir(parents=True)
    (folder / "pipelines" / "own" / "train.py").write_text("")
    RunConfiguration().save("pipelines/a.runconfig")
    for said, expected in (
        ("src", folder / "src"),
        ("own", folder / "pipelines" / "own"),
        (str(folder / "src"), folder / "src"),
        (".", folder),
        ("..\\src", folder / "pipelines" / ".." / "src"),
    ):
        read = reading(one_step(f"source_directory: {said}", "runconfig: a.runconfig"), "pipelines/p.yml")
        assert read.folders["train"] == str(expected)


def test_a_path_that_is_at_both_places_is_refused_and_not_chosen(folder):
    (folder / "pipelines" / "src").mkdir(parents=True)
    text = one_step("source_directory: src", "runconfig: a.runconfig")
    for place in (folder, folder / "pipelines"):
        RunConfiguration().save(place / "a.runconfig")
    assert reading(text, "pipelines/p.yml").folders["train"] == str(folder / "src"), "the other one has no such script"

    (folder / "pipelines" / "src" / "train.py").write_text("")
    other = RunConfiguration()
    other.node_count = 2
    other.save(folder / "pipelines" / "a.runconfig")
    with pytest.raises(YamlInvalid) as caught:
        reading(text, "pipelines/p.yml")
    assert caught.value.message.splitlines() == [
        f"pipelines/p.yml:{line}: steps.train.{key}: '{said}' is at two places: '{said}', which v1 means, and "
        f"'pipelines/{said}', beside this file. Write the whole path of the one that is meant, or change into this "
        "file's folder"
        for line, key, said in ((6, "source_directory", "src"), (7, "runconfig", "a.runconfig"))
    ]


def test_hash_paths_are_taken_with_a_warning_as_in_v1():
    with pytest.warns(DeprecationWarning, match="no effect since"):
        node_of(
            "hash_paths: [.]",
            "version: 1.10",
            "runconfig_parameters: {NodeCount: {source: n}}",
            parameters="n: {type: int}",
        )


# What can be wrong ----------------------------------------------------------------------------------------------

P = "p.yml"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", [f"{P}:1: there is nothing, where a section with keys must be"]),
        ("pipeline", [f"{P}:1: this is 'pipeline', where a section with keys must be"]),
        ("- a", [f"{P}:1: this is a list, where a section with keys must be"]),
        ("pipeline:\n", [f"{P}:1: pipeline: the section 'pipeline' is missing, which all the rest belongs in"]),
        ("pipeline: x\n", [f"{P}:1: pipeline: this is 'x', where a section with keys must be"]),
        (
            "pipelne:\n  steps: {}\n",
            [
                f"{P}:1: the section 'pipeline' is missing, which all the rest belongs in",
                f"{P}:1: pipelne: there is no key 'pipelne' here: did you mean 'pipeline'?",
            ],
        ),
        ("pipeline: {}\n", [f"{P}:1: pipeline: there are no steps; a pipeline has one at least, below `steps`"]),
        ("pipeline:\n  steps: {}\n", [f"{P}:2: steps: there are no steps; a pipeline has one at least, below `steps`"]),
        ("pipeline:\n  steps: [a]\n", [f"{P}:2: steps: this is a list, where a section with keys must be"]),
        (
            "pipeline:\n  stesp: {}\n",
            [
                f"{P}:1: pipeline: there are no steps; a pipeline has one at least, below `steps`",
                f"{P}:2: stesp: there is no key 'stesp' here: did you mean 'steps'?",
            ],
        ),
        (
            "pipeline:\n  steps:\n    a:\n",
            [f"{P}:3: steps.a: there is nothing, where a section with keys must be"],
        ),
        (
            "pipeline:\n  steps:\n    a: {script_name: train.py, bogus: 1}\n",
            [
                f"{P}:3: steps.a: the key 'type' is missing: what the step is, PythonScriptStep or CommandStep or AdlaStep, or a block "
                "`python_script_step:`",
                f"{P}:3: steps.a.bogus: there is no key 'bogus' here (there are: allow_reuse, arguments, compute, "
                "environment, environment_variables, hash_paths, inputs, name, outputs, parameters, retries, "
                "retry_rest_s, reuse_by_content, run_after, runconfig, runconfig_parameters, script_name, side_inputs, "
                "source_directory, timeout_s, type, version)",
            ],
        ),
        (
            "pipeline:\n  steps:\n    a:\n      type: PythonScriptstep\n",
            [f"{P}:4: steps.a.type: 'PythonScriptstep' is no kind of step: did you mean 'PythonScriptStep'?"],
        ),
        (
            "pipeline:\n  steps:\n    a:\n      type: Nothing\n",
            [f"{P}:4: steps.a.type: 'Nothing' is no kind of step (there are: PythonScriptStep, CommandStep, AdlaStep)"],
        ),
        (
            "pipeline:\n  steps:\n    a:\n      type: CommandStep\n      python_script_step:\n        script_name: train.py\n"
            "        compute: cpu\n      compute: cpu\n      databricks_step: {}\n",
            [
                f"{P}:4: steps.a.type: 'CommandStep' is not what the block `python_script_step:` says, PythonScriptStep",
                f"{P}:7: steps.a.python_script_step.compute: the key stands beside the block as well, in line 8",
                f"{P}:9: steps.a.databricks_step: the step has a block `python_script_step:` already",
            ],
        ),
        (
            "pipeline:\n  steps:\n    a: {type: CommandStep}\n    b: {type: PythonScriptStep}\n    c: {type: CommandStep, command: ''}\n",
            [
                f"{P}:3: steps.a: the key 'command' is missing: the command line",
                f"{P}:4: steps.b: the key 'script_name' is missing: the script, as a path below source_directory",
                f"{P}:5: steps.c: Step 'CommandStep_command' has an empty command",
            ],
        ),
    ],
)
def test_a_file_that_is_no_pipeline_says_what_is_missing(text, faults):
    assert told(text) == faults


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("script_name: [a]", "6: steps.train.script_name: the key stands here a second time; it is in line 5 already"),
        ("alow_reuse: yes", "6: steps.train.alow_reuse: there is no key 'alow_reuse' here: did you mean 'allow_reuse'?"),
        ("compute_target: cpu", "6: steps.train.compute_target: there is no key 'compute_target' here: did you mean 'compute'?"),
        ("allow_reuse: 1", "6: steps.train.allow_reuse: this must be true or false, not '1'"),
        ("name: [x]", "6: steps.train.name: this must be text, not a list"),
        ("retries: -1", "6: steps.train.retries: this must be a whole number from 0 to 100, not '-1'"),
        ("retries: many", "6: steps.train.retries: this must be a whole number from 0 to 100, not 'many'"),
        ("retries: true", "6: steps.train.retries: this must be a whole number from 0 to 100, not 'true'"),
        ("retry_rest_s: 901", "6: steps.train.retry_rest_s: this must be a number from 0 to 900, not '901'"),
        ("timeout_s: .inf", "6: steps.train.timeout_s: this must be a number of 0 or more, not '.inf'"),
        ("timeout_s: 0", "6: steps.train.timeout_s: no step can work in no time; leave it out for no limit"),
        ("compute: gpu", "6: steps.train.compute: there is no compute target 'gpu' in this workspace (there: cpu). `canalis compute create gpu --max-nodes N` makes one that runs N steps at once"),
        ("source_directory: nothing", "6: steps.train.source_directory: there is no folder 'nothing', neither below the current folder nor beside this file, in '{folder}'"),
        ("source_directory: \"a\\0b\"", "6: steps.train.source_directory: there is no folder 'a\0b', neither below the current folder nor beside this file, in '{folder}'"),
        ("runconfig: nothing", "6: steps.train.runconfig: there is no file 'nothing', neither below the current folder nor beside this file, in '{folder}'"),
        ("environment: x", "6: steps.train.environment: there is no environment 'x' among `environments` (there are: none)"),
        ("run_after: [trian]", "6: steps.train.run_after[0]: there is no step 'trian': did you mean 'train'?"),
        ("run_after: train", "3: steps.train: Steps wait for each other: train.py -> train.py"),
        ("arguments: {a: b}", "6: steps.train.arguments: this must be a list, not a section"),
        ("arguments: [{a: b}]", "6: steps.train.arguments[0]: this is a section, where a value must be; an empty text is written ''"),
        ("arguments: [~]", "6: steps.train.arguments[0]: this is nothing, where a value must be; an empty text is written ''"),
        ("arguments: [input:x]", "6: steps.train.arguments[0]: the step has no input 'x' (it has: none). A text that begins so is written ['input:x']"),
        ("arguments: [side_input:x]", "6: steps.train.arguments[0]: the step has no side input 'x' (it has: none). A text that begins so is written ['side_input:x']"),
        ("arguments: [parameter:x]", "6: steps.train.arguments[0]: the step has no parameter 'x' (it has: none). A text that begins so is written ['parameter:x']"),
        ("arguments: [[{parameter: x}]]", "6: steps.train.arguments[0][0].parameter: there is no parameter 'x' (there are: none)"),
        ("arguments: [[{parameter: x, input: y}]]", "6: steps.train.arguments[0][0]: a piece that is no text is one of {{input: name}}, {{output: name}} and {{parameter: name}}"),
        ("arguments: [[[x]]]", "6: steps.train.arguments[0][0]: a piece of an argument must be text, or {{input: name}}, {{output: name}} or {{parameter: name}}"),
        ("parameters: {k: {source: x}}", "6: steps.train.parameters.k.source: the pipeline has no parameter 'x' (there are: none)"),
        ("parameters: {k: {sorce: x}}", "6: steps.train.parameters.k: the key 'source' is missing: the parameter of the pipeline whose value it has"),
        ("runconfig_parameters: {NodeCont: {source: x}}", "6: steps.train.runconfig_parameters.NodeCont: runconfig_parameters cannot set 'NodeCont': did you mean 'NodeCount'?"),
        ("inputs: {x: {}}", "6: steps.train.inputs.x: the key 'source' is missing: a data reference, a data path parameter or a destination of an output"),
        ("inputs: {x: {source: raw}}", "6: steps.train.inputs.x.source: no step writes 'raw', and it is no data reference and no parameter"),
        ("inputs: {x: raw}", "6: steps.train.inputs.x: this is 'raw', where a section with keys must be"),
        ("inputs: {x y: {source: raw}}", "6: steps.train.inputs.x y: 'x y' cannot be such a name: letters, digits and underscore only"),
        ("outputs: {x: {bind_mode: upload}}", "6: steps.train.outputs.x: what is uploaded needs `path_on_compute`: where the script writes it"),
        ("outputs: {x: {bind_mode: download}}", "6: steps.train.outputs.x.bind_mode: 'download' is none of: mount, upload"),
        ("outputs: {x: {bind_mode: mount, type: upload, path_on_compute: a}}", "6: steps.train.outputs.x.type: 'upload' is not what bind_mode says, 'mount'; they mean the same"),
        ("outputs: {x: {path_on_datastore: a/../b}}", "6: steps.train.outputs.x.path_on_datastore: 'a/../b' must be a place below the datastore, with / between its parts and no .. among them"),
        ("outputs: {x: {datastore: blob}}", "6: steps.train.outputs.x.datastore: there is no datastore 'blob' in this workspace (there: workspaceblobstore, workspacefilestore)"),
        ("outputs: {x: {path_on_compute: ../x}}", "3: steps.train: 'x' of step 'train.py' has the path_on_compute '../x': it must be without '..'"),
        ("outputs: {x: {destination: d}, y: {destination: d}}", "6: steps.train.outputs.y.destination: another output has the destination 'd' already"),
        ("outputs: {x: {pipeline_output_name: p}, y: {pipeline_output_name: p}}", "2: steps: Two outputs have the pipeline output name 'p'"),
        ("outputs: {x: *d}", "6: steps.train.outputs.x: `*d` is an alias, which is not read: write out what it stands for"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_step_is_told_with_its_keys_and_line(folder, line, fault):
    found = told(one_step(line))
    assert found[0] == "p.yml:" + fault.format(folder=folder)


@pytest.mark.parametrize(
    ("section", "text", "fault"),
    [
        ("parameters", "n: {}", "7: parameters.n: the key 'type' is missing: one of string, int, float, bool, datapath"),
        ("parameters", "n: {type: integer}", "7: parameters.n.type: 'integer' is no type of a parameter: string, int, float, bool, datapath: did you mean 'int'?"),
        ("parameters", "n: {type: int, defautl: 3}", "7: parameters.n.defautl: there is no key 'defautl' here: did you mean 'default'?"),
        ("parameters", "n: {type: int, default: x}", "7: parameters.n.default: this must be a whole number, not 'x'"),
        ("parameters", "n: {type: int, default: 1.5}", "7: parameters.n.default: this must be a whole number, not '1.5'"),
        ("parameters", "n: {type: int, default: 010}", "7: parameters.n.default: this must be a whole number, not '010'"),
        ("parameters", "n: {type: float, default: x}", "7: parameters.n.default: this must be a number, not 'x'"),
        ("parameters", "n: {type: bool, default: 1}", "7: parameters.n.default: this must be true or false, not '1'"),
        ("parameters", "n: {type: string, default: [a]}", "7: parameters.n.default: a string must be here, not a list"),
        ("parameters", "n: {type: datapath}", "7: parameters.n: the default of a datapath cannot be left out: its datastore and path_on_datastore"),
        ("parameters", "n: {type: datapath, default: a/b}", "7: parameters.n.default: this is 'a/b', where a section with keys must be"),
        ("parameters", "n: {type: datapath, default: {path_on_datastore: a}}", "7: parameters.n.default: the key 'datastore' is missing: where the data lies"),
        ("parameters", "n: {type: datapath, default: {datastore: workspaceblobstore, path_on_datastore: ../a}}", "7: parameters.n.default.path_on_datastore: Parameter 'n' names '../a', which leaves its datastore"),
        ("data_references", "d: {datastor: x}", "7: data_references.d: the key 'datastore' is missing: where the data lies"),
        ("data_references", "d: {datastore: workspaceblobstor}", "7: data_references.d.datastore: there is no datastore 'workspaceblobstor' in this workspace (there: workspaceblobstore, workspacefilestore): did you mean 'workspaceblobstore'?"),
        ("data_references", "d: {datastore: workspaceblobstore, path_on_datastore: a\\b}", "7: data_references.d.path_on_datastore: 'a\\b' must be a place below the datastore, with / between its parts and no .. among them"),
        ("data_references", "d: {dataset_name: titanic, bind_mode: download}", "7: data_references.d.dataset_name: registered datasets are not read yet. Name the files themselves, by `datastore` and `path_on_datastore`, or several places under `files`"),
        ("data_references", "d: {dataset_id: x}", "7: data_references.d.dataset_id: registered datasets are not read yet. Name the files themselves, by `datastore` and `path_on_datastore`, or several places under `files`"),
        ("data_references", "d: {datastore: sql, sql_table: x}", "7: data_references.d.sql_table: data of a database is not read yet: SqlDataReference is not in Canalis 0.1.0 and is planned; `canalis coverage` lists what is"),
        ("data_references", "d: {datastore: sql, sql_stored_procedure: x}", "7: data_references.d.sql_stored_procedure: data of a database is not read yet: SqlDataReference is not in Canalis 0.1.0 and is planned; `canalis coverage` lists what is"),
        ("data_reference", "d: {datastore: workspaceblobstore}", "6: data_reference: there is no key 'data_reference' here: did you mean 'data_references'?"),
        ("environments", "e: x", "7: environments.e: this is 'x', where a section with keys must be"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_other_sections_is_told_with_its_keys_and_line(section, text, fault):
    assert told(one_step(**{section: text}))[0] == "p.yml:" + fault


@pytest.mark.parametrize(
    "kind",
    ["ParallelRunStep", "AzureBatchStep", "ModuleStep", "MpiStep"],
)
def test_a_kind_of_step_that_is_planned_is_told_by_name(kind):
    (fault,) = told(f"pipeline:\n  steps:\n    a:\n      type: {kind}\n      outputs:\n        o: {{destination: made}}\n"
                    "    b: {type: PythonScriptStep, script_name: train.py, inputs: {i: {source: made}}}\n")  # fmt: skip
    assert fault.startswith(f"p.yml:4: steps.a.type: {kind} is not in Canalis 0.1.0 and is planned; ")


def test_v1s_older_blocks_and_kinds_that_will_not_come_are_told_as_well():
    blocks = "parallel_run_step azurebatch_step module"
    kinds = "ParallelRunStep AzureBatchStep ModuleStep"
    for block, kind in zip(blocks.split(), kinds.split(), strict=True):
        (fault,) = told(f"pipeline:\n  steps:\n    a:\n      {block}: {{name: x}}\n")
        assert fault.startswith(f"p.yml:3: steps.a: {kind} is not in Canalis 0.1.0 and is planned")
    for block, kind in (("data_transfer_step", "DataTransferStep"), ("databricks_step", "DatabricksStep")):
        for said in (f"type: {kind}", f"{block}: {{name: x}}"):
            (fault,) = told(f"pipeline:\n  steps:\n    a:\n      {said}\n")
            assert f"a {kind} cannot be said in YAML: make it in Python, with azureml.pipeline.steps.{kind}" in fault
    (fault,) = told("pipeline:\n  steps:\n    a: {type: EstimatorStep}\n")
    assert "EstimatorStep is not in Canalis 0.1.0 and will not come: use PythonScriptStep" in fault


def test_a_name_that_could_mean_two_things_is_refused():
    found = told(
        one_step(
            "inputs: {i: {source: x}}",
            "outputs: {x: {}}",
            data_references="x: {datastore: workspaceblobstore}",
        )
    )
    assert found == [
        "p.yml:6: steps.train.inputs.i.source: 'x' is a data reference and a destination of an output: it could mean "
        "either, so give one another name"
    ]
    (fault,) = told(one_step("inputs: {i: {source: n}}", parameters="n: {type: int}"))
    assert fault.endswith("inputs.i.source: parameter 'n' is of type int; what is read is a datapath")
    where = "p: {type: datapath, default: {datastore: workspaceblobstore}}"
    (fault,) = told(one_step("parameters: {k: {source: p}}", parameters=where))
    assert fault.endswith("parameters.k.source: parameter 'p' is a data path: name it as the source of an input")


def test_a_pipelines_parameter_in_arguments_is_told_how_it_gets_there():
    (fault,) = told(one_step("arguments: ['parameter:n']", parameters="n: {type: int}"))
    assert "the step has no parameter 'n'; to use the pipeline's, give the step `parameters: {n: {source: n}}`" in fault


def test_a_misspelt_source_is_told_with_the_one_that_is_meant():
    (fault,) = told(one_step("inputs: {i: {source: featrues}}", "outputs: {features: {}}"))
    assert fault == (
        "p.yml:6: steps.train.inputs.i.source: no step writes 'featrues', and it is no data reference and no parameter: "
        "did you mean 'features'?"
    )


def test_steps_that_wait_for_each_other_are_told_step_by_step():
    (fault,) = told(
        """\
        pipeline:
          steps:
            a: {type: PythonScriptStep, name: a, script_name: train.py, inputs: {x: {source: y}}, outputs: {x: {}}}
            b: {type: PythonScriptStep, name: b, script_name: train.py, outputs: {y: {}}, run_after: [a]}
        """
    )
    assert "Steps wait for each other: " in fault and fault.startswith("p.yml:")


def test_everything_that_is_wrong_with_a_file_is_told_at_once(folder):
    (folder / "x.runconfig").write_text(
        "target: gpu\nnodecount: 2\nenvironment:\n  python:\n    condaDependenciesFile: no.yml\n"
    )
    found = told(
        """\
        pipeline:
          parameters:
            rate: {type: flot}
            n: {type: int, default: many}
          data_references:
            raw: {datastore: nowhere}
          default_compute: gpu
          steps:
            prep:
              type: PythonScriptStep
              script_name: nothing.py
              runconfig: x.runconfig
              inputs:
                a: {source: raw}
                b: {source: rate}
              arguments: [input:a, 'input:c', --rate=$AML_PARAMETER_rate]
            train:
              type: DatabricksStep
              outputs: {o: {}}
            score:
              type: PythonScriptStep
              script_name: train.py
              inputs: {o: {source: o}}
              retries: x
        """
    )
    assert [line.partition(": ")[0] + " " + line.split(": ")[1] for line in found] == [
        "p.yml:3 parameters.rate.type",
        "p.yml:4 parameters.n.default",
        "p.yml:6 data_references.raw.datastore",
        "p.yml:7 default_compute",
        "p.yml:11 steps.prep.script_name",
        "p.yml:16 steps.prep.arguments[1]",
        "p.yml:18 steps.train.type",
        "p.yml:24 steps.score.retries",
        "x.runconfig:2 nodecount",
        "x.runconfig:5 environment.python.condaDependenciesFile",
    ]
