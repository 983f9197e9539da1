"""What each compute target is to a run that is submitted now."""

from __future__ import annotations

from canalis.contract.ports import DocumentStore
from canalis.contract.run import ComputeChoice

COMPUTES = "computes"  # kind of the documents with compute targets
THIS_MACHINE = "local"


def choices(documents: DocumentStore, machines: ComputeChoice, default_slots: int) -> dict[str, ComputeChoice]:
    """Each compute target by name; "" is for steps that name none.

    Every kind of target is served by the machines of the service, as a pool with as many slots as it has nodes.

    machines        what these can do for a step
    default_slots   steps at once for steps that name no compute target
    """
    these = machines.model_copy(update={"slots": default_slots})
    found = {"": these, THIS_MACHINE: these}
    for stored in documents.list(COMPUTES):
        slots = max(1, int(stored.body.get("max_nodes") or 1))
        found[stored.name] = machines.model_copy(update={"slots": slots})
    return found
