"""What people see of steps: how each attempt stands, where its time went, where its outputs lie. Reads only."""

from __future__ import annotations

from dataclasses import replace

from canalis.contract.graph import Graph
from canalis.contract.graphs import stored_graph
from canalis.contract.parameters import compute_in
from canalis.contract.places import output_place
from canalis.contract.ports import Attempt, AttemptKey, Document, Ports, Run
from canalis.contract.run import StepRunId
from canalis.contract.status import Outcome, Phase, StepStatus, step_words
from canalis.contract.times import CAPACITY, ENVIRONMENT, QUEUE, REST
from canalis.contract.views import AttemptView, ErrorView, OutputView, PathView, StepView, TimesView
from orchestrator.remarks import ANNOTATIONS, annotations_of, merged
from orchestrator.times import Timeline
from orchestrator.views import current_step_run

_IN_WORK = (StepStatus.STARTED, StepStatus.RECALLED, StepStatus.STOPPING)
_DONE = (StepStatus.SUCCEEDED, StepStatus.REUSED)
_NAMED_MAX = 5  # steps that a waiting step names
_READ_EACH_MAX = 16  # attempts read one by one; of more, all of the run are read at once


def step_views(ports: Ports, run: Run, news_since: float | None = None) -> list[StepView]:
    """All steps of a run, in the order of its graph.

    news_since   leaves only steps that are started, or that ended at that time or later: what somebody who
                 follows the run has not seen yet
    """
    graph = stored_graph(ports.blobs, run.request.graph)
    attempts = {attempt.key: attempt for attempt in ports.runs.attempts(run.run_id)}
    notes = {found.name: found.body for found in ports.documents.list(ANNOTATIONS, f"{run.run_id}.")}
    places = [
        place
        for place, node in enumerate(graph.nodes)
        if news_since is None
        or run.state.step(place) in _IN_WORK
        or _ended_at(attempts.get(AttemptKey(run.run_id, node.key, run.state.attempts[place]))) >= news_since
    ]
    line = Timeline(run, graph, attempts, ports.clock.now())
    return [_step_view(run, graph, place, attempts, notes, line) for place in places]


def step_view(ports: Ports, step: StepRunId) -> StepView:
    """One attempt of a step: how the step stands at the one it is at, how an earlier one ended."""
    run = ports.runs.load(step.run_id)
    graph = stored_graph(ports.blobs, run.request.graph)
    place = graph.places[step.node]
    attempts = _attempts_around(ports, run, graph, place)
    notes = {str(step): annotations_of(ports, str(step))}
    now = ports.clock.now()
    if step.attempt >= run.state.attempts[place]:
        return _step_view(run, graph, place, attempts, notes, Timeline(run, graph, attempts, now))
    return _earlier_step_view(run, graph, step, attempts, notes, now)


def times_view(ports: Ports, run: Run) -> TimesView:
    """Where the time of a run went: the steps that it had to wait for, and what they did meanwhile."""
    graph = stored_graph(ports.blobs, run.request.graph)
    attempts = {attempt.key: attempt for attempt in ports.runs.attempts(run.run_id)}
    line = Timeline(run, graph, attempts, ports.clock.now())
    path = []
    for place in line.critical_path():
        node = graph.nodes[place]
        identity = str(StepRunId(run.run_id, node.key, run.state.attempts[place]))
        path.append(PathView(id=identity, node=node.key, name=node.name, times=line.own_times(place)))
    return TimesView(run_id=run.run_id, path=path, times=line.path_times(), wall_s=round(line.wall_s(), 3))


def maker_of(ports: Ports, step: StepRunId) -> StepRunId:
    """The step run whose outputs, log, metrics and files are meant: the one that was kept, for a step that was."""
    run = ports.runs.load(step.run_id)
    place = stored_graph(ports.blobs, run.request.graph).places[step.node]
    return run.maker(step.node, place) if run.state.step(place) is StepStatus.REUSED else step


