"""A graph made ready to be walked: places instead of names, and who comes after whom. Pure."""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from canalis.contract.graph import Graph, Settings
from canalis.contract.graphs import stored_graph
from canalis.contract.messages import steps_queue
from canalis.contract.parameters import compute_in
from canalis.contract.ports import BlobStore, Run
from canalis.contract.run import RunRequest, RunState
from canalis.contract.status import RunStatus, StepStatus

_PLANS_KEPT_MAX = 32

_kept: OrderedDict[str, Plan] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run of a graph is walked. Steps are named by their place among the graph's nodes.

    successors   places of the steps that wait for each step
    waiting      how many steps each step waits for at the beginning
    queues       where the orders for each step go
    settings     how hard each step is tried
    announces    whether somebody may want to hear of the run's end
    """

    run_id: str
    keys: tuple[str, ...]
    index: dict[str, int]
    successors: tuple[tuple[int, ...], ...]
    waiting: tuple[int, ...]
    queues: tuple[str, ...]
    settings: tuple[Settings, ...]
    continue_on_step_failure: bool
    announces: bool = False


def make_plan(run_id: str, request: RunRequest, graph: Graph) -> Plan:
    """The plan of a run. Expects a graph without faults."""
    index = {node.key: place for place, node in enumerate(graph.nodes)}
    successors: list[list[int]] = [[] for _ in graph.nodes]
    waiting = []
    for place, node in enumerate(graph.nodes):
        before = node.predecessors()
        waiting.append(len(before))
        for key in before:
            successors[index[key]].append(place)
    return Plan(
        run_id=run_id,
        keys=tuple(index),
        index=index,
        successors=tuple(map(tuple, successors)),
        waiting=tuple(waiting),
        queues=tuple(
            steps_queue(request.computes[compute_in(node, request.parameters)].backend) for node in graph.nodes
        ),
        settings=tuple(node.settings for node in graph.nodes),
        continue_on_step_failure=request.continue_on_step_failure,
        announces=request.announce,
    )


def first_state(plan: Plan, kept: Iterable[str] = ()) -> RunState:
    """The state of a run in which nothing has happened: what waits for nothing is ready.

    kept   keys of the steps for which an earlier run's stand in: nobody waits for them
    """
    count = len(plan.keys)
    waiting = list(plan.waiting)
    reused = [plan.index[key] for key in kept]
    for place in reused:
        for after in plan.successors[place]:
            waiting[after] -= 1
    steps = bytearray(StepStatus.WAITING if waits else StepStatus.READY for waits in waiting)
    for place in reused:
        steps[place] = StepStatus.REUSED
    return RunState(
        status=RunStatus.RUNNING,
        steps=bytes(steps),
        attempts=bytes(count),
        lost=bytes(count),
        waiting=struct.pack(f"<{count}H", *waiting),
    )


def plan_of(blobs: BlobStore, run: Run) -> Plan:
    """The plan of a stored run, kept for the next time: neither its graph nor its request ever changes."""
    with _lock:
        if run.run_id in _kept:
            _kept.move_to_end(run.run_id)
            return _kept[run.run_id]
    plan = make_plan(run.run_id, run.request, stored_graph(blobs, run.request.graph))
    with _lock:
        _kept[run.run_id] = plan
        while len(_kept) > _PLANS_KEPT_MAX:
            _kept.popitem(last=False)
    return plan
