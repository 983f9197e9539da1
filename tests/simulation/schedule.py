"""One schedule: hosts that run the production functions, one run of a small pipeline, and what became of it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from adapters.tables import TableRuns
from canalis.contract.errors import CanalisError, WorldError
from canalis.contract.graph import CommandWork, FromStep, Graph, Input, Node, Output, Settings
from canalis.contract.graphs import stored_graph
from canalis.contract.messages import (
    ORCHESTRATOR_QUEUE,
    CancelRequested,
    Command,
    Event,
    Message,
    StartStep,
    from_bytes,
)
from canalis.contract.ports import Ports
from canalis.contract.run import ComputeChoice
from orchestrator.advance import advance
from orchestrator.submit import Submission, submit
from orchestrator.sweep import SWEEP_S, Sweeper
from steps import worker
from steps.backend import Backend
from steps.follow import LEASE_S
from steps.report import PortsDesk
from tests.simulation.bus import BATCH_MAX, Held, MemoryBus
from tests.simulation.choices import Choices
from tests.simulation.jobs import JobService, LocalBackend, ServiceBackend
from tests.simulation.oracle import Oracle, Violation
from tests.simulation.stores import MemoryBlobs, MemoryDocuments
from tests.simulation.table import MemoryTable
from tests.simulation.world import Host, Port, Swarm, World

END_S = 900.0
SKEWS_S = (0.0, 2.0, -2.0, 0.5)


@dataclass(frozen=True)
class Scenario:
    """A pipeline and what its author does with it.

    is_laptop   one host whose jobs outlive it, instead of two that ask a service
    """

    name: str
    graph: Graph
    continues: bool = False
    is_laptop: bool = False


@dataclass
class Outcome:
    """What became of a schedule."""

    violation: Violation | None
    status: str
    calls: int
    faults: int
    swept: int
    choices: list[int]
    log: list[str]
    virtual_s: float
    attention: bool = False
    ended_s: float | None = None  # from the start to the run's end


def a_graph(*edges: str, retries: int = 0, rest_s: float = 0.0, timeout_s: float | None = None) -> Graph:
    """A graph whose steps hand each other data, drawn as "a > b > d"."""
    after: dict[str, list[str]] = {}
    for line in edges:
        names = line.split(" > ")
        for name in names:
            after.setdefault(name, [])
        for before, name in itertools.pairwise(names):
            after[name].append(before)
    settings = Settings(retries=retries, retry_rest_s=rest_s, timeout_s=timeout_s, reuse=False)
    return Graph(
        nodes=tuple(
            Node(
                key=name,
                name=name,
                work=CommandWork(line=("true",)),
                inputs=tuple(Input(name=f"from_{one}", source=FromStep(node=one, output="out")) for one in before),
                outputs=(Output(name="out"),),
                settings=settings,
            )
            for name, before in after.items()
        )
    )


SCENARIOS = (
    Scenario("diamond", a_graph("a > b > d", "a > c > d")),
    Scenario("chain", a_graph("a > b", retries=1, rest_s=40.0)),
    Scenario("fan", a_graph("a > b", "a > c", "d", retries=1), continues=True),
    Scenario("limit", a_graph("a > b", "c", retries=1, timeout_s=20.0)),
    Scenario("laptop", a_graph("a > b > d", "a > c > d", retries=1, timeout_s=90.0), is_laptop=True),
)


class Service:
    """Our service on one host, from its start to its death."""

    def __init__(self, schedule: Schedule, host: Host) -> None:
        self.schedule = schedule
        self.host = host
        world = schedule.world
        bus = Port(host, schedule.bus)
        self.ports = Ports(
            runs=TableRuns(Port(host, schedule.table), bus, host),  # type: ignore[arg-type]
            documents=Port(host, schedule.documents),  # type: ignore[arg-type]
            blobs=Port(host, schedule.blobs),  # type: ignore[arg-type]
            stores=None,  # type: ignore[arg-type]
            bus=bus,  # type: ignore[arg-type]
            clock=host,
            web=None,  # type: ignore[arg-type]
            vault=None,  # type: ignore[arg-type]
        )
        self.is_laptop = schedule.scenario.is_laptop
        self.backend: Backend
        if self.is_laptop:
            self.backend = local = LocalBackend(host, schedule.jobs, PortsDesk(self.ports))
            schedule.jobs.on_end = local.ended
        else:
            self.backend = ServiceBackend(host, schedule.jobs)
        self.sweeper = Sweeper(self.ports, "laptop" if self.is_laptop else "")
        self.calls = itertools.count()
        self.line: deque[Held] = deque()
        self.is_working = False
        host.spawn(partial(self._begin, world.choices.pick(4) if world.swarm.timers else 0), ends=False)

    def handle(self, queue: str, messages: list[Held]) -> None:
        """Messages were delivered here."""
        if queue == ORCHESTRATOR_QUEUE:
            self.host.spawn(partial(self._advance, messages), messages)
        elif self.is_laptop:
            self.line += messages  # one thread works them off
            if not self.is_working:
                self.is_working = True
                self.host.spawn(self._work_off, messages)
        else:
            self.host.spawn(partial(self._work, messages[0]), messages)

    def owner(self) -> str:
        """Under whose name the next call claims."""
        return "laptop" if self.is_laptop else f"{self.host.name}.{self.host.life}.{next(self.calls)}"

    def _begin(self, late_s: int) -> None:
        while self.is_laptop:
            try:
                self.sweeper.sweep(self.backend.held(), at_once=True)
                break
            except WorldError:
                self.host.world.sleep(1.0)
        while True:
            self.host.world.sleep(SWEEP_S + late_s)
            self.host.spawn(self._tick)
            world = self.host.world
            if world.swarm.timers and world.now < world.fault_until:
                late_s = (0, 0, 40, -10)[world.choices.chance(world.swarm.timers, 4)]
                if world.choices.chance(world.swarm.timers):
                    self.host.spawn(self._tick)  # timers fire twice at times

    def _tick(self) -> None:
        try:
            held = self.backend.held()
            if self.is_laptop:
                self.ports.runs.renew("laptop", held, LEASE_S)
            # Messages of the first look after a start are no repair: a service that starts knows nothing yet.
            self.schedule.swept += self.sweeper.sweep(held)
            self._face_dead_letters()
        except WorldError:
            return  # the next one will

    def _face_dead_letters(self) -> None:
        bus = self.schedule.bus
        for message in list(bus.dead):
            read = from_bytes(message.body)
            if isinstance(read, Command):
                worker.give_up(self.ports, self.backend, self.owner(), read, message.reason)
            else:
                self.ports.runs.flag(read.run_id, message.reason)
            if message in bus.dead:
                bus.dead.remove(message)

    def _advance(self, messages: list[Held]) -> None:
        locks = [message.lock for message in messages]
        events = [from_bytes(message.body) for message in messages]
        run_id = events[0].run_id
        self._settle(messages, locks, lambda: advance(self.ports, run_id, _events(events)))

    def _work(self, message: Held) -> None:
        command = from_bytes(message.body)
        assert isinstance(command, Command)
        self._settle([message], [message.lock], lambda: worker.work(self.ports, self.backend, self.owner(), command))

    def _work_off(self) -> None:
        while self.line:
            messages = [self.line.popleft() for _ in range(min(len(self.line), BATCH_MAX))]
            try:
                self._start_all(messages)
            except CanalisError:  # one by one then, as the door does
                for message in messages:
                    self._work(message)
        self.is_working = False

    def _start_all(self, messages: list[Held]) -> None:
        locks = [message.lock for message in messages]
        commands = [from_bytes(message.body) for message in messages]
        starts = [command for command in commands if isinstance(command, StartStep)]
        worker.start_all(self.ports, self.backend, self.owner(), starts)
        for message, lock, command in zip(messages, locks, commands, strict=True):
            if isinstance(command, StartStep):
                self.schedule.bus.complete(message, lock)
            else:
                self._work(message)

    def _settle(self, messages: list[Held], locks: list[int], handle: Callable[[], None]) -> None:
        try:
            handle()
        except CanalisError as error:
            for message, lock in zip(messages, locks, strict=True):
                self.schedule.bus.abandon(message, lock, repr(error))
            return
        for message, lock in zip(messages, locks, strict=True):
            self.schedule.bus.complete(message, lock)


class Schedule:
    """Everything of one schedule."""

    service = Service
    bus_of = MemoryBus
    oracle_of = Oracle
    end_s = END_S
    runs_are = "run"  # plans are kept by the ids of runs, so other requests are made under other ids

    def __init__(self, scenario: Scenario, choices: Choices, swarm: Swarm | None, with_log: bool) -> None:
        self.scenario = scenario
        self.world = world = World(choices)
        world.log = [] if with_log else None
        world.swarm = swarm if swarm is not None else Swarm.drawn(choices)
        self.table = MemoryTable()
        self.documents = MemoryDocuments()
        self.blobs = MemoryBlobs()
        self.bus = self.bus_of(world, self._deliver)
        self.jobs = JobService(world)
        self.run_id = f"{self.runs_are}-{scenario.name}"
        self.oracle = self.oracle_of(world, scenario.graph, self.run_id, self.table, self.jobs)
        self.bus.on_send = self.oracle.on_send
        self.swept = 0
        self.services: dict[str, Service] = {}
        self.is_acknowledged = False
        self.violation: Violation | None = None
        world.on_restart = self._start
        for name in ("alpha",) if scenario.is_laptop else ("alpha", "beta"):
            host = Host(world, name)
            host.skew_s = SKEWS_S[choices.pick(4)] if world.swarm.skew and not scenario.is_laptop else 0.0
            world.hosts.append(host)
            world.restart(host)

    def run(self, cancel_after_s: float | None) -> Outcome:
        """Let it happen."""
        world = self.world
        _warm(self.scenario)
        self.jobs.will_be_cancelled = cancel_after_s is not None
        self._as_author(self._submit)
        if cancel_after_s is not None:
            world.at(cancel_after_s, lambda: self._as_author(self._cancel))
        try:
            world.run(self._is_over, self.end_s)
            self.oracle.check_end(self.swept, len(self.bus.dead))
        except Violation as violation:
            self.violation = violation
            world.trace(str(violation))
        row = self.table.find(self.run_id, "run")
        return Outcome(
            self.violation,
            str(row.properties["status"]) if row else "none",
            world.calls,
            world.faults,
            self.swept,
            world.choices.taken,
            world.log or [],
            world.now - world.started_at,
            bool(row and row.properties.get("attention")),
            None if self.oracle.ended_at is None else self.oracle.ended_at - world.started_at,
        )

    def _is_over(self) -> bool:
        """Ended, and nothing is under way any more that could still go wrong."""
        return (
            self.oracle.ended_at is not None
            and not self.bus.under_way
            and not self.bus.dead
            and not any(host.at_work for host in self.world.hosts)
            and not self.oracle.is_something_left()
        )

    def _start(self, host: Host) -> None:
        self.services[host.name] = self.service(self, host)

    def _deliver(self, host: Host, queue: str, messages: list[Held]) -> None:
        self.services[host.name].handle(queue, messages)

    def _as_author(self, ask: Callable[[Service], bool]) -> None:
        """Ask one of the hosts, and another when it fails or dies before it answers."""
        world = self.world
        up = world.up()
        if up:
            host = up[world.choices.pick(len(up))] if len(up) > 1 else up[0]
            service = self.services[host.name]
            answered: list[bool] = []

            def asked() -> None:
                try:
                    answered.append(ask(service))
                except WorldError:
                    return

            host.spawn(asked)
            world.at(8.0, lambda: None if answered else self._as_author(ask))
        else:
            world.at(2.0, lambda: self._as_author(ask))

    def _submit(self, service: Service) -> bool:
        asked = Submission(
            graph=self.scenario.graph,
            experiment="e",
            run_id=self.run_id,
            continue_on_step_failure=self.scenario.continues,
        )
        submit(service.ports, asked, {"": ComputeChoice(backend="sim")})
        self.world.trace("submitted")
        return True

    def _cancel(self, service: Service) -> bool:
        if self.oracle.state is None:
            self.world.sleep(1.0)
            raise WorldError("not there yet")
        if self.oracle.status is not None and not self.oracle.status.is_terminal:
            self.oracle.cancel_accepted_at = self.oracle.cancel_accepted_at or self.world.now
        advance(service.ports, self.run_id, [CancelRequested(run_id=self.run_id)])
        self.world.trace("cancel accepted")
        return True


def run_schedule(
    scenario: Scenario,
    choices: Choices,
    swarm: Swarm | None = None,
    cancel_after_s: float | None = None,
    log: bool = False,
) -> Outcome:
    """One schedule from its beginning to its end."""
    schedule = Schedule(scenario, choices, swarm, log)
    return schedule.run(cancel_after_s)


CANCELS_S = (None, None, None, 1.0, 6.0, 12.0, 30.0, 60.0)


def run_seed(seed: int, replay: Sequence[int] | None = None, log: bool = False) -> Outcome:
    """The schedule of a seed, or of a list of choices."""
    choices = Choices(seed, replay)
    scenario = SCENARIOS[choices.pick(len(SCENARIOS))]
    cancel_after_s = CANCELS_S[choices.pick(len(CANCELS_S))]
    return run_schedule(scenario, choices, None, cancel_after_s, log)


def _events(messages: Sequence[Message]) -> list[Event]:
    return [message for message in messages if isinstance(message, Event)]


def _warm(scenario: Scenario) -> None:
    """Graphs are kept in memory between schedules; so that the first is like the others, before it too."""
    blobs = MemoryBlobs()
    from canalis.contract.graph import content_id
    from canalis.contract.layout import graph_key

    document = scenario.graph.to_bytes()
    blobs.put(graph_key(content_id(document)), document)
    stored_graph(blobs, content_id(document))
