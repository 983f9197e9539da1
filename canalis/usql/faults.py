"""What can be wrong with a script, and how it is told: all of it at once, each fault with its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class At:
    """A place in a script, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. code: a stable word of CODES."""

    at: At
    code: str
    said: str

    def __str__(self) -> str:
        return f"line {self.at.line}, column {self.at.column}: {self.said} [{self.code}]"


CODES = {
    "usql_syntax": "The script cannot be read there",
    "usql_not_here": "A construct of U-SQL that the engine does not have; the fault says what to do instead",
    "usql_unknown": "A rowset, a variable, a column, a function or a member that is not there",
    "usql_type": "Types that do not go together",
    "usql_twice": "A name or a file that is there already",
    "usql_option": "An extractor or outputter, or an option of one, that is not as it should be",
    "usql_path": "A path that is no file or set of files here",
    "usql_placeholder": "A placeholder `@@name@@` that names no input, output or parameter of the step",
}


class ScriptInvalid(Exception):
    """A script cannot run. Lists every fault, in the order of their lines."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(set(faults), key=lambda fault: (fault.at, fault.code, fault.said))
        super().__init__("\n".join(map(str, self.faults)))


class ScriptFailed(Exception):
    """A script met data, or a disk, with which it cannot go on. Nothing that it would have written is there."""


class Wrong(Exception):
    """The part of a script that is being looked at is wrong; who looks at the parts goes on with the next one."""

    def __init__(self, at: At, code: str, said: str) -> None:
        assert code in CODES, code
        super().__init__(said)
        self.fault = Fault(at, code, said)


class Silenced(Wrong):
    """What follows from another fault, which has been told: it adds nothing to that."""

    def __init__(self, at: At) -> None:
        super().__init__(at, "usql_unknown", "it follows from another fault")


class Told:
    """Gathers faults while the parts of a script are looked at, each in a `with`."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    @contextmanager
    def each(self) -> Iterator[None]:
        """Look at one part; what is wrong with it is kept, and the next part can be looked at."""
        try:
            yield
        except Silenced:
            pass
        except Wrong as error:
            self.faults.append(error.fault)
