"""What a run cost, counted in what a cloud bill counts: table operations, blob operations and messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from canalis.contract.graph import Part

COSTS = "costs"  # kind of the documents with the counts of runs that have ended, by run id
SERVICE = "service"  # takes a run's place for what was done for no run in particular

Sort = Literal["table", "blob", "message"]
Counts = Mapping[str, tuple[int, int]]  # by kind, such as "table.load": calls, and how many of them count


class CostLine(Part):
    """One kind of call. `calls` were made, and `counted` of them would be billed."""

    kind: str
    sort: Sort
    calls: int
    counted: int


class CostView(Part):
    """What a run has cost. What people look at is not in it.

    is_final   whether the run has ended; until then it grows
    """

    run_id: str
    steps: int
    table_operations: int
    blob_operations: int
    messages: int
    kinds: list[CostLine]
    is_final: bool


def cost_view(run_id: str, steps: int, counts: Counts, is_final: bool) -> CostView:
    """The counts of a run as people see them, the dearest kinds first."""
    lines = []
    for name, (calls, counted) in sorted(counts.items(), key=lambda found: (-found[1][1], found[0])):
        sort, _, kind = name.partition(".")
        assert sort in ("table", "blob", "message"), name
        lines.append(CostLine.model_validate({"kind": kind, "sort": sort, "calls": calls, "counted": counted}))
    total = {sort: sum(line.counted for line in lines if line.sort == sort) for sort in ("table", "blob", "message")}
    return CostView(
        run_id=run_id,
        steps=steps,
        table_operations=total["table"],
        blob_operations=total["blob"],
        messages=total["message"],
        kinds=lines,
        is_final=is_final,
    )
