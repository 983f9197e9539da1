"""How an author's process is connected with the service."""

from __future__ import annotations

import gc
import socket
import threading
import weakref

from canalis.client import Client, Endpoint

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


def test_a_workspace_that_is_forgotten_lets_go_of_its_connection():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        connections = list[socket.socket]()

        def answer() -> None:
            connections.append(listening.accept()[0])
            connections[0].recv(65536)
            connections[0].sendall(EMPTY)

        thread = threading.Thread(target=answer)
        thread.start()
        client = Client(lambda: Endpoint(address, ""))
        assert client._json("GET", "/runs", {}) == []
        thread.join()
        client.itself = client  # as the objects of a workspace know each other
        del client
        gc.collect()

        with connections[0] as connection:
            connection.settimeout(5.0)
            assert connection.recv(1) == b"", "it is still open"


def test_a_connection_that_was_closed_is_held_by_nobody():
    client = Client(lambda: Endpoint("http://127.0.0.1:9", ""))
    gone = weakref.ref(client._connection())
    client.close()
    gc.collect()
    assert gone() is None
