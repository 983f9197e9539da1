"""Datasets of files and dataset outputs, as far as pipelines need them.

Source   reference section 5
"""

from __future__ import annotations

import copy
import re
import uuid
import warnings
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from canalis import known_datasets, transfer
from canalis.absent import V1
from canalis.contract.errors import GraphError
from canalis.contract.graph import DataPathValue, DatasetValue, Registered
from canalis.contract.parameters import places_id
from canalis.data import DataPath, DataReference
from canalis.exceptions import UserErrorException
from canalis.listing import files_at
from canalis.parameter import Choice, Piece, PipelineParameter, made_of, pieces_of, unslashed, written
from canalis.within import Store, Within, Writer

_RISKY_NAMES = ("path", "home", "user", "pwd", "shell", "lang")
_INPUT_NAME = re.compile(r"[a-zA-Z_]+[a-zA-Z0-9_]*", re.ASCII)


class FileDataset(Choice):
    """Files in datastores.

    places   (datastore, path) pairs; a path may be a pattern: * within a folder, ** across folders, and may have
             parameters written into it
    """

    def __init__(self, places: Sequence[tuple[Store, Any]], facts: dict[str, Any] | None = None) -> None:
        """The dataset of these places; `facts` are what the service says of one that is registered."""
        self._places = tuple((store, path if isinstance(path, tuple) else pieces_of(path)) for store, path in places)
        self._registered: Registered | None = None
        self.description: str | None = None
        self.tags: dict[str, str] = {}
        if facts and "id" in facts:
            self._registered = Registered(name=facts["name"], version=facts["version"], id=facts["id"])
            self.description = facts.get("description")
            self.tags = dict(facts.get("tags") or {})

    @classmethod
    def _of_view(cls, workspace: Within, view: dict[str, Any]) -> FileDataset:
        """The dataset that a view of the service describes."""
        stores = workspace.datastores
        by_name = {name: stores[name] for name in dict.fromkeys(place["datastore"] for place in view["places"])}
        return cls([(by_name[place["datastore"]], (place["path"],)) for place in view["places"]], view)

    @property
    def name(self) -> str | None:
        """The name that it is registered by, if it is."""
        return self._registered.name if self._registered else None

    @property
    def version(self) -> int | None:
        """Its version under that name, from 1 on."""
        return self._registered.version if self._registered else None

    @property
    def id(self) -> str:
        """That of the registered one, which finds it again; else one that all datasets of the same places have."""
        if self._registered is not None:
            return self._registered.id
        return places_id((store.name, written(path)) for store, path in self._places)

    def register(
        self,
        workspace: Within,
        name: str,
        description: str | None = None,
        tags: dict[str, str] | None = None,
        create_new_version: bool = False,
    ) -> FileDataset:
        """The same with a name in the workspace. Files that have it already keep their version.

        create_new_version   whether it may be the next version of a name that other files have
        Raises UserErrorException when other files have the name and it may not
        """
        body = {
            "places": [place.model_dump() for place in self._as_value().places],
            "description": description or "",
            "tags": {str(key): str(value) for key, value in (tags or {}).items()},
            "create_new_version": create_new_version,
        }
        return FileDataset(self._places, known_datasets.register(workspace, name, body))

    def _as_value(self) -> DatasetValue:
        """The same as the value of a parameter. Raises GraphError when its paths are made of parameters."""
        named = [name for _, path in self._places for name in made_of(path)]
        if named:
            raise GraphError(
                f"Where the files of {self!r} lie is known in a run alone, since it depends on parameter '{named[0]}'"
            )
        places = tuple(DataPathValue(datastore=store.name, path=written(path)) for store, path in self._places)
        return DatasetValue(places=places, registered=self._registered)

    def __repr__(self) -> str:
        named = f"{self.name!r}, version={self.version}, " if self._registered else ""
        return f"FileDataset({named}{[f'{store.name}/{written(path)}' for store, path in self._places]})"

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
        paths = [place.path for place in self._as_value().places]
        return files_at([(store, path) for (store, _), path in zip(self._places, paths, strict=True)])


