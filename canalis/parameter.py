"""Pipeline parameters at the author's desk, and the paths that they are written into."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from canalis.absent import V1
from canalis.contract.graph import ParameterText, ParameterValue, Text

_NO_WORD = re.compile(r"\W")
# A parameter as it stands in a text: in braces as str() writes it, since a word may follow, or as authors do by hand.
PARAMETER = r"\$\{AML_PARAMETER_(?P<braced>\w+)\}|\$AML_PARAMETER_(?P<parameter>\w+)"
_PARAMETER = re.compile(PARAMETER)


class Choice(V1):
    """What the default of a parameter can be beside text, numbers and bools: places and datasets."""

    def _as_value(self) -> ParameterValue:
        """The same as the graph and a run know it. Raises GraphError when it is made of a parameter itself."""
        raise NotImplementedError(f"{type(self).__name__} cannot be the value of a parameter")


class PipelineParameter:
    """A value that may be another one in each run.

    default_value   text, a number, a bool, a DataPath or a dataset; its type is the parameter's
    str() of it is ${AML_PARAMETER_<name>}, which is replaced by the value wherever it stands in an argument or a path.
    """

    # By its word in a text, so that a parameter written into a longer one is known when that is read. Of several
    # with one name it is the one that was made, or written into a text, last.
    _made: dict[str, PipelineParameter] = {}  # noqa: RUF012

    def __init__(self, name: str, default_value: Any) -> None:
        if not isinstance(default_value, (str, int, float, bool, Choice)):
            raise ValueError(
                f"The default of parameter '{name}' is {default_value!r}; it must be text, a number, a bool, a "
                "DataPath or a dataset, and decides the parameter's type"
            )
        if not isinstance(name, str) or not name.strip() or "\n" in name:
            raise ValueError(f"{name!r} cannot be the name of a parameter: it must be text on one line")
        self.name = name
        self.default_value = default_value
        self._word = _NO_WORD.sub("_", name)
        PipelineParameter._made[self._word] = self

    def __str__(self) -> str:
        PipelineParameter._made[self._word] = self
        return f"${{AML_PARAMETER_{self._word}}}"

    def __repr__(self) -> str:
        return f"PipelineParameter({self.name!r}, {self.default_value!r})"


Piece = str | PipelineParameter


def pieces_of(path: Any) -> tuple[Piece, ...]:
    """A path as an author gives it: text, a parameter, text with parameters written into it, or None.

    To be asked as soon as it is given: of several parameters with one name it means the one that was written last.
    Raises ValueError for a parameter that is not known, or that is a place or a dataset itself
    """
    if isinstance(path, PipelineParameter):
        found: list[Piece] = [path]
    else:
        text, end, found = str(path or ""), 0, []
        for match in _PARAMETER.finditer(text):
            word = match["braced"] or match["parameter"]
            if word not in PipelineParameter._made:
                raise ValueError(f"The path '{text}' names parameter '{word}', which is none")
            found += [text[end : match.start()], PipelineParameter._made[word]]
            end = match.end()
        found.append(text[end:])
    for piece in found:
        if isinstance(piece, PipelineParameter) and isinstance(piece.default_value, Choice):
            raise ValueError(
                f"Parameter '{piece.name}' has the default {piece.default_value!r}, so it cannot be a part of a path: "
                "that takes text or a number"
            )
    return tuple(piece for piece in found if piece != "")


def unslashed(path: Iterable[Piece]) -> tuple[Piece, ...]:
    """The same path without slashes around it."""
    pieces = list(path)
    if pieces and isinstance(pieces[0], str):
        pieces[0] = pieces[0].lstrip("/")
    if pieces and isinstance(pieces[-1], str):
        pieces[-1] = pieces[-1].rstrip("/")
    return tuple(piece for piece in pieces if piece != "")


def written(path: Iterable[Piece]) -> str:
    """A path as text, which `pieces_of` reads as the same again."""
    return "".join(map(str, path))


def made_of(path: Iterable[Piece]) -> list[str]:
    """Names of the parameters in a path."""
    return [piece.name for piece in path if isinstance(piece, PipelineParameter)]


def as_text(path: Iterable[Piece]) -> Text:
    """A path as the graph has it: without slashes around it, and whole where no parameter is in it."""
    pieces = tuple(piece if isinstance(piece, str) else ParameterText(name=piece.name) for piece in unslashed(path))
    texts = [piece for piece in pieces if isinstance(piece, str)]
    return "".join(texts) if len(texts) == len(pieces) else pieces
