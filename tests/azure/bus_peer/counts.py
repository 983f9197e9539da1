"""What a queue was asked to do, so that a test can say what a run would cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tests.azure.bus_peer.settings import UNIT


@dataclass
class Counts:
    """Since the peer began, or since they were last set back.

    transfers       sends as the client made them: a batch is one
    messages        that were accepted, those of batches and scheduled ones each by itself
    duplicates      of them, dropped since their message id was known
    refused         sends that were turned down
    deliveries      to receivers
    completed, abandoned, released, deferred, settled_dead   what receivers said of them
    dead_lettered   by receivers, or by the queue after too many deliveries
    locks_expired   that ran out before anything was said
    expired         messages whose time to live was over
    requests        to the queue's management address: renewing, scheduling, peeking, settling what was deferred
    units           sends and deliveries in pieces of 64 KiB, as they are billed
    """

    transfers: int = 0
    messages: int = 0
    duplicates: int = 0
    refused: int = 0
    deliveries: int = 0
    completed: int = 0
    abandoned: int = 0
    released: int = 0
    deferred: int = 0
    settled_dead: int = 0
    dead_lettered: int = 0
    locks_expired: int = 0
    expired: int = 0
    requests: int = 0
    units: int = 0

    def sent(self, size: int) -> None:
        """A transfer of that many bytes came."""
        self.transfers += 1
        self.units += -(-size // UNIT)

    def delivered(self, size: int) -> None:
        """A message of that many bytes went to a receiver."""
        self.deliveries += 1
        self.units += -(-size // UNIT)

    def settled(self, verb: str) -> None:
        """A receiver said what it has done with one."""
        if verb == "complete":
            self.completed += 1
        elif verb == "abandon":
            self.abandoned += 1
        elif verb == "release":
            self.released += 1
        elif verb == "defer":
            self.deferred += 1
        else:
            self.settled_dead += 1
            self.dead_lettered += 1

    def as_document(self) -> dict[str, int]:
        """All of them, with `settlements` and `operations`: what a bill counts, at most."""
        settlements = self.completed + self.abandoned + self.released + self.deferred + self.settled_dead
        return {
            **asdict(self),
            "settlements": settlements,
            "operations": self.units + settlements + self.requests,
        }
