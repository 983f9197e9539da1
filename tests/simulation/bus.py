"""A bus in memory with the habits of the real one: locks that run out, deliveries counted, duplicates dropped
when they carry a known name, dead letters. It also loses, delays and doubles, as its schedule says."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from canalis.contract.messages import ORCHESTRATOR_QUEUE, Send
from tests.simulation.world import Host, World

LOCK_S = 30.0
DELIVERIES_MAX = 10
DUPLICATES_S = 600.0
MESSAGE_BYTES_MAX = 256 * 1024
BATCH_MAX = 16
_DELAYS_S = (2.0, 20.0, 60.0, 300.0)


@dataclass(eq=False)
class Held:
    """A message on the bus."""

    queue: str
    body: bytes
    visible_at: float
    deliveries: int = 0
    lock: int = 0  # which delivery has it; 0 when none
    reason: str = ""
    is_gone: bool = False


class MemoryBus:
    """Delivers each message to one of the hosts that live."""

    def __init__(self, world: World, handle: Callable[[Host, str, list[Held]], None]) -> None:
        self.world = world
        self.sent = 0
        self.under_way = 0  # messages that are not done with
        self.dead: list[Held] = []
        self.on_send: Callable[[Send], None] = lambda send: None
        self._handle = handle
        self._queues: dict[str, list[Held]] = defaultdict(list)
        self._locks = itertools.count(1)
        self._names: dict[str, float] = {}
        world.lose_lock = self.lose_lock

    def send(self, sends: Sequence[Send], name: str = "") -> None:
        """Take messages in, unless they carry a name that was seen lately."""
        world, swarm = self.world, self.world.swarm
        for number, send in enumerate(sends):
            known = f"{name}.{number}"
            if name and self._names.get(known, 0.0) > world.now:
                continue
            self._names[known] = world.now + DUPLICATES_S
            self.on_send(send)
            self.sent += 1
            body = send.to_bytes()
            assert len(body) <= MESSAGE_BYTES_MAX, len(body)
            times, delay_s = 1, send.delay_s
            if world.now < world.fault_until:
                if swarm.drops and world.choices.chance(swarm.drops):
                    world.trace(f"lost: {body.decode()}")
                    continue
                if swarm.doubles and world.choices.chance(swarm.doubles):
                    times = 2
                if swarm.delays and world.choices.chance(swarm.delays):
                    delay_s += _DELAYS_S[world.choices.pick(4)]
            for _ in range(times):
                self._keep(Held(send.queue, body, world.now + delay_s))

    def complete(self, message: Held, lock: int) -> None:
        """The handler is done; too late when it has lost its lock."""
        if message.lock == lock and not message.is_gone:
            message.is_gone = True
            self.under_way -= 1

    def abandon(self, message: Held, lock: int, reason: str) -> None:
        """The handler failed."""
        if message.lock == lock and not message.is_gone:
            message.reason = reason
            self._release(message, 1.0)

    def lose_lock(self, message: Held) -> None:
        """Somebody else may have it, though its handler works on."""
        if message.lock and not message.is_gone:
            self._release(message, 0.0)

    def _keep(self, message: Held) -> None:
        self.under_way += 1
        self._queues[message.queue].append(message)
        self.world.at(message.visible_at - self.world.now, lambda: self._deliver(message))

    def _release(self, message: Held, after_s: float) -> None:
        message.lock = 0
        if message.deliveries >= DELIVERIES_MAX:
            message.is_gone = True
            self.under_way -= 1
            self.world.trace(f"dead letter: {message.body.decode()}")
            self.dead.append(message)
            return
        message.visible_at = self.world.now + after_s
        self.world.at(after_s, lambda: self._deliver(message))

    def _deliver(self, first: Held) -> None:
        world = self.world
        if first.is_gone or first.lock:
            return
        hosts = world.up()
        if not hosts:
            world.at(1.0, lambda: self._deliver(first))
            return
        host = hosts[world.choices.pick(len(hosts))] if len(hosts) > 1 else hosts[0]
        batch = [first]
        if first.queue == ORCHESTRATOR_QUEUE:
            waiting = self._queues[first.queue] = [one for one in self._queues[first.queue] if not one.is_gone]
            batch += [one for one in waiting if one is not first and not one.lock and one.visible_at <= world.now]
        for message in batch[:BATCH_MAX]:
            message.lock = next(self._locks)
            message.deliveries += 1
            self._expire(message, message.lock)
        self._handle(host, first.queue, batch[:BATCH_MAX])

    def _expire(self, message: Held, lock: int) -> None:
        def expired() -> None:
            if message.lock == lock and not message.is_gone:
                self._release(message, 0.0)

        self.world.at(LOCK_S, expired)
