"""Drafts: pipelines that somebody still works on. They change until they are run or published, and those stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canalis.contract.drafts import DRAFTS, Draft, DraftContent, DraftRequest
from canalis.contract.errors import AlreadyExists, BadRequest, Conflict, NotFound
from canalis.contract.graphs import stored_graph
from canalis.contract.parameters import assign
from canalis.contract.ports import Document, DocumentStore, Ports, Run
from canalis.contract.published import Publication, Published, check_id
from canalis.contract.run import ComputeChoice, check_experiment_name, new_run_id
from orchestrator import views
from orchestrator.kept import changed
from orchestrator.pipelines.publish import publish, published
from orchestrator.retention.doomed import spare_graph
from orchestrator.settled import settle
from orchestrator.submit import Asked, Behind, Submission, submit


def create(ports: Ports, asked: DraftRequest, computes: Mapping[str, ComputeChoice], by: str = "") -> Draft:
    """Keep a new draft. Asked again under the same id, it is the same draft.

    Raises   GraphError with every fault, ParameterError, NotFound for its source, BadRequest without a name or an
             experiment, AlreadyExists for an id that is another's
    """
    found = _of_source(ports, asked, computes) | asked.model_dump(exclude_none=True, exclude={"id", *_SOURCES})
    missing = [name for name in ("name", "experiment") if not found.get(name)]
    if missing:
        raise BadRequest(f"A draft of a graph needs {' and '.join(missing)}")
    now = ports.clock.now()
    identity = asked.id or new_run_id()
    made = Draft(**found, id=identity, created_at=now, created_by=by, updated_at=now)
    _check(ports, made)
    try:
        ports.documents.put(DRAFTS, identity, made.model_dump(mode="json"), if_absent=True)
    except Conflict:
        known = draft(ports.documents, identity)
        if (known.graph, known.name, known.experiment) == (made.graph, made.name, made.experiment):
            return known  # the request came twice
        raise AlreadyExists(f"There is another draft {identity} already", kind="draft", name=identity) from None
    return made


def draft(documents: DocumentStore, identity: str) -> Draft:
    """The draft of that id. Raises NotFound."""
    stored = documents.get(DRAFTS, check_id("draft", identity))
    if stored is None:
        raise NotFound(f"There is no draft '{identity}'", kind="draft", name=identity)
    return Draft.model_validate(stored.body)


def all_drafts(documents: DocumentStore, tags: Mapping[str, str | None]) -> list[Draft]:
    """Drafts, newest first.

    tags   that must be there, each with its value, or None for any
    """
    found = [Draft.model_validate(stored.body) for stored in documents.list(DRAFTS)]
    fitting = [one for one in found if all(_has(one.tags, *tag) for tag in tags.items())]
    return sorted(fitting, key=lambda one: (-one.created_at, one.id))


def change(ports: Ports, identity: str, said: DraftContent, computes: Mapping[str, ComputeChoice]) -> Draft:
    """Change a draft; a pipeline that is given takes the place of its own. Raises as `create` does."""
    news = _of_source(ports, said, computes)
    # Of another pipeline only that is meant, and not its name or the values that it was run with.
    news = {name: news[name] for name in ("graph", "interpreter", "source") if name in news}
    if "graph" in news:
        news["parameters"] = {}
    news |= said.model_dump(mode="json", exclude_none=True, exclude=_SOURCES)

    def edit(body: Document) -> Document:
        after = body | news
        _check(ports, Draft.model_validate(after))
        return after | {"updated_at": ports.clock.now()} if after != body else body

    draft(ports.documents, identity)
    return Draft.model_validate(changed(ports.documents, DRAFTS, identity, edit).body)


def delete(documents: DocumentStore, identity: str) -> None:
    """Forget a draft, or find that it is gone."""
    documents.delete(DRAFTS, check_id("draft", identity))


def run_draft(
    ports: Ports, identity: str, run_id: str | None, computes: Mapping[str, ComputeChoice], by: str, fingerprint: str
) -> Run:
    """Start a run of a draft as it is now. Raises as `submit` does."""
    found = draft(ports.documents, identity)
    asked: dict[str, Any] = {name: getattr(found, name) for name in Asked.model_fields if hasattr(found, name)}
    submission = Submission(
        **asked,
        run_id=run_id,
        graph=stored_graph(ports.blobs, found.graph),
        continue_on_step_failure=found.continue_on_step_failure,
        interpreter=found.interpreter,
    )
    return submit(ports, submission, computes, by, Behind(found.graph, fingerprint=fingerprint))


def publish_draft(
    ports: Ports, identity: str, pipeline_id: str | None, computes: Mapping[str, ComputeChoice], by: str = ""
) -> Published:
    """Publish a draft as it is now. Raises as `publish` does."""
    found = draft(ports.documents, identity)
    asked = Publication(
        id=pipeline_id,
        graph=stored_graph(ports.blobs, found.graph),
        name=found.name,
        description=found.description,
        continue_on_step_failure=found.continue_on_step_failure,
        parameters=found.parameters,
        interpreter=found.interpreter,
        tags=found.tags,
        properties=found.properties,
    )
    return publish(ports, asked, computes, by)


_SOURCES = {"graph", "pipeline", "run", "draft"}


def _of_source(ports: Ports, asked: DraftContent, computes: Mapping[str, ComputeChoice]) -> dict[str, Any]:
    """What a draft has from the pipeline that it is made of; nothing when none is named."""
    if asked.graph is not None:
        spared = spare_graph(ports, asked.graph)
        settle(ports, asked.graph, asked.parameters or {}, computes)
        return {"graph": spared.stored(ports.blobs), "description": asked.graph.description, "source": ""}
    common = ("graph", "description", "parameters", "continue_on_step_failure", "interpreter", "properties")
    if asked.pipeline is not None:
        source: Any = published(ports.documents, asked.pipeline)
        more = {"name": source.name, "source": f"pipeline {source.id}"}
    elif asked.run is not None:
        run = views.find_run(ports, asked.run)
        source = run.request
        more = {"name": source.display_name or run.run_id, "source": f"run {run.run_id}"}
        more["experiment"] = source.experiment
    elif asked.draft is not None:
        source = draft(ports.documents, asked.draft)
        more = {"name": source.name, "experiment": source.experiment, "source": f"draft {source.id}"}
    else:
        return {}
    return {name: getattr(source, name) for name in common} | more


def _check(ports: Ports, made: Draft) -> None:
    check_experiment_name(made.experiment)
    assign(stored_graph(ports.blobs, made.graph).parameters, made.parameters)


def _has(tags: Mapping[str, str], name: str, value: str | None) -> bool:
    return name in tags and value in (None, tags[name])
