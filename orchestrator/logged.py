"""What was logged in a run, on itself and on all of its steps: for who compares runs. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterator

from canalis.contract.graphs import stored_graph
from canalis.contract.layout import METRICS, of_run, records
from canalis.contract.masking import hidden_lines
from canalis.contract.ports import Ports, Run
from canalis.contract.run import StepRunId
from canalis.contract.status import StepStatus
from canalis.contract.views import FiguresView, LoggedView, MetricPoint

METRICS_BYTES_MAX = 64 * 2**20
_STEPS_MAX = 100  # of a run that are looked at, in the order of its graph
_BYTES_MAX = 2**20  # of each that are read


def points_of(ports: Ports, owner: StepRunId, bytes_max: int = METRICS_BYTES_MAX) -> list[MetricPoint]:
    """What was logged on one step run, point by point. Lines that are not whole are left out."""
    key = records(owner) + METRICS
    if ports.blobs.info(key) is None:
        return []
    lines = hidden_lines(ports.vault.mask(), ports.blobs.get(key, length=bytes_max))
    return [point for line in lines.split(b"\n")[:-1] if (point := _point(line)) is not None]


def logged(ports: Ports, run: Run) -> list[LoggedView]:
    """All that was logged in a run, by step; of a step that was reused what its maker has logged."""
    found = ((node, name, points_of(ports, owner, _BYTES_MAX)) for node, name, owner in _owners(ports, run))
    return [LoggedView(node=node, name=name, points=points) for node, name, points in found if points]


def figures(ports: Ports, run: Run) -> FiguresView:
    """The last value of each number and text that was logged, by `<step>/<name>`; of the run itself by name alone."""
    last: dict[str, MetricPoint] = {}
    for one in logged(ports, run):
        for point in one.points:
            name = f"{one.name}/{point.name}" if one.node else point.name
            if point.kind == "scalar" and (name not in last or point.time >= last[name].time):
                last[name] = point
    return FiguresView(run=run.run_id, figures={name: point.value for name, point in sorted(last.items())})


def _owners(ports: Ports, run: Run) -> Iterator[tuple[str, str, StepRunId]]:
    yield "", "", of_run(run.run_id)
    for place, node in enumerate(stored_graph(ports.blobs, run.request.graph).nodes[:_STEPS_MAX]):
        if run.state.step(place) is StepStatus.REUSED:
            yield node.key, node.name, run.maker(node.key, place)
        elif attempt := run.state.attempts[place]:
            yield node.key, node.name, StepRunId(run.run_id, node.key, attempt)


def _point(line: bytes) -> MetricPoint | None:
    """The point that a line holds; None for one that a process has left half written when it was killed."""
    try:
        return MetricPoint.model_validate(json.loads(line))
    except (ValueError, RecursionError):
        return None
