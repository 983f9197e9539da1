"""The links of clients: over which they send, over which they are given messages, over which they ask.

What happens for each message calls the AMQP library's C functions: its Python classes cost five times as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cproton import (
    PN_ACCEPTED,
    PN_MODIFIED,
    PN_REJECTED,
    PN_RELEASED,
    pn_delivery,
    pn_delivery_partial,
    pn_delivery_pending,
    pn_delivery_remote_state,
    pn_delivery_settle,
    pn_delivery_settled,
    pn_delivery_update,
    pn_link_advance,
    pn_link_credit,
    pn_link_drained,
    pn_link_get_drain,
    pn_link_recv,
    pn_link_send,
)
from cproton_ffi import ffi, lib
from proton import Condition, Delivery, Link, Terminus, symbol

from tests.azure.bus_peer.errors import Forced, InternalError, Refused, ServerBusy, TooLarge
from tests.azure.bus_peer.messages import Message
from tests.azure.bus_peer.queues import Queue
from tests.azure.bus_peer.sections import Content, unpack_batch
from tests.azure.bus_peer.settings import TRANSFER_MAX

if TYPE_CHECKING:
    from tests.azure.bus_peer.connections import Connection

CREDIT = 1000  # transfers that a sender may have under way
_INFO = {symbol("peer"): True}  # the client's library fails on an error without such a map, and then waits for ever
_TICKS_1970 = 621_355_968_000_000_000  # of 100 ns since year 1, as .NET counts
_SESSION_FILTER = symbol("com.microsoft:session-filter")
_LOCKED_UNTIL = symbol("com.microsoft:locked-until-utc")


def condition(error: Refused) -> Condition:
    """What the client is told of it."""
    return Condition(error.condition, str(error), _INFO)


def read_transfer(link: Any, delivery: Any) -> bytes:
    """The bytes of a whole incoming transfer; the link goes on to the next."""
    _, data = pn_link_recv(link, pn_delivery_pending(delivery))
    pn_link_advance(link)
    return bytes(data)


def settle(delivery: Any, state: int) -> None:
    """Answer a delivery."""
    pn_delivery_update(delivery, state)
    pn_delivery_settle(delivery)


def reject(delivery: Any, error: Refused) -> None:
    """Answer a delivery with an error."""
    wrapped = Delivery(delivery)
    wrapped.local.condition = condition(error)
    wrapped.update(Delivery.REJECTED)
    wrapped.settle()


def refuse(link: Link, error: Refused) -> None:
    """Turn an attach down: without a source and a target, or the client does not look at the error."""
    link.source.type = link.target.type = Terminus.UNSPECIFIED
    link.open()
    link.condition = condition(error)
    link.close()


class PeerLink:
    """One link of a client, while both sides have it open."""

    def __init__(self, connection: Connection, link: Link) -> None:
        self.connection = connection
        self.link = link
        self.impl = link._impl
        self.is_open = False
        self._has_left = False

    def open(self) -> None:
        """Say yes to the client's attach."""
        self.is_open = True
        self.link.open()
        self.connection.touch()

    def close(self, error: Refused) -> None:
        """End it for that reason."""
        if self._has_left:
            return
        if self.is_open:
            self.link.condition = condition(error)
            self.link.close()
        else:
            refuse(self.link, error)
        self.connection.touch()
        self.left()

    def left(self) -> None:
        """It is gone, by whichever side."""
        self.is_open = False
        self._has_left = True

    def on_delivery(self, delivery: Any) -> None:
        """News of a transfer."""
        raise NotImplementedError

    def on_flow(self) -> None:
        """The client gives credit, or wants it back."""

    def break_down(self, queue: Queue) -> bool:
        """Whether a fault ends the link, or the whole connection, after this transfer."""
        if queue.faults.strikes("cut"):
            self.connection.later(self.connection.cut)
            return True
        if queue.faults.strikes("detach"):
            self.connection.later(self.close, Forced("The link is closed by a fault. Please retry."))
            return True
        return False


