"""Azurite beside a test: begins here, and ends when this process ends in whatever way."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Self

from tests.azure.parts import AZURITE_MAIN

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # documented, the same everywhere
START_S = 60.0
# Its input is a pipe whose other end only this process has: the kernel closes it when this process dies.
_ENDS_WITH_US = "process.stdin.on('end', () => process.exit(0)).resume(); require(process.argv[1]);"


class Azurite:
    """An Azurite of one's own, in memory.

    options   more of its command line; with --cert it speaks https
    """

    def __init__(self, *options: str) -> None:
        self.scheme = "https" if "--cert" in options else "http"
        blobs, queues, tables = _free_ports(3)
        self.blobs = f"{self.scheme}://127.0.0.1:{blobs}/{ACCOUNT}"
        self.tables = f"{self.scheme}://127.0.0.1:{tables}/{ACCOUNT}"
        command = ["node", "-e", _ENDS_WITH_US, str(AZURITE_MAIN), "--inMemoryPersistence", "--silent"]
        # Its list of API versions ends before that of the newest client.
        command += ["--disableTelemetry", "--skipApiVersionCheck", "--blobPort", str(blobs)]
        command += ["--queuePort", str(queues), "--tablePort", str(tables), *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self._await([blobs, tables])

    @property
    def connection_string(self) -> str:
        """For blobs and tables, with the key that every emulator has."""
        where = f"BlobEndpoint={self.blobs};TableEndpoint={self.tables};"
        return f"DefaultEndpointsProtocol={self.scheme};AccountName={ACCOUNT};AccountKey={KEY};{where}"

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()

    def _await(self, ports: Sequence[int]) -> None:
        until = time.monotonic() + START_S
        for port in ports:
            while True:
                with closing(socket.socket()) as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if self.process.poll() is not None or time.monotonic() > until:
                    self.stop()
                    raise RuntimeError("Azurite did not start")
                time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        probes = [held.enter_context(closing(socket.socket())) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
