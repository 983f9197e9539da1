"""Placeholders become values: the command line and the environment of a script. Pure.

Source   reference section 14
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from canalis.contract.graph import Argument, CommandWork, InputPath, Node, OutputPath, ParameterValue, PythonWork, Style
from canalis.contract.parameters import text_of

# With none of these in its line a command needs no shell, and then every argument reaches it untouched.
_SHELL_SIGNS = re.compile(r"[|&;<>()$`\\*?\[\]#~={}!\n]")


@dataclass(frozen=True, slots=True)
class Values:
    """What the placeholders of one attempt stand for.

    inputs, outputs   local path of each port, or a dataset's id for an input in direct mode
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    parameters: Mapping[str, ParameterValue]

    def text(self, argument: Argument) -> str:
        """The argument as the script sees it."""
        return "".join(piece if isinstance(piece, str) else self.value(piece) for piece in argument)

    def value(self, piece: object) -> str:
        """What one placeholder stands for."""
        if isinstance(piece, InputPath):
            return self.inputs[piece.name]
        if isinstance(piece, OutputPath):
            return self.outputs[piece.name]
        return text_of(self.parameters[piece.name])  # type: ignore[attr-defined]


def command_line(node: Node, interpreter: str, values: Values) -> tuple[list[str], dict[str, str]]:
    """The program and its arguments, and variables that must be set for it to be understood."""
    arguments = [values.text(argument) for argument in node.arguments]
    if isinstance(node.work, PythonWork):
        return [interpreter, node.work.script, *arguments], {}
    assert isinstance(node.work, CommandWork), node.work
    return _shell_line(node.work, arguments, values)


def variables(node: Node, values: Values) -> dict[str, str]:
    """The environment variables that v1 promises a script about its data and parameters."""
    found = {name: values.text(argument) for name, argument in node.environment_variables.items()}
    for name, value in values.parameters.items():
        found[_parameter_variable(name)] = text_of(value)
    for name, argument in node.parameters.items():
        found[_parameter_variable(name)] = values.text(argument)
    for port in node.inputs:
        found[_data_variable(port.name, port.style)] = values.inputs[port.name]
    for made in node.outputs:
        found[_data_variable(made.name, made.style)] = values.outputs[made.name]
    return found


def _data_variable(name: str, style: Style) -> str:
    return name if style == "dataset" else f"AZUREML_DATAREFERENCE_{name}"


def _parameter_variable(name: str) -> str:
    return "AML_PARAMETER_" + re.sub(r"\W", "_", name)


def _shell_line(work: CommandWork, arguments: list[str], values: Values) -> tuple[list[str], dict[str, str]]:
    """A command as the author typed it.

    Values of placeholders never become a part of what a shell reads: they reach it as variables.
    """
    if not any(isinstance(piece, str) and _SHELL_SIGNS.search(piece) for piece in work.line):
        marks: dict[str, str] = {}
        words = shlex.split("".join(_marked(piece, values, marks) for piece in work.line))
        return [_unmarked(word, marks) for word in words] + arguments, {}
    line, extra = "", dict[str, str]()
    for piece in work.line:
        if isinstance(piece, str):
            line += piece
            continue
        name = f"CANALIS_VALUE_{len(extra)}"
        extra[name] = values.value(piece)
        line += _quoted_variable(line, name)
    return ["/bin/sh", "-c", " ".join((line, *map(shlex.quote, arguments)))], extra


def _marked(piece: object, values: Values, marks: dict[str, str]) -> str:
    if isinstance(piece, str):
        return piece
    mark = f"\x01{len(marks)}\x02"  # no blank and no quote, so that it stays in one word
    marks[mark] = values.value(piece)
    return mark


def _unmarked(word: str, marks: Mapping[str, str]) -> str:
    for mark, value in marks.items():
        word = word.replace(mark, value)
    return word


def _quoted_variable(before: str, name: str) -> str:
    """A variable so written that it is one word, whatever quotes are open at the end of `before`."""
    return {"": f'"${{{name}}}"', '"': f"${{{name}}}", "'": f"'\"${{{name}}}\"'"}[_open_quote(before)]


def _open_quote(text: str) -> str:
    r"""The quote within which a shell is at the end of a text; "" when it is in none.

    >>> [_open_quote(text) for text in (r"it\'s ", "'it", '"$(echo ', '"$(echo ")" ) ', "a # it's\n")]
    ['', "'", '', '"', '']
    """
    opened = [""]  # what ends each thing that is open, the innermost last; ")" for what stands in parentheses
    place = 0
    while place < len(text):
        sign, within = text[place], opened[-1]
        if sign == "\\" and within != "'":
            place += 1  # the next sign has no meaning
        elif sign == within:
            opened.pop()
        elif within in ("", ")") and sign in "'\"":
            opened.append(sign)
        elif sign == "(" and within != "'" and (within != '"' or text[place - 1] == "$"):
            opened.append(")")
        elif sign == "#" and within in ("", ")") and text[place - 1 : place] in ("", *" \t\n;&|("):
            end = text.find("\n", place)
            place = end if end >= 0 else len(text)
        place += 1
    return opened[-1] if opened[-1] in "'\"" else ""
