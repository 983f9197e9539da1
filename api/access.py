"""Who may do what. A route that does not say what it needs is refused to everybody."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import Request
from fastapi.params import Depends as DependsParam
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api import audit
from api.bodies import JsonRequest
from api.callers import Caller, Role
from api.reach import Reach, check_reach
from canalis.contract import run_token, sign_ins
from canalis.contract.errors import Forbidden, NotAllowed
from canalis.contract.sign_ins import SignIn
from canalis.contract.token import proof

__all__ = ["Caller", "Guard", "GuardedRoute", "KeptToken", "Need", "Role", "caller_of", "need_of", "needs"]

_CALLER = "canalis.caller"  # in a request's scope: a host may give every request the same `state`, or none


class Guard(Protocol):
    """Tells who sent a request, and whom it is sent to.

    waits   whether `caller` may have to wait for somebody else, so that it is asked on a thread
    """

    waits: bool

    def caller(self, request: Request) -> Caller:
        """Who sent the request. Raises NotAllowed; a WorldError when that cannot be told just now."""
        ...

    def prove(self, endpoint: str, nonce: str) -> str:
        """What only the true service at that endpoint can answer to a nonce; "" where a certificate says it."""
        ...

    def session(self, who: SignIn) -> str:
        """The token of a session in a browser; "" where there is no key to sign one with."""
        ...

    def trouble(self) -> str:
        """What keeps it from telling who asks; "" when nothing does."""
        ...


class KeptToken:
    """The laptop's way: one token in a file that only its owner can read, good for everything.

    Tokens of runs can be made from it, which are good for their run alone: a client that is not ours sends one
    wherever it is told to, and needs no more.

    name   who is written down as having asked
    """

    waits = False

    def __init__(self, token: str, name: str) -> None:
        assert token, "an empty token would let everybody in"
        self._token, self._run_key = token, run_token.key_of(token)
        self._session_key = sign_ins.key_of(self._run_key)
        self._owner = Caller(name, Role.ADMIN)

    def caller(self, request: Request) -> Caller:
        """Who sent the request. Raises NotAllowed."""
        given = bearer_token(request)
        if (owner := run_token.read(self._run_key, given, time.time())) is not None:
            return Caller(str(owner), Role.STEP, owner)
        if (who := sign_ins.read([self._session_key], given, time.time())) is not None:
            return Caller.in_session(who)
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            raise NotAllowed("This service wants the token of its workspace: Authorization: Bearer <token>")
        return self._owner

    def prove(self, endpoint: str, nonce: str) -> str:
        """That this service knows the token that callers are about to send it."""
        return proof(self._token, endpoint, nonce)

    def session(self, who: SignIn) -> str:
        """The token of a session in a browser."""
        return sign_ins.sign(self._session_key, who)

    def trouble(self) -> str:
        """Nothing: whoever can read the file is known."""
        return ""


def bearer_token(request: Request) -> str:
    """The token that came with a request, in the one header where it may stand; "" when none did."""
    found = request.headers.getlist("authorization")
    scheme, _, token = found[0].partition(" ") if len(found) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else ""


def caller_of(request: Request) -> Caller:
    """Who sent a request that has passed the guard; nobody on a route that is open to all."""
    caller: Caller = request.scope.get(_CALLER) or Caller("", Role.NOBODY)
    return caller


@dataclass(frozen=True, slots=True)
class Need:
    """What a route declares of those who may use it.

    role   the least that people must have
    step   how much of it is open to a script that runs, whatever the role
    """

    role: Role
    step: Reach

    def __call__(self) -> None:
        """Nothing: GuardedRoute has acted on it before this is reached."""


def needs(role: Role, step: Reach = Reach.NOTHING) -> DependsParam:
    """Declares, in a route's dependencies, who may use it. Without a word on it scripts that run are refused."""
    return DependsParam(Need(role, step))


def need_of(route: APIRoute) -> Need | None:
    """What a route declares; None when it declares nothing."""
    declared = (dependency.dependency for dependency in route.dependencies)
    return next((need for need in declared if isinstance(need, Need)), None)


class GuardedRoute(APIRoute):
    """A route that looks at who asks before it reads what is asked, and writes down what was changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if need := need_of(self):
            said: dict[str, Any] = {"x-role": need.role.name.lower(), "x-script": need.step.value}
            if need.role is Role.NOBODY:
                said["security"] = []
            self.openapi_extra = (self.openapi_extra or {}) | said

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The route's handler behind its guard."""
        handle = super().get_route_handler()
        need = need_of(self)

        async def guarded(request: Request) -> Response:
            if need is None or need.role is not Role.NOBODY:
                guard: Guard = request.app.state.guard
                known = await run_in_threadpool(guard.caller, request) if guard.waits else guard.caller(request)
                request.scope[_CALLER] = known
                await self._admit(request, need)
            response = await handle(request if self.body_field is None else await _read_carefully(request))
            await audit.note(request, caller_of(request), self.path, response)
            return response

        return guarded

    async def _admit(self, request: Request, need: Need | None) -> None:
        """Raises Forbidden for who may not use the route, NotFound where a script asks for what is not its own."""
        caller = caller_of(request)
        has = caller.role.name.lower()
        if need is None:
            raise Forbidden(f"{request.url.path} does not say who may use it", has=[has])
        if caller.run is not None:
            if need.step is Reach.NOTHING:
                raise Forbidden(
                    "This is not open to a script that runs; it needs a person's token, with the role "
                    + need.role.name.lower(),
                    needs=need.role.name.lower(),
                    has=[has],
                )
            ports = request.app.state.service.ports
            await run_in_threadpool(check_reach, ports, caller.run, need.step, request.path_params.get("name", ""))
        elif caller.role < need.role:
            wanted = need.role.name.lower()
            raise Forbidden(f"This needs the role {wanted}; you are {has}", needs=wanted, has=[has])


async def _read_carefully(request: Request) -> Request:
    careful = JsonRequest(request.scope, request.receive)
    if careful.is_json and await careful.body():  # who sends none may still say of which type it would be
        await careful.json()
    return careful
