"""Reading stored graphs. They are immutable and named by their content, so what was read once stays true."""

from __future__ import annotations

import threading
from collections import OrderedDict

from canalis.contract.graph import Graph
from canalis.contract.layout import graph_key
from canalis.contract.ports import BlobStore

_KEPT_MAX = 64  # graphs; one of 10,000 steps takes about 40 MB as objects, most take a few KB
_NODES_KEPT_MAX = 100_000  # nodes in all of them together

_kept: OrderedDict[str, Graph] = OrderedDict()
_lock = threading.Lock()


def stored_graph(blobs: BlobStore, graph_id: str) -> Graph:
    """The graph of that id. Raises NotFound when it was never stored."""
    with _lock:
        if graph_id in _kept:
            _kept.move_to_end(graph_id)
            return _kept[graph_id]
    graph = Graph.from_bytes(blobs.get(graph_key(graph_id)))
    with _lock:
        _kept[graph_id] = graph
        while len(_kept) > 1 and (len(_kept) > _KEPT_MAX or _nodes() > _NODES_KEPT_MAX):
            _kept.popitem(last=False)
    return graph


def _nodes() -> int:
    return sum(len(graph.nodes) for graph in _kept.values())
