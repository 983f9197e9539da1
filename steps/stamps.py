"""What tells files from what they were yesterday, short names for many facts, and files that are written whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_STAMPED_MAX = 5000  # files of a folder


def short_hash(facts: list[Any]) -> str:
    """A name for some facts, which others do not have."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:20]


def stamps(requirements: Iterable[str]) -> list[Any]:
    """A stamp of each file or folder of this machine among some requirements."""
    return [stamp(path) for path in map(_path_in, requirements) if path is not None]


def stamp(path: Path) -> list[Any]:
    """Sizes and times of a file, or of the files in a folder but for what building leaves there."""
    if not path.is_dir():
        found = path.stat()
        return [found.st_size, found.st_mtime_ns]
    seen = list[Any]()
    for root, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not _is_left_by_building(name))
        seen += [(root, name, (Path(root) / name).lstat().st_mtime_ns) for name in sorted(files)]
        if len(seen) > _STAMPED_MAX:
            break
    return seen


def write_whole(path: Path, body: dict[str, Any]) -> None:
    """A file of JSON that is there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(body))
    part.replace(path)


def _path_in(requirement: str) -> Path | None:
    text = requirement.partition(" @ ")[2] or requirement
    path = Path(text.partition(";")[0].strip().removeprefix("file://").partition("[")[0])
    return path if path.is_absolute() and path.exists() else None


def _is_left_by_building(name: str) -> bool:
    return name in ("build", "dist", "__pycache__") or name.endswith(".egg-info")
