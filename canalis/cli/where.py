"""Which workspace a command means, and which of them a run is in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from canalis import host, local
from canalis.contract.errors import NotFound
from canalis.exceptions import UserErrorException
from canalis.host import Host, LocalHost
from canalis.workspace import Workspace

_PREFIX_MIN = 4  # characters of an id that the service takes for it


def workspace(name: str | None) -> Workspace:
    """The workspace that is meant: the one named, that of CANALIS_URL or config.json, the only one, or `local`.

    Raises UserErrorException when there is none, or several among which nothing chooses.
    """
    home, known = local.home(), local.workspaces(local.home())
    meant = host.configured()
    if name is not None:
        return _named(name, home, known, meant)
    if meant is not None and meant.folder is None:
        return Workspace._at(meant)
    found = _chosen(known, meant)
    if found is None and known:
        raise UserErrorException(f"There are several workspaces in {home}: choose one with --workspace: {known}")
    if found is None:
        raise UserErrorException(
            f"There is no workspace in {home}. `canalis run SCRIPT` or `canalis demo` makes one; a folder above this "
            "one is found by itself"
        )
    return _here(home / found)  # an absolute path stays what it is


def workspace_or_new(name: str | None) -> Workspace:
    """The workspace that a script of this folder would have, made when it is not there; one that is named must be."""
    if name is None and host.configured() is not None:
        return Workspace.from_config()
    if name is None and not local.workspaces(local.home()):
        return _here(local.home() / local.DEFAULT_NAME)
    return workspace(name)


def holding(name: str | None, run: str) -> Workspace:
    """The workspace that has a run: the one named, else the first that knows it. Says which, when it was searched for.

    Looked at in turn: the one that is meant, those that are served just now, the others. One in the cloud is the
    only one.
    Raises NotFound when none has it.
    """
    if len(run.partition(".")[0]) < _PREFIX_MIN:
        raise UserErrorException(f"Give at least {_PREFIX_MIN} characters of a run's id; '{run}' is too short")
    if name is not None:
        return workspace(name)
    candidates = list(_candidates())
    for place, candidate in enumerate(candidates):
        try:
            candidate._client.get(f"/runs/{quote(run)}")
        except NotFound as error:
            if len(candidates) == 1 or not _is_elsewhere(error):
                raise
            continue
        if place:
            print(f"Run {run} is in workspace '{candidate.name}'", file=sys.stderr)
        return candidate
    if not candidates:
        return workspace(None)  # which says that there is none
    names = ", ".join(candidate.name for candidate in candidates)
    raise NotFound(f"There is no run {run} in any workspace of {local.home()} (there: {names})", kind="run", name=run)


def _here(root: Path) -> Workspace:
    return Workspace._at(LocalHost(root))


def _named(name: str, home: Path, known: list[str], meant: Host | None) -> Workspace:
    """The workspace of that name in the home folder, or the one in the cloud that is configured."""
    if name not in known and meant is not None and meant.folder is None:
        deployed = Workspace._at(meant)
        if deployed.name == name:
            return deployed
        raise UserErrorException(f"There is no workspace '{name}' in {home}, and {meant} serves '{deployed.name}'")
    if name not in known:
        there = ", ".join(known) or "none"
        raise UserErrorException(
            f"There is no workspace '{name}' in {home} (there: {there}). A script that names it makes it"
        )
    return _here(home / name)


def _chosen(known: list[str], meant: Host | None) -> Path | None:
    if meant is not None and meant.folder is not None and local.describe(meant.folder) is not None:
        return meant.folder
    if len(known) == 1:
        return Path(known[0])
    return Path(local.DEFAULT_NAME) if local.DEFAULT_NAME in known else None


def _candidates() -> Iterator[Workspace]:
    home = local.home()
    known, configured = local.workspaces(home), host.configured()
    if configured is not None and configured.folder is None:
        yield Workspace._at(configured)
        return  # no service of this machine is started only to be asked about a run in the cloud
    first = _chosen(known, configured)
    roots = [home / name for name in known]
    # Those that are served are asked before a service is started only to be asked.
    roots.sort(key=lambda root: local.process_id(root) is None)
    meant = [home / first] if first is not None else []
    for root in dict.fromkeys([*meant, *roots]):
        yield _here(root)


def _is_elsewhere(error: NotFound) -> bool:
    """Whether a workspace does not know the run at all. That several begin so, or a step is missing, is an answer."""
    return error.details.get("kind") == "run" and not error.message.startswith("Several")
