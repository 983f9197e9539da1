"""Ways to others for ports whose test tells nobody: real ones, over which nothing may leave this machine."""

from __future__ import annotations

from typing import Any

from adapters.sealed import KEY_BYTES, SealedDocuments
from adapters.web import HttpWeb
from canalis.contract.ports import DocumentStore


def outside(documents: DocumentStore, may_reach_this_machine: bool = False) -> dict[str, Any]:
    """The `web` and the `vault` of Ports."""
    return {
        "web": HttpWeb((), may_reach_this_machine),
        "vault": SealedDocuments(documents, [b"k" * KEY_BYTES]),
    }
