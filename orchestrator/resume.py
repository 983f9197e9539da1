"""A run that has ended goes on as a new one: what has succeeded and is still valid is kept, the rest runs.

The new run walks the original's graph with the original's snapshots. A step that is kept is not ordered: the step run
that made its outputs stands in for it, however many runs ago that was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from functools import cache

from pydantic import Field

from canalis.contract.about import about
from canalis.contract.errors import Conflict, NotFound, NotResumable
from canalis.contract.graph import FromStep, Graph, ParameterValue, Part
from canalis.contract.graphs import stored_graph
from canalis.contract.layout import UNWRITTEN, records
from canalis.contract.parameters import text_of
from canalis.contract.places import is_written, output_place
from canalis.contract.ports import Ports, Run
from canalis.contract.run import ComputeChoice, StepRunId, check_run_id, new_run_id
from canalis.contract.status import StepStatus
from canalis.contract.trace import current, span
from orchestrator import views
from orchestrator.datasets import assigned
from orchestrator.remarks import annotate
from orchestrator.retention.cleared import is_cleared
from orchestrator.settled import chosen_computes
from orchestrator.submit import create, depth_below, next_number

_NAMED_MAX = 20  # steps that an error names
_TRIES = 8  # notes on the original that lost against another writer


class Resumption(Part):
    """How a run shall go on.

    run_id        chosen by the caller to make a repeated request the same run; else a new one
    from_steps    steps that run again even though they succeeded: by name, by node key, or by step run id
    only_failed   keeps what succeeded even when it comes after a step that runs again
    parameters    values that take the place of the original's
    parent        id of the run or step's run that asks for it; else the original's parent
    """

    run_id: str | None = None
    from_steps: tuple[str, ...] = ()
    only_failed: bool = False
    parameters: dict[str, ParameterValue] = Field(default_factory=dict)
    parent: str | None = None


def resume(ports: Ports, original: Run, asked: Resumption, computes: Mapping[str, ComputeChoice], by: str = "") -> Run:
    """Create the run that goes on, and send its first orders. On return it outlives any crash.

    computes   what each compute target is just now, "" for steps that name none
    Returns    the run as it is now: with a run_id that was asked for before, that run
    Raises     NotResumable when the original has not ended or nothing would run, NotFound for a step, a parent or
               a snapshot, ParameterError, GraphError for a compute target, AlreadyExists for another run's id
    """
    if not original.state.status.is_terminal:
        raise NotResumable(
            f"Run {original.run_id} is {original.state.status.value}: wait for its end, or cancel it first "
            f"(canalis cancel {original.run_id[:8]})",
            run_id=original.run_id,
        )
    run_id = check_run_id(asked.run_id or new_run_id())
    with about(run_id=run_id), span("resume", attributes={"canalis.resumed_from": original.run_id}):
        return _resume(ports, run_id, original, asked, computes, by)


def _resume(
    ports: Ports, run_id: str, original: Run, asked: Resumption, computes: Mapping[str, ComputeChoice], by: str
) -> Run:
    graph = stored_graph(ports.blobs, original.request.graph)
    given = {**original.request.parameters, **asked.parameters}
    parameters = assigned(ports.documents, graph.parameters, given)
    again = {find_step(graph, original.run_id, step) for step in asked.from_steps}
    again |= users_of(graph, changed(original.request.parameters, parameters))
    kept = steps_to_keep(graph, _succeeded(original, graph), again, asked.only_failed, _reader(ports, original, graph))
    if len(kept) == len(graph.nodes):
        raise NotResumable(
            f"Every step of run {original.run_id} has succeeded and is still valid: name a step to run again from "
            "(--from STEP), or change a parameter that a step uses",
            run_id=original.run_id,
        )
    shown = views.run_view(ports, original, with_error=False)  # with what was said of it since it was submitted
    parent = asked.parent or original.request.parent
    request = original.request.model_copy(
        update={
            "display_name": shown.display_name,
            "tags": shown.tags,
            "properties": shown.properties,
            "parameters": parameters,
            "computes": chosen_computes(ports, graph, parameters, computes),
            "parent": parent,
            "depth": depth_below(ports, parent),
            "submitted_by": by,
            "submitted_at": ports.clock.now(),
            "number": next_number(ports, original.request.experiment),
            "resumed_from": original.run_id,
            "trace": current(),
            "announce": False,  # who wants to hear of this one is asked anew
            "reply": None,
            "kept": {key: str(original.maker(key, graph.places[key])) for key in kept},
        }
    )
    run = create(ports, run_id, request, graph)
    _relate(ports, original, run)
    return run


def steps_to_keep(
    graph: Graph,
    succeeded: Collection[str],
    again: Collection[str],
    only_failed: bool,
    is_there: Callable[[str, str], bool],
) -> list[str]:
    """Keys of the steps that need not run, in the order of the graph. Decides without looking at anything else.

    again       steps that run whether or not they succeeded
    is_there    whether a step that succeeded still has the output of that name; asked only of what will be read
    """
    after: dict[str, list[str]] = {node.key: [] for node in graph.nodes}
    for node in graph.nodes:
        for before in node.predecessors():
            after[before].append(node.key)
    runs: set[str] = set()
    ahead = [key for key in after if key not in succeeded or key in again]
    while ahead:
        key = ahead.pop()
        if key in runs:
            continue
        runs.add(key)
        if not only_failed:
            ahead += after[key]
        read = (port.source for port in graph.node(key).inputs if isinstance(port.source, FromStep))
        ahead += [data.node for data in read if data.node not in runs and not is_there(data.node, data.output)]
    return [key for key in after if key not in runs]


def find_step(graph: Graph, run_id: str, said: str) -> str:
    """The key of the step that somebody means: by name, by key, or by step run id when the name is not enough.

    Raises NotFound, which names the steps that could be meant.
    """
    found = [node.key for node in graph.nodes if said in (node.name, node.key)]
    begin, _, key = said.partition(".")
    if not found and key in graph.places and begin and run_id.startswith(begin):
        found = [key]
    if len(found) == 1:
        return found[0]
    if found:
        which = " or ".join(f"{run_id[:8]}.{key}" for key in found[:_NAMED_MAX])
        raise NotFound(f"{len(found)} steps of run {run_id} are called '{said}': say {which}", kind="step", name=said)
    names = ", ".join(list(dict.fromkeys(node.name for node in graph.nodes))[:_NAMED_MAX])
    raise NotFound(f"Run {run_id} has no step '{said}' (it has: {names})", kind="step", name=said)


def changed(before: Mapping[str, ParameterValue], now: Mapping[str, ParameterValue]) -> set[str]:
    """Names of the parameters whose text, which is what steps see, is another one."""
    return {name for name, value in now.items() if name not in before or text_of(before[name]) != text_of(value)}


def users_of(graph: Graph, parameters: Collection[str]) -> set[str]:
    """Keys of the steps that use one of these parameters."""
    return {node.key for node in graph.nodes if not node.used_parameters().isdisjoint(parameters)}


def _succeeded(run: Run, graph: Graph) -> set[str]:
    done = (StepStatus.SUCCEEDED, StepStatus.REUSED)
    return {node.key for place, node in enumerate(graph.nodes) if run.state.step(place) in done}


def _reader(ports: Ports, run: Run, graph: Graph) -> Callable[[str, str], bool]:
    """Looks whether an output lies where its step left it. One that the step never wrote is as it was left."""

    @cache
    def is_there(key: str, output: str) -> bool:
        maker, port = run.maker(key, graph.places[key]), graph.node(key).output(output)
        if not port.pipeline_output and is_cleared(ports.documents, maker.run_id):
            return False
        try:
            if is_written(ports.stores, output_place(run.request, port, maker)):
                return True
        except NotFound:
            return False  # its datastore is gone
        return output in _left_empty(ports, maker)

    return is_there


def _left_empty(ports: Ports, maker: StepRunId) -> list[str]:
    """Names of the outputs that a step run has not written, as was noted at its end."""
    key = records(maker) + UNWRITTEN
    return list(json.loads(ports.blobs.get(key))) if ports.blobs.info(key) else []


def _relate(ports: Ports, original: Run, run: Run) -> None:
    """Say on the original that it was resumed. For people only, so nothing hangs on it."""
    for _ in range(_TRIES):
        try:
            annotate(ports, original.run_id, {"resumed_by": {run.run_id: run.request.submitted_at}})
            return
        except Conflict:
            continue  # somebody else said something at the same moment
