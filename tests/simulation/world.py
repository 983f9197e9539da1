"""Time, hosts and tasks in one thread. Handlers are the production functions; each runs in a greenlet of its own.

Every call of a port is a point where others may go on, where it may fail, and where its host may die.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import Any

import greenlet

from canalis.contract.errors import StoreUnavailable
from tests.simulation.choices import Choices

LATENCY_S = 0.005
PAUSE_S = 45.0  # longer than any lease and lock
AGAIN_S = (0.05, 0.5, 3.0)  # until a client that was not answered has asked again
RATES = (0.0, 0.01, 0.03, 0.08)


class Fault(IntEnum):
    """What may go wrong at one call of a port."""

    NONE = 0
    TRANSIENT = 1  # not done, and said so
    AMBIGUOUS = 2  # done, and the caller sees a time-out
    CRASH_BEFORE = 3
    CRASH_AFTER = 4
    LOCK_LOST = 5  # the message comes again while its handler still works
    PAUSE = 6  # the handler sleeps through its leases, and then goes on
    ASKED_AGAIN = 7  # done, but the answer is lost; the client asks again, after others have gone on


@dataclass
class Swarm:
    """Which kinds of fault a schedule has, and how often: drawn once for each."""

    calls: float = 0.0
    kinds: tuple[Fault, ...] = ()
    drops: float = 0.0
    delays: float = 0.0
    doubles: float = 0.0
    slow_calls: float = 0.0
    jobs: float = 0.0
    timers: float = 0.0
    skew: bool = False
    planted: dict[int, Fault] = field(default_factory=dict)  # by number of the call

    @classmethod
    def drawn(cls, choices: Choices) -> Swarm:
        """A swarm of this schedule's own. One in six has only jobs that go wrong, some have only answers that are lost.

        What takes two of these close together, and all else in its place, is found by nothing else.
        """
        jobs = (0.0, 0.15, 0.4, 0.8)[choices.pick(4)]
        shape = choices.pick(6)
        if shape == 0:
            return cls(jobs=jobs)
        if shape == 3 and choices.pick(4) == 1:
            return cls(0.3, (Fault.ASKED_AGAIN,), jobs=jobs)
        kinds = tuple(kind for kind in Fault if kind and kind is not Fault.ASKED_AGAIN and choices.pick(2))
        rate = lambda: RATES[choices.pick(len(RATES))]  # noqa: E731
        calls = rate() if kinds else 0.0
        return cls(calls, kinds, rate(), rate(), rate(), 2 * rate(), jobs, 4 * rate(), bool(choices.pick(2)))

    @property
    def is_benign(self) -> bool:
        """Whether nothing can go wrong: then nothing may need mending."""
        return self == Swarm(jobs=self.jobs)


class Dead(BaseException):
    """Unwinds a handler whose host has died, where it is still on the stack when the schedule ends."""


class Task(greenlet.greenlet):
    """A handler at work on a host."""

    host: Host
    life: int
    messages: Sequence[Any] = ()


class Host:
    """A machine that runs our code; everything it remembers dies with it."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.life = 0
        self.is_up = False
        self.skew_s = 0.0
        self.at_work = 0  # handlers that have not ended

    def now(self) -> float:
        """Its own clock."""
        return self.world.now + self.skew_s

    def monotonic(self) -> float:
        """Seconds that have passed."""
        return self.world.now

    def spawn(self, run: Callable[[], None], messages: Sequence[Any] = (), ends: bool = True) -> Task:
        """Begin a handler; one that never `ends` keeps nobody waiting."""
        task = Task(partial(self._to_its_end, run) if ends else run, self.world.hub)
        task.host, task.life, task.messages = self, self.life, messages
        self.at_work += ends
        self.world.at(0.0, task)
        return task

    def _to_its_end(self, run: Callable[[], None]) -> None:
        run()
        self.at_work -= 1

    def call(self, do: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """One call of a port, with everything that may happen to it."""
        world = self.world
        task = world.current()
        if task.life != self.life:
            raise Dead
        fault = world.fault_of_call()
        if fault is Fault.CRASH_BEFORE:
            world.crash(self)
        world.sleep(world.latency())
        if fault is Fault.TRANSIENT:
            raise StoreUnavailable("planted: throttled")
        result = do(*args, **named)
        if fault is Fault.NONE:
            return result
        world.trace(f"{self.name}: {fault.name} at {getattr(do, '__name__', do)}")
        if fault is Fault.CRASH_AFTER:
            world.crash(self)
        if fault is Fault.LOCK_LOST:
            for message in task.messages:
                world.lose_lock(message)
        if fault is Fault.PAUSE:
            world.sleep(PAUSE_S)
        if fault is Fault.AMBIGUOUS:
            raise StoreUnavailable("planted: done, but you cannot know")
        if fault is Fault.ASKED_AGAIN:
            world.sleep(AGAIN_S[world.choices.pick(len(AGAIN_S))])
            asked_again = getattr(do.__self__, f"{do.__name__}_again", None)  # type: ignore[attr-defined]
            return asked_again(result, *args) if asked_again is not None else result
        return result


class Port:
    """A port as a host sees it: each method a call that may fail."""

    def __init__(self, host: Host, target: Any) -> None:
        self._host = host
        self._target = target

    def __getattr__(self, name: str) -> Callable[..., Any]:
        do, call = getattr(self._target, name), self._host.call

        def bound(*args: Any, **named: Any) -> Any:
            return call(do, *args, **named)

        setattr(self, name, bound)
        return bound


class World:
    """Virtual time and what happens in it, in the order of one heap."""

    def __init__(self, choices: Choices, fault_until_s: float = 120.0) -> None:
        self.choices = choices
        self.swarm = Swarm()
        self.now = 1_000_000.0
        self.started_at = self.now
        self.fault_until = self.now + fault_until_s
        self.hub = greenlet.getcurrent()
        self.hosts: list[Host] = []
        self.calls = 0
        self.faults = 0
        self.log: list[str] | None = None
        self.lose_lock: Callable[[Any], None] = lambda message: None
        self.on_restart: Callable[[Host], None] = lambda host: None
        self._heap: list[tuple[float, int, Task | Callable[[], None]]] = []
        self._seq = itertools.count()

    def at(self, delay_s: float, what: Task | Callable[[], None]) -> None:
        """Let something happen later."""
        heapq.heappush(self._heap, (self.now + delay_s, next(self._seq), what))

    def current(self) -> Task:
        """The handler that is at work."""
        task = greenlet.getcurrent()
        assert isinstance(task, Task), "a port was called outside of a handler"
        return task

    def sleep(self, seconds: float) -> None:
        """Let others go on for a while. A handler whose host dies meanwhile never wakes."""
        self.at(seconds, self.current())
        self.hub.switch()

    def run(self, until: Callable[[], bool], at_most_s: float) -> None:
        """Until something is so, or time is up."""
        end = self.started_at + at_most_s
        heap = self._heap
        while heap and not until():
            self.now, _, what = heapq.heappop(heap)
            if self.now > end:
                return
            if not isinstance(what, Task):
                what()
            elif what.life == what.host.life:
                what.switch()

    def crash(self, host: Host) -> None:
        """Kill a host. When it is the caller's own this does not return."""
        host.life += 1
        host.is_up = False
        host.at_work = 0
        self.trace(f"{host.name} died")
        self.at(1.0 + 10.0 * self.choices.pick(4), lambda: self.restart(host))
        current = greenlet.getcurrent()
        if isinstance(current, Task) and current.host is host:
            self.hub.switch()
            raise Dead

    def restart(self, host: Host) -> None:
        """Start a host anew."""
        if not host.is_up:
            host.is_up = True
            self.trace(f"{host.name} is up")
            self.on_restart(host)

    def up(self) -> list[Host]:
        """Hosts that live."""
        return [host for host in self.hosts if host.is_up]

    def fault_of_call(self) -> Fault:
        """What happens to the next call."""
        self.calls += 1
        if self.swarm.planted:
            fault = self.swarm.planted.get(self.calls, Fault.NONE)
        elif self.swarm.calls and self.now < self.fault_until:
            kinds = self.swarm.kinds
            chosen = self.choices.chance(self.swarm.calls, len(kinds) + 1)
            fault = kinds[chosen - 1] if chosen else Fault.NONE
        else:
            return Fault.NONE
        self.faults += fault is not Fault.NONE
        return fault

    def latency(self) -> float:
        """How long the next call takes."""
        if self.swarm.slow_calls and self.now < self.fault_until and self.choices.chance(self.swarm.slow_calls):
            return (0.05, 0.5, 3.0, 12.0)[self.choices.pick(4)]
        return LATENCY_S

    def trace(self, text: str) -> None:
        """A line for those who read what happened."""
        if self.log is not None:
            self.log.append(f"{self.now - self.started_at:9.3f}  {text}")
