"""Timers: each fires on one instance, by the host's clock, or when a test asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from tests.azure.host.functions import Function
from tests.azure.host.instance import Instance
from tests.azure.host.ncrontab import Schedule
from tests.azure.host.pump import InvocationFailed
from tests.azure.host.settings import SettingsError
from tests.azure.host.trigger_data import timer

LATE_S = 60.0  # a timer that fires later than that after it was due is told so


class Timer:
    """One function's timer. It does not fire while it is still running, on whatever instance."""

    def __init__(self, function: Function, pick: Callable[[], Instance | None]) -> None:
        text = str(function.trigger.properties["schedule"])
        try:
            self.schedule = Schedule.parse(text)
        except ValueError as error:
            raise SettingsError(f"{function.name}: {error}") from error
        self.function = function
        self.pick = pick
        self.last: datetime | None = None
        self._one_at_a_time = threading.Lock()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Fire when due, from now on; and now, if it is to run on start-up."""
        threading.Thread(target=self._live, daemon=True, name=f"timer-{self.function.name}").start()

    def stop(self) -> None:
        """Do not fire again by the clock."""
        self._stopping.set()

    def fire(self, past_due: bool = False) -> str:
        """Fire now. Returns "" when the function succeeded, else why not."""
        with self._one_at_a_time:
            instance = self.pick()
            if instance is None:
                return "no instance is ready"
            now = datetime.now(UTC)
            data = timer(past_due, self.last, self.schedule.after(now))
            self.last = now
            try:
                instance.run(self.function, data)
            except InvocationFailed as error:
                return str(error)
            return ""

    def _live(self) -> None:
        if self.function.trigger.properties.get("runOnStartup"):
            self.fire()
        while True:
            due = self.schedule.after(datetime.now(UTC))
            if self._stopping.wait((due - datetime.now(UTC)).total_seconds()):
                return
            self.fire((datetime.now(UTC) - due).total_seconds() > LATE_S)
