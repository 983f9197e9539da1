"""The service of one workspace on this machine without its face: storage, steps, and the pump between them."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from adapters.clock import SystemClock
from adapters.counted import Meter, counted
from adapters.datastores import RegisteredStores
from adapters.files import FileBlobs, FileStores
from adapters.sealed import FolderVault
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns, Taken, dead
from adapters.web import HttpWeb
from canalis.contract.announcements import Listening, callback_hosts_of, topic_of, webhook_hosts_of
from canalis.contract.costs import SERVICE
from canalis.contract.errors import CanalisError, MessageUnreadable, NotFound
from canalis.contract.health import Check, checked
from canalis.contract.messages import ORCHESTRATOR_QUEUE, Command, Event, Received, StartStep, received, steps_queue
from canalis.contract.ports import Ports
from canalis.contract.run import ComputeChoice
from local_backends import Backends
from local_events import Events
from orchestrator.advance import EVENTS_MAX, advance
from orchestrator.computes import choices
from orchestrator.furnish import register_datastores
from orchestrator.notices.sweep import make_good
from orchestrator.retention.collector import Collector
from orchestrator.schedules.keeper import Keeper
from orchestrator.sweep import Sweeper
from steps import worker
from steps.backend import Backend
from steps.follow import LEASE_S
from steps.process import BACKEND, ProcessBackend
from steps.report import PortsDesk
from steps.surroundings import Site

OWNER = "laptop"  # one service serves a workspace, so what it claimed before it died is its own still
RENEW_S = 7.5  # a quarter of a lease, so that one or two may fail
WAIT_S = 15.0
_LAST_S = 2.0
_SHOWN_BYTES = 500  # of a message that is none of ours, in the log
TOGETHER_MAX = 90  # messages of a queue that are carried together; of events no more fit into a commit
_STEPS = steps_queue(BACKEND)
_QUEUES = (ORCHESTRATOR_QUEUE, _STEPS)
assert TOGETHER_MAX <= EVENTS_MAX

_log = logging.getLogger("canalis.local")


class Engine:
    """Everything of a service but its face: a workspace's storage, its steps, and the pump between them.

    root   the workspace's folder, of which the caller holds the lock
    """

    def __init__(self, root: Path, site: Site) -> None:
        clock = SystemClock()
        self.database = Database(root / "canalis.db")
        self.bus = SqliteBus(self.database, clock)
        documents, callback_hosts = SqliteDocuments(self.database), callback_hosts_of(os.environ)
        vault = FolderVault(documents, root)
        self.ports = Ports(
            runs=SqliteRuns(self.database, self.bus, clock),
            documents=documents,
            blobs=FileBlobs(root / "blobs"),
            stores=RegisteredStores(FileStores(root / "datastores"), documents, vault, is_local=True),
            bus=self.bus,
            clock=clock,
            web=HttpWeb([*webhook_hosts_of(os.environ), *callback_hosts], may_reach_this_machine=True),
            vault=vault,
            listening=Listening(site.endpoint, topic_of(os.environ), callback_hosts),
        )
        self.meter = Meter(self.ports.documents)
        # People look through self.ports. What works for runs is counted; delivering is a part of the commit here.
        self.counted = counted(self.ports, self.meter, free=("deliver",))
        self.backend = ProcessBackend(self.counted, site, root / "work", PortsDesk(self.counted))
        self.sweeper = Sweeper(self.counted, OWNER)
        self.events = Events(self.ports, self.counted, self.bus, self.computes)
        self.backends = Backends(self.counted, self.bus, site)
        self.pump = Pump(self.counted, self.bus, self.backend, self.events.takers | self.backends.takers)
        self.keeper = Keeper(self.counted, self.computes)
        self.collector = Collector(self.ports)
        self._due_at: float | None = None  # of the schedule that is due next
        for name in register_datastores(self.ports.documents):
            (root / "datastores" / name).mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Begin to work: what an earlier service left behind is taken up before anything new comes in."""
        opened = list(self.ports.runs.open_runs())
        begun = sum(map(self._begun, opened))
        sent = self.sweeper.sweep(self.backend.held(), at_once=True)
        if opened:
            _log.info("took up %d open runs; %d steps had begun, %d messages sent again", len(opened), begun, sent)
        self.backend.clear_leftovers()
        self.pump.start()

    def _begun(self, run_id: str) -> int:
        """How many steps in work have a process, or had one; none of a run that cannot be read, as the sweep says."""
        try:
            return sum(self.backend.has_begun(found.key) for found in self.ports.runs.attempts(run_id, live=True))
        except Exception:
            return 0

    def renew(self) -> None:
        """What is to be done every RENEW_S: say that what is held is held still."""
        self.database.look_again()
        self.counted.runs.renew(OWNER, self.backend.held(), LEASE_S)

    def tick(self) -> None:
        """What is to be done every SWEEP_S: look after what was lost, set aside or left behind."""
        try:
            self.sweeper.sweep(self.backend.held())
        finally:  # a run that cannot be looked after keeps nobody from hearing of others
            make_good(self.ports, self.sweeper.opened)
        self.pump.face_dead_letters()
        self.events.face_dead_letters()
        self.backends.face_dead_letters()
        self.meter.keep_but({*self.ports.runs.open_runs(), SERVICE})
        self.backend.tidy()
        if self.collector.is_due():  # beside what keeps time: it may take long
            threading.Thread(target=self.collector.look, name="retention", daemon=True).start()

    def computes(self) -> dict[str, ComputeChoice]:
        """What each compute target is just now; "" is for steps that name none."""
        return choices(self.ports.documents, ComputeChoice(backend=BACKEND), os.cpu_count() or 1)

    def keep_schedules(self) -> None:
        """Start what schedules have due."""
        self._due_at = self.keeper.look()

    def due_in_s(self) -> float:
        """Seconds until a schedule is due; 0.0 when one is."""
        return math.inf if self._due_at is None else max(0.0, self._due_at - self.ports.clock.now())

    def trouble(self) -> str:
        """What keeps this service from going on that somebody has to mend; "" when nothing does."""
        return self.database.trouble or self.backend.trouble()

    def checks(self) -> list[Check]:
        """What this service needs to go on, and what is wrong with it."""
        return [
            checked("database", self._database_trouble),
            checked("steps", self.backend.trouble),
        ]

    def _database_trouble(self) -> str:
        self.ports.documents.get("datastores", "workspaceblobstore")  # raises when it cannot be read
        return self.database.trouble

    def is_idle(self) -> bool:
        """Whether no run is under way, and no schedule will start one."""
        return self._due_at is None and not self.backend.held() and not self.ports.runs.open_runs()

    def close(self) -> None:
        """Take nothing further. Steps that run go on, and the next service finds them."""
        self.pump.close()
        self.events.close()
        self.backends.close()
        self.backend.close()
        self.meter.keep_but(())


