"""The text of a script before it is parsed: placeholders get their values, statements are told apart.

What is looked for here is looked for outside of comments and constants.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from canalis.usql.faults import At, Fault

_PIECE = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))"
    r'|(?P<verbatim>@"(?:[^"]|"")*")'
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?P<char>'(?:\\.[0-9A-Fa-f]*|[^'\\\n])')"
    r"|(?P<end>;)"
    r"|(?P<word>@{0,2}[A-Za-z_]\w*)"
    r"|(?P<other>\s+|.)",
    re.DOTALL,
)
_PLACEHOLDER = re.compile(r"@@([\w.-]+?)@@")

# Statements by their first words, and words within others, that need what is not here.
_CATALOG = "there is no catalog here; keep rowsets in files, with OUTPUT and EXTRACT"
_CODE = "code of C# cannot run here; say it in expressions, or in a PythonScriptStep before or after this one"
_STATEMENTS = {
    "CREATE": _CATALOG,
    "DROP": _CATALOG,
    "ALTER": _CATALOG,
    "TRUNCATE": _CATALOG,
    "INSERT": _CATALOG,
    "USE": _CATALOG,
    "REFERENCE": _CODE,
    "DEPLOY": "files that only code of C# could read have no use here; take it out",
    "IMPORT": _CATALOG,
    "EXPORT": _CATALOG,
    "IF": "branches are not here; let the pipeline choose between scripts, or put the condition into WHERE",
}
_WITHIN = {
    "PROCESS": _CODE,
    "REDUCE": _CODE,
    "COMBINE": _CODE,
    "PRODUCE": _CODE,
    "AGG": _CODE,
    "PIVOT": "say it with SUM(condition ? value : 0) and GROUP BY",
    "UNPIVOT": "say it with UNION ALL, a SELECT for each column",
    "SAMPLE": "say it with ROW_NUMBER() and %",
    "TABLESAMPLE": "say it with ROW_NUMBER() and %",
    "OPTION": "hints change no result; take it out",
}


@dataclass(frozen=True, slots=True)
class Filled:
    """A script with the values of its placeholders.

    put   each value's begin and end in the filled text, and those of its placeholder in the script
    """

    text: str
    script: str
    put: Sequence[tuple[int, int, int, int]]

    def place(self, at: At) -> At:
        """The place in the script of a place in the filled text."""
        lines = self.text.split("\n")
        offset = sum(len(line) + 1 for line in lines[: at.line - 1]) + at.column - 1
        moved = 0
        for begin, end, was, was_end in self.put:
            if offset < begin:
                break
            moved = was_end - end if offset >= end else was - offset
        before = self.script[: max(0, offset + moved)]
        return At(before.count("\n") + 1, len(before) - before.rfind("\n"))


def put_values(script: str, values: Mapping[str, str]) -> tuple[Filled, list[Fault]]:
    """A script with the values of its placeholders `@@name@@`, and a fault for each that has none.

    Within a constant a value becomes a part of it, whatever signs it has; elsewhere it is text of the script.
    """
    faults: list[Fault] = []
    made, put, length = [], [], 0
    for match in _PIECE_OR_PLACEHOLDER.finditer(script):
        end = match.start()
        places = () if match.lastgroup == "comment" else _PLACEHOLDER.finditer(script, *match.span())
        for place in places:
            value = values.get(place[1])
            if value is None:
                known = ", ".join(sorted(values)) or "none"
                said = f"'{place[0]}' is no input, output or parameter of the step (there are: {known})"
                before = script[: place.start()]
                at = At(before.count("\n") + 1, len(before) - before.rfind("\n"))
                faults.append(Fault(at, "usql_placeholder", said))
                value = place[0]
            made += [script[end : place.start()], _written(value, match.lastgroup or "")]
            length += len(made[-2]) + len(made[-1])
            put.append((length - len(made[-1]), length, place.start(), place.end()))
            end = place.end()
        made.append(script[end : match.end()])
        length += len(made[-1])
    return Filled("".join(made), script, put), faults


@dataclass(frozen=True, slots=True)
class Piece:
    """A statement with its place. faults: what of it is not here; it cannot be parsed then."""

    text: str
    at: At
    faults: Sequence[Fault] = ()


def statements(text: str) -> list[Piece]:
    """The statements of a script."""
    found: list[Piece] = []
    depth = 0
    for statement, at, words in _split(text):
        names = [word for word, _ in words]
        if not statement.strip() or names[:1] == ["SET"]:  # which sets what the service could be told
            continue
        if depth == 0:
            found.append(Piece(statement, at, _not_here(statement, at, words)))
        if depth or (names and names[0] in ("CREATE", "ALTER", "IF")):
            depth = max(0, depth + names.count("BEGIN") + names.count("THEN") - names.count("END"))
    return found


def _not_here(statement: str, at: At, words: list[tuple[str, At]]) -> list[Fault]:
    first = words[0][0] if words else ""
    if first in _STATEMENTS:
        name = " ".join([first] + [word for word, _ in words[1:2] if word.isupper() and first != "IF"])
        return [Fault(words[0][1], "usql_not_here", f"{name}: {_STATEMENTS[first]}")]
    if re.match(r"[A-Za-z_\[]", statement) and first not in ("DECLARE", "OUTPUT") and "(" in statement:
        said = f"{first}(...): there are no procedures here; write what it does into the script"
        return [Fault(at, "usql_not_here", said)]
    called = re.match(r"@\w+\s*=\s*([A-Za-z_][\w.\[\]]*)\s*\(", statement)
    if called and called[1] not in ("SELECT", "EXTRACT"):
        said = f"{called[1]}(...): there are no functions of a catalog here; write what it does into the script"
        return [Fault(at, "usql_not_here", said)]
    if "REDUCE" in (inner := {word for word, _ in words}) or "PROCESS" in inner or "COMBINE" in inner:
        words = [(word, where) for word, where in words if word != "PRODUCE"]
    return [Fault(where, "usql_not_here", f"{word}: {_WITHIN[word]}") for word, where in words[1:] if word in _WITHIN]


def _split(text: str) -> Iterator[tuple[str, At, list[tuple[str, At]]]]:
    """Each statement with its place and its words; comments before it are left out."""
    line, column = 1, 1
    statement, at = "", At(1, 1)
    words: list[tuple[str, At]] = []
    for match in _PIECE.finditer(text):
        piece, kind = match.group(), match.lastgroup
        if kind == "end":
            yield statement, at, words
            statement, words = "", []
        elif statement or not (kind == "comment" or piece.isspace() or piece == "\ufeff"):
            if not statement:
                at = At(line, column)
            if kind == "word":
                words.append((piece, At(line, column)))
            statement += piece
        line, column = _after(piece, line, column)
    yield statement, at, words


def _written(value: str, kind: str) -> str:
    """The value of a placeholder, as the text around it needs it."""
    if kind == "string":
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value.replace('"', '""') if kind == "verbatim" else value


_PIECE_OR_PLACEHOLDER = re.compile(rf"(?P<placeholder>{_PLACEHOLDER.pattern})|{_PIECE.pattern}", re.DOTALL)


def _after(piece: str, line: int, column: int) -> tuple[int, int]:
    """The place behind a piece of text."""
    lines = piece.count("\n")
    return (line + lines, len(piece) - piece.rfind("\n")) if lines else (line, column + len(piece))
