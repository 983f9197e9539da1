"""One instance of the app: a worker process, its pumps, and what happens when either ends."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import Any

from tests.azure.host.books import Books
from tests.azure.host.channel import Gate, WorkerGone
from tests.azure.host.functions import Function
from tests.azure.host.outputs import Outputs
from tests.azure.host.protos import SUCCESS, messages
from tests.azure.host.pump import InvocationFailed, Pump
from tests.azure.host.settings import HostSettings, SettingsError, bus_connection
from tests.azure.host.worker_process import START_S, WorkerProcess

RESTART_S = 0.2  # rest before a worker that died is started again
TERM_S = 10.0  # from SIGTERM to SIGKILL


class Instance:
    """What scaling out adds and scaling in takes away."""

    def __init__(
        self,
        number: int,
        gate: Gate,
        app_folder: Path,
        settings: dict[str, str],
        host: HostSettings,
        books: Books,
        logs_folder: Path,
    ) -> None:
        self.number = number
        self.gate = gate
        self.app_folder = app_folder
        self.settings = {"WEBSITE_INSTANCE_ID": uuid.uuid4().hex, **settings}
        self.host = host
        self.books = books
        self.logs_folder = logs_folder
        self.lost = False
        self.functions: list[Function] = []
        self.starts = 0
        self.worker: WorkerProcess | None = None
        self._outputs = Outputs(settings)
        self._pumps: list[Pump] = []
        self._ready = threading.Event()
        self._ending = False
        self._changing = threading.Lock()
        self._running = 0

    @property
    def is_ready(self) -> bool:
        """Whether it takes invocations."""
        return self._ready.is_set() and not self._ending

    def start(self) -> None:
        """Start the worker, load the app, begin to receive. Raises SettingsError."""
        self._start_worker()
        for function in self.functions:
            if function.trigger.type == "servicebustrigger":
                connection = bus_connection(str(function.trigger.properties.get("connection", "")), self.settings)
                self._pumps.append(Pump(self, function, connection, self.host))
        for pump in self._pumps:
            pump.start()

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Whether there is a worker to call."""
        return self._ready.wait(timeout_s)

    def note(self, message: str) -> None:
        """Write a line into the host's log."""
        self.books.log(self.number, message)

    def run(
        self,
        function: Function,
        data: Any,
        metadata: dict[str, Any] | None = None,
        attend: Callable[[], float] = lambda: float("inf"),
    ) -> Any:
        """Call a function and send its outputs. Returns the worker's answer. Raises InvocationFailed.

        attend    called while it is waited for; says after how many seconds it wants to be called again
        """
        invocation_id = str(uuid.uuid4())
        self.books.begin(function.name)
        with self._changing:
            self._running += 1
        worker: WorkerProcess | None = None
        outcome, why = "succeeded", ""
        try:
            worker = self._ready_worker(attend)
            answer = self._answer(worker, function, invocation_id, data, metadata or {}, attend)
            if answer.result.status != SUCCESS:
                outcome, why = "failed", answer.result.exception.message
            else:
                try:
                    self._outputs.send(function, answer)
                except Exception as error:  # whatever the client library raises
                    outcome, why = "unsent", repr(error)
        except WorkerGone as error:
            outcome, why = "lost", str(error)
        except NotYet:
            outcome, why = "timed_out", f"{function.name} took longer than {self.host.function_timeout_s:g} s"
            self.note(f"{why}: its worker is killed")
            self._kill(worker)
        finally:
            with self._changing:
                self._running -= 1
            self.books.end(function.name, outcome, invocation_id, why)
        if outcome != "succeeded":
            raise InvocationFailed(f"{outcome}: {why}")
        return answer

    def _ready_worker(self, attend: Callable[[], float]) -> WorkerProcess:
        """The worker to call: while another one is started, invocations wait for it, as in Azure."""
        deadline = time.monotonic() + START_S
        while not self._ready.wait(min(0.2, attend())):
            if self._ending or time.monotonic() > deadline:
                raise WorkerGone("there is no worker")
        assert self.worker is not None
        return self.worker

    def _answer(
        self,
        worker: WorkerProcess,
        function: Function,
        invocation_id: str,
        data: Any,
        metadata: dict[str, Any],
        attend: Callable[[], float],
    ) -> Any:
        trace = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"
        future = worker.channel.ask(
            invocation_request=messages.InvocationRequest(
                invocation_id=invocation_id,
                function_id=function.function_id,
                input_data=[messages.ParameterBinding(name=function.trigger.name, data=data)],
                trigger_metadata=metadata,
                trace_context={"trace_parent": trace},
            )
        )
        deadline = time.monotonic() + self.host.function_timeout_s
        while True:
            rest = deadline - time.monotonic()
            if rest <= 0:
                raise NotYet
            pause = min(rest, attend(), threading.TIMEOUT_MAX)
            try:
                return future.result(pause)
            except NotYet:
                continue

    def kill_worker(self) -> None:
        """SIGKILL the worker: its invocations fail, the host abandons their messages, and starts another one."""
        self._kill(self.worker)

    def _kill(self, worker: WorkerProcess | None) -> None:
        with self._changing:
            if worker is not None and worker is self.worker and worker.process.poll() is None:
                self._ready.clear()
                worker.process.kill()

    def lose(self) -> None:
        """The machine is gone: SIGKILL, and nothing is settled, so messages come back when their locks run out."""
        self.lost = True
        self._end(drain_s=0.0, term_s=0.0)

    def drain(self, wait_s: float) -> bool:
        """Scale in: stop receiving, wait for invocations, SIGTERM, SIGKILL. Whether all had ended in time."""
        return self._end(drain_s=wait_s, term_s=TERM_S)

    def stop(self) -> None:
        """End at once; what is in work is abandoned."""
        self._end(drain_s=0.0, term_s=0.5)

    def as_json(self) -> dict[str, Any]:
        """For people and tests."""
        pid = self.worker.process.pid if self.worker is not None else None
        return {"number": self.number, "pid": pid, "ready": self.is_ready, "starts": self.starts}

    def _end(self, drain_s: float, term_s: float) -> bool:
        self._ending = True
        for pump in self._pumps:
            pump.stop_receiving()
        deadline = time.monotonic() + drain_s
        drained = True
        for pump in self._pumps:
            drained &= pump.wait(max(0.0, deadline - time.monotonic()))
        while self._running and time.monotonic() < deadline:  # requests and timers
            time.sleep(0.02)
        drained &= self._running == 0
        self._ready.clear()
        worker = self.worker
        if worker is not None:
            if term_s:
                worker.end(term_s)
            else:
                worker.kill()
        for pump in self._pumps:
            pump.wait(5.0)
            pump.close()
        self._outputs.close()
        return drained

    def _start_worker(self) -> None:
        self.starts += 1
        log_file = self.logs_folder / f"worker-{self.number}-{self.starts}.log"
        worker = WorkerProcess(self.gate, self.app_folder, self.settings, log_file, self._on_log)
        try:
            self.functions = worker.load(self.settings)
        except BaseException:
            worker.kill()
            raise
        with self._changing:
            self.worker = worker
            self._ready.set()
        threading.Thread(target=self._watch, args=(worker,), daemon=True, name=f"watch-{self.number}").start()

    def _watch(self, worker: WorkerProcess) -> None:
        """Wait for a worker's end, and start the next one."""
        code = worker.process.wait()
        self._ready.clear()
        worker.channel.close()
        while not self._ending:
            self.note(f"the worker has ended with code {code}: another one is started")
            time.sleep(RESTART_S)
            try:
                self._start_worker()
            except (SettingsError, WorkerGone) as error:
                self.note(f"the worker could not be started: {error}")
            else:
                return

    def _on_log(self, log: Any) -> None:
        self.books.log(self.number, log.message, log.level, log.category, log.invocation_id)
