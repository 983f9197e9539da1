"""Who may know whom. Reads every import, late ones and those for types alike."""

from __future__ import annotations

import ast
import functools
import shutil
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A room, and the rooms it may know besides itself. The longest name that fits is a file's room.
MAY_KNOW = {
    "canalis/contract": set(),
    "canalis": {"canalis/contract"},
    "orchestrator": {"canalis/contract"},
    "steps": {"canalis/contract"},
    "adapters": {"canalis/contract"},
    "api": {"canalis/contract", "orchestrator"},
    "local_events": {"canalis/contract", "orchestrator", "adapters"},
    "local_backends": {"canalis/contract", "steps", "adapters"},
    "local_engine": {"canalis/contract", "orchestrator", "steps", "adapters", "local_events", "local_backends"},
    "azure_settings": {"canalis/contract"},
    "azure_access": {"canalis/contract", "adapters", "azure_settings"},
    "azure_watch": {"canalis/contract", "orchestrator", "adapters"},
    "azure_engine": {
        "canalis/contract",
        "orchestrator",
        "steps",
        "adapters",
        "azure_settings",
        "azure_watch",
        "azure_access",
    },
    "azure_backends": {"canalis/contract", "steps", "azure_engine", "azure_settings"},
    "azure_events": {"canalis/contract", "orchestrator", "azure_engine"},
    "function_app": {"canalis/contract", "api", "azure_backends", "azure_engine", "azure_events", "azure_settings"},
    "local_app": {"canalis/contract", "api", "orchestrator", "steps", "local_engine"},
}
NEVER_SHIPPED = ("tests", "benchmarks", "examples")


def source_files(root: Path) -> list[Path]:
    found = [file for file in root.glob("*.py") if file.stem in MAY_KNOW]
    for room in MAY_KNOW:
        if "/" not in room and (root / room).is_dir():
            found += (root / room).rglob("*.py")
    return sorted(set(found))


def name_of(root: Path, file: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str | None:
    path = module.replace(".", "/")
    fitting = [room for room in MAY_KNOW if path == room or path.startswith(f"{room}/")]
    return max(fitting, key=len, default=None)


@functools.cache  # most files are the same in every tree that is looked at
def import_lines(text: str) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]


def imports(root: Path, file: Path, modules: set[str]) -> Iterator[str]:
    """Modules of ours that a file imports, wherever in it."""
    for node in import_lines(file.read_text()):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules else str(node.module)


def wrong_imports(root: Path) -> list[str]:
    files = source_files(root)
    modules = {name_of(root, file) for file in files}
    wrong = []
    for file in files:
        room = room_of(name_of(root, file))
        assert room is not None, file
        for target in imports(root, file, modules):
            other = room_of(target)
            if other is not None and other != room and other not in MAY_KNOW[room]:
                wrong.append(f"{file.relative_to(root)} imports {target}: {room} may not know {other}")
            if target.split(".")[0] in NEVER_SHIPPED:
                wrong.append(f"{file.relative_to(root)} imports {target}, which is not shipped")
    return wrong


def test_no_room_knows_one_that_it_may_not():
    assert wrong_imports(ROOT) == []


def test_no_modules_import_each_other_in_a_circle():
    files = {name_of(ROOT, file): file for file in source_files(ROOT)}
    graph = {
        name: {target for target in imports(ROOT, file, set(files)) if target in files and target != name}
        for name, file in files.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("orchestrator/decide.py", "import adapters.files", "orchestrator may not know adapters"),
        ("steps/worker.py", "def late():\n    from orchestrator import decide", "steps may not know orchestrator"),
        ("api/runs.py", "from steps import worker", "api may not know steps"),
        ("canalis/contract/run.py", "from canalis import client", "canalis/contract may not know canalis"),
        ("adapters/files.py", "if TYPE_CHECKING:\n    import canalis.client", "adapters may not know canalis"),
        ("canalis/run.py", "import orchestrator.views", "canalis may not know orchestrator"),
        ("steps/stage.py", "from tests import stories", "which is not shipped"),
    ],
)
def test_a_wrong_import_is_found_wherever_it_is_planted(tmp_path, file, line, said):
    for room in ("api", "orchestrator", "steps", "adapters", "canalis"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    for door in ("local_app.py", "local_engine.py", "local_events.py", "local_backends.py"):
        shutil.copy(ROOT / door, tmp_path)
    assert wrong_imports(tmp_path) == []

    with (tmp_path / file).open("a") as source:
        source.write(f"\n{line}\n")
    (found,) = wrong_imports(tmp_path)
    assert found.startswith(file) and said in found


PURE = (
    "orchestrator/decide.py",
    "orchestrator/plan.py",
    "steps/work.py",
    "orchestrator/times.py",
    "canalis/contract/faults.py",
    "canalis/contract/metrics.py",
    "steps/arguments.py",
)
IMPURE = {"time", "random", "os", "uuid", "datetime", "socket", "subprocess", "secrets", "pathlib"}


@pytest.mark.parametrize("name", PURE)
def test_what_decides_knows_no_clock_no_chance_and_no_files(name):
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    modules = {
        str(node.module).split(".")[0]
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, ast.ImportFrom)
    }
    assert not (names | modules) & IMPURE


def test_files_and_functions_stay_small_enough_to_be_read():
    limits = {
        "canalis/contract/ports.py": 425,  # the whole need of the service, on one page
    }
    for file in source_files(ROOT):
        text = file.read_text()
        name = str(file.relative_to(ROOT))
        assert text.count("\n") <= limits.get(name, 350), f"{name} has {text.count(chr(10))} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                assert lines <= 60, f"{name}: {node.name} has {lines} lines"
