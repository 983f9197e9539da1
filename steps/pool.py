"""The slots of a compute target on this machine, and the attempts that stand in line for them."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from canalis.contract.ports import AttemptKey
from canalis.contract.status import Outcome
from steps.backend import Work
from steps.processes import Control

_AHEAD_MAX = 4  # attempts that are put in place while all slots are taken, so that a free slot waits for nothing


@dataclass(eq=False)
class Job:
    """An attempt on its way through a pool.

    called   set when it has a slot, or will have none
    trace    that its order came with
    """

    work: Work
    trace: str = ""
    control: Control = field(default_factory=Control)
    called: threading.Event = field(default_factory=threading.Event)
    place: int = -1
    has_slot: bool = False
    is_over: bool = False


class Pool:
    """The slots of one compute target at one depth of nested runs.

    A step that submits a run and waits for it holds its slot meanwhile. Were all depths to share slots, parents
    could take all of them and wait for ever for children that find none; a deeper run has slots of its own.
    """

    def __init__(self) -> None:
        self.slots = 1
        self._lock = threading.Lock()
        self._line: OrderedDict[AttemptKey, Job] = OrderedDict()
        self._places = itertools.count()
        self._in_hand = 0  # out of the line, and not over: being put in place, waiting for a slot, or running
        self._running = 0
        self._ready: dict[int, Job] = {}  # by place: those that wait for a slot and for nothing else

    def resize(self, slots: int) -> None:
        """Have so many slots from now on. Those who wait for one have it at once; none is taken away."""
        with self._lock:
            self.slots = slots
            self._give_free_slots()

    def enter(self, job: Job) -> None:
        """Stand in line."""
        with self._lock:
            self._line[job.work.key] = job

    def next(self) -> Job | None:
        """The next of the line to be put in place; None when enough are in hand.

        While slots are free, as many as there are free ones: so nobody overtakes. Once all are taken, some ahead.
        """
        with self._lock:
            free = max(0, self.slots - self._running)
            if not self._line or self._in_hand - self._running >= (free or min(self.slots, _AHEAD_MAX)):
                return None
            self._in_hand += 1
            job = self._line.popitem(last=False)[1]
            job.place = next(self._places)
            return job

    def join_running(self, job: Job) -> None:
        """Count an attempt that an earlier service started: it has a slot, whatever we think."""
        with self._lock:
            self._in_hand += 1
            self._give_slot(job)

    def leave_line(self, job: Job) -> bool:
        """Leave the line; False for one that stands in it no more."""
        with self._lock:
            return self._line.pop(job.work.key, None) is not None

    def take_slot(self, job: Job) -> bool:
        """Wait for a slot; False when the attempt was stopped meanwhile."""
        with self._lock:
            if not job.called.is_set():
                self._ready[job.place] = job
                self._give_free_slots()
        job.called.wait()
        return job.has_slot

    def stop_before_slot(self, job: Job) -> bool:
        """Stop an attempt that has no slot yet; False when it has one."""
        with self._lock:
            if job.has_slot:
                return False
            self._ready.pop(job.place, None)
            job.control.stop(Outcome.CANCELLED)
            job.called.set()
            return True

    def over(self, job: Job) -> None:
        """Give the slot back, and the place among those in hand."""
        with self._lock:
            self._in_hand -= 1
            if job.has_slot:
                self._running -= 1
            self._give_free_slots()

    def clear(self) -> None:
        """Send everybody in the line away."""
        with self._lock:
            self._line.clear()

    def _give_free_slots(self) -> None:
        while self._ready and self._running < self.slots:
            self._give_slot(self._ready.pop(min(self._ready)))

    def _give_slot(self, job: Job) -> None:
        self._running += 1
        job.has_slot = True
        job.called.set()
