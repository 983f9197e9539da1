"""Documents that several may change at once: each change is made to what is there, or thought through again."""

from __future__ import annotations

from collections.abc import Callable

from canalis.contract.errors import Conflict, NotFound
from canalis.contract.ports import Document, DocumentStore, Stored

_TRIES = 12


def changed(documents: DocumentStore, kind: str, name: str, edit: Callable[[Document], Document]) -> Stored:
    """The document after `edit` made a new body of the one that is there; called again when others were faster.

    An edit that gives the same body writes nothing.
    Raises   NotFound, Conflict when others keep writing first, and what `edit` raises
    """
    for _ in range(_TRIES):
        known = documents.get(kind, name)
        if known is None:
            raise NotFound(f"There is no '{name}' among the {kind}", kind=kind, name=name)
        body = edit(known.body)
        if body == known.body:
            return known
        try:
            return documents.put(kind, name, body, etag=known.etag)
        except Conflict:
            continue  # somebody else wrote in between
    raise Conflict(f"'{name}' was changed by others {_TRIES} times in a row", kind=kind, name=name)
