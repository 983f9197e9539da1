"""The service of one workspace in Azure without its triggers: ports, steps, and what is done with each message."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, NamedTuple

from adapters.azure_blobs import AzureBlobs, AzureStores
from adapters.azure_bus import AzureBus, opened
from adapters.azure_tables import AzureTable
from adapters.clock import SystemClock
from adapters.counted import Meter, asked, counted
from adapters.datastores import RegisteredStores
from adapters.tables import AskedTable, Table, TableDocuments, TableRuns
from adapters.web import HttpWeb
from azure_access import credential_of, vault_of
from azure_settings import Settings
from azure_watch import Watch
from canalis.contract.announcements import EVENTS_TOPIC, Listening
from canalis.contract.errors import MessageUnreadable, NotFound, WorldError
from canalis.contract.health import Check, checked
from canalis.contract.messages import (
    NOTICES_QUEUE,
    ORCHESTRATOR_QUEUE,
    SET_ASIDE_QUEUE,
    SUBMISSIONS_QUEUE,
    WATCH_QUEUE,
    Command,
    Event,
    Received,
    received,
    steps_queue,
)
from canalis.contract.ports import Clock, Ports
from canalis.contract.run import ComputeChoice
from orchestrator.advance import EVENTS_MAX, advance
from orchestrator.computes import choices
from orchestrator.furnish import register_datastores
from orchestrator.schedules.keeper import Keeper
from steps import backends, worker
from steps.backend import Backend
from steps.instance import InstanceBackend
from steps.scratch import Scratch

STORE = "canalis"  # name of the table, and of the container
TRIES = 5  # deliveries of a message that fails for a reason of its own; the bus itself gives up after more
_REST_S_MAX = 20.0
_AT_ONCE = 8  # runs of one batch that are carried side by side
_DRAIN_S = 10.0
DEFAULT_SLOTS = 1  # steps at once that name no compute target
_GIVEN_UP = "the bus delivered it again and again"

_log = logging.getLogger("canalis.azure")


class Delivered(NamedTuple):
    """A message as a trigger has it; `deliveries` counts this one too. `name` is the same at each of them."""

    body: bytes
    deliveries: int
    name: str = ""


Maker = Callable[["Engine", Settings], Backend]


class Engine:
    """Everything of a service but its triggers. Several of them, on several machines, serve one workspace.

    makers   of the backends that this app serves, by name
    """

    def __init__(self, settings: Settings, makers: Mapping[str, Maker]) -> None:
        clock = SystemClock()
        credential = credential_of(settings)
        # In Azure what is missing there has not been deployed, and the app has no right to make it.
        table = AzureTable(settings.tables, STORE, credential, create_if_missing=credential is None)
        blobs = AzureBlobs.open(settings.blobs, STORE, credential, create_if_missing=credential is None)
        self.settings = settings
        self.bus = AzureBus(settings.bus, blobs, credential, [EVENTS_TOPIC, settings.events_topic])
        self.vault = vault_of(settings, TableDocuments(table), credential)  # asked for no run in particular
        self.ports = self._ports(table, blobs, clock)
        self.meter = Meter(self.ports.documents)
        # What works for runs tells what it asks of the tables: how much of a call is answered from memory varies.
        told = AskedTable(table, partial(asked, self.meter))
        self.counted = counted(self._ports(told, blobs, clock), self.meter, is_asked_below=True)
        self.instance = uuid.uuid4().hex
        self._makers = makers
        self._backends: dict[str, Backend] = {}
        self._lock = threading.Lock()
        self._side_by_side = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="runs")
        keeper = Keeper(self.counted, self.computes)
        self.watcher = Watch(self.counted, self.ports, self.bus, self.meter, self._side_by_side, keeper)
        self._closing = threading.Event()
        self._in_hand = 0

    def _ports(self, table: Table, blobs: AzureBlobs, clock: Clock) -> Ports:
        documents = TableDocuments(table)
        kept = AzureStores(blobs, lambda name: documents.get("datastores", name) is not None)
        return Ports(
            runs=TableRuns(table, self.bus, clock),
            documents=documents,
            blobs=blobs,
            stores=RegisteredStores(kept, documents, self.vault, is_local=False),
            bus=self.bus,
            clock=clock,
            web=HttpWeb([*self.settings.webhook_hosts, *self.settings.callback_hosts]),
            vault=self.vault,
            listening=Listening(self.settings.endpoint, self.settings.events_topic, self.settings.callback_hosts),
        )

    def advance_all(self, messages: Sequence[Delivered]) -> None:
        """Carry news into their runs; those for one run together. Raises when some must come again."""
        self.watcher.call()
        with self.busy():
            self._advance_all(messages)

    def _advance_all(self, messages: Sequence[Delivered]) -> None:
        by_run: dict[str, list[tuple[Delivered, Event, str]]] = defaultdict(list)
        for message in messages:
            read = self.read(message)
            if read is not None and isinstance(read.message, Event):
                by_run[read.message.run_id].append((message, read.message, read.trace))
        carry = partial(_first_error, self._carry)
        if len(by_run) == 1:
            errors = [carry(*group) for group in by_run.items()]
        else:
            errors = list(self._side_by_side.map(carry, by_run.keys(), by_run.values()))
        for error in filter(None, errors):
            raise error

    def work(self, name: str, message: Delivered) -> None:
        """Carry out an order for a backend. Raises when it must come again."""
        read = self.read(message)
        if read is None or not isinstance(read.message, Command):
            return
        # Under a name of its own: another call may have the same order, since its lock was lost.
        owner = uuid.uuid4().hex
        self.watcher.call()
        handle = partial(worker.work, self.counted, self.backend(name), owner, read.message, read.trace)
        with self.busy():
            self.settle(message, handle, partial(self._give_up, name, read.message, read.trace))

    def bury(self, name: str, message: Delivered) -> None:
        """Turn what the bus has given up into something that its run shows. `name` is of a backend, or ""."""
        read = self.read(message)
        if read is None:
            return
        found, last = read.message, Delivered(message.body, TRIES)
        if isinstance(found, Command):
            self.settle(last, partial(self._give_up, name, found, read.trace, _GIVEN_UP), _log.error)
        elif isinstance(found, Event):
            handle = partial(advance, self.counted, found.run_id, [found], [read.trace])
            self.settle(last, handle, partial(self._flag, found.run_id))

    def watch(self) -> None:
        """Look after open runs, and see to it that somebody does so every 15 s for as long as there are any."""
        self.watcher.look()

    def backend(self, name: str) -> Backend:
        """The backend of that name, made when it is first needed."""
        with self._lock:
            if name not in self._backends:
                self._backends[name] = self._makers[name](self, self.settings)
            return self._backends[name]

    @cached_property
    def scratch(self) -> Scratch:
        """The folder of this process, which nobody clears away as long as this is here."""
        return Scratch()

    def machines(self) -> ComputeChoice:
        """What the machines of this service can do for a step."""
        return ComputeChoice(backend=backends.PROCESS, seconds_max=self.settings.seconds_max, has_paths=False)

    def computes(self) -> dict[str, ComputeChoice]:
        """What each compute target is just now; "" is for steps that name none."""
        return choices(self.ports.documents, self.machines(), DEFAULT_SLOTS)

    def backends(self) -> list[str]:
        """Names of the backends that a compute target may name: this app's, and those that it could have."""
        return sorted({*self._makers, *backends.names()})

    def furnish(self) -> None:
        """See to it that the workspace has what every workspace has."""
        register_datastores(self.ports.documents, self.settings.workspace)

    def checks(self) -> list[Check]:
        """Whether what the service depends on can be used, and else which right or part is missing."""
        queues = [ORCHESTRATOR_QUEUE, SET_ASIDE_QUEUE, WATCH_QUEUE, SUBMISSIONS_QUEUE, NOTICES_QUEUE]
        queues += [*map(steps_queue, self._makers), *filter(None, [self.settings.events_topic])]
        return [
            checked("tables", lambda: self.ports.documents.get("settings", "health") and ""),
            checked("blobs", lambda: self.ports.blobs.info("health") and ""),
            checked("bus", lambda: self.bus.warm_up(queues)),
        ]

    def drain(self) -> None:
        """This machine goes away: end what runs, so that another may do it anew, and see that through."""
        self._closing.set()
        backends = [backend for backend in self._backends.values() if isinstance(backend, InstanceBackend)]
        for backend in backends:
            backend.drain()
        give_up = time.monotonic() + _DRAIN_S
        while self._in_hand and time.monotonic() < give_up:
            time.sleep(0.05)
        for backend in backends:
            backend.close()
        self.meter.keep_but(())

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Something is in hand until the end of the block: who drains this machine waits for it."""
        with self._lock:
            self._in_hand += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_hand -= 1

    def _carry(self, run_id: str, group: Sequence[tuple[Delivered, Event, str]]) -> None:
        try:
            for first in range(0, len(group), EVENTS_MAX):
                _, events, traces = zip(*group[first : first + EVENTS_MAX], strict=True)
                advance(self.counted, run_id, events, traces)
        except WorldError:  # it is not one of them, and each would wait for the same
            self._rest(max(message.deliveries for message, _, _ in group))
            raise
        except Exception:  # one of them may be what fails, and the others are not to suffer for it
            errors = []
            for message, event, trace in group:
                handle = partial(advance, self.counted, run_id, [event], [trace])
                errors.append(_first_error(self.settle, message, handle, partial(self._flag, run_id)))
                if isinstance(errors[-1], WorldError):
                    break
            for error in filter(None, errors):
                raise error from None

    def settle(self, message: Delivered, handle: Callable[[], None], record: Callable[[str], None]) -> None:
        """Handle a message; one that cannot be handled is recorded, and so done with.

        Raises what time or an operator can mend: then it is to come again.
        """
        try:
            handle()
        except WorldError as error:
            self._rest(message.deliveries)
            raise error
        except NotFound as error:
            if error.details.get("kind") != "run":
                self._again_or_record(message, record, error)
            _log.warning("dropped a message about what is not there: %s", error)
        except Exception as error:
            self._again_or_record(message, record, error)

    def _rest(self, deliveries: int) -> None:
        """Wait before a message is given back: it would come again at once, and the bus gives up after ten times."""
        self._closing.wait(min(2.0**deliveries, _REST_S_MAX))

    def _again_or_record(self, message: Delivered, record: Callable[[str], None], error: Exception) -> None:
        _log.warning("message failed at delivery %d: %r", message.deliveries, error, exc_info=error)
        if message.deliveries < TRIES:
            raise error
        record(repr(error))

    def _give_up(self, name: str, command: Command, trace: str, reason: str) -> None:
        worker.give_up(self.counted, self.backend(name), uuid.uuid4().hex, command, reason, trace)

    def _flag(self, run_id: str, reason: str) -> None:
        self.ports.runs.flag(run_id, f"What happened in it could not be carried into its record: {reason}")

    def read(self, message: Delivered) -> Received | None:
        """The message; None for one that is none of ours, which is set aside with the reason."""
        try:
            return received(opened(message.body, self.ports.blobs))
        except (MessageUnreadable, NotFound) as error:
            _log.warning("set a message aside: %s", error.message)
            self.bus.set_aside(message.body, error.message)
            run_id = error.run_id if isinstance(error, MessageUnreadable) else None
            if run_id is not None:
                try:
                    self.ports.runs.flag(run_id, f"A message about it was set aside: {error.message}")
                except NotFound:
                    _log.warning("and there is no run %s that it names", run_id)
            return None


def _first_error(do: Callable[..., None], *given: Any) -> Exception | None:
    try:
        do(*given)
    except Exception as error:
        return error
    return None
