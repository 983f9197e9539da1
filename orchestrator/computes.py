"""What each compute target is to a run that is submitted now, and the secrets that open some of them."""

from __future__ import annotations

from collections.abc import Collection

from canalis.contract.errors import NameInvalid
from canalis.contract.masking import TARGETS as OF_TARGETS
from canalis.contract.ports import Document, DocumentStore, Vault
from canalis.contract.run import ComputeChoice
from canalis.contract.works import TARGETS

COMPUTES = "computes"  # kind of the documents with compute targets
THIS_MACHINE = "local"
_OPENS = "access_token"  # in what is said of a compute target; kept in the vault and nowhere else


def choices(documents: DocumentStore, machines: ComputeChoice, default_slots: int) -> dict[str, ComputeChoice]:
    """Each compute target by name; "" is for steps that name none.

    What is no service of its own, and names no backend, is served by the machines of the service, as a pool with as
    many slots as it has nodes.

    machines        what these can do for a step
    default_slots   steps at once for steps that name no compute target
    """
    these = machines.model_copy(update={"slots": default_slots})
    found = {"": these, THIS_MACHINE: these}
    for stored in documents.list(COMPUTES):
        found[stored.name] = _elsewhere(stored.body) or machines.model_copy(update={"slots": _slots(stored.body)})
    return found


def _elsewhere(body: Document) -> ComputeChoice | None:
    """A compute target that is not a pool of this service's own machines."""
    settings = body.get("settings") or {}
    if backend := body.get("backend"):
        return ComputeChoice(backend=backend, works=None, settings=settings)
    known = TARGETS.get(body.get("type", ""))
    return known and ComputeChoice(backend=known.backend, works=known.works, settings=settings)


def _slots(body: Document) -> int:
    return max(1, int(body.get("max_nodes") or 1))


def check(name: str, body: Document, backends: Collection[str]) -> None:
    """Raises NameInvalid when no compute target can be like that.

    backends   names of those that this service has
    """
    settings, backend = body.get("settings", {}), body.get("backend")
    if not isinstance(settings, dict):
        raise NameInvalid(f"The settings of '{name}' are {settings!r}; they must be a JSON object")
    if backend is not None and backend not in backends:
        known = ", ".join(sorted(backends))
        raise NameInvalid(f"'{name}' names the backend {backend!r}, which this service does not have (it has: {known})")
    if not isinstance(body.get(_OPENS, ""), str):
        raise NameInvalid(f"The {_OPENS} of '{name}' must be text")


def parted(body: Document) -> tuple[Document, str]:
    """What may be known of a compute target, and the token that opens it; "" when none is said."""
    return {key: value for key, value in body.items() if key != _OPENS}, str(body.get(_OPENS) or "").strip()


def keep_secret(vault: Vault, name: str, token: str) -> None:
    """Keep what opens a compute target, where nobody can read it. Without a new one it keeps the one that it had."""
    if token:
        vault.keep(OF_TARGETS + name, token)


def forget_secret(vault: Vault, name: str) -> None:
    """Forget what opens a compute target."""
    vault.forget(OF_TARGETS + name)
