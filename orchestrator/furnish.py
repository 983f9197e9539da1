"""What every workspace has from its first day on."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from canalis.contract.datastores import DATASTORES, FURNISHED
from canalis.contract.errors import Conflict
from canalis.contract.ports import DocumentStore


def register_datastores(documents: DocumentStore, suffix: str = "local") -> Collection[str]:
    """See to it that the datastores of a new workspace are registered; their names.

    suffix   ends the names of the containers that they stand for
    """
    known = {stored.name for stored in documents.list(DATASTORES)}
    for name, kind in FURNISHED.items():
        if name not in known:
            with suppress(Conflict):  # another start of the service did the same just now
                body = {"type": kind, "container_name": f"{name}-{suffix}"}
                documents.put(DATASTORES, name, body, if_absent=True)
    return FURNISHED
