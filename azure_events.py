"""What others want started and what they want to hear, in Azure: what is done with each message of those queues."""

from __future__ import annotations

import logging
from functools import partial

from azure_engine import TRIES, Delivered, Engine
from canalis.contract.errors import AuthorError
from canalis.contract.messages import Telling
from orchestrator import requests
from orchestrator.notices import carry

_INTERNAL = "Something is wrong in the service, not with the message. Its log says what"

_log = logging.getLogger("canalis.azure")


class Events:
    """Messages of the queues `submissions` and `notices`, and what the bus has given up of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, message: Delivered) -> None:
        """Start what a message asks for, or set it aside. Raises when it must come again."""
        came = requests.Came(message.body, message.name)
        self._engine.watcher.call()
        with self._engine.busy():
            self._engine.settle(message, partial(self._start, came), partial(self._give_up, came))

    def start_again(self, message: Delivered) -> None:
        """The bus has given it up, since time had to mend something: try on."""
        self.start(message._replace(deliveries=TRIES))

    def tell(self, message: Delivered) -> None:
        """Tell somebody of the end of a run. Raises when it must come again."""
        read = self._engine.read(message)
        if read is None or not isinstance(read.message, Telling):
            return
        handle = partial(carry.tell, self._engine.ports, read.message, read.trace)
        with self._engine.busy():
            self._engine.settle(message, handle, partial(carry.give_up, self._engine.ports, read.message))

    def tell_again(self, message: Delivered) -> None:
        """The bus has given it up: try on."""
        self.tell(message._replace(deliveries=TRIES))

    def _start(self, came: requests.Came) -> None:
        try:
            requests.start(self._engine.counted, came, self._engine.computes())
        except AuthorError as error:
            reason = requests.why(error)
            _log.warning("a submission starts nothing: %s", reason)
            self._refuse(came, error.code, reason, reason)

    def _give_up(self, came: requests.Came, reason: str) -> None:
        self._refuse(came, "internal", _INTERNAL, reason)

    def _refuse(self, came: requests.Came, code: str, said: str, reason: str) -> None:
        requests.refuse(self._engine.ports, came, code, said)
        self._engine.bus.set_aside(came.body, reason, came.message_id)
