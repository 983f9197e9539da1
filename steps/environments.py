"""Environments: which interpreter a step runs in, and virtual environments built for those that ask for packages.

    environments/
      specifications/<id>.json   which environment a specification was resolved to
      built/<id>/                the environment of one resolution; whole once canalis.json is in it
      locks/<id>.lock            held while one is being built, also by what builds it

All services of a home folder share it. Why it is so: docs/why/0017-environments.md
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from canalis.contract.environments import RECORD, SETTING, Wanted, wanted
from canalis.contract.errors import of_system
from canalis.contract.ports import Ports
from steps.backend import Work
from steps.environment_build import (
    FORMAT,
    RECORD_FILE,
    ROOT,
    Building,
    EnvironmentInvalid,
    EnvironmentNotBuilt,
)
from steps.stamps import short_hash, stamp, stamps, write_whole
from steps.surroundings import Site
from steps.uv import Asker

_LOOK_S = 0.1


class Environments:
    """The environments of this machine."""

    def __init__(self, ports: Ports, site: Site) -> None:
        self._ports = ports
        self._folder = site.environments
        self._fixed = site.interpreter

    def author_interpreter(self, work: Work) -> str:
        """The interpreter of a step for which nothing is built."""
        return self._fixed or work.request.interpreter or sys.executable

    def asked(self, work: Work) -> Wanted | None:
        """What is to be built for a step; None when it runs in its author's interpreter."""
        if self._folder is None or not work.environment:
            return None
        found = wanted(work.environment)
        if not found.is_built:
            return None
        setting = self._ports.documents.get("settings", SETTING)
        return None if setting is not None and setting.body.get("mode") == RECORD else found

    def interpreter(self, asked: Wanted, base: str, asker: Asker) -> str:
        """The interpreter of an environment, which is built when it is not there yet.

        base     the interpreter that it is built for
        Raises   EnvironmentInvalid, EnvironmentUnresolved, EnvironmentNotBuilt; StoreFull, which time may mend;
                 Stopped when its asker does not want it any more
        """
        assert self._folder is not None
        if asked.faults:
            raise EnvironmentInvalid(f"Environment '{asked.name}': {'; '.join(asked.faults)}")
        try:
            return _Shelf(self._folder).find_or_build(asked, base, asker)
        except OSError as error:
            plain = of_system(error, self._folder)
            raise (
                plain
                if plain is not None
                else EnvironmentNotBuilt(
                    f"Environment '{asked.name}' cannot be built: {error.strerror}: {error.filename}"
                )
            ) from error


class _Shelf:
    """The folder of all environments."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_or_build(self, asked: Wanted, base: str, asker: Asker) -> str:
        key = _key(asked, base)
        path = self._folder / "specifications" / f"{key}.json"
        found = self._found(path)
        if found is not None:
            return found
        with self._locked(key, asker) as lock:
            found = self._found(path)
            if found is not None:
                asker.say("The environment is there: another step has built it meanwhile")
                return found
            begun = time.monotonic()
            building = Building(asked, base, asker, self._folder, lock)
            lock_text, built_id = building.resolve()
            with self._locked(built_id, asker) as second:
                folder = self._folder / "built" / built_id
                if not _is_whole(folder):
                    building.install(folder, lock_text, second)
            asker.say(f"Environment {built_id} is there after {time.monotonic() - begun:.1f} s")
            write_whole(path, {"environment": built_id, "name": asked.name})
            return str(folder / "bin" / "python")

    def _found(self, specification: Path) -> str | None:
        try:
            folder = self._folder / "built" / json.loads(specification.read_bytes())["environment"]
        except (FileNotFoundError, ValueError, KeyError):
            return None
        return str(folder / "bin" / "python") if _is_whole(folder) else None

    @contextmanager
    def _locked(self, name: str, asker: Asker) -> Iterator[int]:
        """Be the only one in all processes who is at it. The number of the open file that is the lock."""
        path = self._folder / "locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            is_told = False
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not is_told:
                        is_told = bool(asker.say("Another step is building this environment; waiting for it"))
                asker.go_on()
                time.sleep(_LOOK_S)
            yield file.fileno()


def _is_whole(folder: Path) -> bool:
    """Whether an environment was built to its end, and the Python that it was built with is there still."""
    return (folder / RECORD_FILE).exists() and os.access(folder / "bin" / "python", os.X_OK)


def _key(asked: Wanted, base: str) -> str:
    """Of a specification for an interpreter. pip's configuration says where packages lie, and is no part of it."""
    parts = [FORMAT, asked.requirements, asked.brought, asked.python, stamps(asked.requirements)]
    sources = asked.sources
    parts += [sources.index_url, sources.extra_index_urls, sources.find_links, sources.no_index, sources.pre]
    return short_hash([*parts, base, stamp(Path(base)), str(ROOT)])
