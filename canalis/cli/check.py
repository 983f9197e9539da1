"""What a script asks of azureml that is not here, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from canalis.azureml import coverage
from canalis.contract.version import VERSION
from canalis.exceptions import UserErrorException
from canalis.planned import MEMBERS, fate

_MAY_FAIL = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")


class Missing(NamedTuple):
    """A name that a script uses and that is not here.

    is_fatal   whether the script fails as soon as it is imported
    """

    line: int
    name: str
    is_fatal: bool

    def __str__(self) -> str:
        known = fate(self.name)
        return f"line {self.line}: {self.name}" + (f" {known}" if known else " is not here")


def missing(script: Path) -> list[Missing]:
    """Every import and member of azureml in a script that is not here, by line.

    Members are known by their class's name, or by a variable that is given an object of it in so many words. What
    cannot be parsed has none: Python will say what is wrong with it.
    """
    try:
        tree = ast.parse(script.read_bytes())
    except (SyntaxError, ValueError):
        return []
    except OSError as error:
        raise UserErrorException(f"{script} cannot be read: {error.strerror}") from error
    fatal = set(_run_at_import(tree))
    known = coverage()
    found = [
        Missing(node.lineno, name, node in fatal)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in _not_covered(node, known)
    ]
    classes = _classes(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = classes.get(node.value.id)
            if owner is not None and node.attr in MEMBERS[owner]:
                found.append(Missing(node.lineno, f"{owner}.{node.attr}", is_fatal=False))
    return sorted(set(found))


def refuse_what_fails(script: Path) -> None:
    """Raise UserErrorException, naming everything that is missing, for a script that would fail on an import."""
    found = missing(script)
    if not any(one.is_fatal for one in found):
        return
    raise UserErrorException(
        "\n".join(
            [
                f"{script} imports what is not in Canalis {VERSION}; nothing of it was run. "
                "An import that is not used can be taken out; `canalis coverage` lists what is here",
                *(f"  {one}" for one in found),
            ]
        )
    )


def _not_covered(node: ast.Import | ast.ImportFrom, known: dict[str, list[str]]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if _is_v1(alias.name) and alias.name not in known)
    elif node.module is not None and not node.level and _is_v1(node.module):
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            if node.module not in known or (alias.name not in ("*", *known[node.module]) and full not in known):
                yield full


def _is_v1(module: str) -> bool:
    return module.partition(".")[0] in ("azureml", "azureml_user")


def _run_at_import(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run whenever the script does, and whose failing nobody catches."""
    ahead: list[ast.stmt] = list(tree.body)
    while ahead:
        node = ahead.pop()
        yield node
        is_unguarded = isinstance(node, ast.Try) and not any(map(_catches, node.handlers))
        if is_unguarded or isinstance(node, ast.With):
            ahead += node.body  # type: ignore[attr-defined]


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(name, ast.Name) and name.id in _MAY_FAIL for name in names)


def _classes(tree: ast.Module) -> dict[str, str]:
    """Which of v1's classes a name of the script stands for: it was imported, or given an object of it."""
    found = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None and _is_v1(node.module)
        for alias in node.names
        if alias.name in MEMBERS
    }
    made = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            owner = _made_by(node.value.func, found)
            made.update({target.id: owner for target in node.targets if isinstance(target, ast.Name) and owner})
    return {**made, **found}


def _made_by(function: ast.expr, classes: dict[str, str]) -> str | None:
    """The class of what a call gives: Class(...), Workspace.from_config(...), Run.get_context()."""
    if isinstance(function, ast.Name):
        return classes.get(function.id)
    makers = ("from_config", "get", "create", "get_context")
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.attr in makers:
        owner = classes.get(function.value.id)
        return owner if owner in ("Workspace", "Run", "PipelineRun") else None
    return None
