"""Datasets and dataset outputs, as far as pipelines of files need them."""

from __future__ import annotations

import copy
import re
import uuid
import warnings
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from canalis import transfer
from canalis.absent import V1
from canalis.contract.patterns import below_common, listing_prefix, matches
from canalis.data import DataPath, DataReference
from canalis.exceptions import UserErrorException
from canalis.within import Store, Writer

_RISKY_NAMES = ("path", "home", "user", "pwd", "shell", "lang")
_INPUT_NAME = re.compile(r"[a-zA-Z_]+[a-zA-Z0-9_]*", re.ASCII)


class FileDataset(V1):
    """Files in datastores.

    places   (datastore, path) pairs; a path may be a pattern: * within a folder, ** across folders
    """

    def __init__(self, places: Sequence[tuple[Store, str]]) -> None:
        self._places = tuple(places)
        self.name: str | None = None

    @property
    def id(self) -> str:
        """Its identity: datasets of the same places have the same."""
        text = "\n".join(f"{store.name}/{path}" for store, path in self._places)
        return str(uuid.uuid5(uuid.NAMESPACE_URL, text))

    def __repr__(self) -> str:
        return f"FileDataset({[f'{store.name}/{path}' for store, path in self._places]})"

    def as_named_input(self, name: str) -> DatasetConsumptionConfig:
        """To be read by a step under that name. Some names would hide variables of the system, which is warned of."""
        if name.lower() in _RISKY_NAMES:
            warnings.warn(f"An input named '{name}' hides the variable {name} in its step", UserWarning, stacklevel=2)
        return DatasetConsumptionConfig(name, self)

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """To be used in place by a step, under a name of its own."""
        return self.as_named_input(f"input_{self.id[:8]}").as_mount(path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """To be copied for a step, under a name of its own."""
        return self.as_named_input(f"input_{self.id[:8]}").as_download(path_on_compute)

    def to_path(self) -> list[str]:
        """Paths of all its files, each with a leading slash, as they lie below their common folder."""
        return [f"/{path}" for _, _, path in self._files()]

    def download(
        self, target_path: str | Path | None = None, overwrite: bool = False, ignore_not_found: bool = False
    ) -> list[str]:
        """Copy all its files below `target_path`; the paths they have there.

        Raises UserErrorException for a file that is there already, unless `overwrite`.
        """
        target = Path(target_path) if target_path is not None else Path(".canalis-data") / self.id
        found = [(store, path, target / below) for store, path, below in self._files()]
        there = [local for _, _, local in found if local.exists()]
        if there and not overwrite:
            raise UserErrorException(f"{there[0]} is there already; pass overwrite=True to replace it")
        for store, group in groupby(found, key=lambda one: one[0]):
            wanted = [(path, local) for _, path, local in group]
            list(transfer.receive(store.workspace._client, transfer.of_datastore(store.name), wanted))
        return [str(local.absolute()) for _, _, local in found]

    def _files(self) -> list[tuple[Store, str, str]]:
        """Each file with its datastore, its path there, and its path below the folder that all share."""
        stores, found = list[Any](), list[tuple[str, str]]()
        for store, pattern in self._places:
            listed = store.workspace._client.get(
                f"/datastores/{quote(store.name)}/files", prefix=listing_prefix(pattern)
            )
            fitting = list(matches(pattern, (file["path"] for file in listed)))
            found += fitting
            stores += [store] * len(fitting)
        return [(store, path, below) for store, (path, below) in zip(stores, below_common(found), strict=True)]


class DatasetConsumptionConfig(V1):
    """How a step reads a dataset: under which name and in which mode (direct, mount or download)."""

    def __init__(self, name: str, dataset: Any, mode: str = "direct", path_on_compute: str | None = None) -> None:
        if not _INPUT_NAME.fullmatch(name or ""):
            raise UserErrorException(
                f"'{name}' cannot be the name of a dataset input: a letter or _, then letters, digits and _"
            )
        if mode not in ("direct", "mount", "download"):
            raise UserErrorException(f"'{mode}' is no mode of a dataset input: direct, mount, download")
        if not isinstance(dataset, (FileDataset, OutputFileDatasetConfig)):
            raise UserErrorException(f"Input '{name}' needs a dataset, not {type(dataset).__name__}")
        self.name = name
        self.dataset = dataset
        self.mode = mode
        self.path_on_compute = path_on_compute

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """The same, used in place."""
        return DatasetConsumptionConfig(self.name, self.dataset, "mount", path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """The same, copied before the step begins."""
        return DatasetConsumptionConfig(self.name, self.dataset, "download", path_on_compute)

    @property
    def arg_val(self) -> str:
        """What stands for its path, or its id, anywhere in an argument."""
        return f"DatasetConsumptionConfig:{self.name}"

    def __str__(self) -> str:
        return self.arg_val


class OutputFileDatasetConfig(V1):
    """A folder of files that a step writes and that others read. It is made before the step begins.

    destination   (datastore, path below it); the path may hold {run-id} and {output-name}. None is
                  (the default datastore, "dataset/{run-id}/{output-name}")
    Its methods give copies that all stand for the same output.
    """

    def __init__(
        self,
        name: str | None = None,
        destination: tuple[Store, str | None] | None = None,
        source: str | None = None,
        partition_format: str | None = None,
    ) -> None:
        if name is not None and not _INPUT_NAME.fullmatch(name):
            raise UserErrorException(
                f"'{name}' cannot be the name of an output: a letter or _, then letters, digits and _"
            )
        if destination is not None and not isinstance(destination, tuple):
            destination = (destination, None)
        self.name = name or f"output_{uuid.uuid4().hex[:8]}"
        self.destination = destination
        self.source = source
        self.mode = "mount"
        self.overwrite = False
        self._shared = _SharedOutput()

    def as_mount(self, disable_metadata_cache: bool = False) -> OutputFileDatasetConfig:
        """The same, written in place."""
        return self._as("mount", False)

    def as_upload(self, overwrite: bool = False, source_globs: Any = None) -> OutputFileDatasetConfig:
        """The same, copied to its destination when the step has succeeded."""
        return self._as("upload", overwrite)

    def as_input(self, name: str | None = None) -> DatasetConsumptionConfig:
        """To be read by another step, in place."""
        return DatasetConsumptionConfig(name or self.name, self, "mount")

    @property
    def arg_val(self) -> str:
        """What stands for its path anywhere in an argument."""
        return f"DatasetOutputConfig:{self.name}"

    def _as(self, mode: str, overwrite: bool) -> OutputFileDatasetConfig:
        changed = copy.copy(self)  # shares _shared: one producer, however many copies
        changed.mode = mode
        changed.overwrite = overwrite
        return changed

    def _is_same(self, other: object) -> bool:
        return isinstance(other, OutputFileDatasetConfig) and other._shared is self._shared

    @property
    def _producer(self) -> Writer | None:
        return self._shared.producer

    def _set_producer(self, step: Writer) -> None:
        known = self._shared.producer
        if known is not None and known is not step:
            raise ValueError(
                f"Output '{self.name}' is written by step '{known.name}' already, so '{step.name}' cannot write it too"
            )
        self._shared.producer = step

    def __str__(self) -> str:
        return self.arg_val


class _SharedOutput:
    """What all copies of an output have in common."""

    producer: Writer | None = None


class FileDatasetFactory(V1):
    """Makes datasets of files."""

    @staticmethod
    def from_files(
        path: Any, validate: bool = True, partition_format: str | None = None, is_file: bool = False
    ) -> FileDataset:
        """A dataset of the files at one place or several: (datastore, pattern), DataPath or DataReference.

        validate   whether it is an error (UserErrorException) when nothing is there
        """
        given = path if isinstance(path, list) else [path]
        dataset = FileDataset([_place(one) for one in given])
        if validate and not dataset._files():
            places = ", ".join(f"{store.name}/{pattern}" for store, pattern in dataset._places)
            raise UserErrorException(f"No file is at {places}. Pass validate=False when it will be there later")
        return dataset

    @staticmethod
    def upload_directory(
        src_dir: str, target: Any, pattern: str | None = None, overwrite: bool = False, show_progress: bool = True
    ) -> FileDataset:
        """Copy a folder to (datastore, path), and a dataset of it."""
        store, path = target if isinstance(target, tuple) else _place(target)
        root = Path(src_dir)
        files = sorted(found for found in root.rglob(pattern or "*") if found.is_file())
        store.upload_files(
            files, relative_root=root, target_path=path, overwrite=overwrite, show_progress=show_progress
        )
        return FileDataset([_place((store, path))])


class Dataset(V1):
    """The way to datasets: Dataset.File makes those of files."""

    File = FileDatasetFactory


def _place(given: Any) -> tuple[Store, str]:
    if isinstance(given, (DataPath, DataReference)):
        return given.datastore, (given.path_on_datastore or "").strip("/")
    if isinstance(given, tuple) and len(given) == 2 and not isinstance(given[0], str):
        return given[0], str(given[1] or "").strip("/").removeprefix("./")
    if isinstance(given, str):
        raise UserErrorException(
            f"'{given}': files from an address are not read yet. Upload them to a datastore first, and name them as "
            "(datastore, 'path')",
            code="not_there_yet",
        )
    raise UserErrorException(f"{given!r} is no place of files: use (datastore, 'path'), a DataPath or a DataReference")
