"""A service that runs jobs, as its schedule says well or badly, and the two kinds of backend that use it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import IntEnum

from canalis.contract.errors import WorldError
from canalis.contract.ports import AttemptKey
from canalis.contract.status import Outcome
from steps.backend import Desk, Ended, Pending, Work
from tests.simulation.world import Host, Port, World

CHECK_AFTER_S = 5.0


class Fate(IntEnum):
    """What becomes of a job."""

    SUCCEEDS = 0
    FAILS = 1
    IS_SLOW = 2  # and succeeds
    VANISHES = 3  # and was never heard of again
    HANGS = 4  # until it is told to stop
    IS_DEAF = 5  # hangs, and goes on when it is told to stop


_FOR_EVER_S = 1e9
_LASTS_S = {Fate.IS_SLOW: 70.0, Fate.IS_DEAF: _FOR_EVER_S, Fate.HANGS: _FOR_EVER_S}


@dataclass(eq=False)
class Job:
    """A job of an attempt."""

    key: AttemptKey
    fate: Fate
    started_at: float
    ends_at: float
    outputs: tuple[str, ...]
    outcome: Outcome | None = None  # None while it lives
    is_gone: bool = False
    told_at: float | None = None  # when it was told to stop


class JobService:
    """Runs one job a token, whoever asks for it how often."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.will_be_cancelled = False
        self.jobs: dict[str, Job] = {}
        self.written: dict[str, AttemptKey] = {}  # by path: who made it
        self.on_submit: Callable[[Work], None] = lambda work: None
        self.on_end: Callable[[Job], None] = lambda job: None

    def submit(self, token: str, work: Work) -> None:
        """Begin a job, unless there is one of that token."""
        if token in self.jobs:
            return
        world = self.world
        self.on_submit(work)
        rate = world.swarm.jobs if world.now < world.fault_until else 0.0
        fate = Fate(world.choices.chance(rate, len(Fate))) if rate else Fate.SUCCEEDS
        if fate in (Fate.HANGS, Fate.IS_DEAF) and not (self.will_be_cancelled or work.node.settings.timeout_s):
            fate = Fate.IS_SLOW  # nobody would ever end it, and that is as it should be
        paths = tuple(place.path for place in work.outputs.values())
        job = Job(work.key, fate, world.now, world.now + _LASTS_S.get(fate, 4.0), paths)
        self.jobs[token] = job
        world.trace(f"job {token} begins, {fate.name}")
        world.at(job.ends_at - world.now, lambda: self._ends(job))

    def get(self, token: str) -> Job | None:
        """The job, as long as it is known."""
        job = self.jobs.get(token)
        return None if job is None or job.is_gone else job

    def cancel(self, token: str) -> bool:
        """Tell a job to stop; whether there is one."""
        job = self.get(token)
        if job is None:
            return False
        if job.told_at is None:
            job.told_at = self.world.now
            if job.fate is not Fate.IS_DEAF:
                self.world.at(1.0, lambda: self._end(job, Outcome.CANCELLED))
        return True

    def kill(self, token: str) -> None:
        """End a job at once."""
        job = self.get(token)
        if job is not None:
            self._end(job, Outcome.CANCELLED)

    def _ends(self, job: Job) -> None:
        if job.fate is Fate.VANISHES and job.outcome is None:
            job.is_gone = True
            self._end(job, Outcome.LOST)
        else:
            self._end(job, Outcome.FAILED if job.fate is Fate.FAILS else Outcome.SUCCEEDED)

    def _end(self, job: Job, outcome: Outcome) -> None:
        if job.outcome is not None:
            return
        job.outcome = outcome
        if outcome is Outcome.SUCCEEDED:
            for path in job.outputs:
                self.written[path] = job.key
        self.on_end(job)


def token_of(key: AttemptKey) -> str:
    """What names the job of an attempt."""
    return f"{key.run_id}.{key.node}.{key.attempt}"


def as_ended(job: Job | None) -> Ended:
    """What is said of a job that is over, or not to be found."""
    if job is None or job.outcome is None:
        return Ended(Outcome.LOST, error_code="lost", error="nobody knows it")
    return Ended(job.outcome, started_at=job.started_at)


class ServiceBackend:
    """Submits jobs and asks how they are."""

    forestalls = False

    def __init__(self, host: Host, service: JobService) -> None:
        self._service = Port(host, service)

    def start(self, work: Work) -> Ended | Pending:
        token = token_of(work.key)
        self._service.submit(token, work)
        return self.check(work, token)

    def check(self, work: Work, handle: str) -> Ended | Pending:
        token = token_of(work.key)
        job = self._service.get(token)
        if job is not None and job.outcome is None:
            return Pending(token, CHECK_AFTER_S, job.started_at)
        return as_ended(job)

    def stop(self, key: AttemptKey) -> bool:
        return bool(self._service.cancel(token_of(key)))

    def recall(self, key: AttemptKey) -> bool:
        return False

    def has_begun(self, key: AttemptKey) -> bool:
        return self._service.get(token_of(key)) is not None

    def held(self) -> Collection[AttemptKey]:
        return ()


class LocalBackend:
    """Runs jobs that outlive the host and tells by itself: the manners of steps on a laptop."""

    forestalls = True  # one service at a time, with one thread for orders

    def __init__(self, host: Host, service: JobService, desk: Desk) -> None:
        self._host = host
        self._service = service
        self._desk = desk
        self._works: dict[AttemptKey, Work] = {}
        self._late: set[AttemptKey] = set()
        self._told: set[AttemptKey] = set()

    def start(self, work: Work) -> Pending:
        if work.key not in self._works:
            self._works[work.key] = work
            token = token_of(work.key)
            self._service.submit(token, work)
            job = self._service.jobs[token]
            limit_s = work.node.settings.timeout_s
            if limit_s is not None:
                late_s = job.started_at + limit_s - self._host.world.now
                self._host.world.at(max(0.0, late_s), lambda: self._overdue(work.key))
            if job.outcome is not None:
                self.ended(job)
        return Pending(token_of(work.key))

    def check(self, work: Work, handle: str) -> Pending:
        return self.start(work)

    def stop(self, key: AttemptKey) -> bool:
        if key not in self._works:
            self._service.kill(token_of(key))  # left by an earlier service
            return False
        self._told.add(key)
        self._service.kill(token_of(key))
        return True

    def recall(self, key: AttemptKey) -> bool:
        return key in self._works

    def has_begun(self, key: AttemptKey) -> bool:
        return token_of(key) in self._service.jobs

    def held(self) -> Collection[AttemptKey]:
        return set(self._works)

    def ended(self, job: Job) -> None:
        """A job of this machine is over."""
        work = self._works.get(job.key)
        if work is not None:
            self._host.spawn(lambda: self._tell(work, job))

    def _overdue(self, key: AttemptKey) -> None:
        job = self._service.jobs.get(token_of(key))
        if key in self._works and job is not None and job.outcome is None:
            self._late.add(key)
            self._service.kill(token_of(key))

    def _tell(self, work: Work, job: Job) -> None:
        ended = as_ended(job)
        if work.key in self._late:
            ended = Ended(Outcome.TIMED_OUT, error_code="timed_out", started_at=job.started_at)
        elif job.outcome is Outcome.CANCELLED and work.key not in self._told:
            ended = Ended(Outcome.LOST, error_code="lost", started_at=job.started_at)  # killed by an earlier service
        while True:
            try:
                self._desk.report(work, ended)
                break
            except WorldError:
                self._host.world.sleep(1.0)
        self._works.pop(work.key, None)
