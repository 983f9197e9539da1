"""Blobs under names that others may come to use again at any moment: how one is cleared away all the same.

    doom       writes down which nobody names
    spare      whoever is about to name some takes them off that list first
    clear      after a rest looks again, says that the list is final, and deletes what is on it

Who has named one without looking at the list did so before it was there, and has been found by the second look: no
request takes as long as the rest. Who comes when the list is final is told to come again in some seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from canalis.contract.errors import Conflict, StoreUnavailable
from canalis.contract.graph import Graph, content_id
from canalis.contract.layout import graph_key, snapshot_key
from canalis.contract.ports import BlobStore, Ports

CLEARING = "clearing"  # kind of the documents of what is being cleared away
KEYS_MAX = 2_000  # on the list at once
_BLOBS = "blobs"


def spare(ports: Ports, keys: Iterable[str]) -> None:
    """See to it that these blobs stay, if they are there, for as long as a request takes and a rest after it.

    Raises StoreUnavailable when one is being deleted at this moment: a few seconds later it is gone, and can be made
    """
    wanted = set(keys)
    while True:
        known = ports.documents.get(CLEARING, _BLOBS)
        found = wanted.intersection(known.body["keys"]) if known is not None else set[str]()
        if known is None or not found:
            return
        if known.body["final"]:
            raise StoreUnavailable(f"{min(found)} is being cleared away: try again in a few seconds", key=min(found))
        body = known.body | {"keys": [key for key in known.body["keys"] if key not in found]}
        try:
            ports.documents.put(CLEARING, _BLOBS, body, etag=known.etag)
        except Conflict:
            continue  # somebody else has spared some, or the list is final
        return


@dataclass(frozen=True, slots=True)
class SparedGraph:
    """A graph that can be stored: it and its snapshots stay if they are there."""

    id: str
    document: bytes

    def stored(self, blobs: BlobStore) -> str:
        """Its id, now that it is there for sure."""
        blobs.put_if_absent(graph_key(self.id), self.document)
        return self.id


def spare_graph(ports: Ports, graph: Graph) -> SparedGraph:
    """See to it that a graph and its snapshots stay. To be asked before anybody looks whether they are there.

    Raises StoreUnavailable as `spare` does
    """
    document = graph.to_bytes()
    identity = content_id(document)
    snapshots = {snapshot_key(node.snapshot) for node in graph.nodes if node.snapshot}
    spare(ports, {graph_key(identity), *snapshots})
    return SparedGraph(identity, document)


def doom(ports: Ports, keys: Collection[str]) -> bool:
    """Write down what nobody names. False, and no change, when there is a list already."""
    body = {"at": ports.clock.now(), "final": False, "keys": [*keys][:KEYS_MAX]}
    try:
        ports.documents.put(CLEARING, _BLOBS, body, if_absent=True)
    except Conflict:
        return False
    return True


def doomed(ports: Ports) -> list[str]:
    """What is on the list."""
    known = ports.documents.get(CLEARING, _BLOBS)
    return list(known.body["keys"]) if known is not None else []


def clear(ports: Ports, rest_s: float, young_s: float, named_by_nobody: Callable[[], Collection[str]]) -> bool:
    """Delete what has been on the list for so long and is still named by nobody. Safe to ask again after a crash.

    young_s            what was written within that time stays
    named_by_nobody    looks again
    Returns            whether a list was done with
    """
    known = ports.documents.get(CLEARING, _BLOBS)
    if known is None or (not known.body["final"] and ports.clock.now() - known.body["at"] < rest_s):
        return False
    if not known.body["final"]:
        still = set(named_by_nobody())
        keys = [key for key in known.body["keys"] if key in still]
        try:
            known = ports.documents.put(CLEARING, _BLOBS, known.body | {"keys": keys, "final": True}, etag=known.etag)
        except Conflict:
            return False  # somebody has come for some of them
    for key in known.body["keys"]:
        info = ports.blobs.info(key)
        # Another host may have deleted it before us, and somebody have sent it again since.
        if info is not None and ports.clock.now() - info.modified_at > young_s:
            ports.blobs.delete(key)
    ports.documents.delete(CLEARING, _BLOBS)
    return True