class DatasetConsumptionConfig(V1):
    """How a step reads a dataset: under which name and in which mode (direct, mount or download).

    dataset   a dataset, (workspace, name) or (workspace, name, version) of a registered one, or a PipelineParameter:
              one whose default is a dataset, or is the name of a registered one
    """

    def __init__(self, name: str, dataset: Any, mode: str = "direct", path_on_compute: str | None = None) -> None:
        if not _INPUT_NAME.fullmatch(name or ""):
            raise UserErrorException(
                f"'{name}' cannot be the name of a dataset input: a letter or _, then letters, digits and _"
            )
        if mode not in ("direct", "mount", "download"):
            raise UserErrorException(f"'{mode}' is no mode of a dataset input: direct, mount, download")
        if isinstance(dataset, tuple):
            dataset = Dataset.get_by_name(*dataset)
        named = dataset.default_value if isinstance(dataset, PipelineParameter) else dataset
        kinds = (FileDataset, str) if isinstance(dataset, PipelineParameter) else (FileDataset, OutputFileDatasetConfig)
        if not isinstance(named, kinds):
            raise UserErrorException(f"Input '{name}' needs a dataset, not {type(named).__name__}")
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

    destination   (datastore, path below it); the path may hold {run-id} and {output-name}, and be or hold a
                  PipelineParameter. One whose default is a DataPath names both. None is
                  (the default datastore, "dataset/{run-id}/{output-name}")
    Its methods give copies that all stand for the same output.
    """

    def __init__(
        self,
        name: str | None = None,
        destination: tuple[Store, Piece | None] | Store | PipelineParameter | None = None,
        source: str | None = None,
        partition_format: str | None = None,
    ) -> None:
        if name is not None and not _INPUT_NAME.fullmatch(name):
            raise UserErrorException(
                f"'{name}' cannot be the name of an output: a letter or _, then letters, digits and _"
            )
        self.name = name or f"output_{uuid.uuid4().hex[:8]}"
        self._parameter = destination if isinstance(destination, PipelineParameter) else None
        if self._parameter is not None and not isinstance(self._parameter.default_value, DataPath):
            raise UserErrorException(
                f"Output '{self.name}' shall lie where parameter '{self._parameter.name}' says, so its default must be "
                "a DataPath; for a parameter that is the path alone use (datastore, parameter)"
            )
        if destination is not None and not isinstance(destination, (tuple, PipelineParameter)):
            destination = (destination, None)
        self.destination: Any = destination
        self._path = pieces_of(destination[1]) if isinstance(destination, tuple) else ()
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

        validate   whether it is an error (UserErrorException) when nothing is there; where that is depends on
                   parameters, it is known in a run alone
        """
        given = path if isinstance(path, list) else [path]
        dataset = FileDataset([_place(one) for one in given])
        is_known = not any(made_of(found) for _, found in dataset._places)
        if validate and is_known and not dataset._files():
            places = ", ".join(f"{store.name}/{written(pattern)}" for store, pattern in dataset._places)
            raise UserErrorException(f"No file is at {places}. Pass validate=False when it will be there later")
        return dataset

    @staticmethod
    def upload_directory(
        src_dir: str, target: Any, pattern: str | None = None, overwrite: bool = False, show_progress: bool = True
    ) -> FileDataset:
        """Copy a folder to (datastore, path), and a dataset of it."""
        store, path = target if isinstance(target, tuple) else (target, "")
        if isinstance(target, (DataPath, DataReference)):
            store, path = target.datastore, target.path_on_datastore or ""
        root = Path(src_dir)
        files = sorted(found for found in root.rglob(pattern or "*") if found.is_file())
        store.upload_files(
            files, relative_root=root, target_path=path, overwrite=overwrite, show_progress=show_progress
        )
        return FileDataset([_place((store, path))])


class Dataset(V1):
    """The way to datasets: Dataset.File makes those of files, and registered ones are found here."""

    File = FileDatasetFactory

    @staticmethod
    def get_by_name(workspace: Within, name: str, version: int | str = "latest") -> FileDataset:
        """The registered dataset of that name. Raises UserErrorException when there is none, or no such version."""
        return FileDataset._of_view(workspace, known_datasets.by_name(workspace, name, version))

    @staticmethod
    def get_by_id(workspace: Within, id: str, **ignored: Any) -> FileDataset:
        """The registered dataset of that id; in a step also one that it reads directly. UserErrorException for none."""
        return FileDataset._of_view(workspace, known_datasets.by_id(workspace, id))

    @staticmethod
    def get_all(workspace: Within) -> Mapping[str, FileDataset]:
        """The registered datasets by name, each in its newest version."""
        return workspace.datasets


def _place(given: Any) -> tuple[Store, tuple[Piece, ...]]:
    if isinstance(given, DataReference):
        return given.datastore, unslashed(given._path)
    if isinstance(given, DataPath):
        return given.datastore, unslashed(pieces_of(given.path_on_datastore))
    if isinstance(given, tuple) and len(given) == 2 and not isinstance(given[0], str):
        begin, *others = unslashed(pieces_of(given[1])) or ("",)
        return given[0], (begin.removeprefix("./") if isinstance(begin, str) else begin, *others)
    if isinstance(given, str):
        raise UserErrorException(
            f"'{given}': files from an address are not read yet. Upload them to a datastore first, and name them as "
            "(datastore, 'path')",
            code="not_there_yet",
        )
    raise UserErrorException(f"{given!r} is no place of files: use (datastore, 'path'), a DataPath or a DataReference")
