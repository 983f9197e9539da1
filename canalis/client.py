"""The SDK's only way to the service: JSON and files over HTTP.

An error of the service is raised here as what the service raised (canalis.contract.errors); the classes above
turn it into v1's exceptions where v1 has one.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from canalis.contract.errors import (
    CanalisError,
    Forbidden,
    NotAllowed,
    NotFound,
    StoreUnavailable,
    all_errors,
)
from canalis.contract.trace import of_this_process
from canalis.exceptions import NotPermitted, NotSignedIn

if TYPE_CHECKING:
    import httpx2

PREFIX = "/api/v1"
KEY = "Idempotency-Key"
HERE = ("127.0.0.1", "localhost", "::1")
_AWAY_S = 60.0  # how long a service that does not answer is waited for; a restart takes about two seconds
_TIMEOUT_S = 60.0
_GATEWAY = (502, 503, 504)
_STARTING_REST_S = 1.0
_FOUND_S = 1.0  # how long a service that was found counts as there, before the token is sent to it

_log = logging.getLogger("canalis.client")


class Endpoint(NamedTuple):
    """Where a service is, and what opens it."""

    url: str
    token: str


class Opener(Protocol):
    """Opens a service to one caller; see canalis.sign_in."""

    def token(self) -> str:
        """What the next request is to bring."""
        ...

    def who(self) -> str:
        """Whose token it is; "" when that is not known."""
        ...


_told: list[str] | None = None  # what was written through any client, while somebody wants to know


@contextmanager
def writes() -> Iterator[list[str]]:
    """Within, what is written at any service comes into the list, by path."""
    global _told
    _told = []
    try:
        yield _told
    finally:
        _told = None


class Client:
    """A connection to the service of one workspace, made when it is first needed.

    find      tells where the service is; asked again when it does not answer, since it may have been restarted
    opener    gives a token for each request to a service in the cloud; None where the endpoint's own is good
    away_s    how long a service that does not answer is waited for, in seconds
    """

    def __init__(self, find: Callable[[], Endpoint], opener: Opener | None = None, away_s: float = _AWAY_S) -> None:
        self._find = find
        self._opener = opener
        self._away_s = away_s
        self._endpoint: Endpoint | None = None
        self._found_at = 0.0
        self._http: httpx2.Client | None = None

    @property
    def is_remote(self) -> bool:
        """Whether the service is in the cloud, so that files may have a shorter way than through it."""
        return self._opener is not None

    @property
    def endpoint(self) -> Endpoint:
        """Where the service is."""
        if self._endpoint is None:
            self._endpoint = self._find()
            self._found_at = time.monotonic()
        return self._endpoint

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path."""
        return self._json("GET", path, query)

    def get_beside(self, path: str, **query: Any) -> Any:
        """The JSON at a path of the service that is not of our own API: v1's."""
        return self._json("GET", path, query, prefix="")

    def post(self, path: str, body: Any = None, key: str | None = None, **query: Any) -> Any:
        """What the service answers to a body; under an idempotency key, the same however often it comes."""
        return self._json("POST", path, query, body, headers=_keyed(key))

    def put(self, path: str, body: Any = None, **query: Any) -> Any:
        """What the service answers to a body."""
        return self._json("PUT", path, query, body)

    def patch(self, path: str, body: Any) -> Any:
        """What the service answers to a change."""
        return self._json("PATCH", path, {}, body)

    def delete(self, path: str) -> Any:
        """Delete what is at a path; what the service says of that."""
        return self._json("DELETE", path, {})

    def post_document(self, path: str, document: bytes, key: str | None = None) -> Any:
        """What the service answers to JSON that is bytes already."""
        headers = {"Content-Type": "application/json"} | _keyed(key)
        return self._send("POST", path, content=document, headers=headers).json()

    def send_file(self, path: str, file: bytes | IO[bytes], **query: Any) -> None:
        """Upload a file's content to a path."""

        def pieces() -> Iterator[bytes]:
            assert not isinstance(file, bytes)
            file.seek(0)
            while piece := file.read(2**20):
                yield piece

        # A body is made anew for each try.
        self._send("PUT", path, params=query, make_content=(lambda: file) if isinstance(file, bytes) else pieces)

    def receive_file(self, path: str, target: Path) -> None:
        """Download a file; `target` appears whole or not at all."""
        import httpx2

        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".part-{target.name}")
        give_up = time.monotonic() + self._away_s
        while True:
            try:
                with self._stream(path) as response, part.open("wb") as file:
                    for piece in response.iter_bytes(2**20):
                        file.write(piece)
                break
            except httpx2.TransportError as error:
                self._lost(error, give_up)
        part.replace(target)

    def read_range(self, path: str, offset: int) -> tuple[bytes, int, bool]:
        """Bytes of a growing file from `offset` on, its length now, and whether it will stay so."""
        response = self._send("GET", path, params={"offset": offset})
        return response.content, int(response.headers["X-Size"]), response.headers["X-Complete"] == "true"

    def close(self) -> None:
        """Let go of the connection."""
        if self._http is not None:
            self._let_go()
            self._http = None

    def _json(self, method: str, path: str, query: dict[str, Any], body: Any = None, **parts: Any) -> Any:
        known = {name: value for name, value in query.items() if value is not None}
        response = self._send(method, path, params=known, json=body, **parts)
        return response.json() if response.content else None

    def _send(
        self,
        method: str,
        path: str,
        make_content: Callable[[], Any] | None = None,
        prefix: str = PREFIX,
        **parts: Any,
    ) -> httpx2.Response:
        import httpx2

        give_up = time.monotonic() + self._away_s
        own = parts.pop("headers", {})
        while True:
            if make_content is not None:
                parts["content"] = make_content()
            headers = own | self._authorization() | _traced()
            try:
                response = self._connection().request(
                    method, prefix + path, headers=headers, extensions={"trace": self._look_again}, **parts
                )
                _log.debug("%s %s: %s", method, prefix + path, response.status_code)
                if not self._is_starting(response) or time.monotonic() > give_up:
                    break
                time.sleep(_STARTING_REST_S)
            except httpx2.TransportError as error:
                # Asked again, since every request of ours may come twice: a submission brings its run's id, a
                # metric point its own, and the rest says how things shall be.
                self._lost(error, give_up)
        self._raise_for(response)
        if _told is not None and method != "GET":
            _told.append(path)
        return response

    @contextmanager
    def _stream(self, path: str) -> Iterator[httpx2.Response]:
        connection, headers = self._connection(), self._authorization() | _traced()
        asked = connection.stream("GET", PREFIX + path, headers=headers, extensions={"trace": self._look_again})
        with asked as response:
            if not response.is_success:
                response.read()
            self._raise_for(response)
            yield response

    def _authorization(self) -> dict[str, str]:
        token = self._opener.token() if self._opener is not None else self.endpoint.token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _connection(self) -> httpx2.Client:
        import httpx2

        if self._http is None:
            self._http = httpx2.Client(
                base_url=self.endpoint.url,
                timeout=_TIMEOUT_S,
                trust_env=not is_here(self.endpoint.url),  # a company's proxy must not be asked for 127.0.0.1
            )
            self._let_go = weakref.finalize(self, self._http.close)  # v1's Workspace has no close() to call ours
        return self._http

    def _look_again(self, event: str, info: Any) -> None:
        """Before a new connection: the service may have died since it was found, and another have its port."""
        import httpx2

        is_new = event == "connection.connect_tcp.started"
        if is_new and time.monotonic() - self._found_at > _FOUND_S and self._find() != self._endpoint:
            raise httpx2.ConnectError("The service is elsewhere by now")

    def _is_starting(self, response: httpx2.Response) -> bool:
        """Whether what stands before a service in the cloud has answered in its place: it is not up yet, or is gone."""
        is_ours = "json" in response.headers.get("Content-Type", "")
        return self.is_remote and response.status_code in _GATEWAY and not is_ours

    def _lost(self, error: Exception, give_up: float) -> None:
        if time.monotonic() > give_up:
            raise _away(self.endpoint.url, error) from error
        time.sleep(0.3)
        if not self.is_remote:  # else it stays where it is, and other threads may be using the connection
            self.close()
            self._endpoint = None

    def _raise_for(self, response: httpx2.Response) -> None:
        """Raise what the service has raised; one that refuses is told with who was refused."""
        if response.is_success:
            return
        error = _error_of(response)
        who = self._opener.who() if self._opener is not None else ""
        also = f" (signed in as {who})" if who else ""
        # Whatever was asked for, these are the caller's own trouble: v1's classes for it are raised right here.
        if isinstance(error, NotAllowed):
            raise NotSignedIn(error.message + also)
        if isinstance(error, Forbidden):
            raise NotPermitted(error.message + also)
        raise error


