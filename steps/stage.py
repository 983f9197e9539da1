"""A script's surroundings on this machine: its source, its inputs, the places for its outputs.

What may lie in place is used in place ("mount"); the rest is copied.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from canalis.contract.errors import AuthorError
from canalis.contract.graph import Input, Output
from canalis.contract.layout import KEPT_FOLDERS, content_key, snapshot_key
from canalis.contract.parameters import places_id
from canalis.contract.patterns import below_common, is_pattern, leaves, listing_prefix, matches, unescaped
from canalis.contract.places import Place, imprint_of, is_copied
from canalis.contract.ports import AttemptKey, BlobStore, Ports
from canalis.contract.run import StepRunId
from steps import links
from steps.backend import Work

_SPARES_MAX = 4
_MAKING_TRIES = 100


class StagingFailed(AuthorError):
    """What the script needs cannot be put in place."""

    code = "staging_failed"


@dataclass(frozen=True, slots=True)
class Staged:
    """Where the script will find things.

    source    its working folder: a copy of its snapshot
    inputs, outputs   local path of each port (a dataset's id for an input in direct mode)
    """

    source: Path
    inputs: dict[str, str]
    outputs: dict[str, str]


class Spares:
    """Working folders that are made while there is time, since making one is a good part of putting a step in place.

    folder   holds nothing else; what an earlier service left in it goes away
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        self._ready = deque[Path]()
        self._names = itertools.count()

    def make(self) -> None:
        """Have one more ready, unless there are enough."""
        if len(self._ready) < _SPARES_MAX:
            spare = self._folder / str(next(self._names))
            with contextlib.suppress(OSError):  # whoever needs one will say what is wrong
                _make_working_folder(spare)
                self._ready.append(spare)

    def take(self, folder: Path) -> None:
        """Make `folder` a new working folder."""
        with contextlib.suppress(IndexError, OSError):
            self._ready.popleft().rename(folder)
            return
        _make_working_folder(folder)


def _make_working_folder(folder: Path) -> None:
    make_folder(folder)
    for name in KEPT_FOLDERS:  # scripts write there without making the folders first
        make_folder(folder / name)


def stage(ports: Ports, work: Work, spares: Spares, folder: Path) -> Staged:
    """Put everything in place for an attempt. `folder` becomes its working folder.

    Raises StagingFailed, NotFound for a datastore, StoreFull
    """
    spares.take(folder)
    unpack_snapshot(ports.blobs, work.node.snapshot, folder)
    inputs = {port.name: _stage_input(ports, work, port, folder) for port in work.node.inputs}
    outputs = {port.name: _stage_output(ports, work, port, folder) for port in work.node.outputs}
    return Staged(folder, inputs, outputs)


def keep_uploads(ports: Ports, work: Work, folder: Path) -> list[str]:
    """Copy what the script left in its upload folders to where its outputs shall lie; what was left out of it."""
    skipped = list[str]()
    for port in work.node.outputs:
        path = _upload_path(ports, work, port, folder)
        if path is not None:
            place = work.outputs[port.name]
            left_out = put_tree(ports.stores.open(place.datastore), folder / path, place.path, port.source_globs)
            skipped += [f"{port.name}/{below}" for below in left_out]
    return skipped


def left(ports: Ports, work: Work) -> dict[str, str]:
    """The imprint of what lies at the place of each output."""
    return {port.name: imprint_of(ports.stores, work.outputs[port.name]) for port in work.node.outputs}


def clear(work: Work, folder: Path) -> None:
    """Take away what `stage` put in place, and what the script left in it."""
    for port in work.node.inputs:
        if port.path_on_compute and Path(port.path_on_compute).is_absolute():
            links.hide(Path(port.path_on_compute), _data_folder(folder))
    _remove(folder)
    if work.node.inputs or work.node.outputs:
        shutil.rmtree(_data_folder(folder), ignore_errors=True)


def _remove(folder: Path) -> None:
    """Remove a folder and all in it. Most hold a few files: `rmtree` takes several times as many steps for these."""
    with contextlib.suppress(OSError):
        if not folder.is_symlink():
            for found in folder.iterdir():
                found.rmdir() if found.name in KEPT_FOLDERS else found.unlink()
        folder.rmdir()
        return
    shutil.rmtree(folder, ignore_errors=True)


def unpack_snapshot(blobs: BlobStore, snapshot: str | None, folder: Path) -> None:
    """Put a copy of a snapshot into `folder`; nothing when there is none.

    Copies, not links: a script may write into its own files, and what others run must not change with them.
    """
    if snapshot is None:
        return
    made = {""}
    root = blobs.folder()
    for name, entry in json.loads(blobs.get(snapshot_key(snapshot)))["files"].items():
        target = f"{folder}/{name}"
        if name in KEPT_FOLDERS:  # a file by the name of the folder
            Path(target).rmdir()
        below = name.rpartition("/")[0]
        if below not in made:
            make_folder(Path(f"{folder}/{below}"))
            made.add(below)
        key = content_key(entry["sha256"])
        if root is not None:
            shutil.copyfile(f"{root}/{key}", target)
        else:
            with Path(target).open("wb") as file:
                file.writelines(blobs.read(key))
        if entry.get("executable"):
            Path(target).chmod(0o755)


def make_folder(path: Path) -> None:
    """A folder, whether or not it is there already; most often only it is missing, and not those above it."""
    for _ in range(_MAKING_TRIES):
        try:
            path.mkdir()
        except FileExistsError:
            return
        except FileNotFoundError:
            # Whoever clears up after another step of the same run may take it away again before we are in it.
            make_folder(path.parent)
            continue
        return
    path.mkdir(parents=True, exist_ok=True)


def local_path(store: BlobStore, key: str) -> Path | None:
    """Where a blob lies on this machine, or would; None when it lies elsewhere.

    Raises StagingFailed for a key that leads out of the store
    """
    if leaves(key):
        raise StagingFailed(f"'{key}' is no place in a datastore")
    folder = store.folder()
    return folder / key if folder is not None else None


def put_tree(store: BlobStore, path: Path, key: str, globs: Collection[str] = ()) -> list[str]:
    """Store a file under `key`, or the files of a folder under keys below it. Nothing there: nothing stored.

    globs     patterns below the folder, of which files must fit one; none takes all
    Returns   paths below the folder of what is no file and was left out: pipes, sockets, links to folders or to nothing
    """
    if path.is_file():
        with path.open("rb") as file:
            store.put(key, file)
    skipped = []
    for root, folders, names in os.walk(path):
        links_to_folders = [name for name in folders if Path(root, name).is_symlink()]
        for name in (*names, *links_to_folders):
            found = Path(root) / name
            below = found.relative_to(path).as_posix()
            if globs and not any(any(matches(glob, [below])) for glob in globs):
                continue
            if found.is_file():
                with found.open("rb") as file:
                    store.put(f"{key}/{below}", file)
            else:
                skipped.append(below)
    return skipped


def _data_folder(folder: Path) -> Path:
    """Where inputs are copied to and uploads are left: beside the working folder, not in it."""
    return folder.with_name(f"{folder.name}{links.DATA}")


def _stage_input(ports: Ports, work: Work, port: Input, folder: Path) -> str:
    places = work.inputs[port.name]
    if port.mode == "direct":
        registered = work.registered.get(port.name)
        lie = ((place.datastore, place.path) for place in places)
        return registered.id if registered else places_id(lie, work.tables.get(port.name))
    whole = _whole(places)
    mounted = local_path(ports.stores.open(places[0].datastore), whole.path) if whole else None
    if port.mode == "mount" and mounted is not None and (port.style == "reference" or mounted.exists()):
        # In mount mode a place need not exist: an official sample runs with three invented paths.
        return _seen_at(ports, port.path_on_compute, mounted, folder) if mounted.exists() else str(mounted)
    wanted = port.path_on_compute
    is_inside = wanted is not None and not Path(wanted).is_absolute()
    target = folder / str(wanted) if is_inside else _data_folder(folder) / "inputs" / port.name
    brought = _bring(ports, places, target, as_links=port.mode == "mount")
    if port.mode == "mount" and port.style == "reference" and whole:  # of a datastore that cannot be mounted here
        return str(brought or target) if is_inside else str(_as_mounted(brought, port, whole, folder))
    if brought is None:
        named = ", ".join(f"{place.datastore}/{place.path}" for place in ([whole] if whole else places))
        raise StagingFailed(f"Input '{port.name}': there is nothing at {named}")
    return str(brought) if is_inside else _seen_at(ports, wanted, brought, folder)


def _as_mounted(brought: Path | None, port: Input, place: Place, folder: Path) -> Path:
    """Where copied data is seen as if it were mounted: its path ends with its place, and it need not be there."""
    seen = _data_folder(folder) / "mounts" / port.name / place.path.strip("/")
    make_folder(seen.parent)
    return brought.rename(seen) if brought is not None else seen


def _whole(places: tuple[Place, ...]) -> Place | None:
    """The one place of an input, when it is one file or folder and no pattern."""
    if len(places) != 1 or is_pattern(places[0].path):
        return None
    return Place(places[0].datastore, unescaped(places[0].path))


def _seen_at(ports: Ports, path_on_compute: str | None, target: Path, folder: Path) -> str:
    """The path at which the author asked to see data, made a link to it; the data's own path when none was asked.

    Raises StagingFailed, LinkTaken for a path of this machine at which something else is seen
    """
    if not path_on_compute:
        return str(target)
    link = folder / path_on_compute
    if Path(path_on_compute).is_absolute():
        links.show(link, target, _data_folder(folder), lambda name: _has_ended(ports, name))
        return str(link)
    make_folder(link.parent)
    try:
        link.symlink_to(target)
    except FileExistsError:
        raise StagingFailed(
            f"The data cannot be shown at {path_on_compute}, since the source directory has something there already"
        ) from None
    return str(link)


def _has_ended(ports: Ports, data_folder: str) -> bool:
    """Whether the attempt that a data folder belongs to is over."""
    step = StepRunId.parse(data_folder.removesuffix(links.DATA))
    attempt = ports.runs.attempt(AttemptKey(step.run_id, step.node, step.attempt)) if step else None
    return attempt is None or attempt.ended


def _matches(ports: Ports, place: Place) -> list[tuple[str, str]]:
    """Keys of the files at a place, each with the folder that it is to be seen from."""
    store = ports.stores.open(place.datastore)
    return list(matches(place.path, (blob.key for blob in store.list(listing_prefix(place.path)))))


def _bring(ports: Ports, places: tuple[Place, ...], target: Path, as_links: bool) -> Path | None:
    """Copy or link the files of some places below `target`, as they lie below the folder that all share.

    Returns the folder, or the file itself when there is only one, or None when there is none.
    """
    found: dict[tuple[str, str], str] = {}  # datastore and key, with the folder it is seen from; each is brought once
    for place in places:
        for key, seen_from in _matches(ports, place):
            found.setdefault((place.datastore, key), seen_from)
    stores = {place.datastore: ports.stores.open(place.datastore) for place in places}
    path, brought = target, dict[str, str]()
    below_all = below_common((key, seen_from) for (_, key), seen_from in found.items())
    for (datastore, _), (key, below) in zip(found, below_all, strict=True):
        store = stores[datastore]
        if below in brought:
            raise StagingFailed(f"{brought[below]} and {datastore}/{key} would both be seen at {below}")
        brought[below] = f"{datastore}/{key}"
        path = target / below
        path.parent.mkdir(parents=True, exist_ok=True)
        local = local_path(store, key)
        if local is not None and as_links:
            path.symlink_to(local)
        elif local is not None:
            shutil.copyfile(local, path)
        else:
            with path.open("wb") as file:
                file.writelines(store.read(key))
    if not found:
        return None
    # Not a folder that holds one.
    is_one_file = len(found) == 1 and next(iter(found.values())) != unescaped(places[0].path).rstrip("/")
    return path if is_one_file else target


def _upload_path(ports: Ports, work: Work, port: Output, folder: Path) -> Path | None:
    """Where the script leaves an output that is copied afterwards; None for one written in its place."""
    if is_copied(port) and port.path_on_compute:
        return Path(port.path_on_compute)  # below the working folder, as the author wrote it
    if port.mode == "upload" or ports.stores.open(work.outputs[port.name].datastore).folder() is None:
        return _data_folder(folder) / "outputs" / port.name
    return None


def _stage_output(ports: Ports, work: Work, port: Output, folder: Path) -> str:
    """Make room for an output; the path that the script writes it to."""
    path = _upload_path(ports, work, port, folder)
    if path is None:
        place = work.outputs[port.name]
        path = local_path(ports.stores.open(place.datastore), place.path)
        assert path is not None, place
    # A script decides by itself whether this is a file or a folder, so only its parent is made; a dataset's
    # output is always a folder, and public scripts write into it without making it.
    made = folder / path
    make_folder(made if port.style == "dataset" else made.parent)
    return str(made if port.style == "dataset" else path)
