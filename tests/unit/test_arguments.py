"""Placeholders become a command line. What an author types is read as a shell would; what stands for it never is."""

from __future__ import annotations

import os
import subprocess

import pytest

from canalis.contract.graph import (
    CommandWork,
    DataPathValue,
    FromStore,
    Input,
    InputPath,
    Node,
    Output,
    OutputPath,
    ParameterText,
    PythonWork,
)
from steps.arguments import Values, command_line, variables

NASTY = [
    "two words",
    "it's",
    'say "hi"',
    "$(touch evil)",
    "`touch evil`",
    "; touch evil",
    "a\nb",
    "*",
    "-rf",
    "\\",
    "~",
    "ü",
]


def a_command(*line: object, arguments: tuple[str, ...] = ()) -> Node:
    return Node(key="a", name="a", work=CommandWork(line=line), arguments=tuple((text,) for text in arguments))


def run(node: Node, values: Values, folder) -> list[str]:
    """What a program sees as its arguments when the step is really run."""
    line, extra = command_line(node, "python3", values)
    (folder / "show.py").write_text("import sys; print(*sys.argv[1:], sep='\\0', end='\\0')")
    (folder / "show.sh").write_text("""printf '%s\\0' "$@" """)  # as well, in a twentieth of the time
    done = subprocess.run(line, cwd=folder, env={**os.environ, **extra}, capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize(("before", "after"), [("", ""), ('"', '"'), ("--x=", ""), ("'", "'"), ("pre'", "'post")])
@pytest.mark.parametrize("rest", ["", " && true", " | cat"])
def test_a_value_reaches_the_program_as_it_is_whatever_quotes_are_around_it(tmp_path, value, before, after, rest):
    node = a_command(f"sh show.sh {before}", ParameterText(name="p"), f"{after}{rest}")
    found = run(node, Values({}, {}, {"p": value}), tmp_path)

    assert found == [f"{before.strip(chr(34) + chr(39))}{value}{after.strip(chr(34) + chr(39))}"]
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize(
    "before",
    [
        r"it\'s ",
        r"\" ",
        '"it\'s" ',
        "'a \"b\\' ",
        '"a \\" b" ',
        '"$(echo "(a)" b)" ',
        "$(echo 'c)') ",
        "",
    ],
)
@pytest.mark.parametrize(("opening", "closing"), [("", ""), ('"', '"'), ("'", "'"), ('"$(printf %s ', ')"')])
def test_a_shell_reads_a_value_as_one_word_whatever_stands_before_it(tmp_path, value, before, opening, closing):
    node = a_command(f"sh show.sh {before}{opening}", ParameterText(name="p"), f"{closing} && true")
    found = run(node, Values({}, {}, {"p": value}), tmp_path)

    assert found[-1] == (value.rstrip("\n") if "printf" in opening else value)
    assert not (tmp_path / "evil").exists()


def test_a_quote_in_a_comment_opens_nothing(tmp_path):
    node = a_command("# it's a comment\npython3 show.py a#'b' ", ParameterText(name="p"), " # that's all")
    assert run(node, Values({}, {}, {"p": "$HOME c"}), tmp_path) == ["a#b", "$HOME c"]


def test_what_follows_the_command_is_never_read_by_a_shell(tmp_path):
    node = a_command("python3 show.py 'a b'", arguments=("$HOME", "x; y", "&&"))
    assert run(node, Values({}, {}, {}), tmp_path) == ["a b", "$HOME", "x; y", "&&"]
    node = a_command("python3 show.py && true", arguments=("$HOME",))
    line, _ = command_line(node, "python3", Values({}, {}, {}))
    assert line[:2] == ["/bin/sh", "-c"] and line[2].endswith("&& true '$HOME'")


def test_a_python_step_runs_its_script_with_its_arguments():
    node = Node(
        key="a",
        name="a",
        work=PythonWork(script="train/run.py"),
        arguments=(("--in=", InputPath(name="i"), "/x"), (OutputPath(name="o"),), (ParameterText(name="d"),)),
    )
    values = Values({"i": "/in"}, {"o": "/out"}, {"d": DataPathValue(datastore="store", path="a/b")})
    assert command_line(node, "/py", values) == (["/py", "train/run.py", "--in=/in/x", "/out", "store/a/b"], {})


def test_ports_and_parameters_become_variables_by_v1s_names():
    node = Node(
        key="a",
        name="a",
        work=PythonWork(script="x.py"),
        inputs=(Input(name="raw", source=FromStore()), Input(name="set", source=FromStore(), style="dataset")),
        outputs=(Output(name="out"), Output(name="made", style="dataset")),
        parameters={"K": ("v",)},
        environment_variables={"MINE": ("at ", InputPath(name="raw"))},
    )
    values = Values({"raw": "/r", "set": "/s"}, {"out": "/o", "made": "/m"}, {"my-rate": 0.5})
    assert variables(node, values) == {
        "MINE": "at /r",
        "AML_PARAMETER_my_rate": "0.5",
        "AML_PARAMETER_K": "v",
        "AZUREML_DATAREFERENCE_raw": "/r",
        "set": "/s",
        "AZUREML_DATAREFERENCE_out": "/o",
        "made": "/m",
    }
