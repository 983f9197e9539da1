"""Those who send requests, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from canalis.contract.run import StepRunId
from canalis.contract.sign_ins import SignIn


class Role(IntEnum):
    """What a caller may do; each role may do what those before it may.

    A step is before all roles of people: it may do something only where a route says how much of it, see `needs`.
    """

    NOBODY = 0  # for routes that tell nothing of anybody's work
    STEP = 1
    READER = 2
    SUBMITTER = 3
    OPERATOR = 4
    ADMIN = 5


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who sent a request.

    name   for people: who is written down as having asked
    run    the step run that a script is confined to; None for people and programs of theirs
    until  when the session ends in which they are known, in seconds since 1970; None where there is none
    ids    what tells callers apart for good, by the names that tokens have for it: oid, appid, tid
    """

    name: str
    role: Role
    run: StepRunId | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    until: float | None = None

    @classmethod
    def in_session(cls, who: SignIn) -> Caller:
        """Somebody who has signed in with a browser."""
        return cls(who.name, Role(who.role), ids=who.ids, until=who.expires_at)

    def as_logged(self) -> dict[str, Any]:
        """What is written down of who has changed something."""
        return {"who": self.name, "ids": dict(self.ids), "role": self.role.name.lower()}
