"""A graph becomes a run: checked again, stored, created together with its first orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from canalis.contract.about import about
from canalis.contract.errors import AlreadyExists, Conflict, GraphError, KeyReused
from canalis.contract.experiments import EXPERIMENTS, next_use
from canalis.contract.graph import Graph, ParameterValue, Part
from canalis.contract.messages import stamped
from canalis.contract.ports import Ports, Run
from canalis.contract.run import (
    OWN,
    ComputeChoice,
    Origin,
    Reply,
    RunRequest,
    StepRunId,
    check_experiment_name,
    check_run_id,
    new_run_id,
)
from canalis.contract.trace import current, span
from orchestrator.decide import decide
from orchestrator.notices.announce import prepared
from orchestrator.plan import first_state, make_plan
from orchestrator.retention.doomed import spare_graph
from orchestrator.reuse import can_reuse, consider, remember
from orchestrator.settled import settle

DEPTH_MAX = 16  # runs submitted by steps of runs submitted by steps; more is a pipeline that calls itself


class Asked(Part):
    """How a pipeline is to be run, whoever brings it.

    run_id        chosen by the caller to make a repeated submission the same run; else a new one
    description   "" takes the pipeline's own
    parent        id of the run, or of the step's run, that submits it
    """

    experiment: str
    run_id: str | None = None
    display_name: str = ""
    description: str = ""
    parameters: dict[str, ParameterValue] = Field(default_factory=dict)
    regenerate_outputs: bool = False
    tags: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)
    parent: str | None = None


class Submission(Asked):
    """A graph that a caller wants to run. Its snapshots must have been uploaded before."""

    graph: Graph
    continue_on_step_failure: bool = False
    interpreter: str | None = None


@dataclass(frozen=True, slots=True)
class Behind:
    """What is behind a submission, and no caller says of himself.

    graph_id      of the graph, when it is stored already
    origin        what the run is started from
    fingerprint   of all that was asked for under an idempotency key; "" without one
    reply         where who asked for it wants to hear of its end
    announce      whether somebody may want to hear of it of whom nothing is on record yet
    """

    graph_id: str | None = None
    origin: Origin = OWN
    fingerprint: str = ""
    reply: Reply | None = None
    announce: bool = False


OF_ITS_OWN = Behind()


def submit(
    ports: Ports, asked: Submission, computes: Mapping[str, ComputeChoice], by: str = "", behind: Behind = OF_ITS_OWN
) -> Run:
    """Create the run and send its first orders. On return it outlives any crash.

    computes   what each compute target is just now, "" for steps that name none
    Returns    the run as it is now: with a run_id that was submitted before, that run
    Raises     NameInvalid, GraphError with every fault, ParameterError, NotFound for a parent or snapshot,
               AlreadyExists for a run_id that belongs to another pipeline's run, KeyReused
    """
    check_experiment_name(asked.experiment)
    run_id = check_run_id(asked.run_id or new_run_id())
    with about(run_id=run_id), span("submit", attributes={"canalis.steps": len(asked.graph.nodes)}):
        return _submit(ports, run_id, asked, computes, by, behind)


def _submit(
    ports: Ports,
    run_id: str,
    asked: Submission,
    computes: Mapping[str, ComputeChoice],
    by: str,
    behind: Behind,
) -> Run:
    spared = spare_graph(ports, asked.graph) if behind.graph_id is None else None
    settled = settle(ports, asked.graph, asked.parameters, computes)
    graph_id = spared.stored(ports.blobs) if spared is not None else behind.graph_id
    assert graph_id is not None, run_id
    request = RunRequest(
        experiment=asked.experiment,
        graph=graph_id,
        display_name=asked.display_name,
        description=asked.description or asked.graph.description,
        parameters=settled.parameters,
        continue_on_step_failure=asked.continue_on_step_failure,
        regenerate_outputs=asked.regenerate_outputs,
        interpreter=asked.interpreter,
        computes=settled.computes,
        default_datastore=asked.graph.default_datastore or "workspaceblobstore",
        tags=asked.tags,
        properties=asked.properties,
        parent=asked.parent,
        depth=depth_below(ports, asked.parent),
        submitted_by=by,
        submitted_at=ports.clock.now(),
        number=next_number(ports, asked.experiment),
        trace=current(),
        origin=behind.origin,
        fingerprint=behind.fingerprint,
        reply=behind.reply,
        announce=behind.announce,
    )
    return create(ports, run_id, request, asked.graph)


def create(ports: Ports, run_id: str, request: RunRequest, graph: Graph) -> Run:
    """Create a run of a stored graph together with its first orders; the run as it is now.

    Raises AlreadyExists for a run_id that belongs to a run of something else, KeyReused for an idempotency key's
    """
    request = prepared(ports, run_id, request)
    considered = consider(ports, run_id, request, graph) if can_reuse(graph) else None
    if considered is not None:
        request = request.model_copy(update={"kept": considered.kept})
    plan = make_plan(run_id, request, graph)
    # The first tick happens here: the first steps need not wait for the orchestrator's queue.
    state, sends = decide(plan, first_state(plan, request.kept))
    created = ports.runs.create(run_id, request, state, stamped(sends, current()))
    ports.runs.deliver(run_id)
    if created and considered is not None:
        remember(ports, run_id, considered, graph)
    run = ports.runs.load(run_id)
    if not created and run.request.fingerprint != request.fingerprint:
        raise KeyReused(
            f"This idempotency key has started run {run_id}, of another request: take a new key for each request",
            run_id=run_id,
        )
    if not created and _origin(run.request) != _origin(request):
        raise AlreadyExists(f"There is a run {run_id} already, of another pipeline", kind="run", name=run_id)
    return run


def _origin(request: RunRequest) -> tuple[str | None, ...]:
    return request.graph, request.experiment, request.resumed_from, request.parent


def depth_below(ports: Ports, parent: str | None) -> int:
    """How deep a run is that this run or step's run submits. Raises NotFound, GraphError for a chain too long."""
    if parent is None:
        return 0
    step = StepRunId.parse(parent)
    depth = ports.runs.load(check_run_id(step.run_id if step else parent)).request.depth + 1
    if depth > DEPTH_MAX:
        raise GraphError(f"This run would be number {depth} in a chain of runs that submit each other", depth=depth)
    return depth


def next_number(ports: Ports, experiment: str) -> int:
    """The number of the next run of an experiment, from 1 on. A submission that is not completed leaves a gap."""
    while True:
        known = ports.documents.get(EXPERIMENTS, experiment)
        body = next_use(known.body if known else None, ports.clock.now())
        body["runs"] = int(body.get("runs", 0)) + 1
        try:
            etag = known.etag if known else None
            ports.documents.put(EXPERIMENTS, experiment, body, etag=etag, if_absent=known is None)
        except Conflict:
            continue  # somebody submitted at the same moment
        return int(body["runs"])
