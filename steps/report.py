"""How the orchestrator hears of the end of an attempt, and the desk of a backend that tells by itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from canalis.contract.errors import WorldError
from canalis.contract.graphs import stored_graph
from canalis.contract.messages import ORCHESTRATOR_QUEUE, Send, StepEnded
from canalis.contract.ports import Attempt, AttemptKey, Bus, Document, Ports
from canalis.contract.trace import current
from steps.backend import Ended, Work
from steps.work import is_wanted

_ERROR_MAX = 16_000  # characters, so that a message with it fits into what a bus takes however they are written
_LEFT_MAX = 100  # outputs that are told of: a fact about an attempt takes 64 KiB at most. One with more is not reused

_log = logging.getLogger("canalis.worker")


def report(ports: Ports, attempt: Attempt, ended: Ended) -> None:
    """Tell the orchestrator that an attempt is over. Saying it twice does no harm."""
    key = attempt.key
    message = StepEnded(
        run_id=key.run_id,
        node=key.node,
        attempt=key.attempt,
        outcome=ended.outcome,
        exit_code=ended.exit_code,
        error_code=ended.error_code,
        error=_fitting(ended.error),
        started_at=ended.started_at,
        ended_at=ended.ended_at if ended.ended_at is not None else ports.clock.now(),
        marks=ended.marks,
        left=dict(ended.left) if len(ended.left) <= _LEFT_MAX else {},
    )
    ports.bus.send([Send(queue=ORCHESTRATOR_QUEUE, message=message, trace=current())])


def _fitting(error: str) -> str:
    """An error as a message can have it: not without end, and of whole characters only."""
    return error[:_ERROR_MAX].encode("utf-8", "replace").decode()


class News:
    """A bus that keeps what is told to the orchestrator until it may go out together; all else goes at once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._kept: dict[AttemptKey, Send] = {}

    def send(self, sends: Sequence[Send], name: str = "") -> None:
        """Keep the ends of attempts, and hand over the rest."""
        for send in sends:
            if isinstance(ended := send.message, StepEnded):
                self._kept[AttemptKey(ended.run_id, ended.node, ended.attempt)] = send
            else:
                self._bus.send([send], name)

    def __contains__(self, key: AttemptKey) -> bool:
        return key in self._kept

    def go_out(self) -> None:
        """Hand over what was kept."""
        if self._kept:
            self._bus.send(list(self._kept.values()))


class PortsDesk:
    """The desk of a service: reports go to the orchestrator, notes to the attempt's record."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def report(self, work: Work, ended: Ended) -> None:
        """Tell the orchestrator that an attempt is over."""
        report(self._ports, work.attempt, ended)

    def note(self, work: Work, facts: Document) -> None:
        """Write it down; what is only for people must not end a step when it cannot be written."""
        try:
            self._ports.runs.note(work.attempt, facts)
        except WorldError as error:
            _log.warning("step %s: %s", work.step_run_id, error)

    def is_wanted(self, work: Work) -> bool:
        """Whether the run still waits for this attempt."""
        run = self._ports.runs.load(work.key.run_id)
        return is_wanted(run, stored_graph(self._ports.blobs, run.request.graph), work.key)

    def has_been_heard(self, work: Work) -> bool:
        """Whether the attempt counts as ended."""
        attempt = self._ports.runs.attempt(work.key)
        return attempt is not None and attempt.ended
