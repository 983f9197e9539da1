"""Where the outputs of a step lie, and whether anything does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from canalis.contract.graph import DataPathValue, DatasetValue, FromFiles, FromParameter, FromStore, Output
from canalis.contract.parameters import pattern_in, text_in
from canalis.contract.patterns import escaped, is_pattern, listing_prefix, matches
from canalis.contract.ports import BlobInfo, BlobStore, Stores
from canalis.contract.run import RunRequest, StepRunId

NOTHING = "-"  # the imprint of a place where no file lies
FILES_MAX = 100_000  # that are looked through at one place
_READ_BYTES_MAX = 64 * 2**20  # of files on this disk whose contents are a part of it: a tenth of a second
_DEFAULT_PATH = {"reference": "azureml/{run-id}/{output-name}", "dataset": "dataset/{run-id}/{output-name}"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where data lies: a path below a datastore."""

    datastore: str
    path: str


def is_copied(port: Output) -> bool:
    """Whether what a script leaves there is copied to its place afterwards, wherever that is. Pure."""
    return port.mode == "upload" or bool(port.style == "dataset" and port.path_on_compute)


def is_written(stores: Stores, place: Place) -> bool:
    """Whether there is a file at that place, or a folder with a file in it. Raises NotFound for a datastore."""
    store = stores.open(place.datastore)
    if place.path and store.info(place.path) is not None:
        return True
    return next(store.list(f"{place.path}/" if place.path else ""), None) is not None


def imprint_of(stores: Stores, place: Place) -> str:
    """What lies at a place, as one short text: another one once a file there was written, made or deleted.

    NOTHING where no file lies, "" where there are too many to look through. Raises NotFound for a datastore.
    """
    store = stores.open(place.datastore)
    files = _files_at(store, place.path)
    if not files:
        return NOTHING if files is not None else ""
    is_quickly_read = store.folder() is not None and sum(info.size for info in files) <= _READ_BYTES_MAX
    return f"{_listing(files)}/{_contents(store, files)}" if is_quickly_read else _listing(files)


def still_lies(stores: Stores, place: Place, imprint: str) -> bool:
    """Whether what lies at a place is what had this imprint. Files that were only touched or copied back are the same.

    False where it cannot be told. Raises NotFound for a datastore.
    """
    store = stores.open(place.datastore)
    files = _files_at(store, place.path)
    if not files or not imprint:
        return files == [] and imprint == NOTHING
    listing, _, contents = imprint.partition("/")
    if listing == _listing(files):
        return True
    return contents != "" and store.folder() is not None and contents == _contents(store, files)


def content_of(stores: Stores, places: Iterable[Place]) -> str:
    """What lies at places whose paths may be patterns, as one short text; NOTHING where no file does.

    Of files on this disk, when they are few, it is what is in them that counts; else when they were written.
    """
    found = [content for place in places if (content := _content_at(stores.open(place.datastore), place.path))]
    return hashlib.sha256("\n".join(found).encode()).hexdigest() if found else NOTHING


def _content_at(store: BlobStore, pattern: str) -> str:
    prefix = listing_prefix(pattern)
    if not is_pattern(pattern):
        files = _files_at(store, prefix) or []
    else:
        listed = {info.key: info for info in islice(store.list(prefix), FILES_MAX)}
        files = [listed[key] for key, _ in matches(pattern, listed)]
    if not files:
        return ""
    is_quickly_read = store.folder() is not None and sum(info.size for info in files) <= _READ_BYTES_MAX
    return _contents(store, files) if is_quickly_read else _listing(files)


def input_places(request: RunRequest, source: FromStore | FromFiles | FromParameter) -> tuple[Place, ...]:
    """Where an input's data lies that no step of the run makes; the paths may be patterns. Pure."""
    if isinstance(source, FromFiles):
        return tuple(_stored(request, place) for place in source.places)
    if isinstance(source, FromStore):
        return (_stored(request, source),)
    value = request.parameters[source.parameter]
    if isinstance(value, DatasetValue):
        return tuple(Place(place.datastore, tidy(place.path)) for place in value.places)
    assert isinstance(value, DataPathValue), (source.parameter, value)
    return (Place(value.datastore, escaped(tidy(value.path))),)


def _stored(request: RunRequest, source: FromStore) -> Place:
    path = tidy(pattern_in(source.path, request.parameters))
    return Place(source.datastore or request.default_datastore, path)


def _files_at(store: BlobStore, path: str) -> list[BlobInfo] | None:
    """The file or files of a place; None for too many."""
    if path and (alone := store.info(path)) is not None:
        return [alone]
    found = list(islice(store.list(f"{path}/" if path else ""), FILES_MAX + 1))
    return found if len(found) <= FILES_MAX else None


def _listing(files: Sequence[BlobInfo]) -> str:
    listed = hashlib.sha256()
    for info in files:
        listed.update(f"{info.key}\0{info.size}\0{info.modified_at!r}\n".encode("utf-8", "surrogateescape"))
    return listed.hexdigest()


def _contents(store: BlobStore, files: Sequence[BlobInfo]) -> str:
    contents = hashlib.sha256()
    for info in files:
        contents.update(f"{info.key}\0{info.size}\n".encode("utf-8", "surrogateescape"))
        for piece in store.read(info.key):
            contents.update(piece)
    return contents.hexdigest()


def output_place(request: RunRequest, port: Output, owner: StepRunId) -> Place:
    """Where an attempt's output lies. Pure.

    Source   reference sections 4 and 5: azureml/<step run id>/<name>, dataset/<step run id>/<name>
    """
    datastore, path = port.datastore or request.default_datastore, text_in(port.path or "", request.parameters)
    if port.parameter is not None:
        value = request.parameters[port.parameter]
        assert isinstance(value, DataPathValue), (port.parameter, value)
        datastore, path = value.datastore, value.path
    template = tidy(path) or _DEFAULT_PATH[port.style]
    return Place(datastore, template.replace("{run-id}", str(owner)).replace("{output-name}", port.name))


def tidy(path: str) -> str:
    """The same place without empty parts and dots, which no key of a blob can have.

    >>> tidy("/a//./b/"), tidy("./")
    ('a/b', '')
    """
    return "/".join(part for part in path.split("/") if part not in ("", "."))
