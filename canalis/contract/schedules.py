"""Schedules: published pipelines that the clock starts, or data that changes. As they are kept and shown."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from canalis.contract.graph import Kinded, ParameterValue, Part
from canalis.contract.published import Description, EntityStatus, Id, Name
from canalis.contract.recurring import Cron, Recurrence

SCHEDULES = "schedules"  # kinds of documents: with schedules,
PROGRESS = "schedule-progress"  # with how far each is,
FIRINGS = "firings"  # and with what became of each tick, for people

SCHEDULES_MAX = 1_000  # of a workspace
OF_CALLER_MAX = 100
MISSED_MAX = 100  # ticks that are made up for at once
POLLING_MINUTES_MAX = 7 * 24 * 60
BATCH_QUIET_MINUTES = 5

MissedPolicy = Literal["skip", "last", "all"]
OverlapPolicy = Literal["allow", "skip", "queue"]


class DataChanges(Kinded):
    """Looks for files that are new or were written again in a folder of a datastore.

    path              of the folder; "" is the whole datastore
    polling_minutes   between two looks
    parameter         name of the data path parameter that gets the file's path, or the folder's in `batch`; None: none
    subfolders        whether folders below it are watched as well, which v1 never did
    batch             whether all changes start one run, once nothing has changed for `quiet_minutes`; else each file
                      that has changed starts a run of its own, as in v1
    """

    kind: Literal["changes"] = "changes"
    datastore: str
    path: str = ""
    polling_minutes: Annotated[StrictInt, Field(ge=1, le=POLLING_MINUTES_MAX)] = 5
    parameter: str | None = None
    subfolders: StrictBool = False
    batch: StrictBool = False
    quiet_minutes: Annotated[StrictInt, Field(ge=0, le=24 * 60)] = BATCH_QUIET_MINUTES

    @property
    def fires_at_once(self) -> bool:
        """Whether its first run is when the schedule is made: what is there by then has not changed since."""
        return False


Trigger = Annotated[Recurrence | Cron | DataChanges, Field(discriminator="kind")]


class _Terms(Part):
    """What a schedule starts, how, and what becomes of ticks that come at a bad time.

    pipeline, endpoint   id of the published pipeline, or of the endpoint whose default version it then is
    missed       what becomes of ticks at which nobody was there to start a run: skip them; last runs the newest of
                 them; all runs each, the newest `missed_max` of them
    overlap      what becomes of a tick while the run before it has not ended: allow runs it all the same, skip drops
                 it, queue keeps it until that run has ended
    """

    name: Name = ""
    description: Description = ""
    experiment: str
    parameters: dict[str, ParameterValue] = Field(default_factory=dict)
    continue_on_step_failure: StrictBool | None = None
    trigger: Trigger
    missed: MissedPolicy = "last"
    missed_max: Annotated[StrictInt, Field(ge=1, le=MISSED_MAX)] = 10
    overlap: OverlapPolicy = "allow"


class ScheduleRequest(_Terms):
    """A new schedule.

    id   chosen by the caller to make a repeated request the same schedule; else a new one
    """

    id: Id | None = None
    pipeline: Id | None = None
    endpoint: Id | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.pipeline is None) == (self.endpoint is None):
            raise ValueError("a schedule starts either a published pipeline or an endpoint, and not both")
        return self


class ScheduleChange(Part):
    """What shall be other than it is; what is not given stays. What it starts cannot be changed."""

    name: Name | None = None
    description: Description | None = None
    experiment: str | None = None
    parameters: dict[str, ParameterValue] | None = None
    continue_on_step_failure: StrictBool | None = None
    trigger: Trigger | None = None
    missed: MissedPolicy | None = None
    missed_max: Annotated[StrictInt, Field(ge=1, le=MISSED_MAX)] | None = None
    overlap: OverlapPolicy | None = None
    status: EntityStatus | None = None


class Schedule(_Terms):
    """A schedule as it is kept.

    anchor_at   from when its rule counts, in whole seconds since 1970: when it was made, or its trigger changed
    since       ticks after this are its own: when it was made, changed, or enabled again
    at_once     whether the anchor is a tick, as for a new recurrence without a start time
    revision    counts the changes after which what was decided before does not hold any more
    """

    id: str
    pipeline: str | None = None
    endpoint: str | None = None
    status: EntityStatus = "Active"
    anchor_at: float
    since: float
    at_once: bool = False
    revision: int = 1
    created_at: float
    created_by: str = ""
    updated_at: float


class Tick(Part):
    """Something that a schedule is to start a run for.

    key       tells it from the schedule's others, for good: the run's id is made of it
    at        the moment that it stands for
    changed   the files that changed, for a schedule that watches data
    """

    key: str
    at: float
    changed: tuple[str, ...] = ()


Outcome = Literal["started", "waiting", "missed", "overlapped", "failed", "paused"]


class Firing(Part):
    """What became of a tick, for people.

    outcome    started a run; waits for the one before; was missed; was dropped since that had not ended; could not
               start a run; or nothing is started just now, from this one on
    until      the last of several that were missed together, of which there are `count`, or more
    """

    schedule: str
    at: float
    decided_at: float
    outcome: Outcome
    run: str | None = None
    code: str = ""
    why: str = ""
    until: float | None = None
    count: int = 1
    changed: tuple[str, ...] = ()


class Progress(Part):
    """How far a schedule is. Decided first and written down, then done: so nothing is done by half, or twice.

    revision   of the schedule that it is about
    seen       every tick up to this moment has been decided on
    next_at    the next tick after it, or the next look at data; None when there is none
    going      ticks whose runs are to be started, or have been just now
    waiting    ticks that wait for the run before them to end, oldest first
    untold     what has become of ticks and is not written down for people yet
    last_run   id of the run that was started last
    paused     why nothing is started just now; "" when that is not so
    fired      how many runs it has started
    snapshot   where it is kept which files there were when it last looked; "" before the first look
    """

    revision: int
    seen: float
    next_at: float | None
    going: tuple[Tick, ...] = ()
    waiting: tuple[Tick, ...] = ()
    untold: tuple[Firing, ...] = ()
    last_run: str | None = None
    paused: str = ""
    fired: int = 0
    snapshot: str = ""


class ScheduleView(Schedule):
    """A schedule as it is shown.

    next       its next firings, as far as they were asked for; of a schedule that watches data its next look
    last       what became of its last tick
    paused     why it starts nothing although it is active; "" when it does
    warnings   what may not be as its author thinks
    """

    next: tuple[float, ...] = ()
    last: Firing | None = None
    paused: str = ""
    fired: int = 0
    warnings: tuple[str, ...] = ()


class Preview(Part):
    """When a schedule would fire if it were made now, and what may not be as its author thinks."""

    next: tuple[float, ...]
    warnings: tuple[str, ...] = ()
