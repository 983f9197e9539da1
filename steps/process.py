"""Command steps as processes on this machine: each compute target is a pool of slots here."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from canalis.contract.errors import CanalisError
from canalis.contract.layout import STEP_LOG, artifacts, records
from canalis.contract.ports import AttemptKey, Ports
from canalis.contract.run import StepRunId
from canalis.contract.status import Outcome
from canalis.contract.trace import continued, current
from steps.attempt import Attempt
from steps.backend import Desk, Ended, Pending, Work
from steps.environments import Environments
from steps.logs import Logs, limit_of
from steps.notes import PutOffNotes
from steps.patience import Done, Patience
from steps.pool import Job, Pool
from steps.processes import Attached, forestall, kill_leftover, kill_marked, marked
from steps.stage import Spares
from steps.surroundings import Site
from steps.telling import at_work, say_how
from steps.warm import Parents

BACKEND = "process"
_THREADS_MAX = 512  # steps of all pools at once; each has a thread that waits for it
_RETELL_S_MAX = 15.0
_HEARD_S = 2.0  # longest time that a slot stays empty after a failure

_log = logging.getLogger("canalis.process")


class ProcessBackend:
    """Runs each attempt as a process group of its own. What runs outlives this object, and is found again."""

    forestalls = True  # by the name of the pid file

    def __init__(self, ports: Ports, site: Site, folder: Path, desk: Desk) -> None:
        self._ports = ports
        self._site = site
        self._folder = folder
        self._desk = desk
        self._notes = PutOffNotes(desk)
        self._environments = Environments(ports, site)
        self._parents = Parents(folder.with_name("warm"))
        self._spares = Spares(folder.with_name("spare"))
        self._logs = Logs(limit_of(dict(os.environ)), lambda: ports.vault.mask())
        self._patience = Patience(folder.parent)
        self._lock = threading.Lock()
        self._jobs: dict[AttemptKey, tuple[Job, Pool]] = {}
        self._pools: dict[tuple[str, int], Pool] = {}
        self._shaken: set[str] = set()  # runs of which a step has not succeeded
        self._threads = ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix="step")

    def start(self, work: Work) -> Pending:
        """Give the work the next free slot of its compute target."""
        job = Job(work, current())
        with self._lock:
            if work.key in self._jobs:
                return Pending(handle=str(work.step_run_id))
            pool = self._pools.setdefault((work.target, work.request.depth), Pool())
            pool.resize(work.compute.slots or os.cpu_count() or 1)
            self._jobs[work.key] = job, pool
        try:
            if self.has_begun(work.key):
                pool.join_running(job)
                self._threads.submit(self._see_through, pool, job)
            else:
                pool.enter(job)
                self._go_on(pool)
        except Exception:  # the order comes again, and must not find that it was carried out
            pool.leave_line(job)
            with self._lock:
                self._jobs.pop(work.key, None)
            raise
        return Pending(handle=str(work.step_run_id))

    def check(self, work: Work, handle: str) -> Ended | Pending:
        """Nothing is ever checked here: ends are reported when they come."""
        return self.start(work)

    def stop(self, key: AttemptKey) -> bool:
        """End the attempt's processes, or take it out of the line."""
        if self._called_off(key, "Cancelled before it started"):
            return True
        with self._lock:
            job, _ = self._jobs.get(key, (None, None))
        if job is None:
            if not forestall(self._record(key)):
                kill_leftover(self._record(key), str(StepRunId(key.run_id, key.node, key.attempt)))
            return False
        job.control.stop(Outcome.CANCELLED)
        return True

    def recall(self, key: AttemptKey) -> bool:
        """Take the attempt out of the line; what has begun may end. One that is not here will not begin any more."""
        with self._lock:
            is_here = key in self._jobs
        if not is_here:
            forestall(self._record(key))
        self._called_off(key, "Never began, since another step failed")
        return is_here

    def has_begun(self, key: AttemptKey) -> bool:
        """Whether a process was started for the attempt."""
        return Attached.find(self._record(key)) is not None

    def held(self) -> Collection[AttemptKey]:
        """The attempts in line or running."""
        with self._lock:
            return set(self._jobs)

    def trouble(self) -> str:
        """What keeps some work waiting that somebody has to mend; "" when nothing does."""
        return self._patience.trouble()

    def tidy(self) -> int:
        """Clear up after attempts that have ended; how many processes had outlived theirs in a group of their own."""
        self.clear_leftovers()
        with self._lock:
            self._shaken &= {key.run_id for key in self._jobs}
        return kill_marked({name for name, _ in marked() if self._is_over(name)})

    def clear_leftovers(self) -> int:
        """Take away the working folders of attempts that have ended, which a service that died has left.

        Looked for again and again: of an attempt that was reported before that death it is heard only later.
        """
        cleared = 0
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            if self._is_over(folder.name.removesuffix(".data"), when_unknown=True):
                shutil.rmtree(folder, ignore_errors=True)
                cleared += 1
        return cleared

    def close(self) -> None:
        """Take no further work. What runs goes on, and is found again by the next service."""
        for pool in list(self._pools.values()):
            pool.clear()
        self._parents.close()
        self._notes.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _go_on(self, pool: Pool) -> None:
        while (job := pool.next()) is not None:
            self._threads.submit(self._see_through, pool, job)

    def _called_off(self, key: AttemptKey, why: str) -> bool:
        """Keep an attempt from beginning; False when it has, or is not here."""
        with self._lock:
            job, pool = self._jobs.get(key, (None, None))
        if job is None or pool is None:
            return False
        if pool.leave_line(job):
            if not forestall(self._record(key)):  # an earlier service launched it just before it died
                pool.join_running(job)
                self._threads.submit(self._see_through, pool, job)
                return False
            self._tell(job.work, Ended(Outcome.CANCELLED, error=why))
            return True
        return pool.stop_before_slot(job)

    def _see_through(self, pool: Pool, job: Job) -> None:
        with continued(job.trace), at_work(job.work) as told:
            ended = self._see_to_its_end(pool, job)
            say_how(told, ended)
        if not job.is_over:
            self._wait_until_heard(job.work)  # a failure may call back those who wait for the slot
            self._leave(pool, job)

    def _see_to_its_end(self, pool: Pool, job: Job) -> Ended:
        folder = self._folder / str(job.work.step_run_id)
        log = self._site.kept / (artifacts(job.work.step_run_id) + STEP_LOG)
        attempt = self._attempt(job.work, folder)
        try:
            with self._logs.watched(log):
                ended = self._run(attempt, pool, job)
            if ended.outcome is Outcome.SUCCEEDED:
                self._leave(pool, job)  # at once: the next step starts while this one is being finished
            ended = attempt.keep(ended, partial(self._patiently, job))
            attempt.hide()
        except Exception as error:
            _log.exception("step %s", job.work.step_run_id)
            ended = Ended(Outcome.FAILED, None, "internal", f"Canalis could not run this step: {error!r}")
        if ended.outcome is Outcome.SUCCEEDED:
            self._tell(job.work, ended)
            self._clear(attempt, ended)
            return ended
        self._clear(attempt, ended)  # first, since on a full disk it makes the room for the report
        self._shaken.add(job.work.key.run_id)
        self._tell(job.work, ended)
        return ended

    def _attempt(self, work: Work, folder: Path) -> Attempt:
        return Attempt(self._ports, self._site, self._environments, self._parents, self._spares, work, folder)

    def _clear(self, attempt: Attempt, ended: Ended) -> None:
        try:
            attempt.clear(ended)
        except Exception as error:  # what is left in place goes with the next look at leftovers
            _log.warning("a step that ended is not cleared up yet: %r", error)

    def _run(self, attempt: Attempt, pool: Pool, job: Job) -> Ended:
        try:
            self._patiently(job, partial(attempt.prepare, job.control, self._notes))
            has_slot = pool.take_slot(job)
            self._go_on(pool)  # the next may be put in place now
            if not attempt.has_begun and not (has_slot and self._is_wanted(job)):
                return Ended(Outcome.CANCELLED, error="It was no longer wanted when a slot was free")
            return self._patiently(job, partial(attempt.run, job.control, self._notes))
        except (CanalisError, OSError) as error:
            return attempt.as_ended(error)

    def _patiently(self, job: Job, do: Callable[[], Done]) -> Done:
        """Do what needs room on the disk, or the right to write there, as soon as there is some."""
        name = str(job.work.step_run_id)
        return self._patience.until_done(
            name, do, lambda: not job.control.is_stopped and self._desk.is_wanted(job.work)
        )

    def _leave(self, pool: Pool, job: Job) -> None:
        job.is_over = True
        pool.over(job)
        self._go_on(pool)

    def _is_wanted(self, job: Job) -> bool:
        """Whether an attempt may begin. Orders to stop find it waiting; only after a failure may one be late."""
        key = job.work.key
        return key.run_id not in self._shaken or self.has_begun(key) or self._desk.is_wanted(job.work)

    def _wait_until_heard(self, work: Work) -> None:
        give_up = time.monotonic() + _HEARD_S
        with contextlib.suppress(Exception):  # then for no longer
            while not self._desk.has_been_heard(work) and time.monotonic() < give_up:
                time.sleep(0.005)

    def _tell(self, work: Work, ended: Ended) -> None:
        """Report until it is heard: nobody else knows how this attempt ended."""
        self._notes.forget(work)
        rest_s = 0.2
        while True:
            try:
                self._desk.report(work, ended)
                break
            except Exception as error:
                why = error if isinstance(error, CanalisError) else repr(error)
                _log.warning("step %s has ended, but that cannot be stored: %s", work.step_run_id, why)
                time.sleep(rest_s)
                rest_s = min(2 * rest_s, _RETELL_S_MAX)
        with self._lock:
            self._jobs.pop(work.key, None)

    def _is_over(self, name: str, when_unknown: bool = False) -> bool:
        """Whether an attempt has ended, as far as its record says so and nobody here is still at it."""
        step = StepRunId.parse(name)
        key = AttemptKey(step.run_id, step.node, step.attempt) if step else None
        if key is None or key in self.held():
            return when_unknown and key is None
        known = self._ports.runs.attempt(key)
        return when_unknown if known is None else known.ended

    def _record(self, key: AttemptKey) -> Path:
        return self._site.kept / records(StepRunId(key.run_id, key.node, key.attempt))
