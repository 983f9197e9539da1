"""The slots of a compute target on this machine, and the attempts that stand in line for them."""

from __future__ import annotations

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
    """An attempt on its way through a pool."""

    work: Work
    control: Control = field(default_factory=Control)
    has_slot: bool = False
    is_over: bool = False


class Pool:
    """The slots of one compute target at one depth of nested runs.

    A step that submits a run and waits for it holds its slot meanwhile. Were all depths to share slots, parents
    could take all of them and wait for ever for children that find none; a deeper run has slots of its own.
    """

    def __init__(self) -> None:
        self.slots = 1
        self._changed = threading.Condition()
        self._line: OrderedDict[AttemptKey, Job] = OrderedDict()
        self._in_hand = 0  # out of the line, and not over: being put in place, waiting for a slot, or running
        self._running = 0

    def enter(self, job: Job) -> None:
        """Stand in line."""
        with self._changed:
            self._line[job.work.key] = job

    def next(self) -> Job | None:
        """The next of the line to be put in place; None when enough are in hand."""
        with self._changed:
            if not self._line or self._in_hand >= self.slots + min(self.slots, _AHEAD_MAX):
                return None
            self._in_hand += 1
            return self._line.popitem(last=False)[1]

    def join_running(self, job: Job) -> None:
        """Count an attempt that an earlier service started: it has a slot, whatever we think."""
        with self._changed:
            self._in_hand += 1
            self._running += 1
            job.has_slot = True

    def leave_line(self, job: Job) -> bool:
        """Leave the line; False for one that stands in it no more."""
        with self._changed:
            return self._line.pop(job.work.key, None) is not None

    def take_slot(self, job: Job) -> bool:
        """Wait for a slot; False when the attempt was stopped meanwhile."""
        with self._changed:
            while not job.has_slot and self._running >= self.slots and not job.control.is_stopped:
                self._changed.wait()
            if job.control.is_stopped and not job.has_slot:
                return False
            if not job.has_slot:
                self._running += 1
                job.has_slot = True
            return True

    def stop_before_slot(self, job: Job) -> bool:
        """Stop an attempt that has no slot yet; False when it has one."""
        with self._changed:
            if job.has_slot:
                return False
            job.control.stop(Outcome.CANCELLED)
            self._changed.notify_all()
            return True

    def over(self, job: Job) -> None:
        """Give the slot back, and the place among those in hand."""
        with self._changed:
            self._in_hand -= 1
            if job.has_slot:
                self._running -= 1
            self._changed.notify_all()

    def clear(self) -> None:
        """Send everybody in the line away."""
        with self._changed:
            self._line.clear()
