"""Experiments as they are kept: a document for each, under its name."""

from __future__ import annotations

from typing import Any

EXPERIMENTS = "experiments"  # kind of the documents
ARCHIVED = "archived_at"  # in that of one that was put away
DELETED = "deleted_at"  # in that of one that is being deleted
EMPTIED = "emptied_until"  # in that of one that was, and is used again: its runs until then are being deleted


def next_use(known: dict[str, Any] | None, now: float) -> dict[str, Any]:
    """The document of an experiment that is used from now on, made of the one that is there, if one is.

    What is used is no longer put away; and of what was deleted it has nothing.
    """
    body = dict(known or {})
    if DELETED in body:
        body = {EMPTIED: body[DELETED]}
    body.setdefault("created_at", now)
    body.pop(ARCHIVED, None)
    return body
