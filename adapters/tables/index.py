"""The index of runs, newest first: what its keys are, and which of its rows a query may mean."""

from __future__ import annotations

from adapters.tables.table import Row
from canalis.contract.ports import Run, RunQuery
from canalis.contract.run import RUN_ID

OPEN, ALL = "of:open", "of:runs"  # partitions: runs that have not ended by id, all runs newest first; no run's id


def newest_first(submitted_at: float, run_id: str) -> str:
    """The key of a run that was submitted at that time."""
    return f"{10**13 - int(submitted_at * 1000):014d}:{run_id}"


def run_id(row: Row) -> str:
    """The run that a row of the index is about."""
    return row.key.partition(":")[2]


def run_of(partition: str) -> str:
    """The run whose rows a partition has; "" when it has others."""
    return partition if RUN_ID.fullmatch(partition) and partition not in (OPEN, ALL) else ""


def may_fit(row: Row, query: RunQuery) -> bool:
    """What the index knows: so a run that is not asked for is not read."""
    return (
        query.experiment in (None, row.properties["experiment"])
        and query.parent in (None, row.properties["parent"])
        and run_id(row).startswith(query.id_prefix or "")
    )


def fits(run: Run, query: RunQuery) -> bool:
    """Whether the run is asked for."""
    return (
        (query.experiment is None or run.request.experiment == query.experiment)
        and (query.parent is None or run.request.parent == query.parent)
        and (not query.status or run.state.status.value in query.status)
        and (query.id_prefix is None or run.run_id.startswith(query.id_prefix))
        and (query.before is None or run.request.submitted_at < query.before)
    )
