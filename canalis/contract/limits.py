"""What steps ask for that their compute targets cannot do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from canalis.contract.faults import Fault
from canalis.contract.graph import Graph, Input, Node, Output
from canalis.contract.parameters import Values, compute_in
from canalis.contract.run import ComputeChoice
from canalis.contract.works import kind_of


def unfit(graph: Graph, computes: Mapping[str, ComputeChoice], values: Values) -> list[Fault]:
    """Every reason why steps cannot run where they shall; empty when all can.

    computes   by name, "" for steps that name none; a step whose target is not among them is not looked at
    values     of the parameters in the run
    """
    return [
        fault
        for node in graph.nodes
        if (compute := computes.get(name := compute_in(node, values))) is not None
        for fault in _unfit(node, name, compute)
    ]


def _unfit(node: Node, name: str, compute: ComputeChoice) -> Iterator[Fault]:
    where = f"compute target '{name}'" if name else "the service itself"
    if compute.works is not None and (kind := kind_of(node.work)) not in compute.works:
        yield Fault(
            "work_unfit",
            f"Step '{node.name}' is work of the kind {kind}, but {where} takes {' and '.join(compute.works)}: name a "
            "compute target of the right type",
            node.name,
        )
    timeout_s = node.settings.timeout_s
    if compute.seconds_max is not None and timeout_s is not None and timeout_s > compute.seconds_max:
        yield Fault(
            "too_long_there",
            f"Step '{node.name}' may take {timeout_s:g} s, but on {where} its script runs within a function, for "
            f"{compute.seconds_max:g} s at most: give it a shorter time-out, or a compute target of its own",
            node.name,
        )
    ports: tuple[Input | Output, ...] = (*node.inputs, *node.outputs)
    for port in ports:
        if not compute.has_paths and (port.path_on_compute or "").startswith("/"):
            yield Fault(
                "no_mount_there",
                f"'{port.name}' of step '{node.name}' shall be seen at {port.path_on_compute}, but {where} has no "
                "machine of its own where data could be mounted: leave path_on_compute out, or give a relative path",
                node.name,
            )
