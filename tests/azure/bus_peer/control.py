"""The door for tests: one JSON document a line asks, one answers.

{"do": "faults", "queue": "orders", "faults": {"drop": 0.1, "seed": 7}}     ->  {"ok": null}
{"do": "fault"}                                                             ->  {"error": "..."}
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tests.azure.bus_peer.counts import Counts
from tests.azure.bus_peer.errors import Forced, Refused
from tests.azure.bus_peer.faults import FaultSettings
from tests.azure.bus_peer.links import ConsumerLink, ProducerLink
from tests.azure.bus_peer.messages import Message
from tests.azure.bus_peer.namespace import Namespace
from tests.azure.bus_peer.queues import Queue

Asked = dict[str, Any]
_STATES = ("active", "deferred", "scheduled")


class Control(asyncio.Protocol):
    """One who asks."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has come."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Lines, or parts of them."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            assert self._transport is not None
            self._transport.write(json.dumps(self._answer(line)).encode() + b"\n")

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            verb = asked.pop("do", None)
            if verb not in _VERBS:
                raise ValueError(f"no such verb: {verb!r}; there are {', '.join(_VERBS)}")
            return {"ok": _VERBS[verb](self._namespace, **asked)}
        except (ValueError, TypeError, Refused) as error:
            return {"error": str(error)}


def _faults(namespace: Namespace, faults: Asked, queue: str | None = None) -> None:
    namespace.set_faults(queue, FaultSettings.read(faults))


def _hits(namespace: Namespace) -> dict[str, dict[str, int]]:
    """How often faults have struck since they were set: by queue, and "" for connections."""
    struck = {queue.name: dict(queue.faults.hits) for queue in namespace.main_queues()}
    return {"": dict(namespace.faults.hits)} | struck


def _counts(namespace: Namespace) -> dict[str, dict[str, int]]:
    return {queue.name: queue.counts.as_document() for queue in namespace.main_queues()}


def _queues(namespace: Namespace) -> dict[str, dict[str, int]]:
    return {queue.name: queue.state() for queue in namespace.main_queues()}


def _peek(namespace: Namespace, queue: str, count: int = 100) -> list[Asked]:
    return [_described(message) for message in namespace.queue(queue).peek(count=count)]


def _described(message: Message) -> Asked:
    return {
        "sequence": message.sequence,
        "state": "locked" if message.token else _STATES[message.state],
        "deliveries": message.deliveries,
        **message.content.described(),
    }


def _purge(namespace: Namespace, queue: str | None = None) -> None:
    for found in _named(namespace, queue):
        found.purge()


def _detach(namespace: Namespace, queue: str | None = None) -> int:
    """Close the links of clients to a queue; how many there were."""
    chosen = _named(namespace, queue)
    links = [link for connection in namespace.connections for link in connection.links.values()]
    closed = [link for link in links if isinstance(link, (ConsumerLink, ProducerLink)) and link.queue in chosen]
    for link in closed:
        link.close(Forced("The link is closed by a test. Please retry."))
    return len(closed)


def _cut(namespace: Namespace) -> int:
    """Reset all connections; how many there were."""
    connections = list(namespace.connections)
    for connection in connections:
        connection.cut()
    return len(connections)


def _reset(namespace: Namespace) -> None:
    """As at the beginning: no faults, no messages, no counts. Who is connected stays so."""
    namespace.set_faults(None, FaultSettings())
    for queue in namespace.main_queues():
        queue.purge()
        queue.counts = Counts()


def _named(namespace: Namespace, name: str | None) -> list[Queue]:
    return namespace.main_queues() if name is None else [namespace.queue(name)]


_VERBS: dict[str, Callable[..., Any]] = {
    "faults": _faults,
    "hits": _hits,
    "counts": _counts,
    "queues": _queues,
    "peek": _peek,
    "purge": _purge,
    "detach": _detach,
    "cut": _cut,
    "reset": _reset,
}
