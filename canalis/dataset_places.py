"""Where the files of a dataset lie, in each of v1's ways to say so."""

from __future__ import annotations

from typing import Any

from canalis.data import DataPath, DataReference
from canalis.exceptions import UserErrorException
from canalis.parameter import Piece, pieces_of, unslashed
from canalis.within import Store


def places_of(path: Any) -> list[tuple[Store, tuple[Piece, ...]]]:
    """One place, or a list of them, as datastores and paths. Raises UserErrorException for what is none."""
    given = path if isinstance(path, list) else [path]
    if not given:
        raise UserErrorException("A dataset needs a place at least: (datastore, 'path'), a DataPath or a DataReference")
    return [_place(one) for one in given]


def target_of(target: Any) -> tuple[Store, str]:
    """Where files shall go: (datastore, path), a datastore, a DataPath or a DataReference."""
    if isinstance(target, (DataPath, DataReference)):
        return target.datastore, target.path_on_datastore or ""
    store, path = target if isinstance(target, tuple) else (target, "")
    if isinstance(store, str) or not hasattr(store, "upload_files"):
        raise UserErrorException(
            f"{target!r} is no place for files: use (datastore, 'path'), a datastore or a DataPath"
        )
    return store, path or ""


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
