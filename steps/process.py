"""Command steps as processes on this machine: each compute target is a pool of slots here."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from canalis.contract.errors import CanalisError
from canalis.contract.layout import records
from canalis.contract.ports import AttemptKey, Ports
from canalis.contract.run import StepRunId
from canalis.contract.status import Outcome
from steps.attempt import Site, run_attempt
from steps.backend import Desk, Ended, Pending, Work
from steps.processes import Attached, Control, kill_leftover, kill_marked
from steps.stage import local_path

BACKEND = "process"
_THREADS_MAX = 512  # steps of all pools at once; each has a thread that waits for it
_RETELL_S_MAX = 15.0
_HEARD_S = 2.0  # longest time that a slot stays empty after a failure

_log = logging.getLogger("canalis.process")


@dataclass
class _Job:
    work: Work
    control: Control = field(default_factory=Control)


@dataclass
class _Pool:
    """The slots of one compute target at one depth of nested runs.

    A step that submits a run and waits for it holds its slot meanwhile. Were all depths to share slots, parents
    could take all of them and wait for ever for children that find none; a deeper run has slots of its own.
    """

    slots: int = 1
    running: int = 0
    waiting: deque[_Job] = field(default_factory=deque)


class ProcessBackend:
    """Runs each attempt as a process group of its own. What runs outlives this object, and is found again."""

    def __init__(self, ports: Ports, site: Site, folder: Path, desk: Desk) -> None:
        self._ports = ports
        self._site = site
        self._folder = folder
        self._desk = desk
        self._lock = threading.Lock()
        self._jobs: dict[AttemptKey, _Job] = {}
        self._pools: dict[tuple[str, int], _Pool] = {}
        self._ended: set[str] = set()
        self._threads = ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix="step")

    def start(self, work: Work) -> Pending:
        """Give the work the next free slot of its compute target."""
        job = _Job(work)
        pool_name = (work.node.compute or "", work.request.depth)
        is_under_way = self.has_begun(work.key)
        with self._lock:
            if work.key not in self._jobs:
                self._jobs[work.key] = job
                pool = self._pools.setdefault(pool_name, _Pool())
                pool.slots = work.compute.slots or os.cpu_count() or 1
                if is_under_way:  # an earlier service started it, so it has a slot whatever we think
                    self._run(pool, job)
                else:
                    pool.waiting.append(job)
                    self._fill(pool)
        return Pending(handle=str(work.step_run_id))

    def check(self, work: Work, handle: str) -> Ended | Pending:
        """Nothing is ever checked here: ends are reported when they come."""
        return self.start(work)

    def stop(self, key: AttemptKey) -> bool:
        """End the attempt's processes, or take it out of the line."""
        with self._lock:
            job = self._jobs.get(key)
            is_in_line = job is not None and self._leave_line(job)
        if job is not None and is_in_line:
            self._tell(job.work, Ended(Outcome.CANCELLED, error="Cancelled before it started"))
        elif job is not None:
            job.control.stop(Outcome.CANCELLED)
        else:
            kill_leftover(self._record(key))
        return job is not None

    def recall(self, key: AttemptKey) -> bool:
        """Take the attempt out of the line; what has begun may end."""
        with self._lock:
            job = self._jobs.get(key)
            is_in_line = job is not None and self._leave_line(job)
        if job is not None and is_in_line:
            self._tell(job.work, Ended(Outcome.CANCELLED, error="Never began, since another step failed"))
        return job is not None

    def has_begun(self, key: AttemptKey) -> bool:
        """Whether a process was started for the attempt."""
        return Attached.find(self._record(key)) is not None

    def held(self) -> Collection[AttemptKey]:
        """The attempts in line or running."""
        with self._lock:
            return set(self._jobs)

    def tidy(self) -> int:
        """End processes that left their group and outlived their attempt; how many there were."""
        with self._lock:
            ended, self._ended = self._ended, set()
        return kill_marked(ended) if ended else 0

    def close(self) -> None:
        """Take no further work. What runs goes on, and is found again by the next service."""
        with self._lock:
            for pool in self._pools.values():
                pool.waiting.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fill(self, pool: _Pool) -> None:
        while pool.waiting and pool.running < pool.slots:
            self._run(pool, pool.waiting.popleft())

    def _run(self, pool: _Pool, job: _Job) -> None:
        pool.running += 1
        self._threads.submit(self._see_through, pool, job)

    def _leave_line(self, job: _Job) -> bool:
        for pool in self._pools.values():
            if job in pool.waiting:
                pool.waiting.remove(job)
                return True
        return False

    def _see_through(self, pool: _Pool, job: _Job) -> None:
        ended = self._run_one(job)
        if ended.outcome is Outcome.SUCCEEDED:
            self._free(pool)  # at once: the next step starts while this one is being reported
            self._tell(job.work, ended)
        else:
            self._tell(job.work, ended)
            self._wait_until_heard(job.work)  # a failure may call back those who wait for the slot
            self._free(pool)

    def _run_one(self, job: _Job) -> Ended:
        key = job.work.key
        folder = self._folder / str(job.work.step_run_id)
        try:
            if not self.has_begun(key) and (job.control.is_stopped or not self._desk.is_wanted(job.work)):
                return Ended(Outcome.CANCELLED, error="It was no longer wanted when a slot was free")
            return run_attempt(self._ports, self._site, job.work, folder, job.control, self._desk)
        except Exception as error:
            _log.exception("step %s", job.work.step_run_id)
            return Ended(Outcome.FAILED, None, "internal", f"Canalis could not run this step: {error!r}")

    def _free(self, pool: _Pool) -> None:
        with self._lock:
            pool.running -= 1
            self._fill(pool)

    def _wait_until_heard(self, work: Work) -> None:
        give_up = time.monotonic() + _HEARD_S
        with contextlib.suppress(CanalisError):
            while not self._desk.has_been_heard(work) and time.monotonic() < give_up:
                time.sleep(0.005)

    def _tell(self, work: Work, ended: Ended) -> None:
        """Report until it is heard: nobody else knows how this attempt ended."""
        rest_s = 0.2
        while True:
            try:
                self._desk.report(work, ended)
                break
            except CanalisError as error:
                _log.warning("step %s has ended, but that cannot be stored: %s", work.step_run_id, error)
                time.sleep(rest_s)
                rest_s = min(2 * rest_s, _RETELL_S_MAX)
        with self._lock:
            self._jobs.pop(work.key, None)
            self._ended.add(str(work.step_run_id))

    def _record(self, key: AttemptKey) -> Path:
        path = local_path(self._ports.blobs, records(StepRunId(key.run_id, key.node, key.attempt)))
        assert path is not None, key  # this backend is for services whose blobs are files
        return path
