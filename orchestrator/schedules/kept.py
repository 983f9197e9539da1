"""Schedules: made, changed, enabled, disabled, deleted, and shown."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from canalis.contract.errors import (
    AlreadyExists,
    Conflict,
    NotFound,
    NotSupported,
    ParameterError,
    ScheduleInvalid,
    TooMany,
)
from canalis.contract.graph import DataPathValue, Graph, ParameterValue
from canalis.contract.parameters import assign
from canalis.contract.ports import Document, DocumentStore, Ports
from canalis.contract.published import check_id
from canalis.contract.recurring import rule_faults
from canalis.contract.run import check_experiment_name, new_run_id
from canalis.contract.schedules import (
    FIRINGS,
    OF_CALLER_MAX,
    PROGRESS,
    SCHEDULES,
    SCHEDULES_MAX,
    DataChanges,
    Firing,
    Preview,
    Progress,
    Schedule,
    ScheduleChange,
    ScheduleRequest,
    ScheduleView,
)
from orchestrator.kept import changed
from orchestrator.pipelines.endpoints import endpoint, version_of
from orchestrator.pipelines.publish import graph_of, published
from orchestrator.schedules.changes import baseline, forget
from orchestrator.schedules.keeper import why_paused
from orchestrator.schedules.turn import coming, first_progress

NEXT_SHOWN = 20
_ANEW = ("trigger", "status")  # of a schedule: what was decided before one of these changed holds no more


def create(ports: Ports, asked: ScheduleRequest, by: str = "") -> Schedule:
    """Make a schedule. Asked again under the same id, it is the same schedule.

    Raises   ScheduleInvalid with every fault of its rule, ParameterError, NotFound for what it starts or watches,
             TooMany, AlreadyExists for an id that is another's
    """
    made = _made(ports, asked, by)
    with suppress(NotFound):
        return _same(schedule(ports.documents, made.id), made)
    _check_room(ports.documents, by)
    # How far it is comes first: once the schedule is there, somebody may begin to look after it.
    ports.documents.put(PROGRESS, made.id, _begun(ports, made).model_dump(mode="json"))
    try:
        ports.documents.put(SCHEDULES, made.id, made.model_dump(mode="json"), if_absent=True)
    except Conflict:
        return _same(schedule(ports.documents, made.id), made)
    return made


def preview(ports: Ports, asked: ScheduleRequest, count: int = NEXT_SHOWN) -> Preview:
    """When a schedule would fire if it were made now. Raises as `create` does."""
    made = _made(ports, asked)
    times = coming(made, first_progress(made), count)
    return Preview(next=tuple(times), warnings=_warnings(why_paused(ports, made), made.at_once))


def schedule(documents: DocumentStore, identity: str) -> Schedule:
    """The schedule of that id. Raises NotFound."""
    stored = documents.get(SCHEDULES, check_id("schedule", identity))
    if stored is None:
        raise NotFound(f"There is no schedule '{identity}'", kind="schedule", name=identity)
    return Schedule.model_validate(stored.body)


def all_schedules(
    documents: DocumentStore, active_only: bool = False, pipeline: str | None = None, endpoint_id: str | None = None
) -> list[Schedule]:
    """Schedules, newest first; those that start a published pipeline, or an endpoint."""
    found = [Schedule.model_validate(stored.body) for stored in documents.list(SCHEDULES)]
    fitting = [
        one
        for one in found
        if not (active_only and one.status == "Disabled")
        and pipeline in (None, one.pipeline)
        and endpoint_id in (None, one.endpoint)
    ]
    return sorted(fitting, key=lambda one: (-one.created_at, one.id))


def change(ports: Ports, identity: str, said: ScheduleChange) -> Schedule:
    """Change, enable or disable a schedule. Raises as `create` does.

    With another trigger it counts from now on, and starts nothing at once; enabled again it makes up for nothing that
    it would have started meanwhile.
    """
    news: dict[str, Any] = said.model_dump(mode="json", exclude_none=True)
    before = schedule(ports.documents, identity)
    now = ports.clock.now()

    def edit(body: Document) -> Document:
        after = body | news
        if after == body:
            return body
        if any(after[name] != body[name] for name in _ANEW):
            after |= {"revision": body["revision"] + 1, "since": now, "at_once": False}
        if after["trigger"] != body["trigger"]:
            after["anchor_at"] = float(int(now))
        _check(ports, Schedule.model_validate(after))
        return after | {"updated_at": now}

    planned = Schedule.model_validate(edit(before.model_dump(mode="json")))
    begun = _begun(ports, planned) if planned.revision != before.revision else None
    after = Schedule.model_validate(changed(ports.documents, SCHEDULES, identity, edit).body)
    if begun is not None and after.revision == begun.revision:
        _begin_anew(ports, identity, begun)
    return after


def delete(ports: Ports, identity: str) -> None:
    """Forget a schedule, or find that it is gone. Its runs stay."""
    check_id("schedule", identity)
    ports.documents.delete(SCHEDULES, identity)
    ports.documents.delete(PROGRESS, identity)
    for stored in ports.documents.list(FIRINGS, f"{identity}:"):
        ports.documents.delete(FIRINGS, stored.name)
    forget(ports, identity)


def firings_of(documents: DocumentStore, identity: str, limit: int) -> list[Firing]:
    """What became of a schedule's last ticks, newest first."""
    stored = documents.list(FIRINGS, f"{check_id('schedule', identity)}:")
    return [Firing.model_validate(one.body) for one in reversed(stored[-limit:])]


