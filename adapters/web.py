"""Sends documents to addresses of somebody else's, by the standard library's HTTP and TLS.

    web = HttpWeb(["*", "hooks.corp.internal"])
    web.post("https://hooks.corp.internal/run", body, {"Content-Type": "application/json"})

What a name stands for is asked once. All that it stands for is judged, and the connection goes to just that: a name
that leads elsewhere a moment later (DNS rebinding) is not asked again. For the same reason no proxy is used, which
would ask for itself. The certificate must be the name's. Nothing is followed, and however slowly the other side does
what it does, it has `limit_s` for all of it.
"""

from __future__ import annotations

import functools
import io
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from adapters.addresses import ANY, Address, Ip, Reach, read
from canalis.contract.errors import AddressRefused, BadRequest, TooLarge, Unreachable
from canalis.contract.ports import Answer
from canalis.contract.version import VERSION

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPResponse

LIMIT_S = 10.0
BODY_BYTES_MAX = 256 * 1024
TEXT_CHARACTERS = 500
HEADERS_BYTES_MAX = 16 * 1024
_ANSWER_BYTES_MAX = 64 * 1024  # of what is read, with its headers; nobody needs more to say how it went
_TRIES_MAX = 4  # of the addresses that a name stands for

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110, section 5.6.2
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")  # no line ends: what follows one would be a header of its own
# Ours to say: where a message ends, who it is for and from, and in which form the answer may come.
_OURS = re.compile(
    r"host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|user-agent"
    r"|accept-encoding|proxy-.*",
    re.IGNORECASE,
)


