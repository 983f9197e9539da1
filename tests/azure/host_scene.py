"""What tests of the Functions host begin with: the small app in a host, over a bus of its own."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.servicebus import ServiceBusClient, ServiceBusMessage

from tests.azure.bus_peer.client import BusPeer
from tests.azure.host.client import FunctionsHost
from tests.azure.parts import ROOT

APP = ROOT / "tests/azure/host_app"
QUEUES: dict[str, dict[str, Any]] = {
    "one": {"lock_s": 2, "deliveries_max": 3},
    "many": {},
    "answers": {},
    "hops": {},
    "echo": {},
    "trivial": {},
}


class Scene:
    """A host over the small app, a bus, and what the app's functions have seen."""

    def __init__(self, folder: Path, **host: Any) -> None:
        self.seen_file = folder / "seen"
        self.bus = BusPeer(QUEUES)
        self.client = ServiceBusClient.from_connection_string(self.bus.connection_string)
        self.settings = {
            "CANALIS_BUS": self.bus.connection_string,
            "ONE": "one",
            "TICK": "0 0 0 1 1 *",
            "SEEN": str(self.seen_file),
        } | host.pop("settings", {})
        self.host = FunctionsHost(APP, self.settings, folder=folder, **host)

    def send(self, queue: str, *bodies: str, **properties: Any) -> None:
        with self.client.get_queue_sender(queue) as sender:
            sender.send_messages([ServiceBusMessage(body, message_id=body, **properties) for body in bodies])

    def receive(self, queue: str) -> str:
        with self.client.get_queue_receiver(queue, max_wait_time=10) as receiver:
            message = next(receiver)
            receiver.complete_message(message)
            return str(message)

    def seen(self, function: str) -> list[dict[str, Any]]:
        """What a function has seen, oldest first."""
        lines = self.seen_file.read_text().splitlines() if self.seen_file.exists() else []
        return [told for told in map(json.loads, lines) if told["function"] == function]

    def wait_for(self, function: str, **counts: int) -> None:
        """Until a function has had that many invocations of each outcome."""
        self.host.wait_until(lambda: self.host.counts().get(function) == counts)

    def request(
        self, path: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any], bytes]:
        where = urlsplit(self.host.url)
        connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        told = response.status, dict(response.getheaders()) | {"all": response.getheaders()}, response.read()
        connection.close()
        return told

    def stop(self) -> None:
        self.host.stop()
        self.client.close()
        self.bus.stop()
