"""The same for all backends: claim, look again whether the step is still wanted, start or check, report."""

from __future__ import annotations

import logging

from canalis.contract.errors import AuthorError, WorldError
from canalis.contract.graph import FromFiles, FromParameter, FromStep, FromStore, Graph, Input
from canalis.contract.graphs import stored_graph
from canalis.contract.messages import (
    ORCHESTRATOR_QUEUE,
    CheckStep,
    Command,
    RecallStep,
    Send,
    StartStep,
    StepEnded,
    StopStep,
    steps_queue,
)
from canalis.contract.places import Place, output_place
from canalis.contract.ports import Attempt, AttemptKey, Document, Ports, Run
from canalis.contract.run import StepRunId
from canalis.contract.status import Outcome, StepStatus
from steps.backend import Backend, Ended, Pending, Work

_log = logging.getLogger("canalis.worker")

LEASE_S = 60.0  # renewed at a third of it; how long a dead worker's claim keeps others away


def work(ports: Ports, backend: Backend, owner: str, command: Command) -> None:
    """Carry out one order. Safe to call twice with the same order, from several workers at once.

    owner   under whose name attempts are claimed: who asks again under that name gets them again
    """
    key = AttemptKey(command.run_id, command.node, command.attempt)
    if isinstance(command, StartStep):
        _start(ports, backend, owner, key)
    elif isinstance(command, CheckStep):
        _check(ports, backend, owner, key)
    elif isinstance(command, RecallStep):
        _recall(ports, backend, owner, key)
    elif isinstance(command, StopStep):
        _stop(ports, backend, owner, key)


