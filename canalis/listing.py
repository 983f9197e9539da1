"""Which files lie at places of datastores."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from canalis.contract.patterns import below_common, listing_prefix, matches
from canalis.within import Store


def files_at(places: Iterable[tuple[Store, str]]) -> list[tuple[Store, str, str]]:
    """Each file with its datastore, its path there, and its path below the folder that all share.

    places   datastores, each with a path that may be a pattern
    """
    stores, found = list[Store](), list[tuple[str, str]]()
    for store, pattern in places:
        listed = store.workspace._client.get(f"/datastores/{quote(store.name)}/files", prefix=listing_prefix(pattern))
        fitting = list(matches(pattern, (file["path"] for file in listed)))
        found += fitting
        stores += [store] * len(fitting)
    return [(store, path, below) for store, (path, below) in zip(stores, below_common(found), strict=True)]
