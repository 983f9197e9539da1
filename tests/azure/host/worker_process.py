"""A worker process: started, made ready to serve an app's functions, ended."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.azure.host.channel import Channel, Gate
from tests.azure.host.functions import Function, function_from
from tests.azure.host.protos import LARGEST_MESSAGE, SUCCESS, messages
from tests.azure.host.settings import SettingsError
from tests.azure.parts import FUNCTIONS_RUNTIME

HOST_VERSION = "4.1036.0"
START_S = 60.0
# What a process needs of this machine; nothing else of our environment reaches the app, as in Azure.
MACHINE = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


class WorkerProcess:
    """One Python worker with an app loaded."""

    def __init__(
        self, gate: Gate, app_folder: Path, settings: dict[str, str], log_file: Path, on_log: Callable[[Any], None]
    ) -> None:
        self.channel = Channel(on_log)
        self.app_folder = app_folder
        gate.expect(self.channel)
        environment = {name: os.environ[name] for name in MACHINE if name in os.environ}
        environment |= {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            "AzureWebJobsScriptRoot": str(app_folder),
            "CANALIS_TEST_FUNCTIONS_RUNTIME": str(FUNCTIONS_RUNTIME),
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        with log_file.open("ab") as output:
            self.process = subprocess.Popen(
                # -P: the folder of the file does not come first on the path
                [
                    sys.executable,
                    "-P",
                    str(Path(__file__).with_name("worker.py")),
                    "--functions-uri",
                    f"http://127.0.0.1:{gate.port}",
                    "--functions-worker-id",
                    self.channel.worker_id,
                    "--functions-request-id",
                    str(uuid.uuid4()),
                    "--functions-grpc-max-message-length",
                    str(LARGEST_MESSAGE),
                ],
                env=environment,
                cwd=app_folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.log_file = log_file

    def load(self, settings: dict[str, str]) -> list[Function]:
        """Have the worker index and load the app. Raises SettingsError with what is wrong with the app."""
        if not self.channel.started.wait(START_S):
            raise SettingsError(f"the worker did not come up:\n{self.log_file.read_text()[-4000:]}")
        folder = str(self.app_folder)
        self._ask(
            "the app can not be indexed",
            worker_init_request=messages.WorkerInitRequest(
                host_version=HOST_VERSION, worker_directory="", function_app_directory=folder, capabilities={}
            ),
        )
        indexed = self._ask(
            "the functions can not be listed",
            functions_metadata_request=messages.FunctionsMetadataRequest(function_app_directory=folder),
        )
        functions = []
        for metadata in indexed.function_metadata_results:
            functions.append(function_from(metadata, settings))
            self._ask(
                f"{metadata.name} can not be loaded",
                function_load_request=messages.FunctionLoadRequest(function_id=metadata.function_id, metadata=metadata),
            )
        if not functions:
            raise SettingsError(f"{folder}: no functions found; is there a function_app.py?")
        return functions

    def _ask(self, what: str, **request: Any) -> Any:
        answer = self.channel.ask(**request).result(START_S)
        if answer.result.status != SUCCESS:
            raised = answer.result.exception
            raise SettingsError(f"{what}: {raised.message}\n{raised.stack_trace}")
        return answer

    def end(self, patience_s: float) -> None:
        """SIGTERM, and SIGKILL when it is still there after `patience_s` seconds."""
        self.process.terminate()
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self.channel.close()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()
        self.channel.close()