class PortsDesk:
    """The desk of a service: reports go to the orchestrator, notes to the attempt's record."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def report(self, work: Work, ended: Ended) -> None:
        """Tell the orchestrator that an attempt is over."""
        _report(self._ports, work.attempt, ended)

    def note(self, work: Work, facts: Document) -> None:
        """Write it down; what is only for people must not end a step when it cannot be written."""
        try:
            self._ports.runs.note(work.attempt, facts)
        except WorldError as error:
            _log.warning("step %s: %s", work.step_run_id, error)

    def is_wanted(self, work: Work) -> bool:
        """Whether the run still waits for this attempt."""
        run = self._ports.runs.load(work.key.run_id)
        return _is_wanted(run, stored_graph(self._ports.blobs, run.request.graph), work.key)

    def has_been_heard(self, work: Work) -> bool:
        """Whether the attempt counts as ended."""
        attempt = self._ports.runs.attempt(work.key)
        return attempt is not None and attempt.ended


def _start(ports: Ports, backend: Backend, owner: str, key: AttemptKey) -> None:
    if key in backend.held():
        return  # the order came twice
    attempt = ports.runs.claim(key, owner, LEASE_S)
    if attempt is None:
        return  # it has ended, or another worker has it
    # Claimed first, then looked: a cancel that is decided after this look finds the claim, and stops it.
    run = ports.runs.load(key.run_id)
    graph = stored_graph(ports.blobs, run.request.graph)
    if not _is_wanted(run, graph, key):
        _report(ports, attempt, Ended(Outcome.CANCELLED, error="It was no longer wanted when a worker took it up"))
        return
    try:
        described = make_work(run, graph, attempt)
    except AuthorError as error:
        _report(ports, attempt, Ended(Outcome.FAILED, error_code=error.code, error=error.message))
        return
    _follow(ports, described, backend.start(described))


def _check(ports: Ports, backend: Backend, owner: str, key: AttemptKey) -> None:
    attempt = ports.runs.attempt(key)
    if attempt is None or attempt.ended or attempt.owner != owner or "handle" not in attempt.facts:
        return
    run = ports.runs.load(key.run_id)
    described = make_work(run, stored_graph(ports.blobs, run.request.graph), attempt)
    _follow(ports, described, backend.check(described, attempt.facts["handle"]))


def _recall(ports: Ports, backend: Backend, owner: str, key: AttemptKey) -> None:
    if backend.recall(key):
        return  # whoever has it will report
    attempt = ports.runs.claim(key, owner, LEASE_S)
    if attempt is None:
        return  # it has ended, or is going on elsewhere
    if backend.has_begun(key):  # an earlier service began it, so it may end
        run = ports.runs.load(key.run_id)
        described = make_work(run, stored_graph(ports.blobs, run.request.graph), attempt)
        _follow(ports, described, backend.start(described))
    else:
        _report(ports, attempt, Ended(Outcome.CANCELLED, error="Never began, since another step failed"))


def _stop(ports: Ports, backend: Backend, owner: str, key: AttemptKey) -> None:
    if backend.stop(key):
        return  # whoever waits for it will report
    # Nobody works on it here. With the claim no late order can start it any more.
    attempt = ports.runs.claim(key, owner, LEASE_S)
    if attempt is not None:
        _report(ports, attempt, Ended(Outcome.CANCELLED, error="Cancelled before it started"))


def _follow(ports: Ports, work: Work, answer: Ended | Pending) -> None:
    if isinstance(answer, Ended):
        _report(ports, work.attempt, answer)
    elif answer.check_after_s is not None:
        ports.runs.note(work.attempt, {"handle": answer.handle})
        key = work.key
        message = CheckStep(run_id=key.run_id, node=key.node, attempt=key.attempt)
        ports.bus.send([Send(queue=steps_queue(work.compute.backend), message=message, delay_s=answer.check_after_s)])


def _report(ports: Ports, attempt: Attempt, ended: Ended) -> None:
    key = attempt.key
    message = StepEnded(
        run_id=key.run_id,
        node=key.node,
        attempt=key.attempt,
        outcome=ended.outcome,
        exit_code=ended.exit_code,
        error_code=ended.error_code,
        error=ended.error,
        started_at=ended.started_at,
        ended_at=ended.ended_at if ended.ended_at is not None else ports.clock.now(),
    )
    ports.bus.send([Send(queue=ORCHESTRATOR_QUEUE, message=message)])


def _is_wanted(run: Run, graph: Graph, key: AttemptKey) -> bool:
    place = graph.places[key.node]
    return run.state.step(place) is StepStatus.STARTED and run.state.attempts[place] == key.attempt


def make_work(run: Run, graph: Graph, attempt: Attempt) -> Work:
    """The work of an attempt: every port resolved to a place in a datastore. Pure.

    Raises NotFound when a data path parameter has no place.
    """
    key = attempt.key
    node = graph.node(key.node)
    return Work(
        attempt=attempt,
        node=node,
        request=run.request,
        compute=run.request.computes[node.compute or ""],
        inputs={port.name: _input_places(run, graph, port) for port in node.inputs},
        outputs={
            port.name: output_place(run.request, port, StepRunId(run.run_id, node.key, key.attempt))
            for port in node.outputs
        },
    )


def _input_places(run: Run, graph: Graph, port: Input) -> tuple[Place, ...]:
    source = port.source
    if isinstance(source, FromFiles):
        return tuple(_stored(run, place) for place in source.places)
    if isinstance(source, FromStore):
        return (_stored(run, source),)
    if isinstance(source, FromParameter):
        value = run.request.parameters[source.parameter]
        assert not isinstance(value, (str, bool, int, float)), (source.parameter, value)
        return (Place(value.datastore, value.path.strip("/")),)
    assert isinstance(source, FromStep), source
    writer = graph.node(source.node)
    owner = StepRunId(run.run_id, writer.key, run.state.attempts[graph.places[writer.key]])
    return (output_place(run.request, writer.output(source.output), owner),)


def _stored(run: Run, source: FromStore) -> Place:
    path = "/".join(part for part in source.path.split("/") if part not in ("", "."))
    return Place(source.datastore or run.request.default_datastore, path)
