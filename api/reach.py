"""How far a script that runs may reach: to its own run and to the runs it has submitted, and to no others.

What is out of reach is answered as what is not there, in the same words.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import cache

from canalis.contract.errors import NotFound
from canalis.contract.graphs import stored_graph
from canalis.contract.ports import Ports, Run
from canalis.contract.run import StepRunId, check_run_id, split_step_run_id

_OUTPUT_FOLDERS = ("azureml", "dataset")  # outputs lie below <folder>/<step run id>/; canalis/contract/places.py


class Reach(Enum):
    """How much of a route is open to a script that runs."""

    NOTHING = "nothing"
    WORKSPACE = "workspace"  # all of it: it tells nothing of any run
    RUNS = "runs"  # its own run with all steps, and the runs it has submitted with theirs
    OWN = "own"  # of its own run only itself and the run as a whole, and the runs it has submitted
    CHOSEN = "chosen"  # the route itself leaves out what is not within reach


def check_reach(ports: Ports, mine: StepRunId, reach: Reach, name: str) -> None:
    """Raises NotFound when the run or step run of that name is beyond the reach of the script that `mine` names.

    A script must name runs by their whole ids: the beginning of one could be another's run by the time it is used.
    """
    if reach not in (Reach.RUNS, Reach.OWN):
        return
    run_id, node, attempt = split_step_run_id(name) or (name, None, None)
    run = reachable_run(ports, mine, run_id)
    is_sister = run.run_id == mine.run_id and node is not None and not _is_mine(ports, run, mine, node, attempt)
    if reach is Reach.OWN and is_sister:
        raise _nothing(name)


def reachable_run(ports: Ports, mine: StepRunId, run_id: str) -> Run:
    """A run within reach. Raises NotFound."""
    try:
        run = ports.runs.load(check_run_id(run_id))
        if run_id == mine.run_id or _is_below(ports, mine, run):
            return run
    except NotFound:
        pass  # said below in the words that are said of another's run
    raise _nothing(run_id)


def is_parent_within(ports: Ports, mine: StepRunId, parent: str) -> bool:
    """Whether the runs below that run or step run are within reach, as far as they have been submitted by it."""
    step = StepRunId.parse(parent)
    if step is not None and step.run_id == mine.run_id:
        return step.node == mine.node
    try:
        return _is_below(ports, mine, ports.runs.load(check_run_id(step.run_id if step else parent)))
    except NotFound:
        return False


def file_filter(ports: Ports, mine: StepRunId | None) -> Callable[[str], bool]:
    """Tells of a path in a datastore whether it is within reach. To people (`mine` is None) everything is.

    Only what lies where outputs do by default is of a run; data that was put elsewhere is the workspace's.
    """
    if mine is None:
        return lambda path: True

    @cache
    def is_within(owner: StepRunId) -> bool:
        try:
            run = ports.runs.load(check_run_id(owner.run_id))
        except NotFound:
            return True  # a name that only looks like a step run's
        if run.run_id == mine.run_id or _is_below(ports, mine, run):
            return True
        return str(owner) in ports.runs.load(mine.run_id).request.kept.values()

    def is_open(path: str) -> bool:
        folder, _, below = path.partition("/")
        owner = StepRunId.parse(below.partition("/")[0])
        return folder not in _OUTPUT_FOLDERS or owner is None or is_within(owner)

    return is_open


def _is_below(ports: Ports, mine: StepRunId, run: Run) -> bool:
    """Whether the script has submitted the run, or a step of a run that it has submitted, and so on."""
    with suppress(NotFound):
        while (parent := run.request.parent) is not None:
            step = StepRunId.parse(parent)
            if step is not None and step.run_id == mine.run_id:
                return step.node == mine.node  # an earlier attempt's runs are the step's, too
            run = ports.runs.load(step.run_id if step else parent)
    return False


def _is_mine(ports: Ports, run: Run, mine: StepRunId, node: str, attempt: int | None) -> bool:
    """Whether a step run's name means the script's own attempt; without a number it means the one the step is at."""
    if node != mine.node:
        return False
    place = stored_graph(ports.blobs, run.request.graph).places.get(node)
    return place is not None and (attempt or max(1, run.state.attempts[place])) == mine.attempt


def _nothing(name: str) -> NotFound:
    return NotFound(f"There is no run {name}", kind="run", name=name)