def is_here(url: str) -> bool:
    """Whether an address is one of this machine."""
    return urlsplit(url).hostname in HERE


def _keyed(key: str | None) -> dict[str, str]:
    return {KEY: key} if key else {}


def _traced() -> dict[str, str]:
    """What says that a request belongs to the trace of this script, if that has one."""
    trace = of_this_process()
    return {"traceparent": trace} if trace else {}


def _away(url: str, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"The Canalis service at {url} does not answer: {error}")


def _error_of(response: httpx2.Response) -> CanalisError:
    try:
        told = response.json()["error"]
        kind = all_errors().get(told["code"], CanalisError)
        details = told.get("details")  # at v1's routes a list, as v1 had it
        return kind(told["message"], **(details if isinstance(details, dict) else {}))
    except (ValueError, KeyError, TypeError):
        pass
    if response.status_code in (401, 403):
        return (NotAllowed if response.status_code == 401 else Forbidden)(
            f"{response.url} refuses ({response.status_code}): ask who looks after the workspace for a role in it, "
            "reader to look, submitter to run pipelines"
        )
    where = f", which leads to {response.headers['Location']}" if response.has_redirect_location else ""
    return CanalisError(f"{response.status_code} from {response.url}{where}")


__all__ = ["Client", "Endpoint", "NotFound"]
