"""What a run has for good from its submission on: the values of its parameters, its compute targets as they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from canalis.contract.errors import GraphError, NotFound, ParameterError
from canalis.contract.faults import Fault, faults
from canalis.contract.graph import Graph, ParameterValue
from canalis.contract.layout import snapshot_key
from canalis.contract.limits import unfit
from canalis.contract.parameters import Values, compute_in
from canalis.contract.ports import Ports
from canalis.contract.run import ComputeChoice
from canalis.contract.value_faults import value_faults
from orchestrator.datasets import assigned


@dataclass(frozen=True, slots=True)
class Settled:
    """The values of all parameters, and the compute targets that steps name with these."""

    parameters: dict[str, ParameterValue]
    computes: dict[str, ComputeChoice]


def settle(ports: Ports, graph: Graph, given: Values, computes: Mapping[str, ComputeChoice]) -> Settled:
    """What a run of a graph has that is submitted now.

    given      values that take the place of the parameters' defaults
    computes   what each compute target is just now, "" for steps that name none
    Raises     GraphError with every fault, ParameterError naming every one, NotFound for a snapshot
    """
    try:
        values = assigned(ports.documents, graph.parameters, given)
    except ParameterError:
        _raise(faults(graph, computes, snapshots_needed=True))
        raise
    return Settled(values, chosen_computes(ports, graph, values, computes))


def chosen_computes(
    ports: Ports, graph: Graph, values: Values, computes: Mapping[str, ComputeChoice]
) -> dict[str, ComputeChoice]:
    """The compute targets that a graph's steps name. Raises as `settle` does when it could not run on them."""
    _raise(
        [
            *faults(graph, computes, snapshots_needed=True),
            *value_faults(graph, values, computes),
            *unfit(graph, computes, values),
        ]
    )
    for snapshot in {node.snapshot for node in graph.nodes if node.snapshot}:
        if ports.blobs.info(snapshot_key(snapshot)) is None:
            raise NotFound(f"Snapshot {snapshot} was never uploaded", kind="snapshot", name=snapshot)
    return {name: computes[name] for name in {compute_in(node, values) for node in graph.nodes}}


def _raise(found: list[Fault]) -> None:
    if found:
        raise GraphError(
            "\n".join(str(fault) for fault in found),
            faults=[{"code": fault.code, "message": fault.message, "step": fault.node} for fault in found],
        )
