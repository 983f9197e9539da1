"""Requests and their answers: access tokens, and what clients ask of a queue beside sending and receiving.

Source   AMQP in Azure Service Bus: request-response-based operations
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from cproton import (
    PN_ACCEPTED,
    PN_RELEASED,
    pn_delivery,
    pn_delivery_partial,
    pn_delivery_settle,
    pn_link_advance,
    pn_link_send,
)
from proton import Link

from tests.azure.bus_peer.errors import Refused, SessionLockLost, Unsupported
from tests.azure.bus_peer.links import CREDIT, PeerLink, read_transfer, settle
from tests.azure.bus_peer.queues import Queue
from tests.azure.bus_peer.sections import APPLICATION, PROPERTIES, VALUE, Content, section, split
from tests.azure.bus_peer.wire import Array, Int, Symbol, Timestamp, decode, encode

if TYPE_CHECKING:
    from tests.azure.bus_peer.connections import Connection

Body = dict[str, Any]
# Who names a lock that is lost, or a message that is not there, is told 410; who asks for what we do not know, 501.
_BAD, _GONE, _UNKNOWN = 400, 410, 501
_VERBS = {"completed": "complete", "abandoned": "abandon", "defered": "defer", "suspended": "dead_letter"}


class ReplyLink(PeerLink):
    """Over which a client gets its answers."""

    def __init__(self, connection: Connection, link: Link, address: str, _: Queue | None) -> None:
        super().__init__(connection, link)
        self.address = address
        self._sent = 0

    def reply(self, correlation_id: Any, code: int, description: str, body: Body, condition: str | None = None) -> None:
        """Answer the request of that id."""
        told: dict[str, Any] = {"statusCode": Int(code), "statusDescription": description}
        told |= {"status-code": Int(code), "status-description": description}  # $cbs spells them so
        if condition is not None:
            told |= {"errorCondition": Symbol(condition), "error-condition": Symbol(condition)}
        properties = encode([None, None, None, None, None, correlation_id])
        answer = section(PROPERTIES, properties) + section(APPLICATION, encode(told)) + section(VALUE, encode(body))
        self._sent += 1
        delivery = pn_delivery(self.impl, str(self._sent))
        pn_link_send(self.impl, answer)
        pn_link_advance(self.impl)
        pn_delivery_settle(delivery)
        self.connection.touch()

    def on_delivery(self, delivery: Any) -> None:
        """Nothing: answers are settled when they are sent."""


class RequestLink(PeerLink):
    """Over which a client asks, at $cbs or of a queue."""

    def __init__(self, connection: Connection, link: Link, address: str, queue: Queue | None) -> None:
        super().__init__(connection, link)
        self.address = address
        self.queue = queue

    def open(self) -> None:
        """With credit."""
        super().open()
        self.link.flow(CREDIT)

    def on_delivery(self, delivery: Any) -> None:
        """A request: answered in the same session."""
        if pn_delivery_partial(delivery):
            return
        data = read_transfer(self.impl, delivery)
        self.link.flow(1)
        replies = self.connection.reply_link(self.link.session, self.address)
        if replies is None:
            settle(delivery, PN_RELEASED)
            return
        settle(delivery, PN_ACCEPTED)
        parts = dict(split(data))
        message_id = decode(parts[PROPERTIES])[0]
        operation = _text(decode(parts[APPLICATION]).get("operation"))
        if self.queue is None:
            known = operation == "put-token"  # any token will do
            replies.reply(message_id, 202 if known else 400, "Accepted" if known else "Unknown operation", {})
            return
        try:
            body = answer(self.queue, operation, decode(parts[VALUE]) if VALUE in parts else {})
        except Refused as error:
            code = _UNKNOWN if isinstance(error, Unsupported) else _GONE
            replies.reply(message_id, code, str(error), {}, error.condition)
            return
        except (ValueError, KeyError, TypeError) as error:
            replies.reply(message_id, _BAD, f"{operation}: {error!r}", {}, Refused.condition)
            return
        if body is None:
            replies.reply(message_id, 204, "No content", {})
        else:
            replies.reply(message_id, 200, "OK", body)


def answer(queue: Queue, operation: str, body: Body) -> Body | None:
    """What a queue says to a request; None when there is nothing. Raises Refused."""
    do = _OPERATIONS.get(operation.removeprefix("com.microsoft:"))
    if do is None:
        raise Unsupported(f"The operation '{operation}' is not known here.")
    if do is not _schedule:  # which counts as a send
        queue.counts.requests += 1
    return do(queue, body)


def _renew_lock(queue: Queue, body: Body) -> Body:
    until = [Timestamp.of(queue.renew(token)) for token in _tokens(body)]
    return {"expirations": Array(until)}


def _renew_session_lock(queue: Queue, body: Body) -> Body:
    if queue.sessions is None:
        raise SessionLockLost
    return {"expiration": Timestamp.of(queue.sessions.renew(body["session-id"]))}


def _schedule(queue: Queue, body: Body) -> Body:
    contents = [Content(bytes(message["message"])) for message in body["messages"]]
    queue.counts.sent(sum(content.size for content in contents))
    return {"sequence-numbers": Array(queue.send(contents))}


def _cancel(queue: Queue, body: Body) -> Body:
    for sequence in body["sequence-numbers"]:
        queue.cancel(sequence)
    return {}


def _peek(queue: Queue, body: Body) -> Body | None:
    found = queue.peek(body["from-sequence-number"], body["message-count"], body.get("session-id"))
    return {"messages": [{"message": message.wire()} for message in found]} if found else None


def _receive_deferred(queue: Queue, body: Body) -> Body:
    taken = []
    for sequence in body["sequence-numbers"]:
        message, until = queue.receive_deferred(sequence)
        assert message.token is not None, sequence
        taken.append({"lock-token": UUID(bytes_le=message.token), "message": message.wire(until)})
    return {"messages": taken}


def _update_disposition(queue: Queue, body: Body) -> Body:
    verb = _VERBS.get(_text(body["disposition-status"]))
    if verb is None:
        raise Unsupported(f"The disposition '{body['disposition-status']}' is not known here.")
    for token in _tokens(body):
        queue.settle(token, verb, body.get("deadletter-reason"), body.get("deadletter-description"))
    return {}


def _get_session_state(queue: Queue, body: Body) -> Body:
    return {"session-state": queue.sessions.states.get(body["session-id"]) if queue.sessions else None}


def _set_session_state(queue: Queue, body: Body) -> Body:
    if queue.sessions is None:
        raise SessionLockLost
    queue.sessions.states[body["session-id"]] = body["session-state"]
    return {}


_OPERATIONS = {
    "renew-lock": _renew_lock,
    "renew-session-lock": _renew_session_lock,
    "schedule-message": _schedule,
    "cancel-scheduled-message": _cancel,
    "peek-message": _peek,
    "receive-by-sequence-number": _receive_deferred,
    "update-disposition": _update_disposition,
    "get-session-state": _get_session_state,
    "set-session-state": _set_session_state,
}


def _tokens(body: Body) -> list[bytes]:
    """The locks that a request names, as the delivery tags they were: the first eight bytes in another order."""
    return [(token if isinstance(token, UUID) else UUID(_text(token))).bytes_le for token in body["lock-tokens"]]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
