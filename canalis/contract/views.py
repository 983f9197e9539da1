"""What the service shows of runs: the shapes that the SDK, the command line and the portal all read."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, StrictFloat, StrictInt

from canalis.contract.graph import ParameterValue, Part
from canalis.contract.run import OWN, Origin


class ErrorView(Part):
    """Why something did not succeed. `step` is the step run it is about, "" for the run itself."""

    code: str
    message: str
    step: str = ""


class AttemptView(Part):
    """An attempt of a step that is over, since a later one has taken its place.

    id        names it, also the first: <run>.<node>.1
    outcome   succeeded, failed, timed_out, cancelled or lost
    """

    id: str
    attempt: int
    outcome: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    error: ErrorView | None = None


class StepView(Part):
    """One step of a run, at its current attempt unless an earlier one was asked for.

    id          the step run's id; changes with each attempt
    attempt     which one this is; attempt_now the one that the step is at
    earlier     the attempts before that one, and how each ended
    status      our word; status_v1 is PipelineRun's vocabulary, run_status_v1 that of Run.status
    waits_for   what must happen before it goes on, in words; empty when it is not waiting
    kept_from   the step run that stands in for it, where it was kept or reused; its outputs, log and metrics are read
    waits_since when it began to wait for that
    owner, lease_until   who works on it, and until when nobody else may; "" while nobody does
    times       seconds by segment (canalis.contract.times), those that took time; they do not overlap, and
                together are the time from the run's submission to the step's end, or to now
    *_at, *_since   seconds since 1970, UTC
    """

    kind: Literal["step"] = "step"
    id: str
    run_id: str
    node: str
    name: str
    experiment: str
    work: str
    compute: str
    status: str
    phase: str
    status_v1: str
    run_status_v1: str
    attempt: int
    attempt_now: int
    attempts_max: int
    submitted_at: float
    claimed_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    error: ErrorView | None = None
    waits_for: tuple[str, ...] = ()
    kept_from: str | None = None
    waits_since: float | None = None
    owner: str = ""
    lease_until: float | None = None
    times: dict[str, float] = Field(default_factory=dict)
    snapshot: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)
    display_name: str = ""
    description: str = ""
    earlier: tuple[AttemptView, ...] = ()


class RunView(Part):
    """A pipeline run.

    attention  why it cannot go on without somebody's help; "" when it can
    steps      how many of its steps stand how, by our words
    version    changes whenever anything above the steps' phases does
    origin     what it was started from: a published pipeline, an endpoint, a schedule
    resumed_from, resumed_by   the run that it goes on from, and those that go on from it
    """

    kind: Literal["pipeline"] = "pipeline"
    id: str
    experiment: str
    status: str
    status_v1: str
    run_status_v1: str
    display_name: str
    description: str
    parameters: dict[str, ParameterValue]
    tags: dict[str, str]
    properties: dict[str, str]
    parent: str | None
    resumed_from: str | None = None
    resumed_by: tuple[str, ...] = ()
    origin: Origin = OWN
    graph: str
    continue_on_step_failure: bool
    submitted_by: str
    submitted_at: float
    number: int
    updated_at: float
    ended_at: float | None
    attention: str
    steps: dict[str, int]
    version: int
    error: ErrorView | None = None


class BlockView(Part):
    """Steps of one kind that stand together in a drawing: the room that they take, its heading being one row above."""

    label: str
    x: int
    y: int
    columns: int
    rows: int
    steps: int


class PictureView(Part):
    """A drawing of a graph, in columns and rows. It is the same for every run of that graph.

    keys, names   of the steps, in the order of the graph; a step's place is its number there, from 0
    x, y          the column and the row of each step
    block         the number of the block that a step stands in; -1 for none
    edges         pairs of places, one after another: the step that goes before, and the one that waits for it
    edges_hidden  how many are left out, since there are too many to be seen
    """

    graph: str
    keys: list[str]
    names: list[str]
    x: list[int]
    y: list[int]
    block: list[int]
    blocks: list[BlockView]
    edges: list[int]
    edges_hidden: int = 0


class StandingView(Part):
    """How all steps of a run stand, in as few bytes as can be.

    mark      changes whenever anything here does
    words     our words for how a step can stand
    steps     for each step of the graph the place of its word; empty where nothing is new
    at_work   places of the steps whose script is at work just now
    """

    mark: str
    status: str
    words: list[str]
    steps: list[int]
    at_work: list[int]


class ChildView(Part):
    """A run that a script has begun below the run of its step. Its values are the step's, under its name.

    run        of the step; `step` is its name, and `parent` the run right above this one: that, or another child
    prefix     how its metrics, tags, properties and files begin on the step's run
    run_status_v1   as its script has said; as the step's once that has ended and nothing was said
    """

    kind: Literal["child"] = "child"
    id: str
    run: str
    step: str
    name: str
    display_name: str
    parent: str
    experiment: str
    prefix: str
    run_status_v1: str
    started_at: float
    ended_at: float | None = None
    error: ErrorView | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)


class PathView(Part):
    """A step on a run's critical path. `times` counts from the moment at which the step before it had ended."""

    id: str
    node: str
    name: str
    times: dict[str, float]


class TimesView(Part):
    """Where the time of a run went.

    path     the steps that it had to wait for, from the first to the last
    times    seconds by segment along that path; together they are `wall_s`
    wall_s   from its submission to its end, or to now
    """

    run_id: str
    path: list[PathView]
    times: dict[str, float]
    wall_s: float


class OutputView(Part):
    """Where an output of a step lies."""

    name: str
    datastore: str
    path: str
    pipeline_output: str | None = None


class FileView(Part):
    """A file of a run or of a datastore."""

    path: str
    size: int
    modified_at: float


class MetricPoint(Part):
    """One call of a logging function.

    id      tells a point that was sent twice
    kind    how it was logged: scalar, list, row, table, image, or the name of a v1 chart
    """

    id: str
    time: StrictFloat
    name: str
    kind: str
    value: Any
    step: StrictInt | None = None
    description: str = ""


class LoggedView(Part):
    """What was logged in one place of a run. `node` and `name` are those of the step; "" for the run itself."""

    node: str
    name: str
    points: list[MetricPoint]


class FiguresView(Part):
    """The last values of what was logged in a run, by `<step>/<name>`; of the run itself by name alone."""

    run: str
    figures: dict[str, Any]
