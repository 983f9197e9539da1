"""What the peer answers when it says no: an AMQP condition, and a sentence."""

from __future__ import annotations


class Refused(Exception):
    """A request that the queue turns down; `condition` is what the client's library tells errors apart by."""

    condition = "amqp:not-allowed"


class NotFound(Refused):
    """No such queue."""

    condition = "amqp:not-found"

    def __init__(self, name: str) -> None:
        super().__init__(f"The messaging entity '{name}' could not be found.")


class MessageNotFound(Refused):
    """No deferred or scheduled message with that number."""

    condition = "com.microsoft:message-not-found"


class MessageLockLost(Refused):
    """The lock is somebody else's, or nobody's any more."""

    condition = "com.microsoft:message-lock-lost"

    def __init__(self) -> None:
        super().__init__(
            "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue."
        )


class SessionLockLost(Refused):
    """The session is no longer the receiver's."""

    condition = "com.microsoft:session-lock-lost"

    def __init__(self) -> None:
        super().__init__("The session lock has expired.")


class SessionTaken(Refused):
    """Another receiver has the session."""

    condition = "com.microsoft:session-cannot-be-locked"


class TimedOut(Refused):
    """No session with messages came free in time."""

    condition = "com.microsoft:timeout"


class ServerBusy(Refused):
    """Come again later."""

    condition = "com.microsoft:server-busy"


class InternalError(Refused):
    """It did not work, and might work the next time."""

    condition = "amqp:internal-error"


class TooLarge(Refused):
    """More bytes than a message of this tier may have."""

    condition = "amqp:link:message-size-exceeded"


class Forced(Refused):
    """The service closes the link, as it does when it moves a queue to another machine."""

    condition = "amqp:link:detach-forced"


class Unsupported(Refused):
    """An operation of Service Bus that the peer does not know."""

    condition = "amqp:not-implemented"