def output_views(ports: Ports, step: StepRunId) -> list[OutputView]:
    """Where the outputs of an attempt lie, whether or not it has written them."""
    run = ports.runs.load(step.run_id)
    node = stored_graph(ports.blobs, run.request.graph).node(step.node)
    owner = maker_of(ports, step)
    places = [(port, output_place(run.request, port, owner)) for port in node.outputs]
    return [
        OutputView(name=port.name, datastore=place.datastore, path=place.path, pipeline_output=port.pipeline_output)
        for port, place in places
    ]


def pipeline_outputs(ports: Ports, run: Run) -> list[OutputView]:
    """Where those outputs of a run lie that were given a pipeline output name."""
    graph = stored_graph(ports.blobs, run.request.graph)
    named = [node.key for node in graph.nodes if any(output.pipeline_output for output in node.outputs)]
    outputs = [view for key in named for view in output_views(ports, current_step_run(run, graph, key))]
    return [view for view in outputs if view.pipeline_output]


def _attempts_around(ports: Ports, run: Run, graph: Graph, place: int) -> dict[AttemptKey, Attempt]:
    """The attempts of a step, and those that the steps right before it ended with."""
    state, node = run.state, graph.nodes[place]
    was_skipped = state.step(place) is StepStatus.SKIPPED and not state.attempts[place]
    before = [graph.places[key] for key in node.predecessors()]
    if was_skipped or len(before) > _READ_EACH_MAX:
        return {attempt.key: attempt for attempt in ports.runs.attempts(run.run_id)}
    keys = [AttemptKey(run.run_id, node.key, attempt) for attempt in range(1, state.attempts[place] + 1)]
    keys += [AttemptKey(run.run_id, graph.nodes[earlier].key, state.attempts[earlier]) for earlier in before]
    return {key: attempt for key in keys if (attempt := ports.runs.attempt(key)) is not None}


def _ended_at(attempt: Attempt | None) -> float:
    return float(attempt.facts.get("ended_at", 0.0)) if attempt else 0.0


def _step_view(
    run: Run,
    graph: Graph,
    place: int,
    attempts: dict[AttemptKey, Attempt],
    notes: dict[str, Document],
    line: Timeline,
) -> StepView:
    node = graph.nodes[place]
    status = run.state.step(place)
    number = run.state.attempts[place]
    found = attempts.get(AttemptKey(run.run_id, node.key, number))
    facts = found.facts if found else {}
    phase = Phase(facts.get("phase", "queued"))
    word_v1, run_word_v1 = step_words(status, phase)
    identity = str(StepRunId(run.run_id, node.key, max(1, number)))
    kept = run.maker(node.key, place) if status is StepStatus.REUSED else None
    said = notes.get(identity, {})
    error = None
    if facts.get("error"):
        error = ErrorView(code=facts.get("error_code", ""), message=facts["error"], step=identity)
    times, (segment, since) = line.account(place)
    waits_for = _waits_for(run, graph, place, segment)
    return StepView(
        id=identity,
        run_id=run.run_id,
        node=node.key,
        name=node.name,
        experiment=run.request.experiment,
        work=node.work.kind,
        compute=compute_in(node, run.request.parameters),
        status=status.name.lower(),
        phase=phase.value if status in _IN_WORK else "",
        status_v1=word_v1,
        run_status_v1=run_word_v1,
        attempt=number,
        attempt_now=number,
        attempts_max=node.settings.retries + 1,
        submitted_at=run.request.submitted_at,
        claimed_at=facts.get("claimed_at"),
        started_at=facts.get("started_at"),
        ended_at=facts.get("ended_at") if status.is_terminal else None,
        exit_code=facts.get("exit_code"),
        error=error,
        kept_from=str(kept) if kept else None,
        waits_for=waits_for,
        waits_since=since if waits_for else None,
        owner=found.owner if found and status in _IN_WORK else "",
        lease_until=found.lease_until if found and found.owner and status in _IN_WORK else None,
        times=times,
        snapshot=node.snapshot,
        tags=merged({}, said.get("tags", {})),
        properties=merged(_reuse_properties(kept), said.get("properties", {})),
        display_name=said.get("display_name", ""),
        description=said.get("description") or "",
        earlier=_earlier(run.run_id, node.key, number, attempts),
    )


