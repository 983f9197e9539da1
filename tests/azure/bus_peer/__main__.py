"""The peer's process. It prints one line of JSON with its ports when it is ready, and ends when its input closes."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tests.azure.bus_peer.connections import Connection
from tests.azure.bus_peer.control import Control
from tests.azure.bus_peer.namespace import Namespace
from tests.azure.bus_peer.settings import QueueSettings


async def serve(host: str, port: int, queues: Mapping[str, QueueSettings], topics: Mapping[str, Sequence[str]]) -> None:
    """Until the input closes, or SIGTERM or SIGINT comes."""
    loop = asyncio.get_running_loop()
    namespace = Namespace(queues, loop, topics)
    bus = await loop.create_server(lambda: Connection(namespace), host, port)
    control = await loop.create_server(lambda: Control(namespace), host, 0)
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    _watch_input(loop, over)
    ports = {"port": bus.sockets[0].getsockname()[1], "control": control.sockets[0].getsockname()[1]}
    print(json.dumps(ports), flush=True)
    await over.wait()
    bus.close()
    control.close()


def _watch_input(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    """Whoever started the peer holds the other end, and dies with it."""

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            over.set()

    try:
        loop.add_reader(sys.stdin.fileno(), read)
    except PermissionError:
        sys.exit("The input must be a pipe or a terminal: the peer ends when it closes.")


def main() -> None:
    """Read the command line, and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.azure.bus_peer", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--queues", default="{}", metavar="JSON", help='{"<name>": {"lock_s": 60, ...}, ...}')
    parser.add_argument("--topics", default="{}", metavar="JSON", help='{"<name>": ["<subscription>", ...], ...}')
    arguments = parser.parse_args()
    host, _, port = arguments.listen.rpartition(":")
    try:
        declared: dict[str, dict[str, Any]] = json.loads(arguments.queues)
        queues = {name: QueueSettings.read(name, given) for name, given in declared.items()}
        topics: dict[str, list[str]] = json.loads(arguments.topics)
        number = int(port)
    except (ValueError, AttributeError) as error:
        parser.error(str(error))
    asyncio.run(serve(host, number, queues, topics))


if __name__ == "__main__":
    main()
