"""Where the time of a run went: each step's segments, and the chain of steps that the run had to wait for. Pure.

Nothing is stored for this but a few marks with each attempt. When a step's inputs were there is known from the
ends of the steps before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from canalis.contract.graph import Graph, Settings
from canalis.contract.ports import Attempt, AttemptKey, Document, Run
from canalis.contract.status import StepStatus
from canalis.contract.times import CAPACITY, EARLIER_ATTEMPTS, FINISHING, INPUTS, QUEUE, REST, SEGMENTS, USER_CODE, Mark


def split(marks: Sequence[Mark], end: float) -> dict[str, float]:
    """Seconds by segment from the first mark to `end`. None is negative, and the sum is what lies between.

    A clock that was set back shows as marks out of order. Such a mark counts as set when the one before it was.

    >>> split([("queue", 10.0), ("user_code", 12.0), ("finishing", 11.0)], 15.0)
    {'queue': 2.0, 'user_code': 0.0, 'finishing': 3.0}
    """
    times: dict[str, float] = {}
    ordered = in_order(marks, end)
    for (segment, begun), (_, over) in zip(ordered, [*ordered[1:], ("", ordered[-1][1])], strict=True):
        times[segment] = times.get(segment, 0.0) + over - begun
    last, begun = ordered[-1]
    times[last] += max(end, begun) - begun
    return times


def in_order(marks: Iterable[Mark], end: float) -> list[Mark]:
    """The marks with no step backwards in time; without those after `end`, but always with the first."""
    found: list[Mark] = []
    for segment, at in marks:
        if not found:
            found.append((segment, at))
        elif at <= end:
            found.append((segment, max(found[-1][1], at)))
    return found


def marks_of(
    submitted_at: float, ready_at: float | None, attempts: Sequence[Document], settings: Settings
) -> list[Mark]:
    """Which segment of a step began when.

    ready_at   when the last of the steps before it had succeeded; None when that has not happened
    attempts   the facts of each attempt, from the first on; {} for one that nobody has taken up
    settings   of the step: how long it rests
    """
    marks: list[Mark] = [(INPUTS, submitted_at)]
    if ready_at is None:
        return marks
    *earlier, last = attempts or [{}]
    begins = ready_at
    for number, facts in enumerate(earlier, start=1):
        over = end_of(facts) or begins
        marks += [(EARLIER_ATTEMPTS, begins), (REST, over)]
        begins = over + settings.rest_s(number)
    return [*marks, (QUEUE, begins), *_within(last)]


def _within(facts: Document) -> list[Mark]:
    """The marks of an attempt from the moment at which a worker took it up."""
    if "claimed_at" not in facts:
        return []
    marks = [(str(segment), float(at)) for segment, at in facts.get("marks", ())]
    if not marks and "started_at" in facts:  # by a worker that sets no marks
        marks.append((USER_CODE, facts["started_at"]))
        marks += [(FINISHING, facts["ended_at"])] if "ended_at" in facts else []
    return [(CAPACITY, float(facts["claimed_at"])), *marks]


def end_of(facts: Document) -> float | None:
    """When the end of an attempt became a part of its run; None when it has not."""
    found = facts.get("heard_at", facts.get("ended_at"))
    return None if found is None else float(found)


class Timeline:
    """The times of a run's steps, named by their place in the graph.

    attempts   at least those of the steps that are asked about and of the steps right before them; all of the
               run's for `critical_path`, and for a step that was skipped
    """

    def __init__(self, run: Run, graph: Graph, attempts: Mapping[AttemptKey, Attempt], now: float) -> None:
        self._run = run
        self._graph = graph
        self._attempts = attempts
        self._now = now

    def account(self, place: int) -> tuple[dict[str, float], Mark]:
        """Seconds by segment, those that took time; and the segment that the step is in, or was in last."""
        end = self.end(place)
        marks = in_order(self.marks(place), end)
        return _rounded(split(marks, end)), marks[-1]

    def times(self, place: int) -> dict[str, float]:
        """Seconds by segment, those that took time."""
        return self.account(place)[0]

    def current(self, place: int) -> Mark:
        """The segment that the step is in, or was in last."""
        return self.account(place)[1]

    def marks(self, place: int) -> list[Mark]:
        """Which of its segments began when."""
        count = self._run.state.attempts[place]
        facts = [self._facts(place, attempt) for attempt in range(1, count + 1)]
        settings = self._graph.nodes[place].settings
        return marks_of(self._run.request.submitted_at, self.ready_at(place), facts, settings)

    def ready_at(self, place: int) -> float | None:
        """When the last of the steps before it had succeeded; None when one has not."""
        before = self.before(place)
        if any(self._run.state.step(earlier) not in (StepStatus.SUCCEEDED, StepStatus.REUSED) for earlier in before):
            return None
        return max((self.end(earlier) for earlier in before), default=self._run.request.submitted_at)

    def end(self, place: int) -> float:
        """When its end became a part of the run; now, while it has not ended."""
        state = self._run.state
        if not state.step(place).is_terminal:
            return self._now
        if state.step(place) is StepStatus.REUSED:
            return self._run.request.submitted_at  # it took no time of this run
        if state.attempts[place]:
            found = end_of(self._facts(place, state.attempts[place]))
            return self._run.updated_at if found is None else found
        if state.step(place) is StepStatus.SKIPPED and place in self._skipped_at:
            return self._skipped_at[place]
        # Nobody wrote down when it was called off; it was over when its run was, at the latest.
        return self._run.ended_at if self._run.ended_at is not None else self._now

    def before(self, place: int) -> list[int]:
        """The steps that it waits for."""
        return [self._graph.places[key] for key in self._graph.nodes[place].predecessors()]

    def critical_path(self) -> list[int]:
        """The steps that the run had to wait for, each one for the one before it, from the first to the last."""
        begun = [place for place, attempts in enumerate(self._run.state.attempts) if attempts]
        path: list[int] = []
        while begun:
            # Of several that ended together, and of those under way, the one that had waited for nothing longest.
            path.append(max(begun, key=lambda place: (self.end(place), -(self.ready_at(place) or 0.0))))
            begun = self.before(path[-1])
        return path[::-1]

    def own_times(self, place: int) -> dict[str, float]:
        """Seconds by segment from the moment at which its inputs were there."""
        return _rounded(self._own(place))

    def path_times(self) -> dict[str, float]:
        """Seconds by segment along the critical path, which together are the run's wall clock."""
        found: dict[str, float] = dict.fromkeys(SEGMENTS, 0.0)
        for place in self.critical_path():
            for segment, seconds in self._own(place).items():
                found[segment] += seconds
        found[FINISHING] += max(0.0, self.wall_s() - sum(found.values()))  # from the last step's end to the run's
        return _rounded(found)

    def wall_s(self) -> float:
        """Seconds from the run's submission to its end, or to now."""
        over = self._run.ended_at if self._run.ended_at is not None else self._now
        return max(0.0, over - self._run.request.submitted_at)

    def _own(self, place: int) -> dict[str, float]:
        times = split(self.marks(place), self.end(place))
        return {segment: seconds for segment, seconds in times.items() if segment != INPUTS}

    def _facts(self, place: int, attempt: int) -> Document:
        found = self._attempts.get(AttemptKey(self._run.run_id, self._graph.nodes[place].key, attempt))
        return found.facts if found else {}

    @cached_property
    def _skipped_at(self) -> dict[int, float]:
        """When each step was given up that waits for one that failed, by place."""
        state = self._run.state
        failed = [place for place in range(len(state.steps)) if state.step(place) is StepStatus.FAILED]
        fell = sorted((self.end(place), place) for place in failed)
        if not fell:
            return {}
        if not self._run.request.continue_on_step_failure:
            return dict.fromkeys(range(len(state.steps)), fell[0][0])
        after: dict[int, list[int]] = {}
        for place in range(len(state.steps)):
            for earlier in self.before(place):
                after.setdefault(earlier, []).append(place)
        found: dict[int, float] = {}
        for at, place in fell:
            ahead = list(after.get(place, ()))
            while ahead:
                skipped = ahead.pop()
                if skipped not in found:
                    found[skipped] = at
                    ahead += after.get(skipped, ())
        return found


def _rounded(times: Mapping[str, float]) -> dict[str, float]:
    """To milliseconds, without what took none."""
    return {segment: found for segment, seconds in times.items() if (found := round(seconds, 3))}
