"""The files that a pipeline's YAML names: below the current folder, as in v1, or beside the file itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from canalis.runconfig import RunConfiguration
from canalis.yaml_reading import Faults, Item, is_there
from canalis.yaml_sections import Section


class Places:
    """Finds them. One path that could mean two things, one of each place, is a fault.

    beside   the folder of the YAML file
    """

    def __init__(self, beside: Path, faults: Faults) -> None:
        self._beside = beside.absolute()
        self._faults = faults
        self._runconfigs: dict[Path, RunConfiguration] = {}

    def runconfig(self, at: Item, said: str) -> RunConfiguration | None:
        """The run configuration in a file; None, and told, when there is none."""
        found = self._candidates(said, Path.is_file)
        if not found:
            self._faults.add(at, f"there is no file '{said}', {self._looked()}")
        elif len(found) > 1 and not _are_alike(*found):
            self._faults.add(at, _TWO.format(said, *found))
        else:
            return self._loaded(found[0])
        return None

    def source(self, section: Section, script: str | None) -> str:
        """The source directory that a step names, and that holds its script; told when there is none."""
        said = section.text("source_directory") or "."
        at = section.at("source_directory")
        found = self._candidates(said, Path.is_dir)
        if not found:
            self._faults.add(at, f"there is no folder '{said}', {self._looked()}")
        elif script is None and said == ".":
            return str(found[0].absolute())  # every folder has one of that name; v1's is meant
        elif script is not None:
            having = [folder for folder in found if is_there(folder / script, Path.is_file)]
            if not having:
                self._faults.add(
                    section.at("script_name"), f"script '{script}' is not in {' nor in '.join(map(_quoted, found))}"
                )
            found = having
        if len(found) > 1:
            self._faults.add(at, _TWO.format(said, *found))
        return str(found[0].absolute()) if found else said

    def _candidates(self, said: str, kind: Callable[[Path], bool]) -> list[Path]:
        """What the path could mean, v1's meaning first."""
        given = said.replace("\\", "/")  # files are written on Windows, too
        paths = [Path.cwd() / given, self._beside / given]
        there = {path.resolve(): path for path in reversed(paths) if is_there(path, kind)}
        return [_short(path) for path in reversed(there.values())]

    def _looked(self) -> str:
        return f"neither below the current folder nor beside this file, in '{self._beside}'"

    def _loaded(self, file: Path) -> RunConfiguration:
        key = file.resolve()
        if key not in self._runconfigs:
            self._runconfigs[key] = RunConfiguration._read(file, self._faults)
        return self._runconfigs[key]


_TWO = (
    "'{0}' is at two places: '{1}', which v1 means, and '{2}', beside this file. Write the whole path of the one that "
    "is meant, or change into this file's folder"
)


def _are_alike(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.read_bytes() == other.read_bytes()
    return False


def _quoted(path: Path) -> str:
    return f"'{path}'"


def _short(path: Path) -> Path:
    """A path as people know it: from the current folder on, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
