"""What the work of this moment is about: known to every line of the log and every span that is written meanwhile."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import NamedTuple


class About(NamedTuple):
    """A run, an attempt of one of its steps, the invocation of the host; "" and 0 for what is not known."""

    run_id: str = ""
    step: str = ""
    attempt: int = 0
    invocation: str = ""


_NOTHING = About()
_now: ContextVar[About] = ContextVar("canalis.about", default=_NOTHING)


class about:
    """Work on this from here to the end of the block. What is not given stays as it is."""

    __slots__ = ("_known", "_token")

    def __init__(self, **known: str | int) -> None:
        self._known = known
        self._token: Token[About] | None = None

    def __enter__(self) -> None:
        self._token = _now.set(_now.get()._replace(**self._known))  # type: ignore[arg-type]

    def __exit__(self, *raised: object) -> None:
        assert self._token is not None
        _now.reset(self._token)


def what() -> About:
    """What this moment's work is about."""
    return _now.get()
