"""Backends for services that have jobs: at most one job for each attempt, whatever is lost, said twice or late.

What a service of yours must be able to do is `Jobs`, three calls; `JobBackend` makes a backend of it. Before a job is
asked for, that it will be is written down under the attempt's claim, so that whoever comes later knows that there may
be one, and finds it by its token. What answers badly is asked again with growing pauses, for PATIENCE_S.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Protocol

from canalis.contract.errors import AuthorError, CanalisError, Conflict, WorldError
from canalis.contract.graphs import stored_graph
from canalis.contract.layout import STEP_LOG, artifacts
from canalis.contract.places import Place, imprint_of
from canalis.contract.ports import AttemptKey, Document, Ports
from canalis.contract.run import StepRunId
from canalis.contract.status import Outcome, Phase
from canalis.contract.times import USER_CODE
from steps.backend import Ended, Pending, Work
from steps.registering import register_outputs
from steps.surroundings import Site
from steps.work import make_work

PATIENCE_S = 1800.0  # how long a service may be away before its jobs count as failed
PAUSE_S_MAX = 60.0
_PAUSE_S = 1.0
_TOKEN_MAX = 64
_NOT_LET_IN = (401, 403)

_log = logging.getLogger("canalis.jobs")


class Refused(AuthorError):
    """Another service will not do what a step asks of it; says the service's own reason."""

    code = "service_refused"


class Away(WorldError):
    """Another service does not answer, or asks to wait.

    after_s   when it wants to be asked again; None when it has not said
    """

    code = "service_away"
    http_status = 503

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class Seen:
    """How a job stands.

    ended        how it ended; None as long as it goes on
    started_at   when the author's code began, in seconds since 1970; None when it has not
    text         what the job has printed, or what else is to be read in the step's log; told once, with its end
    address      where people can look at the job
    """

    ended: Ended | None = None
    started_at: float | None = None
    text: str = ""
    address: str = ""


class Jobs(Protocol):
    """A service that has jobs. Each call asks it at most a few things, and none waits for a job.

    Every call raises Refused for what will never be done, Away for what may be done later.
    """

    def submit(self, work: Work, token: str) -> str:
        """Begin the job, or find the one that an earlier call began under this token; its id at the service."""
        ...

    def look(self, work: Work, job: str) -> Seen:
        """How the job stands."""
        ...

    def cancel(self, work: Work, job: str) -> None:
        """End the job if it goes on."""
        ...


