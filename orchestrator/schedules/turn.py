"""What is to be started for a schedule now, and what is not. Pure: no I/O, no clock, no chance.

Whoever looks after schedules reads how far one is, calls `turn`, writes down what it says, and only then starts runs.
Of several who do so at once one writes first, and the others decide again on what that one has written.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice

from canalis.contract.recurring import Cron, Recurrence
from canalis.contract.schedules import DataChanges, Firing, Outcome, Progress, Schedule, Tick
from orchestrator.schedules.firings import firings, last_firings

LATE_S = 300.0  # a tick that nobody has looked at for so long was missed; before that its timer was only slow
WAITING_MAX = 100
COUNTED_MAX = 1_000  # missed ticks that are counted one by one


def first_progress(schedule: Schedule) -> Progress:
    """How far a schedule is that was made, changed or enabled just now."""
    seen = schedule.since
    if schedule.at_once and schedule.anchor_at >= schedule.since:
        return Progress(revision=schedule.revision, seen=seen, next_at=schedule.anchor_at)
    return Progress(revision=schedule.revision, seen=seen, next_at=next_tick(schedule, seen))


def next_tick(schedule: Schedule, after: float) -> float | None:
    """The first tick after a moment; None when there is none. Of a schedule that watches data: its next look."""
    if isinstance(schedule.trigger, DataChanges):
        return after + 60.0 * schedule.trigger.polling_minutes
    return next(firings(schedule.trigger, schedule.anchor_at, after), None)


def coming(schedule: Schedule, progress: Progress, count: int) -> list[float]:
    """The next ticks that have not been decided on, at most so many."""
    if progress.next_at is None or count < 1:
        return []
    if isinstance(schedule.trigger, DataChanges):
        return [progress.next_at]
    later = firings(schedule.trigger, schedule.anchor_at, progress.next_at)
    return list(islice(chain([progress.next_at], later), count))


def due_ticks(schedule: Schedule, progress: Progress, now: float) -> tuple[list[Tick], list[Firing]]:
    """The ticks to act on, oldest first, by the schedule's policy for those that were missed; and what was missed."""
    assert not isinstance(schedule.trigger, DataChanges), schedule.id
    if progress.next_at is None or progress.next_at > now:
        return [], []
    most = schedule.missed_max if schedule.missed == "all" else 1
    times, has_more = _newest(schedule.trigger, schedule, progress, now, most)
    chosen = times[-most:]
    if schedule.missed == "skip":
        chosen = [at for at in chosen if at > now - LATE_S]
    first_chosen = chosen[0] if chosen else now + 1.0
    missed = [at for at in times if at < first_chosen]
    told = []
    if missed or has_more:
        begin = progress.next_at
        why = "nobody was there to start a run" if missed[-1] <= now - LATE_S else "a later tick was due as well"
        told.append(
            _told(schedule, begin, now, "missed", why=why).model_copy(
                update={"until": missed[-1], "count": len(missed)},
            )
        )
    return [Tick(key=f"{at:.0f}", at=at) for at in chosen], told


def turn(
    schedule: Schedule, progress: Progress, found: Sequence[Tick], now: float, is_busy: bool, paused: str
) -> Progress:
    """What becomes of ticks that were found due, and of those that wait.

    found     oldest first
    is_busy   whether the run that was started last has not ended
    paused    why nothing can be started just now; "" when it can
    """
    assert not progress.going, (schedule.id, progress.going)
    told: list[Firing] = []
    going: list[Tick] = []
    waiting = list(progress.waiting)
    if paused:
        # Said once, and not for each tick: it may be so for months.
        if found and progress.paused != paused:
            told.append(_told(schedule, found[0].at, now, "paused", why=paused))
        found = ()
    for tick in found:
        if schedule.overlap == "allow":
            going.append(tick)
        elif schedule.overlap == "skip":
            is_taken = is_busy or bool(going)
            told += [_told(schedule, tick.at, now, "overlapped", tick, _NOT_ENDED)] if is_taken else []
            going += [] if is_taken else [tick]
        elif len(waiting) < WAITING_MAX:
            waiting.append(tick)
            told += [_told(schedule, tick.at, now, "waiting", tick, _NOT_ENDED)] if is_busy or len(waiting) > 1 else []
        else:
            told.append(_told(schedule, tick.at, now, "overlapped", tick, f"{WAITING_MAX} ticks are waiting already"))
    if waiting and not paused and (not is_busy or schedule.overlap == "allow"):
        # Nothing waits any more once overlaps are allowed; else one goes at a time.
        count = len(waiting) if schedule.overlap == "allow" else 1
        going, waiting = [*waiting[:count], *going], waiting[count:]
    return progress.model_copy(
        update={"going": tuple(going), "waiting": tuple(waiting), "untold": tuple(told), "paused": paused}
    )


def passed(schedule: Schedule, progress: Progress, now: float) -> Progress:
    """The same, with every tick up to now decided on."""
    if progress.next_at is None or progress.next_at > now:
        return progress
    return progress.model_copy(update={"seen": now, "next_at": next_tick(schedule, now)})


_NOT_ENDED = "the run before it had not ended"


def _newest(
    rule: Recurrence | Cron, schedule: Schedule, progress: Progress, now: float, most: int
) -> tuple[list[float], bool]:
    """The newest ticks that nobody has decided on, ascending, enough of them to tell how many were missed."""
    assert progress.next_at is not None
    times, has_more = last_firings(rule, schedule.anchor_at, progress.next_at, now, most + COUNTED_MAX)
    # What was counted on comes first, also where it is no time of the rule: the anchor, for a run at once.
    return ([progress.next_at, *times] if not has_more else times), has_more


def _told(
    schedule: Schedule, at: float, now: float, outcome: Outcome, tick: Tick | None = None, why: str = ""
) -> Firing:
    changed = tick.changed if tick else ()
    return Firing(schedule=schedule.id, at=at, decided_at=now, outcome=outcome, why=why, changed=changed)
