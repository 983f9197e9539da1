"""What others want started and what they want to hear, on a laptop: beside the pump, since either may take long."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial

from adapters.sqlite import SqliteBus, Taken, dead
from adapters.sqlite.bus import FAILURES_MAX
from adapters.sqlite.others import unpacked
from canalis.contract.errors import AuthorError, CanalisError, MessageUnreadable, WorldError
from canalis.contract.messages import NOTICES_QUEUE, SUBMISSIONS_QUEUE, Telling, received
from canalis.contract.ports import Ports
from canalis.contract.run import ComputeChoice
from orchestrator import requests
from orchestrator.notices import carry

_STARTING, _TELLING = 2, 4  # threads: a graph takes a while to be checked, and a receiver 10 s to be given up
_AT_ONCE = 90
_INTERNAL = "Something is wrong in the service, not with the message. Its log says what"

_log = logging.getLogger("canalis.local")


class Events:
    """Takes messages of the queues `submissions` and `notices` off the pump's hands.

    ports      for what is told: it is not a part of what a run costs
    counted    for the runs that are started
    computes   what each compute target is just now
    """

    def __init__(
        self,
        ports: Ports,
        counted: Ports,
        bus: SqliteBus,
        computes: Callable[[], Mapping[str, ComputeChoice]],
    ) -> None:
        self._ports = ports
        self._counted = counted
        self._bus = bus
        self._computes = computes
        self._starting = ThreadPoolExecutor(_STARTING, "submissions")
        self._telling = ThreadPoolExecutor(_TELLING, "notices")

    @property
    def takers(self) -> dict[str, Callable[[Taken], None]]:
        """By queue: who takes a message at once, and works on it later."""
        return {
            SUBMISSIONS_QUEUE: partial(self._later, self._starting, self._start),
            NOTICES_QUEUE: partial(self._later, self._telling, self._tell),
        }

    def face_dead_letters(self) -> None:
        """What could not be told for a reason of ours is given up, and its run says so."""
        for message in self._bus.take(dead(NOTICES_QUEUE), _AT_ONCE, 0.0):
            told = self._read(message)
            if told is not None:
                self._settle(message, partial(carry.give_up, self._ports, told[0], message.reason))

    def close(self) -> None:
        """Take nothing further. What was taken and not begun comes again with the next service."""
        for pool in (self._starting, self._telling):
            pool.shutdown(wait=False, cancel_futures=True)

    def _later(self, pool: Executor, work: Callable[[Taken], None], message: Taken) -> None:
        try:
            pool.submit(work, message)
        except RuntimeError:  # it is closing
            _log.info("message %s waits for the next service", message.seq)

    def _start(self, message: Taken) -> None:
        body, said = unpacked(message.body)
        came = requests.Came(body, said["message_id"])
        try:
            requests.start(self._counted, came, self._computes())
        except AuthorError as error:
            self._settle(message, partial(self._refuse, message, came, error.code, requests.why(error)), done=False)
        except Exception as error:
            self._again(message, error)
            if not isinstance(error, WorldError) and message.failures + 1 >= FAILURES_MAX:
                self._settle(message, partial(requests.refuse, self._ports, came, "internal", _INTERNAL), done=False)
        else:
            self._bus.complete([message])

    def _refuse(self, message: Taken, came: requests.Came, code: str, reason: str) -> None:
        _log.warning("a submission starts nothing: %s", reason)
        requests.refuse(self._ports, came, code, reason)
        self._bus.set_aside(message, reason)

    def _tell(self, message: Taken) -> None:
        told = self._read(message)
        if told is not None:
            self._settle(message, partial(carry.tell, self._ports, *told))

    def _settle(self, message: Taken, handle: Callable[[], None], done: bool = True) -> None:
        """Handle a message, and then it is done with; `done` False when handling it has seen to that."""
        try:
            handle()
        except Exception as error:
            self._again(message, error)
            return
        if done:
            self._bus.complete([message])

    def _again(self, message: Taken, error: Exception) -> None:
        _log.warning("a message will come again: %r", error, exc_info=not isinstance(error, CanalisError))
        # What time can mend is not the message's fault, and a day of it must not lose any.
        self._bus.abandon([message], repr(error), counts=not isinstance(error, WorldError))

    def _read(self, message: Taken) -> tuple[Telling, str] | None:
        try:
            found, trace = received(message.body)
        except MessageUnreadable as error:
            _log.error("message %s is dropped: %s", message.seq, error)
        else:
            if isinstance(found, Telling):
                return found, trace
        self._bus.complete([message])
        return None
