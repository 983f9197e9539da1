"""Links: the way past the service to one file, for a short time. There are none where bytes only go through us."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, StrictBool

from api.access import Caller, Role
from canalis.contract.errors import BadRequest, Forbidden
from canalis.contract.ports import BlobStore, Link

PATHS_MAX = 1000
READ_S = 900.0
WRITE_S = 3600.0  # a batch of files waits its turn at the sender
# Who comes second is refused by the storage (409 or 412). Blob storage keeps this, and so must each that gives links.
_NEW_ONLY = {"If-None-Match": "*"}
_AT_ONCE = 8

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class LinksAsked(BaseModel):
    """Which files somebody wants to fetch, or to send."""

    paths: Annotated[list[str], Field(max_length=PATHS_MAX)]
    purpose: Annotated[Literal["read", "write"], Field(alias="for")] = "read"
    overwrite: StrictBool = False


class LinkView(BaseModel):
    """Where to send a file by PUT, or fetch it by GET, with which headers. Good for the one file and a short time."""

    url: str
    headers: dict[str, str] = {}


class LinksAnswer(BaseModel):
    """A link for each path; null where the file goes through the service.

    existing   files that are there and were not to be overwritten: there is no link for them
    """

    links: dict[str, LinkView | None]
    existing: list[str] = []


def view_of(link: Link | None, only_new: bool = False) -> LinkView | None:
    """A link as it is given away; with `only_new` it makes a file and replaces none."""
    return LinkView(url=link.url, headers={**link.headers, **(_NEW_ONLY if only_new else {})}) if link else None


def links_to_read(store: BlobStore, keys: Mapping[str, str]) -> LinksAnswer:
    """Links to files of a store, by the paths that they are shown under."""
    return LinksAnswer(links={path: view_of(store.link(key, READ_S)) for path, key in keys.items()})


def links_to_write(store: BlobStore, paths: list[str], overwrite: bool) -> LinksAnswer:
    """Links to put files into a store. Without `overwrite` none can replace a file that is there or comes meanwhile."""
    infos = [] if overwrite else at_once(store.info, paths)
    existing = [path for path, info in zip(paths, infos, strict=False) if info is not None]
    wanted = sorted({*paths} - {*existing})
    links = {path: view_of(store.link(path, WRITE_S, write=True), only_new=not overwrite) for path in wanted}
    return LinksAnswer(links=links, existing=existing)


def at_once(ask: Callable[[_In], _Out], given: Sequence[_In]) -> list[_Out]:
    """The answer for each of several, a few at a time: storage elsewhere takes milliseconds for each."""
    if len(given) < 2:
        return [*map(ask, given)]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return [*threads.map(ask, given)]


def checked(paths: list[str]) -> None:
    """Raise BadRequest for a path that leads anywhere but below its place: a link is good for whatever it names."""
    for path in paths:
        if not path or "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
            raise BadRequest(f"'{path}' is no path of a file here", key=path)


def must_be(who: Caller, role: Role) -> None:
    """Raise Forbidden when whoever asks has less than a role: for routes where that depends on what is asked."""
    if who.run is None and who.role < role:  # how far a script may reach is asked elsewhere
        wanted, has = role.name.lower(), who.role.name.lower()
        raise Forbidden(f"This needs the role {wanted}; you are {has}", needs=wanted, has=[has])
