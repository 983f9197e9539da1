"""Blobs that nobody names: graphs of no run, snapshots of no graph, source files of no snapshot, files of no run."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from canalis.contract.errors import NotFound
from canalis.contract.layout import graph_key, snapshot_key
from canalis.contract.ports import BlobInfo, Ports
from canalis.contract.retention import Thing
from orchestrator.retention.needs import Needs

YOUNG_S = 24 * 3600.0  # what is younger may be of a submission that is still under way

# Both are read as text: what they name more than they should is kept, and nothing else is lost by it.
_SNAPSHOT = re.compile(rb'"snapshot":"([0-9a-f]{64})"')
_SHA256 = re.compile(rb'"sha256":"([0-9a-f]{64})"')


@dataclass(slots=True)
class Blobs:
    """What lies in the service's own blob store.

    unnamed   blobs that nobody names and that are not young: kind and key
    of_run    by run, the bytes of its files and of what is kept beside them
    """

    unnamed: list[Thing] = field(default_factory=list)
    of_run: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def look_through(ports: Ports, needs: Needs, young_s: float = YOUNG_S) -> Blobs:
    """Look at all blobs. What is deleted of a snapshot are first its list, and its files once no list names them."""
    found = Blobs()
    old_before = ports.clock.now() - young_s
    named = {graph_key(graph) for graph in needs.graphs}
    found.unnamed += _unnamed("graphs", ports.blobs.list("graphs/"), named, old_before)
    snapshots = {snapshot_key(one) for one in needs.snapshots | _matches(ports, named, _SNAPSHOT)}
    lists = [*ports.blobs.list("snapshots/")]
    found.unnamed += _unnamed("snapshots", lists, snapshots, old_before)
    files = {f"content/{sha[:2]}/{sha}" for sha in _matches(ports, (info.key for info in lists), _SHA256)}
    found.unnamed += _unnamed("content", ports.blobs.list("content/"), files, old_before)
    found.unnamed += _unnamed("incoming", ports.blobs.list("incoming/"), set(), old_before)
    for prefix in ("artifacts/", "records/"):
        found.unnamed += _of_runs(ports, needs, prefix, found.of_run, old_before)
    return found


def _unnamed(kind: str, infos: Iterable[BlobInfo], named: set[str], old_before: float) -> Iterator[Thing]:
    for info in infos:
        if info.key not in named and info.modified_at < old_before:
            yield Thing(kind=kind, name=info.key, bytes=info.size)


def _matches(ports: Ports, keys: Iterable[str], pattern: re.Pattern[bytes]) -> set[str]:
    """What is named in these blobs; those that are gone name nothing."""
    found = set[str]()
    for key in keys:
        try:
            found.update(match.decode() for match in pattern.findall(ports.blobs.get(key)))
        except NotFound:
            continue
    return found


def _of_runs(ports: Ports, needs: Needs, prefix: str, sizes: dict[str, int], old_before: float) -> Iterator[Thing]:
    known = needs.runs.keys() | needs.hidden.keys()
    for info in ports.blobs.list(prefix):
        run_id = info.key.split("/")[1]
        sizes[run_id] += info.size
        # What is of no run was written after its run was deleted, by a step that had been given up.
        if run_id not in known and info.modified_at < old_before and not _is_there(ports, run_id):
            yield Thing(kind="leftovers", name=info.key, bytes=info.size)


def _is_there(ports: Ports, run_id: str) -> bool:
    try:
        ports.runs.load(run_id)
    except NotFound:
        return False
    return True
