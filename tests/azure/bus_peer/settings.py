"""What is said of a queue when it is declared."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

TRANSFER_MAX = 262_144  # bytes of a message or a batch. Source: Service Bus quotas, Standard tier
UNIT = 65_536  # bytes that are billed as one operation. Source: Service Bus pricing


@dataclass(frozen=True)
class QueueSettings:
    """A queue's properties; times in seconds.

    lock_s                how long a message or a session stays locked
    deliveries_max        after so many in vain a message is a dead letter
    sessions              whether it keeps the messages of a session together and in order
    duplicates_s          how long a message id is remembered, and dropped when it comes again; 0 for not at all
    dead_letter_expired   whether messages whose time to live is over become dead letters
    """

    lock_s: float = 60.0
    deliveries_max: int = 10
    sessions: bool = False
    duplicates_s: float = 0.0
    dead_letter_expired: bool = False

    @classmethod
    def read(cls, name: str, given: dict[str, Any]) -> QueueSettings:
        """From JSON. Raises ValueError that names what is wrong."""
        known = {field.name: field.type for field in fields(cls)}
        for key, value in given.items():
            if key not in known:
                raise ValueError(f"queue {name}: no such setting: {key!r}; there are {', '.join(sorted(known))}")
            wants_bool = known[key] == "bool"
            if wants_bool != isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise ValueError(f"queue {name}: {key} is {known[key]}, not {value!r}")
        return cls(**given)
