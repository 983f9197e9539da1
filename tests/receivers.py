"""Servers of somebody else's on this machine: one that takes documents, one that does whatever it is told to.

with Receiver(certificate) as receiver:
    web.post(f"https://localhost:{receiver.port}/run", b"{}", {})
    assert receiver.came == [...]
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Gives certificates that those believe who have its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        own = self._certificate(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0), days=2)
        self.pem = own.public_bytes(serialization.Encoding.PEM).decode()

    def believed(self) -> ssl.SSLContext:
        """For a client that believes this one, and nobody else."""
        return ssl.create_default_context(cadata=self.pem)

    def server(self, *names: str, days: float = 1) -> ssl.SSLContext:
        """For a server that has these names or addresses; with negative `days` its time was over before."""
        key = ec.generate_private_key(ec.SECP256R1())
        given = x509.SubjectAlternativeName([_general(name) for name in names])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = self._certificate(subject, key, given, days)
        file = self._folder / f"{certificate.serial_number}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _certificate(self, subject: x509.Name, key: Any, extension: Any, days: float) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=3))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True)
class Came:
    """A document, as it was received."""

    target: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Takes documents, by HTTP or with `tls` by HTTPS.

    came     what was received
    names    what clients have asked for in TLS (SNI); None from one that asked for nothing
    answer   status, headers and body of each answer
    """

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.came: list[Came] = []
        self.names: list[str | None] = []
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b"thanks")
        kind = type("Server", (ThreadingHTTPServer,), {"daemon_threads": True, "handle_error": lambda *_: None})
        if ":" in host:
            kind.address_family = socket.AF_INET6
        self._server = kind((host, port), _handler(self))
        if tls is not None:
            tls.sni_callback = lambda _, name, __: self.names.append(name)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.came.append(Came(self.path, headers, body))
            status, said, answer = receiver.answer
            self.send_response(status)
            for name, value in said.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):  # who has sent had enough
                self.wfile.write(answer)

        def log_message(self, *ignored: object) -> None:
            pass

    return Handler


class Rude:
    """Takes connections and treats each as it is told to; `leaving` is set when it ends.

    tls    speaks TLS first
    seen   how many connections there were
    """

    def __init__(
        self, treat: Callable[[socket.socket, threading.Event], None], tls: ssl.SSLContext | None = None
    ) -> None:
        self.seen = 0
        self.leaving = threading.Event()
        self._treat = treat
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that who does not read is noticed
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.seen += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if self._tls is None:
                self._treat(connection, self.leaving)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    self._treat(secured, self.leaving)

    def __enter__(self) -> Rude:
        return self

    def __exit__(self, *error: object) -> None:
        self.leaving.set()
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes who waits for the next
        self._socket.close()
        for thread in self._threads:
            thread.join(5)
