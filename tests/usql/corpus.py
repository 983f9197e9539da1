"""The corpus: scripts of U-SQL with what they read and what they must write, in text files beside this one.

A case begins with `### its name`; `=== name` begins a file of it: `script`, an input, `out/...` for what it writes, or
`faults` for what it must be told. In files `\\r`, `\\n` and `\\t` at the end of a line stand for themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


@dataclass
class Case:
    name: str
    script: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    faults: list[str] | None = None


def cases() -> list[Case]:
    return [case for file in sorted(FOLDER.glob("*.txt")) for case in _cases(file)]


def _cases(file: Path) -> list[Case]:
    found = []
    for text in file.read_text().split("\n### ")[1:]:
        name, _, rest = text.partition("\n")
        case = Case(f"{file.stem}: {name}")
        for part in rest.split("\n=== ") if not rest.startswith("=== ") else rest[4:].split("\n=== "):
            title, _, body = part.partition("\n")
            body = body.rstrip("\n") + "\n" if body.strip() else ""
            if title == "script":
                case.script = body
            elif title == "faults":
                case.faults = [line for line in body.splitlines() if line.strip()]
            elif title.startswith("out/"):
                case.outputs[title[4:]] = body
            elif title.strip():
                case.inputs[title] = body
        found.append(case)
    return found
