"""What must always hold, checked at every write, and what must hold in the end. Names are those of the invariants."""

from __future__ import annotations

import json
from collections import Counter

from canalis.contract.graph import FromStep, Graph
from canalis.contract.messages import Send, StartStep
from canalis.contract.ports import AttemptKey
from canalis.contract.run import RunState
from canalis.contract.status import Outcome, RunStatus, StepStatus
from orchestrator.decide import LOST_MAX
from orchestrator.sweep import KILL_S, SWEEP_S
from steps.backend import Work
from tests.simulation.jobs import Fate, Job, JobService, token_of
from tests.simulation.table import MemoryTable
from tests.simulation.world import World

SKEW_S = 2.0  # what clocks of hosts differ from the world's, at most
CANCEL_S = KILL_S + 2 * SWEEP_S
_WON = (StepStatus.PASSED, StepStatus.SUCCEEDED)


class Violation(AssertionError):
    """An invariant does not hold."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(invariant, what)
        self.invariant = invariant

    def __str__(self) -> str:
        return ": ".join(self.args)


class Oracle:
    """Watches one run."""

    def __init__(self, world: World, graph: Graph, run_id: str, table: MemoryTable, service: JobService) -> None:
        self.world = world
        self.graph = graph
        self.run_id = run_id
        self.table = table
        self.service = service
        self.state: RunState | None = None
        self.status: RunStatus | None = None
        self.writes = 0
        self.unwanted_since: dict[AttemptKey, int] = {}
        self.claims: dict[tuple[AttemptKey, int], int] = {}  # by attempt and fence: at which write
        self.submitted: Counter[AttemptKey] = Counter()
        self.cancel_accepted_at: float | None = None
        self.ended_at: float | None = None
        self.dead_before = 0
        table.on_write = self.on_write
        service.on_submit = self.on_submit

    # At every write

    def on_write(self, partition: str, keys: list[str]) -> None:
        """Check what a transaction has changed."""
        if partition != self.run_id:
            return
        self.writes += 1
        for key in keys:
            if key.startswith("try:"):
                self._claimed(key)
        if "run" in keys:
            row = self.table.row(partition, "run")
            packed = row.properties["state"]
            assert isinstance(packed, bytes)
            self._committed(RunState.unpack(packed))

    def _claimed(self, key: str) -> None:
        _, node, attempt = key.split(":")
        row = self.table.row(self.run_id, key)
        fence = int(row.properties.get("fence", 0))
        self.claims.setdefault((AttemptKey(self.run_id, node, int(attempt)), fence), self.writes)

    def _committed(self, after: RunState) -> None:
        before, self.state = self.state, after
        if before is None or after == before:
            self.status = after.status
            return
        if before.status.is_terminal:
            raise Violation("S1", f"a run that was {before.status.value} changed")
        for place, node in enumerate(self.graph.nodes):
            self._step_changed(node.key, place, before, after)
        if after.status.is_terminal:
            self.ended_at = self.world.now
            self._check_nothing_lives("S3")
        if after.status is not before.status:
            self.world.trace(f"run is {after.status.value}")
        self.status = after.status

    def _step_changed(self, node: str, place: int, before: RunState, after: RunState) -> None:
        was, now = before.step(place), after.step(place)
        if was.is_terminal and now is not was:
            raise Violation("S4", f"{node} was {was.name} and became {now.name}")
        if after.attempts[place] not in (before.attempts[place], before.attempts[place] + 1):
            raise Violation("S5", f"{node} went from attempt {before.attempts[place]} to {after.attempts[place]}")
        tries, lost = after.attempts[place] - after.lost[place], after.lost[place]
        if tries > self.graph.nodes[place].settings.retries + 1 or lost > LOST_MAX + 1:
            raise Violation("S5", f"{node} is at attempt {after.attempts[place]}, {lost} of them lost")
        if after.attempts[place] != before.attempts[place] and before.status is not RunStatus.RUNNING:
            raise Violation("S2", f"{node} was ordered although the run is {before.status.value}")
        key = AttemptKey(self.run_id, node, before.attempts[place])
        if was is StepStatus.STARTED and (
            now is not StepStatus.STARTED or after.attempts[place] != before.attempts[place]
        ):
            self.unwanted_since.setdefault(key, self.writes)
        if now in _WON and was not in _WON:
            self._check_grounded(AttemptKey(self.run_id, node, after.attempts[place]))
        if now is not was:
            self.world.trace(f"{node}.{after.attempts[place]} is {now.name}")

    def _check_grounded(self, key: AttemptKey) -> None:
        job = self.service.jobs.get(token_of(key))
        if job is None or job.outcome is not Outcome.SUCCEEDED:
            raise Violation("S7", f"{key.node}.{key.attempt} counts as succeeded, its job did not")
        for path in job.outputs:
            if self.service.written.get(path) != key:
                raise Violation("S8", f"{path} is not the output of {key.node}.{key.attempt}")

    # At every job and message

    def on_submit(self, work: Work) -> None:
        """A job begins."""
        key = work.key
        name = f"{key.node}.{key.attempt}"
        state = self.state
        assert state is not None
        self.submitted[key] += 1
        if self.submitted[key] > 1:
            raise Violation("S6", f"{name} has a second job")
        claimed = self.claims.get((key, work.attempt.fence))
        if claimed is None:
            raise Violation("S2", f"{name} was begun without a claim")
        if claimed >= self.unwanted_since.get(key, claimed + 1):
            raise Violation("S2", f"{name} was begun under a claim from after it was called off")
        for before in self.graph.node(key.node).predecessors():
            place = self.graph.places[before]
            if state.step(place) is not StepStatus.SUCCEEDED:
                raise Violation("S9", f"{name} was begun while {before} is {state.step(place).name}")
        self._check_inputs(work, state)
        self._check_rest(key)
        earlier = self.service.jobs.get(token_of(AttemptKey(key.run_id, key.node, key.attempt - 1)))
        if earlier is not None and earlier.outcome is None and not self._is_abandoned(earlier):
            raise Violation("S5", f"{name} was begun while the attempt before it lives")

    def _check_rest(self, key: AttemptKey) -> None:
        row = self.table.find(self.run_id, f"try:{key.node}:{key.attempt - 1:03d}")
        if row is not None:
            rest_s = self.graph.node(key.node).settings.retry_rest_s * 2 ** (key.attempt - 2)
            heard_at = row.properties.get("f_heard_at")
            if heard_at is None:
                raise Violation("S5", f"{key.node}.{key.attempt} was begun before the attempt before it had ended")
            if self.world.now < float(json.loads(str(heard_at))) + rest_s - 2 * SKEW_S:
                raise Violation("S5", f"{key.node}.{key.attempt} was begun before it had rested")

    def _check_inputs(self, work: Work, state: RunState) -> None:
        for port in work.node.inputs:
            assert isinstance(port.source, FromStep)
            place = self.graph.places[port.source.node]
            (found,) = work.inputs[port.name]
            writer = AttemptKey(self.run_id, port.source.node, state.attempts[place])
            if self.service.written.get(found.path) != writer:
                raise Violation("S8", f"{work.key.node} reads {found.path}, which {writer} did not write")

    def on_send(self, send: Send) -> None:
        """A message goes to the bus."""
        message = send.message
        if isinstance(message, StartStep):
            state = self.state
            if state is None or state.attempts[self.graph.places[message.node]] < message.attempt:
                raise Violation("S10", f"{message} was sent before it was committed")

    # In the end

    def is_something_left(self) -> bool:
        """Whether an outbox has not been emptied, or a job lives that nobody has given up."""
        return any(key.startswith("out:") for key in self.table.keys(self.run_id)) or any(
            job.outcome is None and not self._is_abandoned(job) for job in self.service.jobs.values()
        )

    def check_end(self, swept: int, dead: int) -> None:
        """What must be so when faults have stopped and time has passed."""
        attention = str(self.table.row(self.run_id, "run").properties.get("attention", ""))
        if self.status is None or not self.status.is_terminal:
            if not attention:
                raise Violation("L1", f"the run stands still: {self._standing()}")
            return
        self._check_last_word()
        self._check_cancel_was_quick()
        if [key for key in self.table.keys(self.run_id) if key.startswith("out:")]:
            raise Violation("L3", "something is left in the outbox")
        self._check_nothing_lives("L4")
        is_deaf = any(job.fate is Fate.IS_DEAF for job in self.service.jobs.values())  # what is told again
        if self.world.swarm.is_benign and self.world.faults == 0 and swept and not is_deaf:
            raise Violation("L6", f"{swept} messages were sent again although nothing had gone wrong")
        if dead:
            raise Violation("L7", f"{dead} dead letters led to nothing")

    def _check_last_word(self) -> None:
        assert self.state is not None
        steps = [StepStatus(status) for status in self.state.steps]
        if self.status is RunStatus.COMPLETED and any(status is not StepStatus.SUCCEEDED for status in steps):
            raise Violation("S7", f"completed, with {self._standing()}")
        if self.status is RunStatus.FAILED and StepStatus.FAILED not in steps:
            raise Violation("S7", "failed, and no step did")
        if self.status is RunStatus.CANCELLED and self.cancel_accepted_at is None:
            raise Violation("S7", "cancelled, and nobody asked for it")
        if self.cancel_accepted_at is not None and self.status is RunStatus.RUNNING:
            raise Violation("L2", "not cancelled")

    def _check_cancel_was_quick(self) -> None:
        asked_at = self.cancel_accepted_at
        if asked_at is None or self.ended_at is None or self.status is not RunStatus.CANCELLED:
            return
        since = (
            asked_at if self.world.swarm.is_benign and not self.world.faults else max(asked_at, self.world.fault_until)
        )
        if self.ended_at - since > CANCEL_S:
            raise Violation("L2", f"the run was cancelled {self.ended_at - since:.0f} s after it was asked for")

    def _check_nothing_lives(self, invariant: str) -> None:
        for job in self.service.jobs.values():
            if job.outcome is None and not self._is_abandoned(job):
                raise Violation(invariant, f"the job of {job.key.node}.{job.key.attempt} lives, and its run has ended")

    def _is_abandoned(self, job: Job) -> bool:
        """Whether somebody has given it up in due form: told to stop, waited for, and said so."""
        key = job.key
        row = self.table.find(self.run_id, f"try:{key.node}:{key.attempt:03d}")
        code = str(row.properties.get("f_error_code", "")) if row is not None else ""
        if code == '"abandoned"' and not self.world.swarm.is_benign:
            return True  # what was to tell it may have been lost each time; then its run says so
        waited_s = self.world.now - job.told_at if job.told_at is not None else 0.0
        return job.fate is Fate.IS_DEAF and waited_s > KILL_S - 2 * SKEW_S and code in ('"abandoned"', '"timed_out"')

    def _standing(self) -> str:
        if self.state is None:
            return "never created"
        names = [
            f"{node.key}.{self.state.attempts[place]} {self.state.step(place).name}"
            for place, node in enumerate(self.graph.nodes)
        ]
        return f"{self.state.status.value}: {', '.join(names)}"