class JobBackend:
    """Runs each attempt as one job of a service, which is asked again and again how it stands."""

    forestalls = True  # by the claim, under which is written down what will be asked for

    def __init__(self, ports: Ports, site: Site, jobs: Jobs, name: str) -> None:
        self._ports = ports
        self._scope = f"{site.subscription_id}/{site.resource_group}/{site.workspace}"
        self._jobs = jobs
        self._name = name

    def start(self, work: Work) -> Ended | Pending:
        """Ask for the job, or find the one that was asked for."""
        # Refused when another worker has claimed the attempt since: then he finds, or calls off, what there is.
        if not self._ports.runs.note(work.attempt, {"asked_for": self._name, "phase": Phase.QUEUED.value}):
            raise Conflict(f"{work.key} was claimed by another worker before its job was asked for")
        return self._go_on(work, str(work.attempt.facts.get("handle", "")))

    def check(self, work: Work, handle: str) -> Ended | Pending:
        """How the job stands; one whose id was never written down is found by its token."""
        return self._go_on(work, handle)

    def stop(self, key: AttemptKey) -> bool:
        """Tell the service to end the job."""
        attempt = self._ports.runs.attempt(key)
        if attempt is None or attempt.ended or "asked_for" not in attempt.facts:
            return False
        run = self._ports.runs.load(key.run_id)
        work = make_work(run, stored_graph(self._ports.blobs, run.request.graph), attempt)
        try:
            job = str(attempt.facts.get("handle", "")) or self._jobs.submit(work, self._token(key))
            self._jobs.cancel(work, job)
        except Refused as error:  # there is no such job, or it is over: the next look says which
            _log.info("%s cannot be stopped: %s", work.step_run_id, error.message)
        return True

    def recall(self, key: AttemptKey) -> bool:
        """Nothing waits in a line of ours."""
        return False

    def has_begun(self, key: AttemptKey) -> bool:
        """Whether a job was asked for."""
        attempt = self._ports.runs.attempt(key)
        return attempt is not None and "asked_for" in attempt.facts

    def held(self) -> Collection[AttemptKey]:
        """None: every end is found by a look."""
        return ()

    def _go_on(self, work: Work, job: str) -> Ended | Pending:
        try:
            return self._ask(work, job)
        except CanalisError:  # of our own storage: the order comes again
            raise
        except Exception as error:  # and would come again for ever
            _log.exception("step %s", work.step_run_id)
            reason = f"The backend {self._name} could not run this step: {error!r}"
            return Ended(Outcome.FAILED, None, "internal", reason)

    def _ask(self, work: Work, job: str) -> Ended | Pending:
        try:
            if not job:
                job = self._jobs.submit(work, self._token(work.key))
            seen = self._jobs.look(work, job)
            self._note(work, job, seen)
        except AuthorError as error:
            if job and error.details.get("status") in _NOT_LET_IN:  # an operator can give it a new token meanwhile
                return self._wait(work, job, Away(error.message))
            return self._over(work, Ended(Outcome.FAILED, None, error.code, error.message), "")
        except WorldError as error:
            return self._wait(work, job, error)
        if seen.ended is not None:
            return self._over(work, replace(seen.ended, started_at=seen.ended.started_at or seen.started_at), seen.text)
        waited_s = self._ports.clock.now() - float(work.attempt.facts.get("claimed_at") or self._ports.clock.now())
        return Pending(job, pause_s(waited_s), seen.started_at)

    def _wait(self, work: Work, job: str, error: WorldError) -> Ended | Pending:
        """Come back to a service that is away, unless it has been for too long."""
        now = self._ports.clock.now()
        since = float(work.attempt.facts.get("away_since") or now)
        if now - since > PATIENCE_S:
            reason = f"{error.message}. It has been so for {now - since:.0f} s, so nobody waits for it any more" + (
                f"; its job {job} may be going on" if job else ""
            )
            return self._over(work, Ended(Outcome.FAILED, None, error.code, reason), "")
        if not work.attempt.facts.get("away_since"):
            self._say(work, f"canalis: waits, since {error.message}\n")
            self._ports.runs.note(work.attempt, {"away_since": since})
        asked_s = error.after_s if isinstance(error, Away) else None
        return Pending(job, min(PATIENCE_S, max(pause_s(now - since), asked_s or 0.0)))

    def _note(self, work: Work, job: str, seen: Seen) -> None:
        """Write down what people want to see, once it is something new."""
        facts: Document = {}
        known, started_at = work.attempt.facts, seen.started_at
        if known.get("job") != job:
            self._say(work, f"canalis: it is job {job} of {self._name}{seen.address and f': {seen.address}'}\n")
            facts["job"] = job
        if started_at is not None and known.get("started_at") is None:
            marks = [(USER_CODE, started_at)]
            facts |= {"phase": Phase.RUNNING.value, "started_at": started_at, "marks": marks}
        if known.get("away_since"):
            facts["away_since"] = None
        if facts:
            self._ports.runs.note(work.attempt, facts)

    def _over(self, work: Work, ended: Ended, text: str) -> Ended:
        """The end of a job, once what it left is kept."""
        if ended.outcome is Outcome.SUCCEEDED:
            ended = self._kept(work, ended)
        ended = replace(ended, error=self._ports.vault.mask().hidden(ended.error))
        if ended.outcome is not Outcome.SUCCEEDED:
            text = f"{text.rstrip()}\ncanalis: {ended.error}\n".lstrip()
        if text:
            self._say(work, text)
        if ended.started_at is not None and not ended.marks:
            ended = replace(ended, marks=((USER_CODE, ended.started_at),))
        return ended

    def _kept(self, work: Work, ended: Ended) -> Ended:
        """The end of a job that succeeded, with what lies now where it has written."""
        try:
            register_outputs(self._ports, work)
        except AuthorError as error:
            return replace(ended, outcome=Outcome.FAILED, error_code=error.code, error=error.message)
        return replace(ended, left={name: self._imprint(place) for name, place in work.outputs.items()})

    def _imprint(self, place: Place) -> str:
        """What lies there; "" when it cannot be told, since the other service alone can reach the place."""
        try:
            return imprint_of(self._ports.stores, place)
        except CanalisError as error:
            _log.info("%s: %s", place, error.message)
            return ""

    def _token(self, key: AttemptKey) -> str:
        return token_of(key, self._scope)

    def _say(self, work: Work, text: str) -> None:
        hidden = self._ports.vault.mask().hidden(text)
        self._ports.blobs.append(artifacts(work.step_run_id) + STEP_LOG, hidden.encode("utf-8", "replace"))


def token_of(key: AttemptKey, scope: str) -> str:
    """What the job of an attempt is called at its service: the same each time, and of no other attempt.

    scope   the workspace, of which several may use one service

    >>> token_of(AttemptKey("r-1", "train", 2), "s/g/w")
    '979de8cc.r-1.train.2'
    """
    plain = str(StepRunId(key.run_id, key.node, key.attempt))
    readable = f"{hashlib.sha256(scope.encode()).hexdigest()[:8]}.{plain}"
    return readable if len(readable) <= _TOKEN_MAX else hashlib.sha256(f"{scope}.{plain}".encode()).hexdigest()


def pause_s(age_s: float) -> float:
    """How long to leave a job alone that has been going on for so long: a tenth of it, at most PAUSE_S_MAX.

    >>> [pause_s(age) for age in (0, 5, 60, 3600)]
    [1.0, 1.0, 6.0, 60.0]
    """
    return min(PAUSE_S_MAX, max(_PAUSE_S, age_s / 10))
