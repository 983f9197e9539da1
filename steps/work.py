"""What a backend needs to know of an attempt: every port resolved to a place in a datastore. Pure."""

from __future__ import annotations

from canalis.contract.graph import (
    DatasetValue,
    FromFiles,
    FromParameter,
    FromStep,
    Graph,
    Input,
    Registered,
)
from canalis.contract.parameters import compute_in
from canalis.contract.patterns import escaped
from canalis.contract.places import Place, input_places, output_place
from canalis.contract.ports import Attempt, AttemptKey, Run
from canalis.contract.run import StepRunId
from canalis.contract.status import StepStatus
from canalis.contract.tables import Table
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
        compute=run.request.computes[compute_in(node, run.request.parameters)],
        inputs={port.name: _input_places(run, graph, port) for port in node.inputs},
        outputs={
            port.name: output_place(run.request, port, StepRunId(run.run_id, node.key, key.attempt))
            for port in node.outputs
        },
        registered={port.name: found for port in node.inputs if (found := _registered(run, port)) is not None},
        tables={port.name: read for port in node.inputs if (read := _table(run, port)) is not None},
        environment=graph.environments.get(node.environment or "", {}),
    )


def is_wanted(run: Run, graph: Graph, key: AttemptKey) -> bool:
    """Whether the run still waits for this attempt to begin or to go on."""
    place = graph.places[key.node]
    return run.state.step(place) is StepStatus.STARTED and run.state.attempts[place] == key.attempt


def _input_places(run: Run, graph: Graph, port: Input) -> tuple[Place, ...]:
    """Where an input's data lies; the paths may be patterns."""
    source = port.source
    if not isinstance(source, FromStep):
        return input_places(run.request, source)
    writer = graph.node(source.node)
    owner = run.maker(writer.key, graph.places[writer.key])
    made = output_place(run.request, writer.output(source.output), owner)
    return (Place(made.datastore, escaped(made.path)),)


def _registered(run: Run, port: Input) -> Registered | None:
    """The registered dataset that an input's files are of."""
    if isinstance(port.source, FromParameter):
        value = run.request.parameters[port.source.parameter]
        return value.registered if isinstance(value, DatasetValue) else None
    return port.source.registered if isinstance(port.source, FromFiles) else None


def _table(run: Run, port: Input) -> Table | None:
    """How rows are read from an input's files."""
    if isinstance(port.source, FromParameter):
        value = run.request.parameters[port.source.parameter]
        return value.table if isinstance(value, DatasetValue) else None
    return port.table
