"""Codes for browsers: kept until one is used or out of date, under the hash of the code, so that nobody reads one."""

from __future__ import annotations

import hashlib
import secrets

from canalis.contract.errors import NotAllowed
from canalis.contract.ports import Ports
from canalis.contract.sign_ins import CODE_S, SESSION_S, SignIn, SignInView

_KIND = "sign_ins"


def offer(ports: Ports, who: SignIn) -> SignInView:
    """A code that is good once, within CODE_S, for a session as whoever asks. Those that are out of date go."""
    now = ports.clock.now()
    for found in ports.documents.list(_KIND):
        if found.body["until"] < now:
            ports.documents.delete(_KIND, found.name)
    code = secrets.token_urlsafe(24)
    ports.documents.put(_KIND, _name(code), {"until": now + CODE_S, "who": who.model_dump()}, if_absent=True)
    return SignInView(code=code, path=f"/#/sign-in?code={code}", expires_at=now + CODE_S)


def take(ports: Ports, code: str) -> SignIn:
    """Who is let in by a code, which is used up by that. Raises NotAllowed, in the same words whatever is wrong."""
    found, now = ports.documents.get(_KIND, _name(code)), ports.clock.now()
    # Of two who come with the same code only one finds something to delete.
    if found is None or not ports.documents.delete(_KIND, found.name) or found.body["until"] < now:
        raise NotAllowed("This link has been used, or is too old: `canalis open` makes a new one")
    who = SignIn.model_validate(found.body["who"])
    return who.model_copy(update={"expires_at": min(who.expires_at, now + SESSION_S)})


def _name(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
