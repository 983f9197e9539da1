"""What is other in one pipeline than in another, as it is shown."""

from __future__ import annotations

from typing import Any

from canalis.contract.graph import Part


class Change(Part):
    """One thing that is other.

    where    "pipeline", "parameter <name>" or "step <key>"
    what     which part of it: "added", "removed", or a word such as arguments, source, compute
    before, after   None where there was, or is, nothing
    """

    where: str
    what: str
    before: Any = None
    after: Any = None


class Difference(Part):
    """All that is other in `after` than in `before`, ids of published pipelines. Nothing when they run the same."""

    before: str
    after: str
    changes: tuple[Change, ...] = ()
