"""A pipeline is saved: its YAML file, and beside it the source files of its steps. All of it, or nothing.

train.yml
train_sources/prepare/...         of one step: under the step's key
train_sources/3f9c0a7d21b4/...    of several: under the beginning of the snapshot's id
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from canalis.client import Client
from canalis.contract.errors import CanalisError, NotFound
from canalis.contract.graph import Graph, Node, ParameterValue
from canalis.exceptions import SnapshotException, UserErrorException
from canalis.pipeline_yaml_saved import as_saved, with_defaults
from canalis.snapshot import read_folder
from canalis.transfer import Bar, in_order
from canalis.within import Within

_NO_FILE_NAME = re.compile(r"[^\w.-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAMED_MAX = 10
_HASH_CHARS = 12


def save_pipeline(
    workspace: Within,
    graph: Graph,
    values: Mapping[str, ParameterValue],
    path: str | Path | None = None,
    name: str | None = None,
    description: str | None = None,
    said: str = "",
    overwrite: bool = False,
) -> str:
    """Write a pipeline as YAML that Pipeline.load_yaml reads, with its source files beside it; the file's path.

    values        that its parameters have, in place of the graph's defaults
    path          the file; a folder, the current one when None, is where it gets the pipeline's name
    said          a line for people, at the head of the file
    Raises   UserErrorException when something is there already, unless `overwrite`, and for a pipeline that YAML cannot
             say; SnapshotException for source files that cannot be had again as they were
    """
    target = _target(path, name)
    sources = target.with_name(f"{target.stem}_sources")
    there = [str(one) for one in (target, sources) if one.exists()]
    if there and not overwrite:
        is_are = "is" if len(there) == 1 else "are"
        raise UserErrorException(
            f"{' and '.join(there)} {is_are} there already; pass overwrite=True (--overwrite) to replace it"
        )
    _check_ids(graph)
    folders = _folders(graph)
    graph = with_defaults(graph, values)
    try:
        text = as_saved(graph, name, description, lambda node: f"{sources.name}/{folders[node.key]}")
    except CanalisError as error:
        raise UserErrorException(error.message, error, error.code) from error
    head = "".join(f"# {line}\n" for line in said.splitlines())
    with TemporaryDirectory(prefix=f".part-{target.name}-", dir=target.parent) as part:
        made = Path(part) / "sources"
        for node in graph.nodes:
            folder = made / folders[node.key]
            if not folder.exists():
                _fetch(workspace._client, node, folder)
        file = Path(part) / target.name
        file.write_text(head + text, encoding="utf-8", newline="\n")
        _put_in_place(made, sources, file, target, Path(part) / "before")
    return str(target)


def _target(path: str | Path | None, name: str | None) -> Path:
    """The file that is meant."""
    target = Path(path) if path is not None else Path()
    if target.is_dir():
        target = target / f"{_NO_FILE_NAME.sub('_', name or '').strip('._-') or 'pipeline'}.yml"
    if not target.parent.is_dir():
        raise UserErrorException(f"There is no folder {target.parent} to save the pipeline in")
    return target


def _check_ids(graph: Graph) -> None:
    """Folders are named by what the service says: it must be what it has to be."""
    odd = [node.name for node in graph.nodes if node.snapshot is not None and not _SHA256.fullmatch(node.snapshot)]
    if odd:
        raise SnapshotException(f"The source files of step '{odd[0]}' have an id that is none")


def _folders(graph: Graph) -> dict[str, str]:
    """The name of each step's folder, by its key: one folder for all that have the same files."""
    users = Counter(node.snapshot for node in graph.nodes)
    names: dict[str | None, str] = {}
    taken: set[str] = set()
    found = {}
    for node in graph.nodes:
        snapshot = node.snapshot
        is_shared = snapshot is not None and users[snapshot] > 1
        if not is_shared or snapshot not in names:
            wanted = name = str(snapshot)[:_HASH_CHARS] if is_shared else node.key
            number = 1
            while name.casefold() in taken:  # some systems take names that differ in case only for the same
                number += 1
                name = f"{wanted}_{number}"
            taken.add(name.casefold())
            names[snapshot] = name
        found[node.key] = names[snapshot]
    return found


def _put_in_place(made: Path, sources: Path, file: Path, target: Path, before: Path) -> None:
    """Let the new take the place of the old: the sources, then the file that names them. Else all is as it was."""
    had_sources = sources.exists()
    if had_sources:
        sources.rename(before)
    try:
        made.rename(sources)
        file.replace(target)
    except BaseException:
        shutil.rmtree(sources, ignore_errors=True)
        if had_sources:
            before.rename(sources)
        raise


# Source files --------------------------------------------------------------------------------------------------


def _fetch(client: Client, node: Node, folder: Path) -> None:
    """Bring a step's source files into a folder that is not there yet.

    Raises   SnapshotException when that folder's snapshot would be another one than the step has
    """
    folder.mkdir(parents=True)
    if node.snapshot is None:
        return  # a command that needs no files
    route = f"/snapshots/{quote(node.snapshot, safe='')}"
    try:
        files = client.get(route)["files"]
        _check_paths(node, files)
        _receive(client, route, files, folder)
    except NotFound as error:
        raise SnapshotException(f"The source files of step '{node.name}' are gone: {error.message}", error) from error
    except OSError as error:
        raise SnapshotException(f"The source files of step '{node.name}' cannot be written: {error}", error) from error
    _check_content(node, files, read_folder(folder))


def _receive(client: Client, route: str, files: Mapping[str, Any], folder: Path) -> None:
    with Bar("Fetching source files", len(files)) as bar:

        def fetch(path: str) -> None:
            client.receive_file(f"{route}/files/{quote(path)}", folder / path)
            (folder / path).chmod(0o755 if files[path].get("executable") else 0o644)
            bar.file_done()

        # A service on this machine is not far, and its connection is not made for several threads.
        calls = [partial(fetch, path) for path in files]
        for _ in in_order(calls) if client.is_remote else (call() for call in calls):
            pass


def _check_paths(node: Node, paths: Mapping[str, Any]) -> None:
    """A snapshot's paths were named by who has sent it: none may lead out of the folder."""
    for path in paths:
        parts = path.split("/")
        if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
            raise SnapshotException(f"Step '{node.name}' has a source file '{path}', which is no path below a folder")


def _check_content(node: Node, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """What a submission would take of the folder must be what the step has: not less, and not another thing."""
    plain = {path: {key: value for key, value in entry.items() if value} for path, entry in wanted.items()}
    have = {path: {key: value for key, value in entry.items() if value} for path, entry in found.items()}
    lost = [path for path in {**plain, **have} if plain.get(path) != have.get(path)]
    if lost:
        named = ", ".join(lost[:_NAMED_MAX]) + (", ..." if len(lost) > _NAMED_MAX else "")
        raise SnapshotException(
            f"The source files of step '{node.name}' cannot be had as they were, since a submission would take them "
            f"differently from a folder: {named}"
        )
