"""Which files lie at places of datastores."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from canalis.answers import in_v1s_words
from canalis.contract.patterns import below_common, listing_prefix, matches
from canalis.within import Store


def files_at(places: Iterable[tuple[Store, str]]) -> list[tuple[Store, str, str]]:
    """Each file with its datastore, its path there, and its path below the folder that all share.

    places   datastores, each with a path that may be a pattern
    Raises   UserErrorException for a datastore that is gone, or does not let the service in
    """
    stores, found = list[Store](), list[tuple[str, str]]()
    for store, pattern in places:
        prefix, route = listing_prefix(pattern), f"/datastores/{quote(store.name)}/files"
        with in_v1s_words():
            listed = store.workspace._client.get(route, prefix=prefix)
        fitting = list(matches(pattern, (file["path"] for file in listed)))
        found += fitting
        stores += [store] * len(fitting)
    return [(store, path, below) for store, (path, below) in zip(stores, below_common(found), strict=True)]
