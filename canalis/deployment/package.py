"""The app as one file: what the instances run, and nothing else."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from canalis.exceptions import UserErrorException

ROOMS = ("api", "orchestrator", "steps", "adapters", "canalis", "portal")
DOOR = ("function_app.py", "host.json", "requirements.txt")
_PARTS = "azure_*.py"  # of the door: what is behind the triggers
# Rooms that nobody enters there; what they need is not among what is installed.
_LEFT_OUT = ("canalis/cli/", "canalis/deployment/", "adapters/sqlite/")
_PAGES = (".html", ".css", ".js", ".svg", ".txt")  # of the portal, which has no code of ours in Python
_WHEN = (2020, 1, 1, 0, 0, 0)  # of every file: the same source makes the same bytes
_MODE = 0o100644 << 16


def write_package(root: Path, target: Path) -> int:
    """Write the app of a clone into a zip file; how many files it has.

    The same files make the same bytes. Raises UserErrorException when a part of the app is missing.
    """
    missing = [name for name in (*DOOR, *ROOMS) if not (root / name).exists()]
    if missing:
        raise UserErrorException(f"{root} is not the whole app: it has no {', '.join(missing)}", code="no_clone")
    names = sorted(_names(root))
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for name in names:
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, _MODE, 3
            package.writestr(entry, (root / name).read_bytes())
    return len(names)


def _names(root: Path) -> Iterator[str]:
    """Paths of what belongs to the app. Only code: what else lies in a folder is somebody's, and may be secret."""
    yield from DOOR
    yield from (file.name for file in root.glob(_PARTS))
    for room in ROOMS:
        for file in (root / room).rglob("*"):
            name = file.relative_to(root).as_posix()
            is_code = file.suffix == ".py" or file.name == "py.typed" or (room == "portal" and file.suffix in _PAGES)
            if is_code and file.is_file() and not file.is_symlink() and not name.startswith(_LEFT_OUT):
                yield name
