"""What a backend needs to know of an attempt: every port resolved to a place in a datastore. Pure."""

from __future__ import annotations

from canalis.contract.graph import FromFiles, FromParameter, FromStep, FromStore, Graph, Input
from canalis.contract.places import Place, output_place
from canalis.contract.ports import Attempt, AttemptKey, Run
from canalis.contract.run import StepRunId
from canalis.contract.status import StepStatus
from steps.backend import Work


def make_work(run: Run, graph: Graph, attempt: Attempt) -> Work:
    """The work of an attempt.

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


def is_wanted(run: Run, graph: Graph, key: AttemptKey) -> bool:
    """Whether the run still waits for this attempt to begin or to go on."""
    place = graph.places[key.node]
    return run.state.step(place) is StepStatus.STARTED and run.state.attempts[place] == key.attempt


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
    owner = run.maker(writer.key, graph.places[writer.key])
    return (output_place(run.request, writer.output(source.output), owner),)


def _stored(run: Run, source: FromStore) -> Place:
    path = "/".join(part for part in source.path.split("/") if part not in ("", "."))
    return Place(source.datastore or run.request.default_datastore, path)
