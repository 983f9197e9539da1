"""Starts the peer beside a test, and asks it things."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tests.azure.parts import ROOT

START_S = 20.0  # a busy machine takes some seconds to import what the peer needs
ANSWER_S = 10.0


class BusPeerError(Exception):
    """The peer did not start, or said no."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """How many messages of a queue are where, and how many receivers it has.

    scheduled   not due yet, or late by a fault
    dead        in the queue's dead letters
    """

    active: int
    locked: int
    deferred: int
    scheduled: int
    dead: int
    consumers: int

    @property
    def messages(self) -> int:
        """All that somebody may still get."""
        return self.active + self.locked + self.deferred + self.scheduled


class BusControl:
    """The door for tests of a peer that runs, whoever started it."""

    def __init__(self, port: int, control: int) -> None:
        self.port = port
        self.control = control
        self._socket = socket.create_connection(("127.0.0.1", control), timeout=ANSWER_S)
        self._lines = self._socket.makefile("rb")
        self._turn = threading.Lock()  # tests ask from several threads

    @property
    def connection_string(self) -> str:
        """For ServiceBusClient.from_connection_string."""
        key = "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=any"
        return f"Endpoint=sb://127.0.0.1:{self.port};{key};UseDevelopmentEmulator=true;"

    def faults(self, queue: str | None = None, **faults: float) -> None:
        """From now on these faults and no others, for one queue or for all; without any, none.

        faults   as `FaultSettings` has them: shares from 0 to 1, lengths in seconds, a seed
        """
        self._ask("faults", queue=queue, faults=faults)

    def hits(self) -> dict[str, dict[str, int]]:
        """How often each fault has struck since faults were set, by queue; under "" what befell connections."""
        found: dict[str, dict[str, int]] = self._ask("hits")
        return found

    def counts(self) -> dict[str, dict[str, int]]:
        """What was done with each queue, by the names in `Counts`, with `settlements` and `operations`."""
        found: dict[str, dict[str, int]] = self._ask("counts")
        return found

    def queue(self, name: str) -> QueueState:
        """Where its messages are."""
        return self.queues()[name]

    def queues(self) -> dict[str, QueueState]:
        """Where the messages of all queues are."""
        return {name: QueueState(**state) for name, state in self._ask("queues").items()}

    def peek(self, queue: str, count: int = 100) -> list[dict[str, Any]]:
        """Its messages as they lie there; `<name>/$deadletterqueue` for dead letters."""
        found: list[dict[str, Any]] = self._ask("peek", queue=queue, count=count)
        return found

    def purge(self, queue: str | None = None) -> None:
        """Throw away the messages of a queue, or of all, with their dead letters."""
        self._ask("purge", queue=queue)

    def detach(self, queue: str | None = None) -> int:
        """Close clients' links to a queue, or to all, as the service does when it moves them; how many there were."""
        return int(self._ask("detach", queue=queue))

    def cut(self) -> int:
        """Reset all connections; how many there were."""
        return int(self._ask("cut"))

    def reset(self) -> None:
        """No faults, no messages, no counts."""
        self._ask("reset")

    def close(self) -> None:
        """Ask no more. The peer goes on."""
        self._lines.close()
        self._socket.close()

    def _ask(self, verb: str, **asked: Any) -> Any:
        with self._turn:
            self._socket.sendall(json.dumps({"do": verb, **asked}).encode() + b"\n")
            line = self._lines.readline()
        if not line:
            raise BusPeerError(f"the peer ended before it answered {verb!r}")
        answer = json.loads(line)
        if "error" in answer:
            raise BusPeerError(answer["error"])
        return answer["ok"]


class BusPeer(BusControl):
    """A peer of one's own: begins here, ends with `stop()`, or when this process ends in whatever way.

    queues   by name, with the settings of `QueueSettings`
    port     to listen at; 0 for any that is free
    topics   by name, with the names of their subscriptions
    """

    def __init__(
        self,
        queues: Mapping[str, Mapping[str, Any]],
        port: int = 0,
        topics: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        command = [sys.executable, "-m", "tests.azure.bus_peer", "--listen", f"127.0.0.1:{port}"]
        command += ["--queues", json.dumps(queues), "--topics", json.dumps(topics or {})]
        # Its input is a pipe whose other end only this process has: the kernel closes it when this process dies.
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            super().__init__(**self._await_ports())
        except BaseException:
            self._end()
            raise

    def _await_ports(self) -> dict[str, int]:
        assert self.process.stdout is not None
        late = threading.Timer(START_S, self.process.kill)  # ends the line below
        late.start()
        line = self.process.stdout.readline()
        late.cancel()
        if not line:
            raise BusPeerError(f"the peer did not start; its exit code is {self.process.wait()}")
        ports: dict[str, int] = json.loads(line)
        return ports

    def stop(self) -> None:
        """End it; safe to call twice."""
        self.close()
        self._end()

    def _end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
