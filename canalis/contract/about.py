"""What the work of this moment is about: known to every line of the log and every span that is written meanwhile."""

from __future__ import annotations

from contextvars import ContextVar, Token


class about:
    """Work on this from here to the end of the block: `with about(run_id=...):`. What is not given stays as it is.

    A run, an attempt of one of its steps, the invocation of the host; "" and 0 for what is not known.
    """

    __slots__ = ("_token", "attempt", "invocation", "run_id", "step")

    def __init__(self, run_id: str = "", step: str = "", attempt: int = 0, invocation: str = "") -> None:
        self.run_id = run_id
        self.step = step
        self.attempt = attempt
        self.invocation = invocation
        self._token: Token[about] | None = None

    def __enter__(self) -> None:
        outer = _now.get()
        self.run_id = self.run_id or outer.run_id
        self.step = self.step or outer.step
        self.attempt = self.attempt or outer.attempt
        self.invocation = self.invocation or outer.invocation
        self._token = _now.set(self)

    def __exit__(self, *raised: object) -> None:
        assert self._token is not None
        _now.reset(self._token)


_now: ContextVar[about] = ContextVar("canalis.about", default=about())  # noqa: B039  it is never entered


def what() -> about:
    """What this moment's work is about."""
    return _now.get()
