"""Who looks after schedules: starts what is due, once, however many look at the same time and however often they fail.

What is to be started is decided and written down first (`Progress`), guarded by the version that was read; runs are
started after that, each under an id that is made of the schedule and the tick, and created only if there is none of
that id. So a look that dies in the middle is finished by the next, and two at once start nothing twice.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping

from canalis.contract.errors import AlreadyExists, AuthorError, CanalisError, Conflict, Disabled, NotFound, WorldError
from canalis.contract.graph import DataPathValue
from canalis.contract.ports import Ports, Stored
from canalis.contract.published import Published
from canalis.contract.run import ComputeChoice, Origin
from canalis.contract.schedules import (
    FIRINGS,
    PROGRESS,
    SCHEDULES,
    DataChanges,
    Firing,
    Progress,
    Schedule,
    Tick,
)
from orchestrator.audit import keep
from orchestrator.pipelines.endpoints import behind, endpoint, version_of
from orchestrator.pipelines.launch import Launch, launch
from orchestrator.pipelines.publish import graph_of, published
from orchestrator.schedules.changes import changed, forget
from orchestrator.schedules.turn import due_ticks, first_progress, passed, turn

FIRINGS_KEPT = 200  # of a schedule, for people
_TRIM_EVERY = 25
_RUNS = uuid.UUID("0b1c3f5e-6f1a-5d0e-8a55-2f7a1d9c4e21")  # of ids of runs that are made of ticks

_log = logging.getLogger("canalis.schedules")


class Keeper:
    """Looks after all schedules. What it remembers is nothing; another may take over at any time.

    computes   what each compute target is just now, "" for steps that name none
    """

    def __init__(self, ports: Ports, computes: Callable[[], Mapping[str, ComputeChoice]]) -> None:
        self._ports = ports
        self._computes = computes

    def look(self) -> float | None:
        """Start all that is due. Safe to call at any time, and from several places at once.

        Returns   when the next tick is due, in seconds since 1970; None when there is none
        Raises    WorldError when some could not be looked after just now, after the others were
        """
        documents = self._ports.documents
        kept = documents.list(SCHEDULES)
        if not kept:
            return None
        progress = {stored.name: stored for stored in documents.list(PROGRESS)}
        first: WorldError | None = None
        times: list[float] = []
        for stored in kept:
            try:
                schedule = Schedule.model_validate(stored.body)
                found = self._tend(schedule, progress.get(stored.name)) if schedule.status != "Disabled" else None
            except Conflict:
                times.append(self._ports.clock.now())  # somebody else is at it, or was: there may be more to do
            except WorldError as error:
                first = first or error
            except Exception as error:  # one schedule that cannot be read must not keep the others waiting
                _log.warning("schedule %s: %r", stored.name, error, exc_info=not isinstance(error, CanalisError))
            else:
                times += [found] if found is not None else []
        if first is not None:
            raise first
        return min(times, default=None)

    def _tend(self, schedule: Schedule, stored: Stored | None) -> float | None:
        """Look after one schedule; when its next tick is due."""
        now = self._ports.clock.now()
        stored = self._up_to_date(schedule, stored)
        progress = Progress.model_validate(stored.body)
        if progress.going or progress.untold:  # somebody has died before it was done
            stored, progress = self._do(schedule, progress, stored)
        if not progress.waiting and (progress.next_at is None or progress.next_at > now):
            return progress.next_at
        after = self._decided(schedule, progress, now)
        try:
            stored = self._put(schedule, after, stored)
        except Conflict:
            return after.next_at  # somebody else has decided, and does what follows
        if after.snapshot != progress.snapshot:
            forget(self._ports, schedule.id, but=after.snapshot)
        if after.going or after.untold:
            self._do(schedule, after, stored)
        return after.next_at

    def _up_to_date(self, schedule: Schedule, stored: Stored | None) -> Stored:
        """How far the schedule is as it is now: what was decided of an earlier form of it holds no more."""
        if stored is not None and stored.body["revision"] == schedule.revision:
            return stored
        fresh = first_progress(schedule)
        if stored is not None:
            known = Progress.model_validate(stored.body)
            fresh = fresh.model_copy(update={"last_run": known.last_run, "fired": known.fired})
        return self._put(schedule, fresh, stored)

    def _decided(self, schedule: Schedule, progress: Progress, now: float) -> Progress:
        """What becomes of all ticks up to now."""
        if isinstance(schedule.trigger, DataChanges):
            ticks, told, snapshot = list[Tick](), list[Firing](), progress.snapshot
            if progress.next_at is not None and progress.next_at <= now:
                ticks, snapshot = changed(self._ports, schedule, progress, now)
            progress = progress.model_copy(update={"snapshot": snapshot})
        else:
            ticks, told = due_ticks(schedule, progress, now)
        paused = why_paused(self._ports, schedule) if ticks or progress.waiting else progress.paused
        is_busy = schedule.overlap != "allow" and self._is_open(progress.last_run)
        taken = turn(schedule, progress, ticks, now, is_busy, paused)
        after = taken.model_copy(update={"untold": (*told, *taken.untold)})
        return passed(schedule, after, now)

    def _do(self, schedule: Schedule, progress: Progress, stored: Stored) -> tuple[Stored, Progress]:
        """Start the runs that were decided on and tell what became of ticks, and write down that it is done."""
        for firing in progress.untold:
            self._tell(firing)
        last_run, fired = progress.last_run, progress.fired
        for tick in progress.going:
            firing = self._start(schedule, tick)
            self._tell(firing, tick.key)
            if firing.run is not None:
                last_run, fired = firing.run, fired + 1
        done = progress.model_copy(update={"going": (), "untold": (), "last_run": last_run, "fired": fired})
        if fired // _TRIM_EVERY != progress.fired // _TRIM_EVERY:
            self._trim(schedule.id)
        return self._put(schedule, done, stored), done

    def _start(self, schedule: Schedule, tick: Tick) -> Firing:
        """Start the run of a tick, or find that it is there. What only its author can mend is told."""
        run_id = str(uuid.uuid5(_RUNS, f"{schedule.id}/{tick.key}"))
        told = Firing(
            schedule=schedule.id,
            at=tick.at,
            decided_at=self._ports.clock.now(),
            outcome="started",
            run=run_id,
            changed=tick.changed,
        )
        try:
            pipeline, origin = self._target(schedule, tick)
            asked = Launch(
                experiment=schedule.experiment,
                run_id=run_id,
                parameters=self._parameters(schedule, tick, pipeline),
                continue_on_step_failure=schedule.continue_on_step_failure,
            )
            by = f"schedule {schedule.name or schedule.id}"
            launch(self._ports, pipeline, asked, self._computes(), by, origin)
            keep(self._ports, {"who": by, "route": "tick", "name": schedule.id, "made": run_id})
        except AlreadyExists:
            return told  # the tick's run, which was started when the schedule said otherwise
        except AuthorError as error:
            outcome = "paused" if isinstance(error, Disabled) else "failed"
            _log.warning("schedule %s could not start a run: %s", schedule.id, error.message)
            return told.model_copy(update={"outcome": outcome, "run": None, "code": error.code, "why": error.message})
        return told

    def _target(self, schedule: Schedule, tick: Tick) -> tuple[Published, Origin]:
        documents = self._ports.documents
        origin = Origin(schedule=schedule.id, tick=tick.at, changed=tick.changed, kind="Schedule")
        if schedule.pipeline is not None:
            return published(documents, schedule.pipeline), origin
        assert schedule.endpoint is not None, schedule.id
        found = endpoint(documents, schedule.endpoint)
        pipeline, version = behind(documents, found, None)
        return pipeline, origin.model_copy(update={"endpoint": found.id, "version": version.version})

    def _parameters(self, schedule: Schedule, tick: Tick, pipeline: Published) -> dict[str, object]:
        """The values that a tick's run gets. An endpoint's newer version may lack a parameter: it goes without."""
        given: dict[str, object] = dict(schedule.parameters)
        trigger = schedule.trigger
        if isinstance(trigger, DataChanges) and trigger.parameter is not None:
            path = trigger.path.strip("/") if trigger.batch else tick.changed[0]
            given[trigger.parameter] = DataPathValue(datastore=trigger.datastore, path=path)
        if schedule.endpoint is None:
            return given
        known = {parameter.name for parameter in graph_of(self._ports, pipeline).parameters}
        return {name: value for name, value in given.items() if name in known}

    def _is_open(self, run_id: str | None) -> bool:
        if run_id is None:
            return False
        try:
            return not self._ports.runs.load(run_id).state.status.is_terminal
        except NotFound:
            return False

    def _put(self, schedule: Schedule, progress: Progress, stored: Stored | None) -> Stored:
        body = progress.model_dump(mode="json")
        etag = stored.etag if stored is not None else None
        return self._ports.documents.put(PROGRESS, schedule.id, body, etag=etag, if_absent=stored is None)

    def _tell(self, firing: Firing, key: str = "") -> None:
        """Write down what became of a tick; what is said later of the same takes its place."""
        of_data = f":{key}" if firing.changed else ""  # several files may be found in one look
        name = f"{firing.schedule}:{int(firing.at * 1000):015d}{of_data}"
        self._ports.documents.put(FIRINGS, name, firing.model_dump(mode="json", exclude_defaults=True))

    def _trim(self, schedule_id: str) -> None:
        for stored in self._ports.documents.list(FIRINGS, f"{schedule_id}:")[:-FIRINGS_KEPT]:
            self._ports.documents.delete(FIRINGS, stored.name)


def why_paused(ports: Ports, schedule: Schedule) -> str:
    """Why an active schedule starts nothing just now; "" when it does."""
    documents = ports.documents
    try:
        if schedule.endpoint is None:
            assert schedule.pipeline is not None, schedule.id
            pipeline = published(documents, schedule.pipeline)
        else:
            found = endpoint(documents, schedule.endpoint)
            if found.status == "Disabled":
                return f"endpoint '{found.name}' is disabled: enable it to let the schedule go on"
            pipeline = published(documents, version_of(found, None).pipeline)
    except NotFound as error:
        return f"{error.message}: it was deleted"
    if pipeline.status == "Disabled":
        return f"published pipeline '{pipeline.name or pipeline.id}' is disabled: enable it to let the schedule go on"
    return ""
