"""The worker process: a gRPC client of the host that hands each request to Microsoft's runtime library.

Azure's own client of this kind is not published; its arguments and its order of messages are kept. It is run as a file,
in a process of its own, and imports nothing of ours: what is on its path is what the app would have in Azure.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import queue
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import grpc

FOLDER = os.environ["CANALIS_TEST_FUNCTIONS_RUNTIME"]
# The compiled messages are named `tests.protos`. An app that has a package `tests` shall find its own all the same.
sys.modules["tests"] = ModuleType("tests")
sys.modules["tests"].__path__ = [f"{FOLDER}/tests"]
sys.path.insert(0, FOLDER)
import azure_functions_runtime as runtime  # noqa: E402

import tests.protos as protos  # noqa: E402
from tests.protos import FunctionRpc_pb2_grpc as services  # noqa: E402

sys.path.pop(0)
del sys.modules["tests"]

ANSWERS = {
    "worker_init_request": (runtime.worker_init_request, "worker_init_response"),
    "functions_metadata_request": (runtime.functions_metadata_request, "function_metadata_response"),
    "function_load_request": (runtime.function_load_request, "function_load_response"),
    "invocation_request": (runtime.invocation_request, "invocation_response"),
}


class LogsToHost(logging.Handler):
    """Sends what is logged to the host, with the invocation that it belongs to."""

    def __init__(self, outgoing: queue.SimpleQueue[Any]) -> None:
        super().__init__()
        self.outgoing = outgoing

    def emit(self, record: logging.LogRecord) -> None:
        """One log line as one message."""
        log = protos.RpcLog(
            level=min(5, record.levelno // 10),
            message=self.format(record),
            category=record.name,
            invocation_id=runtime.invocation_id_cv.get() or "",
        )
        self.outgoing.put(protos.StreamingMessage(rpc_log=log))


async def answer(message: Any, outgoing: queue.SimpleQueue[Any]) -> None:
    """One request of the host, carried out by the runtime library."""
    kind = message.WhichOneof("content")
    if kind == "worker_status_request":
        outgoing.put(
            protos.StreamingMessage(request_id=message.request_id, worker_status_response=protos.WorkerStatusResponse())
        )
        return
    if kind == "worker_init_request":
        app_folder = message.worker_init_request.function_app_directory
        os.chdir(app_folder)
        sys.path.insert(0, app_folder)
    if kind == "invocation_request":
        # The library sets it for functions that are not async; for the others a task has a context of its own.
        runtime.invocation_id_cv.set(message.invocation_request.invocation_id)
    carry_out, name = ANSWERS[kind]
    result = await carry_out(SimpleNamespace(request=message, properties={"protos": protos, "host": "127.0.0.1"}))
    outgoing.put(protos.StreamingMessage(request_id=message.request_id, **{name: result}))


def read(stream: Any, loop: asyncio.AbstractEventLoop, outgoing: queue.SimpleQueue[Any]) -> None:
    """Take the host's requests until the stream ends; then the process ends, since nobody is left to work for."""
    tasks: set[asyncio.Task[None]] = set()

    def begin(message: Any) -> None:
        task = loop.create_task(answer(message, outgoing))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        for message in stream:
            if message.WhichOneof("content") == "worker_terminate":
                break
            loop.call_soon_threadsafe(begin, message)
    except grpc.RpcError as error:
        print("the host is gone:", error, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def main() -> None:
    """Connect to the host and serve it."""
    parser = argparse.ArgumentParser()
    for name in ("uri", "worker-id", "request-id", "grpc-max-message-length"):
        parser.add_argument(f"--functions-{name}", required=True)
    given = parser.parse_args()
    outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
    outgoing.put(
        protos.StreamingMessage(
            request_id=given.functions_request_id,
            start_stream=protos.StartStream(worker_id=given.functions_worker_id),
        )
    )
    logging.getLogger().addHandler(LogsToHost(outgoing))
    logging.getLogger().setLevel(logging.INFO)
    runtime.start_threadpool_executor()
    size = int(given.functions_grpc_max_message_length)
    channel = grpc.insecure_channel(
        given.functions_uri.removeprefix("http://"),
        options=[("grpc.max_receive_message_length", size), ("grpc.max_send_message_length", size)],
    )
    stream = services.FunctionRpcStub(channel).EventStream(iter(outgoing.get, None))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    threading.Thread(target=read, args=(stream, loop, outgoing), daemon=True).start()
    loop.run_forever()


if __name__ == "__main__":
    main()