class HttpWeb:
    """Sends one document after the other, each over a connection of its own. Safe to be used by many threads.

    hosts, may_reach_this_machine   how far it goes; see Reach
    resolver   finds what a name stands for, as socket.getaddrinfo does
    tls        whose certificates are believed: when not given, those that the system believes
    limit_s    for all of it: the name, the connection, the document, the answer
    """

    def __init__(
        self,
        hosts: Sequence[str] = (ANY,),
        may_reach_this_machine: bool = False,
        resolver: Callable[..., Sequence[Any]] = socket.getaddrinfo,
        tls: ssl.SSLContext | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._reach = Reach(hosts, may_reach_this_machine)
        self._resolver = resolver
        self._tls = tls
        self._limit_s = limit_s

    def check(self, url: str) -> str:
        """The address, normalised. Raises AddressRefused for one that can never be sent to; asks nobody."""
        return str(self._checked(url))

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send it once, and say what was answered. Raises as the port says."""
        address, sent = self._checked(url), _checked_headers(headers)
        if len(body) > BODY_BYTES_MAX:
            raise TooLarge(f"The document has {len(body)} bytes: at most {BODY_BYTES_MAX} are sent")
        until = Until(time.monotonic() + self._limit_s)
        try:
            with self._connected(address, until) as connection:
                return _exchanged(address, connection, until, body, sent)
        except TimeoutError as error:
            raise Unreachable(f"{address.authority} has not answered within {self._limit_s:g} s") from error
        except OSError as error:
            raise Unreachable(f"{address.authority} cannot be reached: {_reason(error)}") from error

    def _checked(self, url: str) -> Address:
        address = read(url)
        self._reach.check(address)
        return address

    def _connected(self, address: Address, until: Until) -> socket.socket:
        found = [address.ip] if address.ip is not None else self._resolved(address.host, address.port, until)
        # One that will not do is enough: whoever made the name lead there may as well have the others.
        if not all(self._reach.may_lead_to(address, ip) for ip in found):
            raise AddressRefused(f"{address.host} leads to what is not public", host=address.host)
        connection = _first_to_answer(found[:_TRIES_MAX], address.port, until)
        if address.scheme != "https":
            return connection
        try:
            connection.settimeout(until.left_s())
            return (self._tls or _system_tls()).wrap_socket(connection, server_hostname=address.host)
        except BaseException:
            connection.close()
            raise

    def _resolved(self, host: str, port: int, until: Until) -> list[Ip]:
        """All that a name stands for at this moment."""
        found: queue.SimpleQueue[list[Ip] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                rows = self._resolver(host, port, type=socket.SOCK_STREAM)
                found.put(list(dict.fromkeys(ip_address(row[4][0]) for row in rows)))
            except Exception as error:
                found.put(error)

        # On a thread of its own, since nothing ends a question to the name servers.
        threading.Thread(target=ask, name="resolver", daemon=True).start()
        try:
            said = found.get(timeout=until.left_s())
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(said, Exception):
            raise said
        if not said:
            raise OSError("its name stands for no address")
        return said


class Until:
    """A moment, by the clock that only goes on."""

    def __init__(self, moment: float) -> None:
        self._moment = moment

    def left_s(self) -> float:
        """How long it is until then. Raises TimeoutError when it is over."""
        left_s = self._moment - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class Hurried:
    """A socket as http.client uses one, of which no call lasts longer than until then, nor brings more than it may."""

    def __init__(self, connection: socket.socket, until: Until) -> None:
        self._connection = connection
        self._until = until

    def sendall(self, data: bytes) -> None:
        """Send all of it. One by one, since the socket's own begins its limit anew with each piece under TLS."""
        left = memoryview(data)
        while left:
            self._connection.settimeout(self._until.left_s())
            left = left[self._connection.send(left) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        """What comes back, up to _ANSWER_BYTES_MAX of it."""
        return io.BufferedReader(_Pieces(self._connection, self._until))

    def close(self) -> None:
        """Nothing: who connected closes it."""


class _Pieces(io.RawIOBase):
    """What a socket brings, until there was enough of it."""

    def __init__(self, connection: socket.socket, until: Until) -> None:
        self._connection = connection
        self._until = until
        self._left = _ANSWER_BYTES_MAX

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next piece; 0 at the end, and when there was enough."""
        if not self._left:
            return 0
        self._connection.settimeout(self._until.left_s())
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


def _first_to_answer(found: Sequence[Ip], port: int, until: Until) -> socket.socket:
    """A connection to the first of these that takes one. Each has its share of the time that is left."""
    trouble: OSError | None = None
    for place, ip in enumerate(found):
        connection = socket.socket(socket.AF_INET6 if ip.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.settimeout(until.left_s() / (len(found) - place))
            connection.connect((str(ip), port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            trouble = error
        else:
            return connection
    assert trouble is not None, found
    raise trouble


def _exchanged(
    address: Address, connection: socket.socket, until: Until, body: bytes, headers: Mapping[str, str]
) -> Answer:
    from http.client import HTTPConnection, HTTPException

    http = HTTPConnection(address.host, address.port)
    http.sock = Hurried(connection, until)
    ours = {"Host": address.authority, "Connection": "close", "User-Agent": f"canalis/{VERSION}"}
    try:
        http.request("POST", address.target, body, {**ours, **headers})
        answer = http.getresponse()
    except HTTPException as error:
        said = type(error).__name__
        raise Unreachable(f"{address.authority} does not answer as a web server does: {said}") from error
    return Answer(answer.status, _beginning(answer))


def _beginning(answer: HTTPResponse) -> str:
    from http.client import HTTPException

    body = b""
    with suppress(OSError, HTTPException):  # the status has come, and that says how it went
        while len(body) < 4 * TEXT_CHARACTERS and (piece := answer.read1(4 * TEXT_CHARACTERS)):
            body += piece
    return body.decode(errors="replace")[:TEXT_CHARACTERS]


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers. Raises BadRequest for what would be none, or several, without its value: that may be secret."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or _OURS.fullmatch(name):
            raise BadRequest(f"{name[:100]!r} cannot be the name of a header that is sent along")
        if not _HEADER_VALUE.fullmatch(value):
            raise BadRequest(f"The header {name} has a line end, or another character that no header can have")
    length = sum(len(name) + len(value) for name, value in headers.items())
    if length > HEADERS_BYTES_MAX:
        raise TooLarge(f"The headers have {length} bytes: at most {HEADERS_BYTES_MAX} are sent")
    return dict(headers)


@functools.cache
def _system_tls() -> ssl.SSLContext:
    """The certificates that the system believes, read once."""
    import ssl

    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _reason(error: OSError) -> str:
    return getattr(error, "verify_message", "") or error.strerror or str(error)
