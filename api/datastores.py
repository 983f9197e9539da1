"""Datastores: named documents, and the files in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, BinaryIO

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from api.access import GuardedRoute, Role, needs
from api.files import BYTES_GIVEN, BYTES_SENT, file_view, has_content, key_shown_as, no_file, receive, send_file
from api.links import LinksAnswer, LinksAsked, checked, links_to_read, links_to_write, must_be
from api.reach import Reach, file_filter
from api.service import Asking, Here, Service
from canalis.contract.datastores import DATASTORES, DatastoreRegistration, place_of
from canalis.contract.errors import AlreadyExists
from canalis.contract.graph import Graph
from canalis.contract.ports import Stored
from canalis.contract.views import FileView
from orchestrator import datastores as kept

router = APIRouter(prefix="/datastores", route_class=GuardedRoute, tags=["datastores"])


@router.get("", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def list_datastores(here: Here) -> list[dict[str, Any]]:
    """All datastores, by name."""
    default = kept.default_name(here.ports)
    return [_view(here, stored, default) for stored in here.ports.documents.list(DATASTORES)]


@router.get("/{name}", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def get_datastore(here: Here, name: str) -> dict[str, Any]:
    """One datastore; the default one under the name `default`."""
    default = kept.default_name(here.ports)
    return _view(here, kept.find(here.ports, default if name == "default" else name), default)


@router.put("/default/{name}", dependencies=[needs(Role.OPERATOR)])
def set_default(here: Here, name: str) -> dict[str, Any]:
    """Make a datastore the one that is used where none is named."""
    return _view(here, kept.set_default(here.ports, name), name)


@router.put("/{name}", dependencies=[needs(Role.OPERATOR)])
def put_datastore(here: Here, name: str, asked: DatastoreRegistration) -> dict[str, Any]:
    """Register a datastore, or the same one again. Its credentials go into the vault."""
    stored = kept.register(here.ports, name, asked)
    return _view(here, stored, kept.default_name(here.ports))


@router.delete("/{name}", dependencies=[needs(Role.OPERATOR)], status_code=204)
def delete_datastore(here: Here, name: str) -> None:
    """Forget a datastore and its credentials, or find that it is gone. No file is deleted."""
    kept.unregister(here.ports, name)


@router.get("/{name}/credentials", dependencies=[needs(Role.SUBMITTER, step=Reach.WORKSPACE)])
def get_credentials(here: Here, name: str, response: Response) -> dict[str, str]:
    """What opens a datastore, by v1's words for it. That it was read is written down."""
    response.headers["Cache-Control"] = "no-store"
    return kept.credentials(here.ports, name)


@router.get("/{name}/files", dependencies=[needs(Role.READER, step=Reach.CHOSEN)])
def list_files(here: Here, who: Asking, name: str, prefix: str = "") -> list[FileView]:
    """Files whose paths begin with `prefix`, by path."""
    store = here.ports.stores.open(kept.find(here.ports, name).name)
    is_open = file_filter(here.ports, who.run)
    return [file_view(blob) for blob in store.list(prefix) if is_open(blob.key)]


@router.post("/{name}/links", dependencies=[needs(Role.READER, step=Reach.CHOSEN)])
def link_files(here: Here, who: Asking, name: str, asked: LinksAsked) -> LinksAnswer:
    """Links to fetch or to send files past the service, up to 1000 at once. To send them needs the role submitter."""
    checked(asked.paths)
    store = here.ports.stores.open(kept.find(here.ports, name).name)
    is_open = file_filter(here.ports, who.run)
    if asked.purpose == "read":
        keys = {path: key_shown_as(path, store) for path in asked.paths}
        _check_reach(keys.values(), is_open)
        return links_to_read(store, keys)
    must_be(who, Role.SUBMITTER)
    _check_reach(asked.paths, is_open)
    return links_to_write(store, asked.paths, asked.overwrite)


@router.get(
    "/{name}/files/{path:path}",
    dependencies=[needs(Role.READER, step=Reach.CHOSEN)],
    response_class=Response,
    responses=BYTES_GIVEN,
)
def get_file(here: Here, who: Asking, name: str, path: str) -> StreamingResponse:
    """One file, whole."""
    store = here.ports.stores.open(kept.find(here.ports, name).name)
    key = key_shown_as(path, store)
    if not file_filter(here.ports, who.run)(key):
        raise no_file(path)
    return send_file(store, key, path)


@router.put(
    "/{name}/files/{path:path}",
    dependencies=[needs(Role.SUBMITTER, step=Reach.CHOSEN)],
    status_code=204,
    openapi_extra=BYTES_SENT,
)
async def put_file(here: Here, who: Asking, name: str, path: str, request: Request, overwrite: bool = True) -> None:
    """Send one file. Without `overwrite` an existing one with other content is an error."""
    store = here.ports.stores.open(kept.find(here.ports, name).name)
    _check_reach([path], file_filter(here.ports, who.run))

    def put_new(received: BinaryIO) -> None:
        if not store.put_if_absent(path, received) and not has_content(store, path, received):
            raise AlreadyExists(f"{name} has a file {path} already", kind="file", name=path)

    await receive(request, partial(store.put, path) if overwrite else put_new)


def _check_reach(paths: Iterable[str], is_open: Callable[[str], bool]) -> None:
    for path in paths:
        if not is_open(path):
            raise no_file(path)


def with_default_store(here: Service, graph: Graph) -> Graph:
    """The same graph, which says where what names no datastore lies: where that is just now."""
    if graph.default_datastore:
        return graph
    return graph.model_copy(update={"default_datastore": kept.default_name(here.ports)})


def _view(here: Service, stored: Stored, default: str) -> dict[str, Any]:
    place = place_of(stored.body, here.is_local)
    return {"name": stored.name, "is_default": stored.name == default, "place": place, **stored.body}
