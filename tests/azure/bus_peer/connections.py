"""The connections of clients: bytes between a socket and the AMQP library, and its events to the links."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from cproton import (
    PN_CONNECTION_REMOTE_CLOSE,
    PN_CONNECTION_REMOTE_OPEN,
    PN_DELIVERY,
    PN_LINK_FLOW,
    PN_LINK_REMOTE_CLOSE,
    PN_LINK_REMOTE_DETACH,
    PN_LINK_REMOTE_OPEN,
    PN_SESSION_REMOTE_CLOSE,
    PN_SESSION_REMOTE_OPEN,
    pn_collector_peek,
    pn_collector_pop,
    pn_delivery_link,
    pn_event_delivery,
    pn_event_link,
    pn_event_session,
    pn_event_type,
)
from cproton_ffi import ffi
from proton import Collector, Link, ProtonException, Session, Transport
from proton import Connection as AmqpConnection

from tests.azure.bus_peer.attach import attach
from tests.azure.bus_peer.links import PeerLink
from tests.azure.bus_peer.namespace import Namespace
from tests.azure.bus_peer.requests import ReplyLink

FRAME_MAX = 65_536
_TICK_S = 5.0  # how often heartbeats are looked after; clients want one in 15 s or more
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets at once


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.links: dict[Any, PeerLink] = {}  # by the library's pointer
        self._loop = namespace.loop
        self._socket: asyncio.Transport | None = None
        self._engine = Transport(Transport.SERVER)
        self._engine.max_frame_size = FRAME_MAX
        self._connection = AmqpConnection()
        self._collector = Collector()
        self._connection.collect(self._collector)
        self._engine.bind(self._connection)
        self._touched = False
        self._timer: asyncio.TimerHandle | None = None

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come. By a fault it is sent away."""
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport
        self.namespace.connections.add(self)
        if self.namespace.faults.strikes("refuse"):
            self.cut()
            return
        self._timer = self._loop.call_later(_TICK_S, self._tick)

    def data_received(self, data: bytes) -> None:
        """Frames, or parts of them."""
        try:
            at = 0
            while at < len(data):
                room = self._engine.capacity()
                if room <= 0:
                    break
                self._engine.push(data[at : at + room])
                at += room
        except ProtonException:
            self.cut()
            return
        self._carry_events()
        self.touch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, in good order or killed."""
        self.namespace.connections.discard(self)
        self._socket = None
        if self._timer:
            self._timer.cancel()
        self._drop_links()

    def cut(self) -> None:
        """Reset it, as a network does that fails."""
        if self._socket is not None:
            connected = self._socket.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._socket.abort()

    def touch(self) -> None:
        """There is something to send: it goes when all that is to be done now is done."""
        if not self._touched:
            self._touched = True
            self._loop.call_soon(self._flush)

    def later(self, do: Callable[..., None], *arguments: Any) -> None:
        """Do it after what is being done now, and after what that sends."""
        self.touch()
        self._loop.call_soon(do, *arguments)

    def _flush(self) -> None:
        self._touched = False
        if self._socket is None:
            return
        self._carry_events()
        pending = self._engine.pending()
        while pending > 0:
            self._socket.write(self._engine.peek(pending))
            self._engine.pop(pending)
            pending = self._engine.pending()
        if pending < 0:
            self._socket.close()

    def _tick(self) -> None:
        self._engine.tick(self._loop.time())
        self._timer = self._loop.call_later(_TICK_S, self._tick)
        self.touch()

    # The protocol

    def _carry_events(self) -> None:
        collector = self._collector._impl
        event = pn_collector_peek(collector)
        while event != ffi.NULL:
            kind = pn_event_type(event)
            if kind == PN_DELIVERY:
                delivery = pn_event_delivery(event)
                link = self.links.get(pn_delivery_link(delivery))
                if link is not None:
                    link.on_delivery(delivery)
            elif kind == PN_LINK_FLOW:
                link = self.links.get(pn_event_link(event))
                if link is not None:
                    link.on_flow()
            elif kind in _RARE:
                _RARE[kind](self, event)
            pn_collector_pop(collector)
            event = pn_collector_peek(collector)

    def _connection_opens(self, _: Any) -> None:
        self._connection.container = "bus-peer"
        self._connection.open()

    def _connection_closes(self, _: Any) -> None:
        self._drop_links()
        self._connection.close()

    def _session_opens(self, event: Any) -> None:
        session = Session.wrap(pn_event_session(event))
        session.incoming_capacity = 1 << 24
        session.open()

    def _session_closes(self, event: Any) -> None:
        session = Session.wrap(pn_event_session(event))
        for impl, link in list(self.links.items()):
            if link.link.session == session:
                del self.links[impl]
                link.left()
        session.close()

    def _link_opens(self, event: Any) -> None:
        impl = pn_event_link(event)
        link = attach(self, Link.wrap(impl))
        if link is not None:
            self.links[impl] = link

    def _link_closes(self, event: Any) -> None:
        impl = pn_event_link(event)
        link = self.links.pop(impl, None)
        if link is not None:
            link.left()
        wrapped = Link.wrap(impl)
        wrapped.close()
        wrapped.free()

    def _drop_links(self) -> None:
        links, self.links = list(self.links.values()), {}
        for link in links:
            link.left()

    def reply_link(self, session: Session, address: str) -> ReplyLink | None:
        """Over which answers go to who asks at that address in that session."""
        for link in self.links.values():
            if isinstance(link, ReplyLink) and link.address == address and link.link.session == session:
                return link
        return None


_RARE: dict[int, Callable[[Connection, Any], None]] = {
    PN_CONNECTION_REMOTE_OPEN: Connection._connection_opens,
    PN_CONNECTION_REMOTE_CLOSE: Connection._connection_closes,
    PN_SESSION_REMOTE_OPEN: Connection._session_opens,
    PN_SESSION_REMOTE_CLOSE: Connection._session_closes,
    PN_LINK_REMOTE_OPEN: Connection._link_opens,
    PN_LINK_REMOTE_CLOSE: Connection._link_closes,
    PN_LINK_REMOTE_DETACH: Connection._link_closes,
}
