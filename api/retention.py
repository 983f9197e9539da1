"""How long the workspace keeps things, and what nobody needs any more."""

from __future__ import annotations

from fastapi import APIRouter

from api.access import GuardedRoute, Role, needs
from api.service import Here
from canalis.contract.retention import Clearing, Policy
from orchestrator.retention.collect import collect, policy_of, set_policy

router = APIRouter(prefix="/retention", route_class=GuardedRoute, tags=["workspace"])


@router.get("", dependencies=[needs(Role.READER)])
def get_policy(here: Here) -> Policy:
    """How long runs and what their steps hand each other are kept."""
    return policy_of(here.ports)


@router.put("", dependencies=[needs(Role.OPERATOR)])
def put_policy(here: Here, asked: Policy) -> Policy:
    """Keep things for so long from now on. The service carries it out once a day, or when somebody asks it to."""
    return set_policy(here.ports, asked)


@router.get("/clearing", dependencies=[needs(Role.OPERATOR)])
def get_clearing(here: Here) -> Clearing:
    """What would go if somebody asked for it now: counts and bytes of each kind, and the largest. Changes nothing."""
    return collect(here.ports, dry_run=True)


@router.post("/clearing", dependencies=[needs(Role.OPERATOR)])
def post_clearing(here: Here) -> Clearing:
    """Put what can go out of sight now. Ten minutes later the service clears it away, unless it is needed by then."""
    return collect(here.ports, dry_run=False)
