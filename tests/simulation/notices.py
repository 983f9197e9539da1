"""The same world with people who want to hear of the run: by a message, on a topic, by webhooks, and as Azure DevOps.

Beside all that may happen to calls and hosts, each message of the bus may be lost, doubled or late by itself, and who
is sent to may turn it down, or be silent.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from adapters.sealed import KEY_BYTES, SealedDocuments
from canalis.contract.announcements import ANNOUNCEMENTS, CALLBACK, REPLY, TOPIC, WEBHOOK, Listening
from canalis.contract.errors import Unreachable, WorldError
from canalis.contract.messages import NOTICES_QUEUE, RunEnded, Send, Telling, from_bytes
from canalis.contract.ports import Answer
from canalis.contract.run import ComputeChoice, Reply
from canalis.contract.status import RunStatus
from canalis.contract.webhooks import WEBHOOKS, Webhook
from orchestrator.notices import carry
from orchestrator.notices.callback import remember_callback
from orchestrator.notices.sweep import make_good
from orchestrator.submit import Behind, Submission, submit
from tests.simulation.bus import Held, MemoryBus
from tests.simulation.choices import Choices
from tests.simulation.oracle import Oracle, Violation
from tests.simulation.schedule import CANCELS_S, SCENARIOS, Outcome, Scenario, Schedule, Service, a_graph
from tests.simulation.world import Fault, Host, Port, Swarm, World

HOOKS = ("hook-one", "hook-two")
LISTENERS = (REPLY, TOPIC, CALLBACK, *(f"{WEBHOOK}{name}" for name in HOOKS))
AZURE = "https://dev.azure.com/contoso"
INFO = {
    "JobId": "job",
    "HubName": "build",
    "TaskInstanceId": "task",
    "PlanId": "plan",
    "ProjectId": "project",
    "PlanUri": AZURE,
    "AuthToken": "token of azure devops",
}
ALONE = (Scenario("one", a_graph("a")), Scenario("home", a_graph("a"), is_laptop=True))
_LATE_S = 300.0


@dataclass(frozen=True)
class Slip:
    """What befalls one message on the bus, by its number: it is lost, doubled or late."""

    number: int
    how: str


class Listeners:
    """Those who want to hear, and what they have heard: the last resort of a promise."""

    def __init__(self, world: World, oracle: NoticeOracle) -> None:
        self._world = world
        self._oracle = oracle
        self.heard: Counter[str] = Counter()

    def published(self, target: str, body: bytes) -> None:
        """A message came to a queue or topic of theirs."""
        self._hears(REPLY if target == "replies" else TOPIC, json.loads(body)["subject"])

    def check(self, url: str) -> str:
        return url

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """A document came, and is taken, unless the schedule has it otherwise."""
        world = self._world
        mood = 0
        if world.swarm.jobs and world.now < world.fault_until:
            mood = world.choices.chance(world.swarm.jobs, 4)
        if mood == 1:
            return Answer(500, "")
        if mood == 2:
            raise Unreachable("it is silent")
        if url.startswith(AZURE):
            self._hears(CALLBACK, self._oracle.run_id)
        else:
            self._hears(f"{WEBHOOK}{url.rpartition('/')[2]}", json.loads(body)["subject"])
        if mood == 3:
            raise Unreachable("it has come, and nobody has said so")
        return Answer(200, "")

    def _hears(self, who: str, run_id: str) -> None:
        self._world.trace(f"{who} hears")
        self._oracle.on_heard(who, run_id)
        self.heard[who] += 1


class NoticeBus(MemoryBus):
    """A bus on which one message may slip, and on which others have queues."""

    slip: Slip | None = None
    kept = 0

    def publish(self, target: str, body: bytes, properties: Mapping[str, str]) -> None:
        """Hand a message over to others."""
        self.listeners.published(target, body)

    listeners: Listeners

    def _keep(self, message: Held) -> None:
        self.kept += 1
        if self.slip is None or self.slip.number != self.kept:
            return super()._keep(message)
        self.world.faults += 1
        self.world.trace(f"{self.slip.how}: {message.body.decode()}")
        if self.slip.how == "lost":
            return None
        if self.slip.how == "late":
            message.visible_at += _LATE_S
        else:
            super()._keep(Held(message.queue, message.body, message.visible_at))
        return super()._keep(message)


class NoticeOracle(Oracle):
    """Watches that everybody hears, and of nothing that has not ended."""

    listeners: Listeners
    reminded = 0

    def on_heard(self, who: str, run_id: str) -> None:
        """Somebody hears of the end of the run."""
        row = self.table.find(self.run_id, "run")
        if run_id != self.run_id or row is None or not RunStatus(str(row.properties["status"])).is_terminal:
            raise Violation("N2", f"{who} heard of the end of a run that goes on")

    def on_send(self, send: Send) -> None:
        """A message goes to the bus."""
        if isinstance(send.message, RunEnded) and (self.status is None or not self.status.is_terminal):
            raise Violation("S10", f"{send.message} was sent before it was committed")
        super().on_send(send)

    def check_end(self, swept: int, dead: int) -> None:
        """What must be so when faults have stopped and time has passed."""
        super().check_end(swept, dead)
        if self.status is None or not self.status.is_terminal:
            return
        heard = self.listeners.heard
        if missing := [who for who in LISTENERS if not heard[who]]:
            raise Violation("N1", f"{', '.join(missing)} never heard of it")
        quiet = self.world.swarm.is_benign and self.world.faults == 0 and not self.world.swarm.jobs
        if quiet and (set(heard.values()) != {1} or self.reminded):
            raise Violation("N3", f"nothing had gone wrong, and it was told {dict(heard)}, {self.reminded} made again")


class NoticeService(Service):
    """Our service with somebody outside."""

    schedule: NoticeSchedule

    def __init__(self, schedule: NoticeSchedule, host: Host) -> None:
        super().__init__(schedule, host)
        self.ports = self.ports.with_changes(
            web=Port(host, schedule.listeners),
            vault=SealedDocuments(self.ports.documents, [b"k" * KEY_BYTES]),
            listening=Listening("https://ws.example.com", "run-events", ("dev.azure.com",)),
        )

    def handle(self, queue: str, messages: list[Held]) -> None:
        """Messages were delivered here."""
        if queue == NOTICES_QUEUE:
            self.host.spawn(partial(self._tell, messages[0]), messages)
        else:
            super().handle(queue, messages)

    def _tell(self, message: Held) -> None:
        told = from_bytes(message.body)
        assert isinstance(told, Telling), told
        self._settle([message], [message.lock], lambda: carry.tell(self.ports, told))

    def _tick(self) -> None:
        super()._tick()
        try:
            self.schedule.oracle.reminded += make_good(self.ports, self.sweeper.opened)
        except WorldError:
            return  # the next one will

    def _face_dead_letters(self) -> None:
        bus = self.schedule.bus
        for message in [one for one in bus.dead if one.queue == NOTICES_QUEUE]:
            told = from_bytes(message.body)
            assert isinstance(told, Telling), told
            carry.tell(self.ports, told)  # as the doors do: only time can have been missing
            if message in bus.dead:
                bus.dead.remove(message)
        super()._face_dead_letters()


class NoticeSchedule(Schedule):
    """A schedule in which five want to hear of the run."""

    service = NoticeService
    bus_of = NoticeBus
    oracle_of = NoticeOracle
    runs_are = "told"
    end_s = 2_400.0  # a try that fails at the end of the faults is repeated after 5 minutes, or after 15
    bus: NoticeBus
    oracle: NoticeOracle

    def __init__(
        self, scenario: Scenario, choices: Choices, swarm: Swarm | None, with_log: bool, slip: Slip | None = None
    ) -> None:
        self._listeners: Listeners | None = None
        super().__init__(scenario, choices, swarm, with_log)
        self.bus.slip = slip
        for number, name in enumerate(HOOKS):
            hook = Webhook(id=name, url=f"https://hooks.example.com/{name}", created_at=number, updated_at=0.0)
            self.documents.put(WEBHOOKS, name, hook.model_dump(mode="json"))
            SealedDocuments(self.documents, [b"k" * KEY_BYTES]).keep(f"webhook {name}", f"whsec_{'A' * 32}")

    @property
    def listeners(self) -> Listeners:
        """Those who want to hear."""
        if self._listeners is None:
            self._listeners = Listeners(self.world, self.oracle)
            self.bus.listeners = self.oracle.listeners = self._listeners
        return self._listeners

    def _is_over(self) -> bool:
        return super()._is_over() and not self.documents.list(ANNOUNCEMENTS)

    def _submit(self, service: Service) -> bool:
        warning = remember_callback(service.ports, self.run_id, INFO)
        assert warning == "", warning
        asked = Submission(
            graph=self.scenario.graph,
            experiment="e",
            run_id=self.run_id,
            continue_on_step_failure=self.scenario.continues,
        )
        behind = Behind(reply=Reply(queue="replies", to="m-1"))
        submit(service.ports, asked, {"": ComputeChoice(backend="sim")}, behind=behind)
        self.world.trace("submitted")
        return True


def run_told(
    scenario: Scenario,
    choices: Choices,
    swarm: Swarm | None = None,
    cancel_after_s: float | None = None,
    slip: Slip | None = None,
    log: bool = False,
) -> tuple[Outcome, NoticeSchedule]:
    """One schedule from its beginning until everybody has heard of its end."""
    schedule = NoticeSchedule(scenario, choices, swarm, log, slip)
    return schedule.run(cancel_after_s), schedule


def run_told_seed(seed: int, log: bool = False) -> Outcome:
    """The schedule of a seed."""
    choices = Choices(seed)
    scenario = SCENARIOS[choices.pick(len(SCENARIOS))]
    cancel_after_s = CANCELS_S[choices.pick(len(CANCELS_S))]
    return run_told(scenario, choices, None, cancel_after_s, log=log)[0]


def single_faults(scenario: Scenario) -> Iterator[tuple[str, Outcome]]:
    """Each kind of fault at each call of a port, and each slip of each message, one at a time."""
    benign, schedule = run_told(scenario, Choices(replay=()), Swarm())
    yield f"{scenario.name}: nothing", benign
    for call in range(1, benign.calls + 1):
        for kind in (kind for kind in Fault if kind):
            outcome, _ = run_told(scenario, Choices(replay=()), Swarm(planted={call: kind}))
            yield f"{scenario.name}: {kind.name} at call {call}", outcome
    for number in range(1, schedule.bus.kept + 1):
        for how in ("lost", "doubled", "late"):
            outcome, _ = run_told(scenario, Choices(replay=()), Swarm(), slip=Slip(number, how))
            yield f"{scenario.name}: message {number} is {how}", outcome
