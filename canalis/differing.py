"""What is other in one pipeline than in another, for people who ask in Python."""

from __future__ import annotations

from typing import Any, NamedTuple

from canalis.answers import answered
from canalis.within import Within


class Change(NamedTuple):
    """One thing that is other. It prints as a line.

    where    "pipeline", "parameter <name>" or "step <key>"
    what     "added", "removed", or a word such as arguments, source, compute
    """

    where: str
    what: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.what in ("added", "removed"):
            named = self.after if self.what == "added" else self.before
            return f"{self.where}: {self.what} ({named})"
        return f"{self.where}: {self.what}: {self.before!r} -> {self.after!r}"


def changes_of(workspace: Within, path: str, **query: Any) -> list[Change]:
    """The changes that a route of the service tells."""
    found = answered(lambda: workspace._client.get(path, **query))
    return [Change(**one) for one in found["changes"]]
