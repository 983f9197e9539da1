"""Compute targets: named documents, and what each is to a run that is submitted now."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter

from api.access import GuardedRoute, Role, needs
from api.bodies import AnyDocument
from api.reach import Reach
from api.service import Here, Service
from canalis.contract.errors import AlreadyExists, Conflict, NameInvalid, NotFound
from canalis.contract.faults import how_to_make
from canalis.contract.run import ComputeChoice
from orchestrator import computes
from orchestrator.computes import COMPUTES as KIND
from orchestrator.computes import THIS_MACHINE

router = APIRouter(prefix="/computes", route_class=GuardedRoute, tags=["computes"])

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,23}")
RESERVED = ("amlcompute", "containerinstance")  # reference section 6; "local" is ours: this machine


def choices(here: Service) -> dict[str, ComputeChoice]:
    """What each compute target is just now; "" is for steps that name none."""
    return computes.choices(here.ports.documents, here.machines, here.default_slots)


@router.get("", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def list_computes(here: Here) -> list[dict[str, Any]]:
    """All compute targets, by name."""
    return [{"name": stored.name, **stored.body} for stored in here.ports.documents.list(KIND)]


@router.get("/{name}", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def get_compute(here: Here, name: str) -> dict[str, Any]:
    """One compute target."""
    stored = here.ports.documents.get(KIND, name)
    if stored is None:
        raise NotFound(f"There is no compute target '{name}'. {how_to_make(name)}", kind="compute", name=name)
    return {"name": stored.name, **stored.body}


@router.put("/{name}", dependencies=[needs(Role.OPERATOR)])
def put_compute(here: Here, name: str, body: AnyDocument, if_absent: bool = False) -> dict[str, Any]:
    """Create or change a compute target. `max_nodes` is how many steps it runs at once.

    `backend` and `settings` are for targets of other services; an `access_token` is kept apart, and never given back.
    With `if_absent` another one of that name is an error; one that is the same already is not.
    """
    if not NAME.fullmatch(name) or name.lower() in (*RESERVED, THIS_MACHINE):
        raise NameInvalid(
            f"'{name}' cannot be the name of a compute target: 2 to 24 letters, digits and -, "
            f"the first a letter, and none of {', '.join((*RESERVED, THIS_MACHINE))}",
            name=name,
        )
    nodes = body.get("max_nodes", 1)
    if not isinstance(nodes, int) or isinstance(nodes, bool) or not 1 <= nodes <= 10_000:
        raise NameInvalid(f"max_nodes of '{name}' is {nodes!r}; it must be a whole number from 1 to 10000")
    body.pop("name", None)
    computes.check(name, body, here.backends)
    body, token = computes.parted(body)
    try:
        here.ports.documents.put(KIND, name, body, if_absent=if_absent)
    except Conflict:
        known = here.ports.documents.get(KIND, name)
        if known is not None and known.body == body:
            return {"name": name, **body}  # the request came twice
        raise AlreadyExists(f"There is a compute target '{name}' already", kind="compute", name=name) from None
    computes.keep_secret(here.ports.vault, name, token)
    return {"name": name, **body}


@router.delete("/{name}", dependencies=[needs(Role.OPERATOR)], status_code=204)
def delete_compute(here: Here, name: str) -> None:
    """Delete a compute target, or find that it is gone. Runs that use it go on."""
    here.ports.documents.delete(KIND, name)
    computes.forget_secret(here.ports.vault, name)
