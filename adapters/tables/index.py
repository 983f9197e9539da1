"""The index of runs, newest first: what its keys are, and which of its rows a query may mean."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.tables.table import Row
from canalis.contract.ports import Run, RunQuery
from canalis.contract.run import RUN_ID, RunRequest

# Partitions, none of them a run's id: runs that have not ended, and that are hidden, by id; all runs newest first.
OPEN, ALL, HIDDEN = "of:open", "of:runs", "of:hidden"


def partitions(request: RunRequest) -> Iterator[str]:
    """Where a run is found: among all, and among those of the pipeline and of the schedule that it was started from."""
    yield ALL
    if request.origin.pipeline is not None:
        yield f"of:pipeline:{request.origin.pipeline}"
    if request.origin.schedule is not None:
        yield f"of:schedule:{request.origin.schedule}"


def partition_for(query: RunQuery) -> str:
    """The shortest of those in which everything is that a query means."""
    if query.schedule is not None:
        return f"of:schedule:{query.schedule}"
    return f"of:pipeline:{query.pipeline}" if query.pipeline is not None else ALL


def newest_first(submitted_at: float, run_id: str) -> str:
    """The key of a run that was submitted at that time."""
    return f"{10**13 - int(submitted_at * 1000):014d}:{run_id}"


def run_id(row: Row) -> str:
    """The run that a row of the index is about."""
    return row.key.partition(":")[2]


def run_of(partition: str) -> str:
    """The run whose rows a partition has; "" when it has others."""
    return partition if RUN_ID.fullmatch(partition) and partition not in (OPEN, ALL, HIDDEN) else ""


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
        and (query.pipeline is None or run.request.origin.pipeline == query.pipeline)
        and (query.schedule is None or run.request.origin.schedule == query.schedule)
        and (not query.status or run.state.status.value in query.status)
        and (query.id_prefix is None or run.run_id.startswith(query.id_prefix))
        and (query.before is None or run.request.submitted_at < query.before)
    )
