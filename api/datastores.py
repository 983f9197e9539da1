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
from canalis.contract.errors import AlreadyExists, NotFound
from canalis.contract.graph import Graph
from canalis.contract.ports import Stored
from canalis.contract.views import FileView

router = APIRouter(prefix="/datastores", route_class=GuardedRoute, tags=["datastores"])

KIND = "datastores"
DEFAULT = "workspaceblobstore"
_SETTING = "default_datastore"


@router.get("", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def list_datastores(here: Here) -> list[dict[str, Any]]:
    """All datastores, by name."""
    default = default_name(here)
    return [_view(stored, default) for stored in here.ports.documents.list(KIND)]


@router.get("/{name}", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def get_datastore(here: Here, name: str) -> dict[str, Any]:
    """One datastore; the default one under the name `default`."""
    return _view(_stored(here, default_name(here) if name == "default" else name), default_name(here))


@router.put("/default/{name}", dependencies=[needs(Role.OPERATOR)])
def set_default(here: Here, name: str) -> dict[str, Any]:
    """Make a datastore the one that is used where none is named."""
    stored = _stored(here, name)
    here.ports.documents.put("settings", _SETTING, {"name": name})
    return _view(stored, name)


@router.get("/{name}/files", dependencies=[needs(Role.READER, step=Reach.CHOSEN)])
def list_files(here: Here, who: Asking, name: str, prefix: str = "") -> list[FileView]:
    """Files whose paths begin with `prefix`, by path."""
    store = here.ports.stores.open(_stored(here, name).name)
    is_open = file_filter(here.ports, who.run)
    return [file_view(blob) for blob in store.list(prefix) if is_open(blob.key)]


@router.post("/{name}/links", dependencies=[needs(Role.READER, step=Reach.CHOSEN)])
def link_files(here: Here, who: Asking, name: str, asked: LinksAsked) -> LinksAnswer:
    """Links to fetch or to send files past the service, up to 1000 at once. To send them needs the role submitter."""
    checked(asked.paths)
    store = here.ports.stores.open(_stored(here, name).name)
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
    store = here.ports.stores.open(_stored(here, name).name)
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
    store = here.ports.stores.open(_stored(here, name).name)
    _check_reach([path], file_filter(here.ports, who.run))

    def put_new(received: BinaryIO) -> None:
        if not store.put_if_absent(path, received) and not has_content(store, path, received):
            raise AlreadyExists(f"{name} has a file {path} already", kind="file", name=path)

    await receive(request, partial(store.put, path) if overwrite else put_new)


def _check_reach(paths: Iterable[str], is_open: Callable[[str], bool]) -> None:
    for path in paths:
        if not is_open(path):
            raise no_file(path)


def default_name(here: Service) -> str:
    """The name of the datastore that is used where none is named."""
    stored = here.ports.documents.get("settings", _SETTING)
    return str(stored.body["name"]) if stored else DEFAULT


def with_default_store(here: Service, graph: Graph) -> Graph:
    """The same graph, which says where what names no datastore lies: where that is just now."""
    return graph if graph.default_datastore else graph.model_copy(update={"default_datastore": default_name(here)})


def _stored(here: Service, name: str) -> Stored:
    stored = here.ports.documents.get(KIND, name)
    if stored is None:
        known = ", ".join(found.name for found in here.ports.documents.list(KIND))
        raise NotFound(f"There is no datastore '{name}' (there: {known})", kind="datastore", name=name)
    return stored


def _view(stored: Stored, default: str) -> dict[str, Any]:
    return {"name": stored.name, "is_default": stored.name == default, **stored.body}