def view(ports: Ports, found: Schedule, count: int = 1, with_last: bool = True) -> ScheduleView:
    """A schedule as it is shown.

    count       how many of its next firings are told
    with_last   whether what became of its last tick is looked up
    """
    stored = ports.documents.get(PROGRESS, found.id)
    known = Progress.model_validate(stored.body) if stored else None
    progress = known if known is not None and known.revision == found.revision else first_progress(found)
    is_active = found.status != "Disabled"
    paused = why_paused(ports, found) if is_active else ""
    last = firings_of(ports.documents, found.id, 1) if with_last else []
    return ScheduleView(
        **dict(found),
        next=tuple(coming(found, progress, count)) if is_active else (),
        last=last[0] if last else None,
        paused=paused,
        fired=known.fired if known is not None else 0,
        warnings=_warnings(paused, found.at_once and progress.next_at == found.anchor_at),
    )


def _made(ports: Ports, asked: ScheduleRequest, by: str = "") -> Schedule:
    now = ports.clock.now()
    made = Schedule(
        **asked.model_dump(exclude={"id", "trigger", "parameters"}),
        trigger=asked.trigger,
        parameters=asked.parameters,
        id=asked.id or new_run_id(),
        anchor_at=float(int(now)),
        since=now,
        at_once=asked.trigger.fires_at_once,
        created_at=now,
        created_by=by,
        updated_at=now,
    )
    made = made.model_copy(update={"since": made.anchor_at}) if made.at_once else made
    _check(ports, made)
    return made


def _begun(ports: Ports, made: Schedule) -> Progress:
    """How far a schedule is that counts from now on. Raises NotFound for a datastore that it watches."""
    begun = first_progress(made)
    if isinstance(made.trigger, DataChanges):
        begun = begun.model_copy(update={"snapshot": baseline(ports, made)})
    return begun


def _begin_anew(ports: Ports, identity: str, begun: Progress) -> None:
    """Put a new beginning in the place of what was decided before; not of what somebody has decided since."""
    stored = ports.documents.get(PROGRESS, identity)
    if stored is not None and stored.body["revision"] >= begun.revision and not begun.snapshot:
        return
    if stored is not None:
        known = Progress.model_validate(stored.body)
        begun = begun.model_copy(update={"last_run": known.last_run, "fired": known.fired, "going": known.going})
    with suppress(Conflict):
        body = begun.model_dump(mode="json")
        ports.documents.put(PROGRESS, identity, body, stored.etag if stored else None, if_absent=stored is None)


def _same(known: Schedule, made: Schedule) -> Schedule:
    """The schedule that is there, when it is what was asked for now. Raises AlreadyExists."""
    told = {"pipeline", "endpoint", "trigger", "experiment", "name"}
    if known.model_dump(include=told) != made.model_dump(include=told):
        raise AlreadyExists(f"There is another schedule {made.id} already", kind="schedule", name=made.id)
    return known


def _check_room(documents: DocumentStore, by: str) -> None:
    kept = documents.list(SCHEDULES)
    mine = sum(stored.body.get("created_by") == by for stored in kept)
    if len(kept) >= SCHEDULES_MAX or mine >= OF_CALLER_MAX:
        whose, most = ("this workspace has", SCHEDULES_MAX) if mine < OF_CALLER_MAX else ("you have", OF_CALLER_MAX)
        raise TooMany(f"{whose} {most} schedules already: delete some first", schedules_max=most)


def _check(ports: Ports, made: Schedule) -> None:
    """Raises everything that is wrong with a schedule, as `create` says."""
    check_experiment_name(made.experiment)
    trigger = made.trigger
    graph, defaults = _started(ports, made)
    if isinstance(trigger, DataChanges):
        _check_watch(ports, trigger, graph)
    elif found := rule_faults(trigger):
        raise ScheduleInvalid(
            "\n".join(str(fault) for fault in found),
            faults=[{"code": fault.code, "message": fault.message} for fault in found],
        )
    assign(graph.parameters, {**defaults, **made.parameters})


def _started(ports: Ports, made: Schedule) -> tuple[Graph, Mapping[str, ParameterValue]]:
    """What a schedule starts just now, and the values that its publisher gave."""
    documents = ports.documents
    identity = made.pipeline
    if identity is None:
        assert made.endpoint is not None, made.id
        identity = version_of(endpoint(documents, made.endpoint), None).pipeline
    pipeline = published(documents, identity)
    return graph_of(ports, pipeline), pipeline.parameters


def _check_watch(ports: Ports, trigger: DataChanges, graph: Graph) -> None:
    stored = ports.documents.get("datastores", trigger.datastore)
    if stored is None:
        raise NotFound(f"There is no datastore '{trigger.datastore}'", kind="datastore", name=trigger.datastore)
    if stored.body.get("type") != "AzureBlob":
        raise NotSupported(
            f"Datastore '{trigger.datastore}' is of type {stored.body.get('type')}: only an AzureBlob datastore can be "
            "watched"
        )
    if trigger.parameter is None:
        return
    types = {parameter.name: parameter.type for parameter in graph.parameters}
    if types.get(trigger.parameter) != "datapath":
        known = ", ".join(sorted(name for name, kind in types.items() if kind == "datapath")) or "none"
        raise ParameterError(
            f"Parameter '{trigger.parameter}' is no data path parameter of the pipeline (it has: {known})",
            names=[trigger.parameter],
        )
    # A path that could not be a value would fail each time: it is told now.
    place = DataPathValue(datastore=trigger.datastore, path=f"{trigger.path.strip('/')}/x".lstrip("/"))
    assign(graph.parameters, {trigger.parameter: place})


def _warnings(paused: str, at_once: bool) -> tuple[str, ...]:
    """What may not be as the author of a schedule thinks."""
    found = [f"It starts nothing: {paused}"] if paused else []
    if at_once:
        found.append("It fires at once, since it has no start_time; give it one to wait until then")
    return tuple(found)
