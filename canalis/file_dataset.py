"""Datasets of files.

Source   reference section 5
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from canalis import transfer
from canalis.absent import V1
from canalis.abstract_dataset import AbstractDataset, DatasetConsumptionConfig
from canalis.contract.patterns import escaped
from canalis.dataset_expression import DatasetExpression, column
from canalis.exceptions import UserErrorException
from canalis.file_conditions import facts_of, file_metadata, holds
from canalis.listing import described_at, files_at
from canalis.table_partitions import keys_of, values_in
from canalis.within import Store

_File = tuple[Store, str, str]  # its datastore, its path there, its path below the folder that all share


class FileDataset(AbstractDataset, has_rows=False):
    """Files in datastores."""

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

        target_path   a new temporary folder when None; whoever asks for it removes it
        Raises UserErrorException for a file that is there already, unless `overwrite`.
        """
        target = Path(target_path if target_path is not None else tempfile.mkdtemp(prefix="canalis-download-"))
        found = [(store, path, target / below) for store, path, below in self._files()]
        there = [local for _, _, local in found if local.exists()]
        if there and not overwrite:
            raise UserErrorException(f"{there[0]} is there already; pass overwrite=True to replace it")
        for store, group in groupby(found, key=lambda one: one[0]):
            wanted = [(path, local) for _, path, local in group]
            list(transfer.receive(store.workspace._client, transfer.of_datastore(store.name), wanted))
        return [str(local.absolute()) for _, _, local in found]

    def mount(self, mount_point: str | None = None) -> MountContext:
        """Its files in a folder, between `with` and its end, or start() and stop(). Copies: nothing is written back.

        mount_point   a folder that is empty or not there; a temporary one when None
        """
        return MountContext(self, mount_point)

    def take(self, count: int) -> FileDataset:
        """The first files alone, in the order of to_path(), as they are now."""
        return self._of(self._files()[: _checked(count, "take")])

    def skip(self, count: int) -> FileDataset:
        """All but the first files, as they are now."""
        return self._of(self._files()[_checked(count, "skip") :])

    def take_sample(self, probability: float, seed: int | None = None) -> FileDataset:
        """Files drawn at random, each with that probability, of those that are there now."""
        return self._of(self._drawn(probability, seed, "take_sample")[0])

    def random_split(self, percentage: float, seed: int | None = None) -> tuple[FileDataset, FileDataset]:
        """Files drawn at random, each with that probability, and the others; of those that are there now."""
        drawn, others = self._drawn(percentage, seed, "random_split")
        return self._of(drawn), self._of(others)

    def filter(self, expression: DatasetExpression) -> FileDataset:
        """The files alone for which a condition holds, as they are now.

        expression   on values in paths, dataset['year'] == '2026', where from_files was given partition_format=; or on
                     what is known of files, dataset.file_metadata('Size') > 0
        """
        if not isinstance(expression, DatasetExpression):
            raise UserErrorException(
                f"filter() takes a condition such as dataset['year'] == '2026', not {expression!r}"
            )
        fitting = [
            (store, path, "")
            for store, path, file in described_at(self._at())
            if holds(expression._condition, {**self._values(path), **facts_of(path, file)})
        ]
        return self._of(fitting)

    def file_metadata(self, col: str) -> DatasetExpression:
        """For filter(): what is known of a file, its Size in bytes, LastModifiedTime (UTC) or Extension."""
        return file_metadata(col)

    def __getitem__(self, key: str) -> DatasetExpression:
        if key not in self.partition_keys:
            known = ", ".join(self.partition_keys) or "none"
            raise UserErrorException(f"{key!r} is no value in the paths of {self!r} (there: {known})")
        return column(key)

    def __iter__(self) -> NoReturn:
        raise TypeError("A dataset is not read file by file; dataset.to_path() has their paths")

    @property
    def partition_keys(self) -> list[str]:
        """The names of the values that stand in the paths of its files."""
        return keys_of(self._partition_format)

    def _values(self, path: str) -> dict[str, Any]:
        if not self._partition_format:
            return {}
        values = values_in(path, self._partition_format)
        if values is None:
            raise UserErrorException(
                f"The path {path} does not end as partition_format '{self._partition_format}' says"
            )
        return dict(values)

    def _drawn(self, probability: float, seed: int | None, asked: str) -> tuple[list[_File], list[_File]]:
        if not 0 <= probability <= 1:
            raise UserErrorException(f"{asked}() takes a probability from 0 to 1, not {probability!r}")
        draw = random.Random(seed).random  # noqa: S311
        drawn, others = list[_File](), list[_File]()
        for file in self._files():
            (drawn if draw() < probability else others).append(file)
        return drawn, others

    def _of(self, files: Sequence[_File]) -> FileDataset:
        if not files:
            raise UserErrorException(f"No file of {self!r} would be left; it has {len(self._files())}")
        made = FileDataset([(store, (escaped(path),)) for store, path, _ in files])
        made._partition_format = self._partition_format
        return made

    def _files(self) -> list[_File]:
        return files_at(self._at())

    def _at(self) -> list[tuple[Store, str]]:
        paths = [place.path for place in self._as_value().places]
        return [(store, path) for (store, _), path in zip(self._places, paths, strict=True)]


class MountContext(V1):
    """The files of a dataset in a folder, for a time."""

    def __init__(self, dataset: FileDataset, mount_point: str | None) -> None:
        self._dataset = dataset
        self._given = Path(mount_point) if mount_point is not None else None
        self._folder: Path | None = None

    @property
    def mount_point(self) -> str:
        """The folder. Raises UserErrorException before start()."""
        if self._folder is None:
            raise UserErrorException("There is no mount point before start(), or outside of `with`")
        return str(self._folder)

    def start(self) -> None:
        """Bring the files there. Raises UserErrorException for a folder that has something in it."""
        if self._folder is not None:
            return
        if self._given is not None and self._given.exists() and (self._given.is_file() or any(self._given.iterdir())):
            raise UserErrorException(f"'{self._given}' has something in it: name a folder that is empty or not there")
        folder = self._given if self._given is not None else Path(tempfile.mkdtemp(prefix="canalis-mount-"))
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.absolute()
        try:
            self._dataset.download(folder)
        except Exception:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> MountContext:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def _checked(count: int, asked: str) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise UserErrorException(f"{asked}() takes a whole number of files from 0 on, not {count!r}")
    return count
