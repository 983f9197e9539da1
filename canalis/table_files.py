"""Files of datastores on this machine while their rows are read: where they lie, or as copies for that time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from canalis import transfer
from canalis.within import Store

_TOGETHER = transfer.AT_ONCE  # files that are fetched before the first of them is read

_File = tuple[Store, str, str]  # its datastore, its path there, its path below the folder that all share


def at_hand(files: Sequence[_File]) -> Iterator[tuple[str, Path]]:
    """Each file by its path in its datastore, with where it can be read until the next is asked for.

    What is elsewhere is fetched a few files at a time, so that who stops early has not waited for all.
    """
    for _, group in groupby(enumerate(files), key=lambda one: one[0] // _TOGETHER):
        batch = [file for _, file in group]
        here = {path: found for store, path, _ in batch if (found := in_place(store, path)) is not None}
        if len(here) == len(batch):
            yield from ((path, here[path]) for _, path, _ in batch)
            continue
        with tempfile.TemporaryDirectory(prefix="canalis-table-") as folder:
            wanted = [(store, path, Path(folder) / f"{at}") for at, (store, path, _) in enumerate(batch)]
            for store, several in groupby(wanted, key=lambda one: one[0]):
                asked = [(path, local) for _, path, local in several]
                list(transfer.receive(store.workspace._client, transfer.of_datastore(store.name), asked))
            yield from ((path, local) for _, path, local in wanted)


def in_place(store: Store, path: str) -> Path | None:
    """Where a file of a datastore lies, when that is this machine."""
    root = store.workspace._root
    if root is None or not store._lies_here or ".." in path.split("/"):
        return None
    found = root / "datastores" / store.name / path
    return found if found.is_file() else None
