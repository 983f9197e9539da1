"""What functions write to queues by their output bindings and return values, sent with the real client library."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from typing import Any

from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusSender

from tests.azure.host.functions import Binding, Function
from tests.azure.host.settings import bus_connection


class Outputs:
    """Senders of one instance. They stay open: opening one takes half a second. Safe to use from many threads."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self._idle: defaultdict[tuple[str, str], list[ServiceBusSender]] = defaultdict(list)
        self._lock = threading.Lock()
        self._clients: list[ServiceBusClient] = []

    def send(self, function: Function, response: Any) -> None:
        """Send what an invocation has put into its queue outputs. Raises what the client library raises."""
        told = {output.name: output.data for output in response.output_data}
        if response.HasField("return_value"):
            told["$return"] = response.return_value
        for binding in function.bus_outputs:
            bodies = bodies_of(told.get(binding.name))
            if bodies:
                self._send(binding, bodies)

    def _send(self, binding: Binding, bodies: list[str | bytes]) -> None:
        connection = bus_connection(str(binding.properties.get("connection", "")), self.settings)
        queue = str(binding.properties.get("queueName") or binding.properties.get("topicName"))
        with self._lock:
            idle = self._idle[connection, queue]
            sender = idle.pop() if idle else None
        if sender is None:
            client = ServiceBusClient.from_connection_string(connection)
            sender = client.get_queue_sender(queue)
            with self._lock:
                self._clients.append(client)
        # Not given back when it raises: a sender that failed once is not used again.
        sender.send_messages([ServiceBusMessage(body) for body in bodies])
        with self._lock:
            self._idle[connection, queue].append(sender)

    def close(self) -> None:
        """Close all senders."""
        for senders in self._idle.values():
            for sender in senders:
                sender.close()
        for client in self._clients:
            client.close()


def bodies_of(data: Any) -> list[str | bytes]:
    """The bodies in an output: a JSON list is one message an element, as in the host."""
    kind = data.WhichOneof("data") if data is not None else None
    if kind is None:
        return []
    value = getattr(data, kind)
    if kind in ("collection_string", "collection_bytes"):
        return list(value.string if kind == "collection_string" else value.bytes)
    if kind == "json":
        told = json.loads(value)
        if isinstance(told, list):
            return [one if isinstance(one, str) else json.dumps(one) for one in told]
    return [value]
