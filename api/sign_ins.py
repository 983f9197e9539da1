"""Signing in with a browser: a code for who is known already, a session for who comes with a code."""

from __future__ import annotations

from fastapi import APIRouter, Request

from api.access import Guard, GuardedRoute, Role, needs
from api.service import Asking, Here
from canalis.contract.errors import NotSupported
from canalis.contract.sign_ins import SESSION_S, SessionAsked, SessionView, SignIn, SignInView
from orchestrator.sign_ins import offer, take

router = APIRouter(route_class=GuardedRoute, tags=["workspace"])


@router.post("/sign-ins", dependencies=[needs(Role.READER)], status_code=201)
def offer_sign_in(here: Here, who: Asking) -> SignInView:
    """Make a code for a browser, good once and for minutes, which lets it in as whoever asks for it here."""
    until = here.ports.clock.now() + SESSION_S if who.until is None else who.until
    known = SignIn(name=who.name, role=int(who.role), ids=dict(who.ids), expires_at=until)
    return offer(here.ports, known)


@router.post("/sessions", dependencies=[needs(Role.NOBODY)], status_code=201)
def begin_session(here: Here, request: Request, asked: SessionAsked) -> SessionView:
    """Use a code up for a session of some hours. Its token is sent like any other, and opens what its owner's does."""
    guard: Guard = request.app.state.guard
    who = take(here.ports, asked.code)
    token = guard.session(who)
    if not token:
        raise NotSupported("This service has no key to sign sessions with: CANALIS_RUN_KEY is not set")
    return SessionView(token=token, name=who.name, role=Role(who.role).name.lower(), expires_at=who.expires_at)


@router.get("/me", dependencies=[needs(Role.READER)])
def who_am_i(who: Asking) -> SessionView:
    """Who asks, in the eyes of this service, and what they may do."""
    return SessionView(name=who.name, role=who.role.name.lower(), expires_at=who.until)
