"""The arguments and values of a step in YAML: v1's words for them, placeholders in longer texts, and lists of pieces.

One argument may be written in three ways, and is read from each:

    input:data  side_input:data  output:model  parameter:rate     v1's words, for an argument that is one placeholder
    --rate=$AML_PARAMETER_rate                                    v1's placeholders, anywhere in a text
    ["--rate=", {parameter: rate}]                                ours: pieces, for texts that would mean another thing
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canalis.contract.graph import Argument, InputPath, Node, OutputPath, ParameterText, Piece, Style
from canalis.wiring import split_at_names
from canalis.yaml_reading import Faults, Item
from canalis.yaml_sections import near

_WORD = re.compile(r"(input|side_input|output|parameter):(.*)", re.DOTALL)
_KINDS: dict[str, type[InputPath] | type[OutputPath] | type[ParameterText]] = {
    "input": InputPath,
    "output": OutputPath,
    "parameter": ParameterText,
}


@dataclass(frozen=True)
class Names:
    """What the texts of a step may name.

    inputs, side_inputs   the port's name by the name in the file: v1 gave an input that is named like an output another
    outputs               names of its outputs
    parameters, words     the pipeline's, less data paths; and the same by the word that stands for each in a text
    styles                how each port is spoken of in a text
    own                   its own `parameters`
    """

    inputs: Mapping[str, str]
    side_inputs: Mapping[str, str]
    outputs: Sequence[str]
    parameters: Collection[str]
    words: Mapping[str, str]
    styles: Mapping[str, Style]
    own: dict[str, Argument] = field(default_factory=dict)

    def in_text(self, text: str) -> Argument:
        """A text with its placeholders. What looks like one and names nothing is the author's own text."""

        def named(match: re.Match[str]) -> Piece | None:
            if match["parameter"]:
                known = self.words.get(match["parameter"])
                return ParameterText(name=known) if known is not None else None
            name = match["reference"] or match["dataset"] or match["made"]
            if not match["dataset"] and name in self.outputs:
                return OutputPath(name=name)
            port = self.inputs.get(name) or self.side_inputs.get(name)
            if port is None and name in self.inputs.values():
                port = name
            return InputPath(name=port) if port is not None else None

        return split_at_names(text, named)


def words_of(parameters: Iterable[str]) -> dict[str, str]:
    """Parameters by the word that stands for each in a text. Of two with one word neither can stand there."""
    words = [(re.sub(r"\W", "_", name), name) for name in parameters]
    counts = Counter(word for word, _ in words)
    return {word: name for word, name in words if counts[word] == 1}


def names_of(node: Node, parameters: Collection[str], words: Mapping[str, str]) -> Names:
    """What the texts of a node may name, where ports have the names that they have in the graph."""
    styles = {port.name: port.style for port in node.inputs} | {port.name: port.style for port in node.outputs}
    return Names(
        {port.name: port.name for port in node.inputs},
        {},
        [port.name for port in node.outputs],
        parameters,
        words,
        styles,
        dict(node.parameters),
    )


# Reading -------------------------------------------------------------------------------------------------------


def argument(item: Item, names: Names, faults: Faults, allow_words: bool = True) -> Argument:
    """One argument, or a value when v1's words are not allowed; empty, and told, when it is none."""
    if item.is_broken:
        return ()
    if isinstance(item.value, list):
        return tuple(piece for one in item.value for piece in _piece(one, names, faults))
    if isinstance(item.value, dict) or item.value is None:
        what = "a section" if item.value is not None else "nothing"
        faults.add(item, f"this is {what}, where a value must be; an empty text is written ''")
        return ()
    text = str(item.value)
    match = _WORD.fullmatch(text) if allow_words else None
    return _named(item, match, names, faults) if match else names.in_text(text)


def _named(item: Item, match: re.Match[str], names: Names, faults: Faults) -> Argument:
    kind, name = match.groups()
    known: Mapping[str, Argument]
    if kind == "output":
        known = {one: (OutputPath(name=one),) for one in names.outputs}
    elif kind == "parameter":
        known = names.own
    else:
        ports = names.inputs if kind == "input" else names.side_inputs
        known = {one: (InputPath(name=port),) for one, port in ports.items()}
    if name in known:
        return known[name]
    if kind == "parameter" and name in names.parameters:
        mend = f"; to use the pipeline's, give the step `parameters: {{{name}: {{source: {name}}}}}`"
    else:
        mend = near(name, known) or f" (it has: {', '.join(known) or 'none'})"
    what = kind.replace("_", " ")
    faults.add(item, f"the step has no {what} '{name}'{mend}. A text that begins so is written ['{item.value}']")
    return ()


def _piece(item: Item, names: Names, faults: Faults) -> Iterable[Piece]:
    if item.is_broken:
        return
    if isinstance(item.value, (list, type(None))):
        faults.add(item, "a piece of an argument must be text, or {input: name}, {output: name} or {parameter: name}")
    elif not isinstance(item.value, dict):
        yield str(item.value)
    else:
        given = [(kind, one) for kind, one in item.value.items() if kind in _KINDS and isinstance(one.value, str)]
        if len(given) != 1 or len(item.value) != 1:
            faults.add(item, "a piece that is no text is one of {input: name}, {output: name} and {parameter: name}")
            return
        kind, one = given[0]
        ports = (*names.inputs.values(), *names.side_inputs.values())
        known = {"input": ports, "output": names.outputs, "parameter": names.parameters}[kind]
        if one.value in known:
            yield _KINDS[kind](name=str(one.value))
        else:
            faults.add(one, f"there is no {kind} '{one.value}' (there are: {', '.join(known) or 'none'})")


# Writing -------------------------------------------------------------------------------------------------------


def written(said: Argument, names: Names, allow_words: bool = True) -> Any:
    """The shortest way to write an argument that is read as the same again."""
    if len(said) == 1 and allow_words and (word := _as_word(said[0], names)):
        return word
    text = "".join(piece if isinstance(piece, str) else _in_text(piece, names) for piece in said)
    if names.in_text(text) == said and not (allow_words and _WORD.fullmatch(text)):
        return text
    return [piece if isinstance(piece, str) else {piece.kind: piece.name} for piece in said]


def _as_word(piece: Piece, names: Names) -> str:
    if isinstance(piece, (InputPath, OutputPath)):
        return f"{piece.kind}:{piece.name}"
    own = [name for name, value in names.own.items() if value == (piece,)]
    return f"parameter:{own[0]}" if own and isinstance(piece, ParameterText) else ""


def _in_text(piece: Piece, names: Names) -> str:
    assert not isinstance(piece, str), piece
    if isinstance(piece, ParameterText):
        return "$AML_PARAMETER_" + re.sub(r"\W", "_", piece.name)
    if names.styles.get(piece.name) == "dataset":
        return ("DatasetConsumptionConfig:" if isinstance(piece, InputPath) else "DatasetOutputConfig:") + piece.name
    return f"$AZUREML_DATAREFERENCE_{piece.name}"
