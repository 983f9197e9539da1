"""Who looks after open runs where no machine lasts: each look calls for the next ones, and the timer for the first.

A call is a message that is due later, so it outlives the machine that has sent it. Nobody is paid for waiting.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence
from concurrent.futures import Executor

from adapters.azure_bus import AzureBus
from adapters.counted import Meter
from canalis.contract.costs import SERVICE
from canalis.contract.errors import CanalisError
from canalis.contract.messages import WATCH_QUEUE
from canalis.contract.ports import Ports
from orchestrator.notices.sweep import make_good
from orchestrator.retention.collector import Collector
from orchestrator.schedules.keeper import Keeper
from orchestrator.sweep import SWEEP_S, Sweeper

_TIMER_S = 60.0  # between two calls of the timer; what is due in between is called for
_CALLS_AHEAD = 3  # one or two may be lost with the machine that has them

_log = logging.getLogger("canalis.watch")


class Watch:
    """Looks after open runs and schedules when it is called, one look at a time.

    plain    the same ports, not counted: to tell others is not what a run costs
    keeper   of the schedules
    ports    counted by `meter`, of which it keeps what runs that have ended have cost
    aside    where calls are sent, since nobody waits for them
    """

    def __init__(
        self, ports: Ports, plain: Ports, bus: AzureBus, meter: Meter, aside: Executor, keeper: Keeper
    ) -> None:
        self._clock = ports.clock
        self._plain = plain
        self._sweeper = Sweeper(ports)
        self._keeper = keeper
        self._collector = Collector(plain)
        self._bus = bus
        self._meter = meter
        self._aside = aside
        self._looking = threading.Lock()
        self._calling = threading.Lock()
        self._called = 0  # quarter of a minute, counted from 1970, in which this process has called last

    def look(self) -> None:
        """Make good what was lost, and start what is due; and see to it that somebody looks again when it is time.

        That is for as long as a run is open, and when a schedule is due before the timer comes.
        """
        if not self._looking.acquire(blocking=False):
            return  # it is being done
        try:
            try:
                due_at = self._keeper.look()
            finally:  # what cannot be looked after keeps nobody from hearing of others
                try:
                    self._sweeper.sweep()
                finally:
                    make_good(self._plain, self._sweeper.opened)
                self._meter.keep_but({*self._sweeper.opened, SERVICE})
        finally:
            self._looking.release()
        if self._sweeper.opened:
            self.call()
        if due_at is not None and due_at - self._clock.now() < _TIMER_S:
            self._aside.submit(self._send, [float(math.ceil(due_at))])
        if self._collector.is_due():  # others may look after runs meanwhile
            self._collector.look()

    def call_soon(self) -> None:
        """Call for a look as soon as can be."""
        self._aside.submit(self._send, [float(math.ceil(self._clock.now()))])

    def call(self) -> None:
        """Call for looks at the coming quarters of a minute; by this process once in each."""
        quarter = int(self._clock.now() // SWEEP_S)
        with self._calling:
            if self._called == quarter:
                return
            self._called = quarter
        times = [(quarter + ahead) * SWEEP_S for ahead in range(1, _CALLS_AHEAD + 1)]
        self._aside.submit(self._send, times)

    def _send(self, times: Sequence[float]) -> None:
        try:
            self._bus.call(WATCH_QUEUE, times)
        except CanalisError as error:
            self._called = 0
            _log.warning("looks after open runs are called for later: %s", error.message)
