"""The compiled messages of the protocol between the Functions host and its workers, as Microsoft ships them."""

from __future__ import annotations

import importlib
import sys

from tests.azure.parts import FUNCTIONS_RUNTIME

# They come as `tests.protos`, beside other things of that name; only this one part is let into our own `tests`.
_ours = sys.modules["tests"]
_ours.__path__.append(str(FUNCTIONS_RUNTIME / "tests"))
try:
    messages = importlib.import_module("tests.protos")
    services = importlib.import_module("tests.protos.FunctionRpc_pb2_grpc")
finally:
    _ours.__path__.pop()

SUCCESS = messages.StatusResult.Success  # which is 1; Failure is 0
LARGEST_MESSAGE = 1 << 30  # bytes
GRPC_OPTIONS = [
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
]
