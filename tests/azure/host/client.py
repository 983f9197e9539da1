"""How tests start a Functions host in a process of its own, and what they can do to it."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

from tests.azure.parts import ROOT

START_S = 90.0


class HostFailed(Exception):
    """The host could not be started, or could not do what it was asked to."""


class FunctionsHost:
    """A Functions host over an app folder. It ends with this process at the latest.

    app         folder with function_app.py and host.json
    settings    app settings: the app's environment, beside a few variables of the machine
    instances   how many workers at once, each with its own pumps
    timers      False: timers fire only by fire()
    folder      where settings, logs and what the workers print are kept

    >>> with FunctionsHost(app, settings, folder=tmp_path) as host:  # doctest: +SKIP
    ...     httpx2.get(f"{host.url}/api/runs")
    """

    def __init__(
        self,
        app: Path,
        settings: dict[str, str],
        *,
        folder: Path,
        instances: int = 1,
        timers: bool = True,
        http_port: int = 0,
    ) -> None:
        self.app = app
        self.settings = settings
        self.folder = folder
        self.first_instances = instances
        self.timers = timers
        self.http_port = http_port
        self.url = ""
        self.logs_folder = folder / "logs"
        self._control = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> FunctionsHost:
        """Start it and wait until it is ready. Raises HostFailed with what it said."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings_file = self.folder / "settings.json"
        settings_file.write_text(json.dumps(self.settings))
        command = [
            sys.executable,
            "-m",
            "tests.azure.host",
            "--app",
            str(self.app),
            "--settings",
            str(settings_file),
            "--http-port",
            str(self.http_port),
            "--instances",
            str(self.first_instances),
            "--logs",
            str(self.logs_folder),
        ]
        if not self.timers:
            command.append("--no-timers")
        errors = self.folder / "host.log"
        with errors.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        told = json.loads(line) if line.strip() else {"error": f"it ended: {errors.read_text()[-4000:]}"}
        if "error" in told:
            self.stop()
            raise HostFailed(told["error"])
        self.url = told["url"]
        self._control = told["control"]
        return self

    def stop(self) -> None:
        """End it, with its workers."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def functions(self) -> list[dict[str, Any]]:
        """The app's functions: `name`, and `bindings` with their properties."""
        return list(self._ask("GET", "/functions"))

    def counts(self) -> dict[str, dict[str, int]]:
        """By function: invocations by outcome (succeeded, failed, timed_out, lost, unsent), and those running."""
        return dict(self._ask("GET", "/counts"))

    def failures(self) -> list[dict[str, Any]]:
        """The last invocations that did not succeed: function, outcome, invocation_id, why."""
        return list(self._ask("GET", "/failures"))

    def logs(self, since: int = 0) -> list[dict[str, Any]]:
        """Log lines with a number above `since`: number, at, instance, level, category, invocation_id, message."""
        return list(self._ask("GET", f"/logs?since={since}"))

    def instances(self) -> list[dict[str, Any]]:
        """Instances: number, pid of the worker, ready, starts (how often its worker was started)."""
        return list(self._ask("GET", "/instances"))

    def fire(self, timer: str) -> str:
        """Fire a timer now and wait for its function. Returns "" when it succeeded, else why not."""
        return str(self._ask("POST", f"/timers/{quote(timer)}"))

    def add_instance(self) -> int:
        """Scale out by one. Returns its number."""
        return int(self._ask("POST", "/instances")["number"])

    def kill(self, instance: int) -> None:
        """SIGKILL an instance's worker. Its invocations fail, their messages are abandoned, a new worker is started."""
        self._ask("POST", f"/instances/{instance}/kill")

    def lose(self, instance: int) -> None:
        """Lose an instance: SIGKILL, nothing is settled, so its messages stay locked until their locks run out."""
        self._ask("POST", f"/instances/{instance}/lose")

    def drain(self, instance: int, wait_s: float = 30.0) -> bool:
        """Scale in: stop receiving, wait for invocations, SIGTERM, SIGKILL. Whether all had ended in time."""
        return bool(self._ask("POST", f"/instances/{instance}/drain?wait_s={wait_s}"))

    def printed(self) -> str:
        """All that the workers have printed so far."""
        return "".join(file.read_text(errors="replace") for file in sorted(self.logs_folder.glob("worker-*.log")))

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Wait for something that the host's work brings about. Raises TimeoutError with what the host knows."""
        deadline = time.monotonic() + timeout_s
        while not is_so():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not so after {timeout_s} s; {self.counts()}; {self.failures()[-3:]}")
            time.sleep(0.02)

    def _ask(self, method: str, path: str) -> Any:
        where = urlsplit(self._control)
        connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=120)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            told = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise HostFailed(told["error"])
        return told

    def __enter__(self) -> FunctionsHost:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
