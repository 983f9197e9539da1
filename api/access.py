"""Who may do what. A route that does not say what it needs is refused to everybody."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Protocol

from fastapi import Request
from fastapi.params import Depends as DependsParam
from fastapi.routing import APIRoute
from starlette.responses import Response

from api.bodies import JsonRequest
from canalis.contract.errors import NotAllowed
from canalis.contract.token import proof


class Role(IntEnum):
    """What a caller may do; each role may do what those before it may."""

    NOBODY = 0  # for routes that tell nothing of anybody's work
    READER = 1
    SUBMITTER = 2
    OPERATOR = 3
    ADMIN = 4


class Caller(Protocol):
    """Somebody who sent a request."""

    name: str
    role: Role


class KeptToken:
    """The laptop's way: one token in a file that only its owner can read, good for everything.

    name   who is written down as having asked
    """

    def __init__(self, token: str, name: str) -> None:
        assert token, "an empty token would let everybody in"
        self._token = token
        self.name = name
        self.role = Role.ADMIN

    def caller(self, request: Request) -> Caller:
        """Who sent the request. Raises NotAllowed."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token.encode()):
            raise NotAllowed("This service wants the token of its workspace: Authorization: Bearer <token>")
        return self

    def prove(self, endpoint: str, nonce: str) -> str:
        """That this service knows the token that callers are about to send it."""
        return proof(self._token, endpoint, nonce)


class Guard(Protocol):
    """Tells who sent a request, and whom it is sent to."""

    def caller(self, request: Request) -> Caller:
        """Who sent the request. Raises NotAllowed."""
        ...

    def prove(self, endpoint: str, nonce: str) -> str:
        """What only the true service at that endpoint can answer to a nonce; "" where a certificate says it."""
        ...


def needs(role: Role) -> DependsParam:
    """Declares, in a route's dependencies, the least role that may use it."""
    return DependsParam(_declared(role))


def needed(route: APIRoute) -> Role | None:
    """The role that a route declares; None when it declares none."""
    roles = [getattr(dependency.dependency, "role", None) for dependency in route.dependencies]
    return next((role for role in roles if role is not None), None)


def _declared(role: Role) -> Callable[[Request], None]:
    def declared(request: Request) -> None:
        """Carries the role; GuardedRoute has acted on it before this is reached."""

    declared.role = role  # type: ignore[attr-defined]
    return declared


class GuardedRoute(APIRoute):
    """A route that looks at who asks before it reads what is asked."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The route's handler behind its guard."""
        handle = super().get_route_handler()
        role = needed(self)

        async def guarded(request: Request) -> Response:
            if role is None:
                raise NotAllowed(f"{request.url.path} does not say who may use it")
            if role is not Role.NOBODY:
                guard: Guard = request.app.state.guard
                caller = guard.caller(request)
                if caller.role < role:
                    raise NotAllowed(f"This needs the role {role.name.lower()}; you are {caller.role.name.lower()}")
                request.state.caller = caller
            if self.body_field is None:
                return await handle(request)
            careful = JsonRequest(request.scope, request.receive)
            if careful.is_json:
                await careful.json()
            return await handle(careful)

        return guarded
