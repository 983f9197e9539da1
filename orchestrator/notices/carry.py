"""What is done with each message of the queue `notices`."""

from __future__ import annotations

import logging
from contextlib import suppress

from canalis.contract.about import about
from canalis.contract.announcements import ANNOUNCEMENTS
from canalis.contract.errors import NotFound
from canalis.contract.messages import NOTICES_QUEUE, RunEnded, Telling
from canalis.contract.ports import Ports
from canalis.contract.trace import CONSUMER, span
from orchestrator.notices import callback, deliver
from orchestrator.notices.announce import announce

_OF_MESSAGES: dict[str, str | int] = {
    "messaging.operation.type": "process",
    "messaging.destination.name": NOTICES_QUEUE,
}

_log = logging.getLogger("canalis.notices")


def tell(ports: Ports, message: Telling, trace: str = "") -> None:
    """Carry a message out. Safe to call twice with the same one. Raises what time or an operator can mend."""
    with about(run_id=message.run_id), span("tell", trace, kind=CONSUMER, attributes=_OF_MESSAGES):
        if isinstance(message, RunEnded):
            announce(ports, message.run_id)
        else:
            deliver.deliver(ports, message.run_id, message.listener, message.turn)


def give_up(ports: Ports, message: Telling, reason: str) -> None:
    """A message failed again and again for a reason of ours: say so on its run, and tell nobody further."""
    said = "of its end" if isinstance(message, RunEnded) else f"{message.listener} of its end"
    _log.error("run %s: nobody could tell %s: %s", message.run_id, said, reason)
    with suppress(NotFound):
        ports.runs.flag(message.run_id, f"Those who want to hear of its end could not be told: {reason}")
    if isinstance(message, RunEnded):
        callback.forget(ports, message.run_id)
        ports.documents.delete(ANNOUNCEMENTS, message.run_id)
    else:
        deliver.give_up(ports, message.run_id, message.listener)
