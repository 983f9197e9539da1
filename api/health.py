"""Whether the service can be used: in one word for everybody, in all words for those who may read.

Looking costs storage operations, so what was found is told again for a few seconds, however many ask.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api.access import GuardedRoute, Role, needs
from canalis.contract.health import Check, checked

router = APIRouter(route_class=GuardedRoute, tags=["workspace"])

KEPT_S = 5.0  # for which what was found is told again
WAIT_S = 10.0  # for the first look, of those who ask meanwhile
_STALE_S = 30.0  # after which what was found before says nothing any more: the look that goes on must be stuck


class Readiness(BaseModel):
    """Whether the service can be used: "ready" or "not ready". Tells nothing else."""

    status: str


class Dependency(BaseModel):
    """Something that the service needs. `trouble` says what is wrong with it, and what to do."""

    name: str
    ok: bool
    trouble: str = ""


class Details(BaseModel):
    """All that the service needs, as it was found `age_s` seconds ago."""

    status: str
    age_s: float
    checks: list[Dependency]


@dataclass(frozen=True, slots=True)
class _Found:
    at: float
    checks: tuple[Check, ...]


class Checkup:
    """Looks at what a service needs, one look at a time, and remembers for KEPT_S what it found."""

    def __init__(self, checks: Callable[[], list[Check]], passed: Callable[[], float] = time.monotonic) -> None:
        self._checks = checks
        self._passed = passed
        self._looking = threading.Lock()
        self._found: _Found | None = None

    def look(self, wait_s: float = WAIT_S) -> tuple[list[Check], float]:
        """What is so, and how many seconds ago it was seen to be."""
        found = self._found
        if found is None or self._passed() - found.at >= KEPT_S:
            # Who finds somebody looking already takes what is known, if it is not too old.
            is_usable = found is not None and self._passed() - found.at < _STALE_S
            if self._looking.acquire(timeout=0 if is_usable else wait_s):
                try:
                    found = self._look_now()
                finally:
                    self._looking.release()
            elif not is_usable:
                return [Check("checks", f"A look at what the service needs has not ended within {wait_s:g} s")], 0.0
        assert found is not None
        return list(found.checks), max(0.0, self._passed() - found.at)

    def _look_now(self) -> _Found:
        if self._found is None or self._passed() - self._found.at >= KEPT_S:  # else somebody was just before us
            self._found = _Found(self._passed(), tuple(self._all()))
        return self._found

    def _all(self) -> list[Check]:
        found: list[Check] = []
        failed = checked("checks", lambda: found.extend(self._checks()))
        return found if failed.is_ok else [*found, failed]


def _status(checks: list[Check]) -> str:
    return "ready" if all(check.is_ok for check in checks) else "not ready"


@router.get(
    "/ready", dependencies=[needs(Role.NOBODY)], response_model=Readiness, responses={503: {"model": Readiness}}
)
def ready(request: Request) -> JSONResponse:
    """Whether the service can do its work now: 200 or 503, and one word. Why not is in `/health/details`."""
    checkup: Checkup = request.app.state.checkup
    status = _status(checkup.look()[0])
    return JSONResponse({"status": status}, 200 if status == "ready" else 503, {"Cache-Control": "no-store"})


@router.get("/health/details", dependencies=[needs(Role.READER)])
def details(request: Request) -> Details:
    """Each thing that the service needs, and what is wrong with it, as seen a few seconds ago at most."""
    checkup: Checkup = request.app.state.checkup
    checks, age_s = checkup.look()
    known = [Dependency(name=check.name, ok=check.is_ok, trouble=check.trouble) for check in checks]
    return Details(status=_status(checks), age_s=round(age_s, 1), checks=known)
