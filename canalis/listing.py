"""Which files lie at places of datastores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from canalis.answers import in_v1s_words
from canalis.contract.patterns import below_common, listing_prefix, matches
from canalis.within import Store


def described_at(places: Iterable[tuple[Store, str]]) -> list[tuple[Store, str, dict[str, Any]]]:
    """Each file with its datastore, its path there, and what a listing says of it.

    places   datastores, each with a path that may be a pattern
    Raises   UserErrorException for a datastore that is gone, or does not let the service in
    """
    return [(store, path, file) for store, pattern in places for path, _, file in _listed(store, pattern)]


def _listed(store: Store, pattern: str) -> list[tuple[str, str, dict[str, Any]]]:
    prefix, route = listing_prefix(pattern), f"/datastores/{quote(store.name)}/files"
    with in_v1s_words():
        known = {file["path"]: file for file in store.workspace._client.get(route, prefix=prefix)}
    return [(path, folder, known[path]) for path, folder in matches(pattern, known)]


def files_at(places: Iterable[tuple[Store, str]]) -> list[tuple[Store, str, str]]:
    """Each file with its datastore, its path there, and its path below the folder that all share.

    places   datastores, each with a path that may be a pattern
    Raises   UserErrorException for a datastore that is gone, or does not let the service in
    """
    stores, found = list[Store](), list[tuple[str, str]]()
    for store, pattern in places:
        fitting = [(path, folder) for path, folder, _ in _listed(store, pattern)]
        found += fitting
        stores += [store] * len(fitting)
    return [(store, path, below) for store, (path, below) in zip(stores, below_common(found), strict=True)]
