"""The places in datastores that belong to one run alone: where its attempts have written, and nobody else ever does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from canalis.contract.errors import NotFound
from canalis.contract.graph import DataPathValue, Graph, Output
from canalis.contract.graphs import stored_graph
from canalis.contract.parameters import text_in
from canalis.contract.places import Place, output_place, tidy
from canalis.contract.ports import BlobInfo, BlobStore, Ports, Run
from canalis.contract.run import RunRequest, StepRunId

_RUN_ID = "{run-id}"


@dataclass(frozen=True, slots=True)
class Owned:
    """Where an attempt has written an output.

    is_result   whether it has a pipeline output name: then it is no intermediate data
    """

    place: Place
    owner: StepRunId
    is_result: bool

    @property
    def whole(self) -> Place:
        """The folder that is named after the attempt, where there is one; else the place itself."""
        parts = self.place.path.split("/")
        if str(self.owner) not in parts:
            return self.place
        return Place(self.place.datastore, "/".join(parts[: parts.index(str(self.owner)) + 1]))


def owned(ports: Ports, run: Run) -> list[Owned]:
    """The places of a run's own, of all attempts of its steps; none when its graph is gone.

    An output whose path has no {run-id} lies where its author wants it: that is nobody's but theirs.
    """
    try:
        graph = stored_graph(ports.blobs, run.request.graph)
    except NotFound:
        return []
    return list(_owned(run, graph))


def _owned(run: Run, graph: Graph) -> Iterator[Owned]:
    for at, node in enumerate(graph.nodes):
        for port in node.outputs:
            if not _is_of_the_run(run.request, port):
                continue
            for attempt in range(1, run.state.attempts[at] + 1):
                owner = StepRunId(run.run_id, node.key, attempt)
                yield Owned(output_place(run.request, port, owner), owner, port.pipeline_output is not None)


def _is_of_the_run(request: RunRequest, port: Output) -> bool:
    path = text_in(port.path or "", request.parameters)
    if port.parameter is not None:
        value = request.parameters[port.parameter]
        path = value.path if isinstance(value, DataPathValue) else path
    return not tidy(path) or _RUN_ID in path


def files_at(ports: Ports, place: Place) -> list[BlobInfo]:
    """The files of a place; none when its datastore is gone."""
    store = _opened(ports, place)
    if store is None:
        return []
    alone = store.info(place.path)
    return [alone] if alone is not None else [*store.list(f"{place.path}/")]


def clear(ports: Ports, place: Place) -> None:
    """Delete what lies at a place. Safe to ask again."""
    store = _opened(ports, place)
    if store is not None:
        store.delete(place.path)


def _opened(ports: Ports, place: Place) -> BlobStore | None:
    try:
        return ports.stores.open(place.datastore)
    except NotFound:
        return None
