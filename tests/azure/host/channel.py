"""The host's side of the stream to a worker: requests go out, and each answer finds who waits for it."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc

from tests.azure.host.protos import GRPC_OPTIONS, messages, services


class WorkerGone(Exception):
    """The worker process ended, or was never there, while an answer was waited for."""


class Channel:
    """One worker's stream. Safe to use from many threads."""

    def __init__(self, on_log: Callable[[Any], None]) -> None:
        self.worker_id = str(uuid.uuid4())
        self.on_log = on_log
        self.started = threading.Event()
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()
        self._gone = False

    def ask(self, **content: Any) -> Future[Any]:
        """Send one request; the future has the answer's content, or WorkerGone."""
        request_id = str(uuid.uuid4())
        future: Future[Any] = Future()
        with self._lock:
            if self._gone:
                future.set_exception(WorkerGone("the worker process has ended"))
                return future
            self._waiting[request_id] = future
        self._outgoing.put(messages.StreamingMessage(request_id=request_id, **content))
        return future

    def close(self) -> None:
        """The worker is gone: everyone who waits hears it. Safe to call twice."""
        with self._lock:
            self._gone = True
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_exception(WorkerGone("the worker process has ended"))
        self._outgoing.put(None)

    def outgoing(self) -> Iterator[Any]:
        """What is to be sent, as it comes, until the channel is closed."""
        return iter(self._outgoing.get, None)

    def read(self, stream: Iterator[Any]) -> None:
        """Hand out what the worker sends, until it is gone."""
        try:
            for message in stream:
                kind = message.WhichOneof("content")
                if kind == "rpc_log":
                    self.on_log(message.rpc_log)
                    continue
                with self._lock:
                    future = self._waiting.pop(message.request_id, None)
                if future is not None:
                    future.set_result(getattr(message, kind))
        except grpc.RpcError:
            pass  # the process was killed
        finally:
            self.close()


class Gate(services.FunctionRpcServicer):  # type: ignore[misc, name-defined]
    """The gRPC server that workers connect to."""

    def __init__(self) -> None:
        self._expected: dict[str, Channel] = {}
        self._server = grpc.server(ThreadPoolExecutor(max_workers=64), options=GRPC_OPTIONS)
        services.add_FunctionRpcServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def expect(self, channel: Channel) -> None:
        """A worker with this channel's id will connect."""
        self._expected[channel.worker_id] = channel

    def EventStream(self, stream: Any, context: Any) -> Iterator[Any]:
        """A worker has connected: read what it says in one thread, send from this one."""
        channel = self._expected.pop(next(stream).start_stream.worker_id)
        threading.Thread(target=channel.read, args=(stream,), daemon=True, name="read-worker").start()
        channel.started.set()
        return channel.outgoing()

    def stop(self) -> None:
        """Close all streams."""
        self._server.stop(grace=0).wait(5)
