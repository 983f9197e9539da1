"""A graph becomes a published pipeline: checked as for a run, kept for good, and started by others from then on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from canalis.contract.errors import AlreadyExists, Conflict, NotFound, StillUsed
from canalis.contract.graph import Graph, ParameterValue
from canalis.contract.graphs import stored_graph
from canalis.contract.parameters import assign
from canalis.contract.ports import Document, DocumentStore, Ports
from canalis.contract.published import PUBLISHED, Publication, Published, PublishedChange, check_id
from canalis.contract.run import ComputeChoice, new_run_id
from orchestrator import views
from orchestrator.kept import changed
from orchestrator.retention.doomed import spare_graph
from orchestrator.settled import settle

_NAMES_MAX = 1_000
_NAMED_MAX = 10


def publish(ports: Ports, asked: Publication, computes: Mapping[str, ComputeChoice], by: str = "") -> Published:
    """Keep a pipeline for others to start. Asked again under the same id, it is the same publication.

    computes   what each compute target is just now, "" for steps that name none
    Raises     GraphError with every fault, ParameterError, NotFound for a run or a snapshot, AlreadyExists for an id
               that belongs to another pipeline
    """
    if asked.run is not None:
        asked = _of_run(ports, asked, asked.run)
    graph = asked.graph
    assert graph is not None, asked.run
    # What could not be submitted now is not published: whoever starts it later could not mend it.
    spared = spare_graph(ports, graph)
    settle(ports, graph, asked.parameters, computes)
    made = _published(asked, graph, spared.stored(ports.blobs), ports.clock.now(), by)
    return insert(ports.documents, made)


def insert(documents: DocumentStore, made: Published) -> Published:
    """Keep a new published pipeline; the one that is there when it is the same. Raises AlreadyExists."""
    try:
        documents.put(PUBLISHED, made.id, _body(made), if_absent=True)
    except Conflict:
        known = published(documents, made.id)
        if (known.graph, known.parameters, known.name) == (made.graph, made.parameters, made.name):
            return known  # the request came twice
        raise AlreadyExists(
            f"There is another published pipeline {made.id} already", kind="pipeline", name=made.id
        ) from None
    return made


def published(documents: DocumentStore, identity: str) -> Published:
    """The published pipeline of that id. Raises NotFound."""
    stored = documents.get(PUBLISHED, check_id("published pipeline", identity))
    if stored is None:
        raise NotFound(f"There is no published pipeline '{identity}'", kind="pipeline", name=identity)
    return Published.model_validate(stored.body)


def all_published(documents: DocumentStore, active_only: bool = False, name: str | None = None) -> list[Published]:
    """Published pipelines, newest first."""
    found = (Published.model_validate(stored.body) for stored in documents.list(PUBLISHED))
    fitting = [one for one in found if (not active_only or one.status == "Active") and name in (None, one.name)]
    return sorted(fitting, key=lambda one: (-one.created_at, one.id))


def change(ports: Ports, identity: str, said: PublishedChange) -> Published:
    """Rename, describe, enable or disable a published pipeline. What it runs stays. Raises NotFound."""
    news = said.model_dump(exclude_none=True)

    def edit(body: Document) -> Document:
        is_news = any(body.get(name) != value for name, value in news.items())
        return body | news | {"updated_at": ports.clock.now()} if is_news else body

    published(ports.documents, identity)
    return Published.model_validate(changed(ports.documents, PUBLISHED, identity, edit).body)


def delete(documents: DocumentStore, identity: str, users: Iterable[str]) -> None:
    """Forget a published pipeline, or find that it is gone. Its runs stay.

    users    words for each endpoint and schedule that starts it
    Raises   StillUsed, naming them
    """
    check_id("published pipeline", identity)
    named = list(users)
    if named:
        raise StillUsed(
            f"Published pipeline {identity} is started by {', '.join(named[:_NAMED_MAX])}"
            + (f" and {len(named) - _NAMED_MAX} more" if len(named) > _NAMED_MAX else "")
            + ": delete or change them first, or disable the pipeline",
            users=named,
        )
    documents.delete(PUBLISHED, identity)


def defaults_of(pipeline: Published, graph: Graph) -> dict[str, ParameterValue]:
    """The value that each parameter has in a run that names none."""
    return assign(graph.parameters, pipeline.parameters)


def graph_of(ports: Ports, pipeline: Published) -> Graph:
    """What a published pipeline runs."""
    return stored_graph(ports.blobs, pipeline.graph)


def _of_run(ports: Ports, asked: Publication, name: str) -> Publication:
    """The graph that a run walked, with the values that it walked it with."""
    run = views.find_run(ports, name)
    request = run.request
    graph = stored_graph(ports.blobs, request.graph)
    if graph.default_datastore is None:
        graph = graph.model_copy(update={"default_datastore": request.default_datastore})
    continues = asked.continue_on_step_failure
    return asked.model_copy(
        update={
            "graph": graph,
            "run": run.run_id,
            "parameters": request.parameters | asked.parameters,
            "interpreter": asked.interpreter or request.interpreter,
            "description": asked.description or request.description,
            "continue_on_step_failure": request.continue_on_step_failure if continues is None else continues,
            "properties": request.properties | asked.properties,
        }
    )


def _published(asked: Publication, graph: Graph, graph_id: str, now: float, by: str) -> Published:
    return Published(
        id=asked.id or new_run_id(),
        name=asked.name,
        description=asked.description or graph.description,
        version=asked.version,
        graph=graph_id,
        parameters=asked.parameters,
        steps=len(graph.nodes),
        step_names=tuple(node.name for node in graph.nodes[:_NAMES_MAX]),
        continue_on_step_failure=bool(asked.continue_on_step_failure),
        interpreter=asked.interpreter,
        tags=asked.tags,
        properties=asked.properties,
        from_run=asked.run,
        created_at=now,
        created_by=by,
        updated_at=now,
    )


def _body(made: Published) -> Document:
    return made.model_dump(mode="json", exclude_defaults=True)
