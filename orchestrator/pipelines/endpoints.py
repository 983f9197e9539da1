"""Pipeline endpoints: made, changed, found by name or id, and which published pipeline each version of one is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from canalis.contract.endpoints import (
    ENDPOINT_NAMES,
    ENDPOINTS,
    VERSIONS_MAX,
    Endpoint,
    EndpointChange,
    EndpointRequest,
    EndpointVersion,
)
from canalis.contract.errors import AlreadyExists, Conflict, Disabled, NotFound, StillUsed, TooLarge
from canalis.contract.ports import Document, DocumentStore, Ports
from canalis.contract.published import Published, check_id
from canalis.contract.run import new_run_id
from orchestrator.kept import changed
from orchestrator.pipelines.publish import published

_MAKING_S = 60.0  # between taking a name and keeping the endpoint that has it


def create(ports: Ports, asked: EndpointRequest, by: str = "") -> Endpoint:
    """Make an endpoint. Asked again under the same id, it is the same endpoint.

    Raises   NotFound for the pipeline, AlreadyExists for a name or an id that is another's
    """
    published(ports.documents, asked.pipeline)
    now = ports.clock.now()
    made = Endpoint(
        id=asked.id or new_run_id(),
        name=asked.name,
        description=asked.description,
        versions=(EndpointVersion(version="0", pipeline=asked.pipeline, added_at=now, added_by=by),),
        tags=asked.tags,
        properties=asked.properties,
        created_at=now,
        created_by=by,
        updated_at=now,
    )
    _take_name(ports, made.name, made.id)
    try:
        ports.documents.put(ENDPOINTS, made.id, made.model_dump(mode="json"), if_absent=True)
    except Conflict:
        known = endpoint(ports.documents, made.id)
        if (known.name, known.versions[0].pipeline) == (made.name, asked.pipeline):
            return known  # the request came twice
        raise AlreadyExists(f"There is another endpoint {made.id} already", kind="endpoint", name=made.id) from None
    return made


def endpoint(documents: DocumentStore, identity: str) -> Endpoint:
    """The endpoint of that id. Raises NotFound."""
    stored = documents.get(ENDPOINTS, check_id("pipeline endpoint", identity))
    if stored is None:
        raise NotFound(f"There is no pipeline endpoint '{identity}'", kind="endpoint", name=identity)
    return Endpoint.model_validate(stored.body)


def endpoint_named(documents: DocumentStore, name: str) -> Endpoint:
    """The endpoint of that name. Raises NotFound."""
    owner = _owner(documents, name)
    if owner is None:
        raise NotFound(f"There is no pipeline endpoint named '{name}'", kind="endpoint", name=name)
    return endpoint(documents, owner)


def all_endpoints(documents: DocumentStore, active_only: bool = False) -> list[Endpoint]:
    """Endpoints, newest first."""
    found = [Endpoint.model_validate(stored.body) for stored in documents.list(ENDPOINTS)]
    fitting = [one for one in found if not active_only or one.status != "Disabled"]
    return sorted(fitting, key=lambda one: (-one.created_at, one.id))


def endpoints_with(documents: DocumentStore, pipeline: str) -> list[Endpoint]:
    """Endpoints of which a published pipeline is a version."""
    return [one for one in all_endpoints(documents) if any(there.pipeline == pipeline for there in one.versions)]


def add_version(ports: Ports, identity: str, pipeline: str, default: bool = False, by: str = "") -> Endpoint:
    """Put a published pipeline behind an endpoint, as its next version; one that is there already stays as it is.

    default   whether it shall be what runs when no version is named
    Raises    NotFound, TooLarge for too many versions
    """
    published(ports.documents, pipeline)

    def edit(known: Endpoint) -> Document:
        versions = list(known.versions)
        there = next((one.version for one in versions if one.pipeline == pipeline), None)
        if there is None and len(versions) >= VERSIONS_MAX:
            raise TooLarge(f"Endpoint '{known.name}' has {VERSIONS_MAX} versions: make another endpoint")
        number = there or str(1 + max(int(one.version) for one in versions))
        if there is None:
            now = ports.clock.now()
            versions.append(EndpointVersion(version=number, pipeline=pipeline, added_at=now, added_by=by))
        news: Document = {"versions": [one.model_dump() for one in versions]}
        return news | ({"default_version": number} if default else {})

    return _changed(ports, identity, edit)


def change(ports: Ports, identity: str, said: EndpointChange) -> Endpoint:
    """Rename, describe, enable or disable an endpoint, or choose the version that runs when none is named.

    Raises   NotFound for it or for the version, AlreadyExists for a name that is another's
    """
    news = said.model_dump(exclude_none=True)
    before = endpoint(ports.documents, identity)
    if said.name is not None:
        _take_name(ports, said.name, identity)

    def edit(known: Endpoint) -> Document:
        if said.default_version is not None:
            version_of(known, said.default_version)
        return news

    after = _changed(ports, identity, edit)
    if after.name != before.name:
        _set_free(ports.documents, before.name, identity)
    return after


def delete(documents: DocumentStore, identity: str, schedules: Sequence[str] = ()) -> None:
    """Forget an endpoint, or find that it is gone. The pipelines behind it stay, and so do their runs.

    schedules   names of those that start it
    Raises      StillUsed, naming them
    """
    if schedules:
        raise StillUsed(f"Endpoint {identity} is started by schedule {', '.join(schedules)}: delete them first")
    stored = documents.get(ENDPOINTS, check_id("pipeline endpoint", identity))
    documents.delete(ENDPOINTS, identity)
    if stored is not None:
        _set_free(documents, stored.body["name"], identity)


def version_of(found: Endpoint, version: str | None) -> EndpointVersion:
    """A version of an endpoint, its default one for None. Raises NotFound, which says those that are there."""
    wanted = found.default_version if version in (None, "") else version
    for one in found.versions:
        if one.version == wanted:
            return one
    raise NotFound(
        f"Endpoint '{found.name}' has no version {wanted!r} (it has 0 to {found.versions[-1].version})",
        kind="version",
        name=str(wanted)[:80],
    )


def behind(documents: DocumentStore, found: Endpoint, version: str | None) -> tuple[Published, EndpointVersion]:
    """The published pipeline that an endpoint starts. Raises Disabled, NotFound."""
    if found.status == "Disabled":
        raise Disabled(
            f"Endpoint '{found.name}' is disabled: enable it to start it again", kind="endpoint", name=found.id
        )
    chosen = version_of(found, version)
    return published(documents, chosen.pipeline), chosen


def _changed(ports: Ports, identity: str, edit: Callable[[Endpoint], Document]) -> Endpoint:
    """The endpoint after its document was changed by what `edit` says is new."""

    def on_body(body: Document) -> Document:
        news = edit(Endpoint.model_validate(body))
        is_news = any(body.get(name) != value for name, value in news.items())
        return body | news | {"updated_at": ports.clock.now()} if is_news else body

    endpoint(ports.documents, identity)
    return Endpoint.model_validate(changed(ports.documents, ENDPOINTS, identity, on_body).body)


def _take_name(ports: Ports, name: str, identity: str) -> None:
    """Make a name this endpoint's. Raises AlreadyExists.

    A name whose endpoint is not there was taken by somebody who is about to make it, or who got no further.
    """
    documents, now = ports.documents, ports.clock.now()
    body: Document = {"id": identity, "taken_at": now}
    try:
        documents.put(ENDPOINT_NAMES, name, body, if_absent=True)
    except Conflict:
        known = documents.get(ENDPOINT_NAMES, name)
        is_free = known is not None and _owner(documents, name) is None and now - known.body["taken_at"] > _MAKING_S
        if known is not None and known.body["id"] != identity and not is_free:
            raise AlreadyExists(f"There is an endpoint '{name}' already", kind="endpoint", name=name) from None
        documents.put(ENDPOINT_NAMES, name, body, etag=known.etag if known else None)


def _set_free(documents: DocumentStore, name: str, identity: str) -> None:
    """Let others have a name that was this endpoint's."""
    found = documents.get(ENDPOINT_NAMES, name)
    if found is not None and found.body["id"] == identity:
        documents.delete(ENDPOINT_NAMES, name)


def _owner(documents: DocumentStore, name: str) -> str | None:
    """The endpoint that has a name; None when nobody has it."""
    found = documents.get(ENDPOINT_NAMES, name)
    if found is None:
        return None
    stored = documents.get(ENDPOINTS, found.body["id"])
    return str(found.body["id"]) if stored is not None and stored.body["name"] == name else None
