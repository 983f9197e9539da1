"""Azurite, started for tests: blobs, queues and tables in memory, on free ports."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

from tests.azure.parts import AZURITE, AZURITE_MAIN

# The account and key that Azurite has for everyone. Source: Microsoft's page "Use the Azurite emulator"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_S = 60.0
# Ends the program when standard input does: node does not notice that whoever started it has died.
GUARD = 'exec 3<&0; "$@" </dev/null 3<&- & own=$!; (cat <&3 >/dev/null; kill -9 $own 2>/dev/null) & wait $own'


class Azurite:
    """One Azurite. It ends with this process at the latest.

    folder    where its log is kept, and its certificate
    oauth     serve over https and take access tokens, so that user delegation keys can be had. Azurite looks at a
              token's form, times, issuer and audience, and not at its signature. Clients need `certificate` as their CA

    >>> with Azurite(tmp_path) as storage:  # doctest: +SKIP
    ...     TableServiceClient.from_connection_string(storage.connection_string)
    """

    def __init__(self, folder: Path, *, oauth: bool = False) -> None:
        self.folder = folder
        self.oauth = oauth
        self.certificate = folder / "certificate.pem"
        self.blob_port = self.queue_port = self.table_port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Azurite:
        """Start it and wait until it answers. Raises RuntimeError with what it said."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.blob_port, self.queue_port, self.table_port = free_ports(3)
        command = [
            "node",
            str(AZURITE_MAIN),
            "--inMemoryPersistence",
            "--silent",
            "--disableTelemetry",
            # Without it Azurite refuses clients that are newer than itself.
            "--skipApiVersionCheck",
            "--blobHost",
            "127.0.0.1",
            "--queueHost",
            "127.0.0.1",
            "--tableHost",
            "127.0.0.1",
            "--blobPort",
            str(self.blob_port),
            "--queuePort",
            str(self.queue_port),
            "--tablePort",
            str(self.table_port),
        ]
        if self.oauth:
            key = self.folder / "key.pem"
            write_certificate(self.certificate, key)
            command += ["--oauth", "basic", "--cert", str(self.certificate), "--key", str(key)]
        self._log = self.folder / "azurite.log"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "sh", *command],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_S
        for port in (self.blob_port, self.queue_port, self.table_port):
            self._wait(port, deadline)
        return self

    def stop(self) -> None:
        """End it; what it holds is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)

    @property
    def scheme(self) -> str:
        """https with `oauth`, else http."""
        return "https" if self.oauth else "http"

    @property
    def blob_url(self) -> str:
        """The account's URL for blobs."""
        return f"{self.scheme}://127.0.0.1:{self.blob_port}/{ACCOUNT}"

    @property
    def table_url(self) -> str:
        """The account's URL for tables."""
        return f"{self.scheme}://127.0.0.1:{self.table_port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """For blobs, queues and tables."""
        return connection_string(
            self.blob_url, self.table_url, f"{self.scheme}://127.0.0.1:{self.queue_port}/{ACCOUNT}"
        )

    @property
    def version(self) -> str:
        """Of Azurite, as installed."""
        return str(json.loads((AZURITE / "package.json").read_text())["version"])

    def _wait(self, port: int, deadline: float) -> None:
        """Until a service answers, with whatever status."""
        assert self._process is not None
        while True:
            try:
                self._request(port)
                return
            except (OSError, http.client.HTTPException):
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Azurite did not start: {self._log.read_text()}")
            time.sleep(0.05)

    def _request(self, port: int) -> None:
        connection: http.client.HTTPConnection
        if self.oauth:
            trusted = ssl.create_default_context(cafile=str(self.certificate))
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=trusted)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        finally:
            connection.close()

    def __enter__(self) -> Azurite:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def connection_string(blob_url: str, table_url: str, queue_url: str = "") -> str:
    """A connection string for Azurite's account at these URLs, its own or a proxy's."""
    scheme = blob_url.partition(":")[0]
    told = f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={KEY};"
    told += f"BlobEndpoint={blob_url};TableEndpoint={table_url};"
    return told + (f"QueueEndpoint={queue_url};" if queue_url else "")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on at this moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def write_certificate(certificate: Path, key: Path) -> None:
    """A certificate for 127.0.0.1 and localhost that is its own authority, good for a day, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    own = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    hosts = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .sign(own, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.touch(mode=0o600)
    key.write_bytes(
        own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