class ProducerLink(PeerLink):
    """Over which a client sends into a queue."""

    def __init__(self, connection: Connection, link: Link, queue: Queue) -> None:
        super().__init__(connection, link)
        self.queue = queue

    def open(self) -> None:
        """With the size that a message may have, and credit."""
        self.link.max_message_size = TRANSFER_MAX
        super().open()
        self.link.flow(CREDIT)

    def on_delivery(self, delivery: Any) -> None:
        """A message or a batch."""
        if pn_delivery_partial(delivery):
            return
        data = read_transfer(self.impl, delivery)
        if not self.is_open:
            settle(delivery, PN_RELEASED)
            return
        if pn_link_credit(self.impl) < CREDIT // 2:
            self.link.flow(CREDIT // 2)
        try:
            self._take_in(data)
        except Refused as error:
            self.queue.counts.refused += 1
            reject(delivery, error)
            return
        if not self.break_down(self.queue):
            settle(delivery, PN_ACCEPTED)

    def _take_in(self, data: bytes) -> None:
        queue = self.queue
        queue.counts.sent(len(data))
        if len(data) > TRANSFER_MAX:
            limit = f"exceeds the limit ({TRANSFER_MAX} bytes) currently allowed on the link."
            raise TooLarge(f"The received message (size:{len(data)} bytes) {limit}")
        if queue.faults.strikes("throttle"):
            raise ServerBusy(
                "The request was terminated because the entity is being throttled. Please wait and try again."
            )
        if queue.faults.strikes("fail"):
            raise InternalError("The service was unable to process the request; please retry the operation.")
        try:
            contents = [Content(part) for part in unpack_batch(data)]
        except ValueError as error:
            raise Refused(f"The message could not be read: {error}") from None
        queue.send(contents)


class ConsumerLink(PeerLink):
    """Over which a client is given the messages of a queue, or of one session of it."""

    def __init__(self, connection: Connection, link: Link, queue: Queue) -> None:
        super().__init__(connection, link)
        self.queue = queue
        self.session_id: str | None = None
        self.deletes = link.remote_snd_settle_mode == Link.SND_SETTLED

    def open(self) -> None:
        """And take part when messages are given out."""
        super().open()
        self.queue.consumers.append(self)

    def accept(self, session_id: str, locked_until: float) -> None:
        """It has that session: say which, and until when."""
        self.session_id = session_id
        self.link.source.filter.clear()
        self.link.source.filter.put_dict({_SESSION_FILTER: session_id})
        self.link.properties = {_LOCKED_UNTIL: _TICKS_1970 + int(locked_until * 1e7)}
        self.open()

    def credit(self) -> int:
        """How many more messages the client wants."""
        return int(pn_link_credit(self.impl))

    def deliver(self, message: Message, locked_until: float | None) -> None:
        """Send it. Its lock's token is the delivery's tag, by which the client names it later."""
        delivery = pn_delivery(self.impl, message.token)
        pn_link_send(self.impl, message.wire(locked_until))
        pn_link_advance(self.impl)
        if self.deletes:
            pn_delivery_settle(delivery)
        self.connection.touch()
        self.break_down(self.queue)

    def left(self) -> None:
        """Give back the session. Other messages stay locked: nobody knows whether the client is still at work."""
        super().left()
        self.queue.remove(self)
        if self.queue.sessions is not None:
            self.queue.sessions.leave(self, self.session_id)
            self.queue.hand_out()

    def on_flow(self) -> None:
        """Give it what there is; give back what credit it does not want any more."""
        if self.is_open:
            self.queue.hand_out()
            if pn_link_get_drain(self.impl):
                pn_link_drained(self.impl)

    def on_delivery(self, delivery: Any) -> None:
        """What the client says of a message it was given."""
        state = pn_delivery_remote_state(delivery)
        if not state:
            if pn_delivery_settled(delivery):
                pn_delivery_settle(delivery)
            return
        tag = lib.pn_delivery_tag(delivery)
        token = bytes(ffi.buffer(tag.start, tag.size))
        try:
            if state == PN_ACCEPTED:
                self.queue.settle(token, "complete")
            else:
                self._settle_otherwise(token, state, Delivery(delivery))
        except Refused as error:
            reject(delivery, error)
            return
        settle(delivery, state)

    def _settle_otherwise(self, token: bytes, state: int, delivery: Delivery) -> None:
        if state == PN_REJECTED:
            told = delivery.remote.condition
            info = {str(key): str(value) for key, value in ((told and told.info) or {}).items()}
            reason, description = info.get("DeadLetterReason"), info.get("DeadLetterErrorDescription")
            self.queue.settle(token, "dead_letter", reason, description)
        elif state == PN_MODIFIED and delivery.remote.undeliverable:
            self.queue.settle(token, "defer")
        elif state == PN_MODIFIED and delivery.remote.failed:
            self.queue.settle(token, "abandon")
        else:
            self.queue.settle(token, "release")