def _earlier_step_view(
    run: Run,
    graph: Graph,
    step: StepRunId,
    attempts: dict[AttemptKey, Attempt],
    notes: dict[str, Document],
    clock: float,
) -> StepView:
    """An attempt as though the step had ended with it, which it has not."""
    place = graph.places[step.node]
    now = run.state.attempts[place]
    before = run.state.attempts[:place] + bytes([step.attempt]) + run.state.attempts[place + 1 :]
    steps = bytearray(run.state.steps)
    attempt = attempts.get(AttemptKey(step.run_id, step.node, step.attempt))
    outcome = attempt.facts.get("outcome") if attempt else None
    steps[place] = StepStatus.CANCELLED if outcome == Outcome.CANCELLED.value else StepStatus.FAILED
    as_it_ended = replace(run, state=replace(run.state, steps=bytes(steps), attempts=before))
    line = Timeline(as_it_ended, graph, attempts, clock)
    view = _step_view(as_it_ended, graph, place, attempts, notes, line)
    named = f"{step.run_id}.{step.node}.{step.attempt}"  # the first, too: without its number it is the current one
    return view.model_copy(update={"id": named, "attempt_now": now})


def _earlier(run_id: str, key: str, number: int, attempts: dict[AttemptKey, Attempt]) -> tuple[AttemptView, ...]:
    """The attempts of a step before that one, as far as they are known."""
    found = [attempts.get(AttemptKey(run_id, key, earlier)) for earlier in range(1, number)]
    return tuple(_attempt_view(attempt) for attempt in found if attempt is not None)


def _attempt_view(attempt: Attempt) -> AttemptView:
    key, facts = attempt.key, attempt.facts
    identity = f"{key.run_id}.{key.node}.{key.attempt}"
    error = None
    if facts.get("error"):
        error = ErrorView(code=facts.get("error_code", ""), message=facts["error"], step=identity)
    return AttemptView(
        id=identity,
        attempt=key.attempt,
        outcome=facts.get("outcome", ""),
        started_at=facts.get("started_at"),
        ended_at=facts.get("ended_at"),
        exit_code=facts.get("exit_code"),
        error=error,
    )


def _reuse_properties(kept: StepRunId | None) -> dict[str, str]:
    """What v1 writes down about a step for which an earlier one stands in. Source   reference section 11"""
    if kept is None:
        return {}
    return {
        "azureml.reusedrunid": str(kept),
        "azureml.reusednodeid": kept.node,
        "azureml.reusedpipeline": kept.run_id,
    }


def _waits_for(run: Run, graph: Graph, place: int, segment: str) -> tuple[str, ...]:
    node, status = graph.nodes[place], run.state.step(place)
    if status is StepStatus.STARTED:
        said = {
            REST: f"the end of its rest before attempt {run.state.attempts[place]}",
            ENVIRONMENT: "its environment to be built",
            QUEUE: "a worker to take it up",
            CAPACITY: f"a free slot of {compute_in(node, run.request.parameters) or 'this machine'}",
        }
        return (said[segment],) if segment in said else ()
    if status is not StepStatus.WAITING:
        return ()
    places = [graph.places[key] for key in node.predecessors()]
    names = [graph.nodes[place].name for place in places if run.state.step(place) not in _DONE]
    more = (f"and {len(names) - _NAMED_MAX} more",) if len(names) > _NAMED_MAX else ()
    return tuple(f"step {name}" for name in names[:_NAMED_MAX]) + more
