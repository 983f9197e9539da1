"""Secrets that authors keep: everybody may see their names, who may submit may read them, and so may scripts."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.access import GuardedRoute, Role, needs
from api.reach import Reach
from api.service import Here
from canalis.contract.secrets import SecretKept, SecretRead, SecretSaid, SecretView
from orchestrator import secrets as kept

router = APIRouter(prefix="/secrets", route_class=GuardedRoute, tags=["secrets"])


@router.get("", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def list_secrets(here: Here) -> list[SecretView]:
    """The names of all secrets."""
    return kept.listed(here.ports.vault)


@router.get("/{name}", dependencies=[needs(Role.SUBMITTER, step=Reach.WORKSPACE)])
def get_secret(here: Here, name: str, response: Response) -> SecretRead:
    """One secret with its value, which no other answer has. That it was read is written down."""
    response.headers["Cache-Control"] = "no-store"
    return kept.read(here.ports.vault, name)


@router.put("/{name}", dependencies=[needs(Role.SUBMITTER)])
def put_secret(here: Here, name: str, said: SecretSaid, response: Response) -> SecretKept:
    """Keep a secret, in the place of the one before. From then on it is masked."""
    response.headers["Cache-Control"] = "no-store"
    return kept.keep(here.ports.vault, name, said.value)


@router.delete("/{name}", dependencies=[needs(Role.OPERATOR)], status_code=204)
def delete_secret(here: Here, name: str) -> None:
    """Forget a secret, or find that it is gone."""
    kept.delete(here.ports.vault, name)
