"""The portal's own files: one page, its scripts and styles. They tell nothing of anybody's work, so anybody has them.

The page asks the same HTTP API as everybody else, with a token of its own. No answer here lets a page of others frame
it, load a script from elsewhere, or run one that stands in a text.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.access import GuardedRoute, Role, needs
from api.files import BYTES_GIVEN
from canalis.contract.errors import NotFound

front = APIRouter(route_class=GuardedRoute, tags=["workspace"])  # not below the API's prefix

_FOLDER = Path(__file__).resolve().parents[1] / "portal"
_KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
_PAGE = "index.html"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",  # asked again each time, and answered in a few bytes
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    kind: str
    etag: str


@front.get("/", dependencies=[needs(Role.NOBODY)], response_class=Response)
def portal(request: Request) -> Response:
    """The portal, for people who come with a browser: one page, which asks this API for what it shows."""
    return _sent(request, _PAGE)


@front.get(
    "/portal/{path:path}",
    dependencies=[needs(Role.NOBODY)],
    response_class=Response,
    responses=BYTES_GIVEN,
)
def portal_file(request: Request, path: str) -> Response:
    """One of the portal's scripts and styles."""
    return _sent(request, path)


def _sent(request: Request, path: str) -> Response:
    file = _files().get(path)
    if file is None:
        raise NotFound("The portal has no such file", kind="file", name=path[:200])
    headers = _HEADERS | {"ETag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.kind, headers=headers)


@cache
def _files() -> dict[str, _File]:
    """All files by path, read once: what is asked for is looked up here and never on the disk."""
    found = {}
    for path in sorted(_FOLDER.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            kind = _KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
            etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            found[path.relative_to(_FOLDER).as_posix()] = _File(content, kind, etag)
    return found
