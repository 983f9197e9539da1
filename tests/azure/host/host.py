"""The host: instances of one app, its timers, and who is asked next."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.azure.host.books import Books
from tests.azure.host.channel import Gate
from tests.azure.host.functions import Function
from tests.azure.host.instance import Instance
from tests.azure.host.routes import Routes
from tests.azure.host.settings import HostSettings
from tests.azure.host.timers import Timer

READY_S = 30.0  # how long a request or a timer waits for an instance


class Host:
    """Hosts the app in a folder. Start it, use it, stop it."""

    def __init__(self, app_folder: Path, settings: dict[str, str], logs_folder: Path, timers: bool = True) -> None:
        self.app_folder = app_folder.resolve()
        self.settings = settings
        self.logs_folder = logs_folder
        self.told = HostSettings.read(self.app_folder)
        self.books = Books()
        self.gate = Gate()
        self.instances: dict[int, Instance] = {}
        self.functions: list[Function] = []
        self.timers: dict[str, Timer] = {}
        self.routes = Routes([], "")
        self._with_timers = timers
        self._numbers = itertools.count()
        self._turn = itertools.count()
        self._lock = threading.Lock()

    def start(self, instances: int) -> None:
        """Start that many instances at once. Raises SettingsError when the app can not be served."""
        with ThreadPoolExecutor(instances) as pool:
            list(pool.map(lambda _: self.add_instance(), range(instances)))
        self.functions = next(iter(self.instances.values())).functions
        self.routes = Routes(self.functions, self.told.route_prefix)
        self.timers = {
            function.name: Timer(function, self.pick)
            for function in self.functions
            if function.trigger.type == "timertrigger"
        }
        for timer in self.timers.values():
            if self._with_timers:
                timer.start()

    def add_instance(self) -> Instance:
        """Scale out by one."""
        with self._lock:
            number = next(self._numbers)
        instance = Instance(number, self.gate, self.app_folder, self.settings, self.told, self.books, self.logs_folder)
        instance.start()
        with self._lock:
            self.instances[number] = instance
        return instance

    def remove(self, number: int) -> Instance:
        """Take an instance out, before it is drained or lost. Raises KeyError."""
        with self._lock:
            return self.instances.pop(number)

    def pick(self) -> Instance | None:
        """The instance whose turn it is, waiting for one to become ready; None when none does."""
        deadline = time.monotonic() + READY_S
        while True:
            with self._lock:
                ready = [instance for instance in self.instances.values() if instance.is_ready]
            if ready:
                return ready[next(self._turn) % len(ready)]
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)

    def status(self) -> dict[str, Any]:
        """What /admin/host/status says."""
        ready = any(instance.is_ready for instance in self.instances.values())
        return {"id": self.app_folder.name, "state": "Running" if ready else "Error", "version": "4.1036.0.0"}

    def stop(self) -> None:
        """End all."""
        for timer in self.timers.values():
            timer.stop()
        with ThreadPoolExecutor(max(1, len(self.instances))) as pool:
            list(pool.map(Instance.stop, self.instances.values()))
        self.gate.stop()
