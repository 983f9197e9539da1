"""What a client's attach asks for: which queue, which direction, which session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from proton import Link

from tests.azure.bus_peer.errors import Refused
from tests.azure.bus_peer.links import ConsumerLink, PeerLink, ProducerLink, refuse
from tests.azure.bus_peer.queues import Queue
from tests.azure.bus_peer.requests import ReplyLink, RequestLink

if TYPE_CHECKING:
    from tests.azure.bus_peer.connections import Connection

TOKENS = "$cbs"  # where clients show their access tokens
MANAGEMENT = "/$management"
PATIENCE_S = 65.0  # for a session that comes free, where the client does not say how long
_NEEDS_SESSION = (
    "It is not possible for an entity that requires sessions to create a non-sessionful message receiver.",
    "A sessionful message receiver cannot be created on an entity that does not require sessions.",
)


def attach(connection: Connection, link: Link) -> PeerLink | None:
    """Open the link that the client wants; None when it was refused."""
    terminus = link.remote_source if link.is_sender else link.remote_target
    address = re.sub(r"^amqps?://[^/]+", "", terminus.address or "").strip("/").lower()
    link.source.copy(link.remote_source)
    link.target.copy(link.remote_target)
    link.snd_settle_mode, link.rcv_settle_mode = link.remote_snd_settle_mode, link.remote_rcv_settle_mode
    try:
        return _open(connection, link, address)
    except Refused as error:
        refuse(link, error)
        connection.touch()
        return None


def _open(connection: Connection, link: Link, address: str) -> PeerLink:
    opened: PeerLink
    if address == TOKENS or address.endswith(MANAGEMENT):
        queue = None if address == TOKENS else connection.namespace.queue(address.removesuffix(MANAGEMENT))
        kind = ReplyLink if link.is_sender else RequestLink
        opened = kind(connection, link, address, queue)
    elif link.is_receiver:
        opened = ProducerLink(connection, link, connection.namespace.queue(address))
    else:
        return _open_consumer(connection, link, connection.namespace.queue(address))
    opened.open()
    return opened


def _open_consumer(connection: Connection, link: Link, queue: Queue) -> ConsumerLink:
    wanted = link.remote_source.filter
    wanted.rewind()
    filters = {str(key): value for key, value in (wanted.get_object() if wanted.next() else {}).items()}
    by_session = "com.microsoft:session-filter" in filters
    if by_session != bool(queue.sessions):
        raise Refused(_NEEDS_SESSION[by_session])
    consumer = ConsumerLink(connection, link, queue)
    if queue.sessions is None:
        consumer.open()
        return consumer
    session_id = filters["com.microsoft:session-filter"]
    if session_id is not None:
        queue.sessions.lock(str(session_id), consumer)
        return consumer
    properties = {str(key): value for key, value in (link.remote_properties or {}).items()}
    queue.sessions.lock_any(consumer, properties.get("com.microsoft:timeout", PATIENCE_S * 1000) / 1000)
    return consumer
