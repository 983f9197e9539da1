"""Intermediate data of runs that was cleared away, or is about to be: nobody reads or reuses it from then on.

What is marked lies there for a rest, and is looked at once more: whoever had begun to need it gets it back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable

from canalis.contract.errors import NotFound
from canalis.contract.layout import MADE_OF, of_run, records
from canalis.contract.ports import DocumentStore, Ports, Run
from canalis.contract.reuse import MADE
from canalis.contract.run import StepRunId
from orchestrator.retention.doomed import CLEARING
from orchestrator.retention.owned import clear, owned

CLEARED = "cleared"  # kind of the documents that say so, under the names of runs
_DATA = "data:"  # begins the name of the document of a run whose data is still there


def is_cleared(documents: DocumentStore, run_id: str) -> bool:
    """Whether the intermediate data of a run is gone, or as good as gone."""
    return documents.get(CLEARED, run_id) is not None


def mark(ports: Ports, run_id: str, has_files: bool) -> None:
    """Say that a run's intermediate data goes. `has_files` is whether there is something that will have to go."""
    if has_files:
        ports.documents.put(CLEARING, f"{_DATA}{run_id}", {"at": ports.clock.now()})  # found, whatever happens to us
    ports.documents.put(CLEARED, run_id, {"at": ports.clock.now()})


def marked(documents: DocumentStore) -> list[str]:
    """Ids of the runs whose data is marked and still there."""
    return [stored.name.removeprefix(_DATA) for stored in documents.list(CLEARING, _DATA)]


def clear_marked(ports: Ports, rest_s: float, most: int, needed: Callable[[], Callable[[Run], bool]]) -> int:
    """Clear the data of those runs away that were marked so long ago; how many it was looked at for.

    most     that are done at once
    needed   looks who needs what; what it gives tells it of a run
    """
    due = []
    for stored in ports.documents.list(CLEARING, _DATA):
        run_id = stored.name.removeprefix(_DATA)
        try:
            run = ports.runs.load(run_id)
        except NotFound:
            _forget_unless_hidden(ports, run_id)
            continue
        if not is_cleared(ports.documents, run_id):
            mark(ports, run_id, has_files=True)  # whoever was to do so did not come to it: its rest begins now
        elif ports.clock.now() - stored.body["at"] >= rest_s:
            due.append((run, stored))
    is_needed = needed() if due else None
    for run, stored in due[:most]:
        assert is_needed is not None
        if not stored.body.get("final") and is_needed(run):
            ports.documents.delete(CLEARED, run.run_id)
        else:
            # From here on there is no way back: part of it may be gone.
            ports.documents.put(CLEARING, stored.name, stored.body | {"final": True})
            _clear(ports, run)
        ports.documents.delete(CLEARING, stored.name)
    return len(due[:most])


def forget(ports: Ports, run_id: str) -> None:
    """Lose what is said here of a run that is gone."""
    for kind, name in ((CLEARING, f"{_DATA}{run_id}"), (CLEARED, run_id)):
        ports.documents.delete(kind, name)


def _forget_unless_hidden(ports: Ports, run_id: str) -> None:
    """A hidden run may come back, and part of its data may be gone already."""
    if run_id not in {run.run_id for run, _ in ports.runs.hidden()}:
        forget(ports, run_id)


def _clear(ports: Ports, run: Run) -> None:
    going = [one for one in owned(ports, run) if not one.is_result]
    for one in going:
        clear(ports, one.place)
    forget_made(ports, run.run_id, {one.owner.node for one in going})


def forget_made(ports: Ports, run_id: str, nodes: Collection[str] | None = None) -> None:
    """Take a run, or only some of its steps, out of the index of who has made what. Safe to ask again."""
    try:
        known = json.loads(ports.blobs.get(records(of_run(run_id)) + MADE_OF))
    except NotFound:
        return  # nothing of it could ever be reused
    chosen = [one["fingerprint"] for node, one in known.items() if nodes is None or node in nodes]
    drop_makers(ports, chosen, lambda maker: run_of(maker) == run_id)


def drop_makers(ports: Ports, fingerprints: Collection[str], is_gone: Callable[[str], bool]) -> None:
    """Leave in the index only makers that are there. Who makes one known at the same moment may lose it again: then
    the same is made once more.
    """
    left = {}
    for name, body in ports.documents.get_all(MADE, fingerprints).items():
        makers = _those_left(body["by"], is_gone)
        if not makers:
            ports.documents.delete(MADE, name)
        elif len(makers) < len(body["by"]):
            left[name] = body | {"by": makers}
    if left:
        ports.documents.put_all(MADE, left)


def run_of(maker: str) -> str:
    """The run of a maker, which is a step run."""
    step = StepRunId.parse(maker)
    return step.run_id if step else maker


def _those_left(makers: Iterable[str], is_gone: Callable[[str], bool]) -> list[str]:
    return [maker for maker in makers if not is_gone(maker)]
