"""Why a step runs, or need not: what the service says of each step before a run and after it."""

from __future__ import annotations

from typing import Literal

from canalis.contract.graph import Part

Why = Literal["reused", "new", "changed", "switched_off", "regenerated", "resumed", "data", "unfinished", "gone"]


class ChangeView(Part):
    """An ingredient of a step that is another one than it was. `before` or `now` is None where there is none."""

    name: str
    before: str | None
    now: str | None


class ReasonView(Part):
    """Whether a step runs, and why.

    runs            False where an earlier result stands in for it: that of the step run `reused_from`
    why             reused; new: nobody has made this yet; changed: nor this, but the run before made something like it;
                    gone: it was made, and what it left is not there as it was; unfinished: who makes it has not
                    succeeded; switched_off by allow_reuse=False; regenerated, resumed: its run was asked for so;
                    data: its run was started since files had changed
    compared_with   the step run that `changes` compares it with: the latest of its experiment, or who makes the same
    changes         every ingredient that differs from that one's, and no other
    lost            names of the outputs that are not there any more as they were left
    said            all of it in a sentence, for people
    fingerprint     one name for all of its ingredients
    """

    node: str
    name: str
    runs: bool
    why: Why
    reused_from: str | None = None
    compared_with: str | None = None
    changes: tuple[ChangeView, ...] = ()
    lost: tuple[str, ...] = ()
    said: str = ""
    fingerprint: str = ""