class Pump:
    """Carries messages from the bus to those they are for, until it is closed.

    others   by queue: who takes messages that the pump has nothing to do with, and does not keep it waiting
    """

    def __init__(
        self,
        ports: Ports,
        bus: SqliteBus,
        backend: Backend,
        others: Mapping[str, Callable[[Taken], None]] | None = None,
    ) -> None:
        self._ports = ports
        self._bus = bus
        self._backend = backend
        self._others = others or {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="pump", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        # One thread for news and orders: each follows from the other, and a hand-over would cost more than either.
        self._thread.start()

    def close(self) -> None:
        """Carry nothing further; what is in hand is carried to its end, if that does not take long."""
        self._closing.set()
        self._bus.close()
        if self._thread.is_alive():
            self._thread.join(_LAST_S)

    def _carry(self) -> None:
        while not self._closing.is_set():
            try:
                taken = self._bus.take((*_QUEUES, *self._others), TOGETHER_MAX, WAIT_S)
                for message in taken:
                    if message.queue in self._others:
                        self._others[message.queue](message)
                try:
                    self._advance_all([message for message in taken if message.queue == ORCHESTRATOR_QUEUE])
                finally:
                    self._work_all([message for message in taken if message.queue == _STEPS])
            except CanalisError as error:  # the store itself refuses: the messages stay where they are
                _log.warning("%s", error)
                self._closing.wait(1.0)
            except Exception:
                _log.exception("the pump")
                self._closing.wait(1.0)

    def face_dead_letters(self) -> None:
        """Turn what failed again and again into something that its run shows; none is dropped before."""
        for message, (event, _) in self._read_all(self._bus.take(dead(ORCHESTRATOR_QUEUE), TOGETHER_MAX, 0.0)):
            if isinstance(event, Event):
                why = f"What happened in it could not be carried into its record: {message.reason}"
                self._settle([message], partial(self._ports.runs.flag, event.run_id, why))
        for message, (command, trace) in self._read_all(self._bus.take(dead(_STEPS), TOGETHER_MAX, 0.0)):
            if isinstance(command, Command):
                give_up = partial(worker.give_up, self._ports, self._backend, OWNER, command, message.reason, trace)
                self._settle([message], give_up)

    def _advance_all(self, taken: list[Taken]) -> None:
        """Messages for one run are applied together: one load, one commit."""
        by_run: dict[str, list[tuple[Taken, Event, str]]] = defaultdict(list)
        for message, (event, trace) in self._read_all(taken):
            if isinstance(event, Event):
                by_run[event.run_id].append((message, event, trace))
        for run_id, group in by_run.items():
            messages, events, traces = zip(*group, strict=True)
            try:
                advance(self._ports, run_id, events, traces)
                self._bus.complete(messages)
            except Exception:
                for message, event, trace in group:  # one may be what fails, and the others are not to suffer for it
                    self._settle([message], partial(advance, self._ports, run_id, [event], [trace]))

    def _work_all(self, taken: list[Taken]) -> None:
        """What is to start is started together; what is to stop is stopped after that."""
        orders = [(message, order, trace) for message, (order, trace) in self._read_all(taken)]
        starts = {message: (order, trace) for message, order, trace in orders if isinstance(order, StartStep)}
        try:
            commands, traces = [order for order, _ in starts.values()], [trace for _, trace in starts.values()]
            worker.start_all(self._ports, self._backend, OWNER, commands, traces)
            self._bus.complete(starts)
        except Exception:
            starts = {}  # one by one then: one of them may be what fails, and the others are not to suffer for it
        for message, order, trace in orders:
            if message not in starts and isinstance(order, Command):
                self._settle([message], partial(worker.work, self._ports, self._backend, OWNER, order, trace))

    def _settle(self, messages: list[Taken], handle: Callable[[], None]) -> None:
        try:
            handle()
        except Exception as error:
            if not (isinstance(error, NotFound) and error.details.get("kind") == "run"):
                _log.warning("a message will come again: %r", error, exc_info=not isinstance(error, CanalisError))
                self._bus.abandon(messages, repr(error))
                return
            _log.warning("dropped a message about what is not there: %s", error)
        self._bus.complete(messages)

    def _read_all(self, taken: list[Taken]) -> list[tuple[Taken, Received]]:
        found = []
        for message in taken:
            try:
                found.append((message, received(message.body)))
            except MessageUnreadable as error:
                _log.error("message %s is dropped: %s: %r", message.seq, error, message.body[:_SHOWN_BYTES])
                if error.run_id is None:
                    self._bus.complete([message])  # no run could show it, so the log alone keeps it
                else:
                    why = f"A message about it cannot be read: {error}"
                    self._settle([message], partial(self._ports.runs.flag, error.run_id, why))
        return found
