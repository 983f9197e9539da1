"""What of a pipeline would run if it were submitted now, and why. Asked of the service before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from canalis.within import Within

_SAID_MAX = 60  # signs of a value that are shown

_planned: list[list[PlannedStep]] | None = None  # by the script that is run for its plan alone


@dataclass(frozen=True)
class Change:
    """An ingredient of a step that is another one. `before` or `now` is None where there is none of that name."""

    name: str
    before: str | None
    now: str | None

    def __str__(self) -> str:
        return f"{self.name}: {_short(self.before)} -> {_short(self.now)}"


@dataclass(frozen=True)
class PlannedStep:
    """Whether a step would run, and why.

    key           of the step in the graph, which tells steps of the same name apart
    why           one stable word; `said` says it in a sentence (canalis/contract/reasons.py)
    reused_from   id of the step run whose outputs would stand in for it
    changes       every ingredient that differs from the step run `compared_with`, and no other
    """

    name: str
    key: str
    runs: bool
    why: str
    said: str
    reused_from: str | None = None
    compared_with: str | None = None
    changes: tuple[Change, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.key}: {self.said}", *(f"  {change}" for change in self.changes)])


def plan_of(workspace: Within, body: Mapping[str, Any]) -> list[PlannedStep]:
    """The plan of a submission, a step in the place of each node."""
    found = workspace._client.post("/plans", body)
    return [planned_step(view) for view in found]


def planned_step(view: Mapping[str, Any]) -> PlannedStep:
    """The step that a view of the service describes."""
    changes = tuple(Change(one["name"], one["before"], one["now"]) for one in view["changes"])
    facts = {name: view[name] for name in ("name", "runs", "why", "said", "reused_from", "compared_with")}
    return PlannedStep(key=view["node"], changes=changes, **facts)


def tell_plan(plan: Sequence[PlannedStep], is_over: bool = False) -> None:
    """Print it for people, of a run that there is not yet, or that there has been."""
    count = sum(step.runs for step in plan)
    print(f"{count} of {len(plan)} steps {'were to' if is_over else 'would'} run")
    width = max((len(step.key) for step in plan), default=0)
    for step in plan:
        print(f"  {step.key:{width}}  {step.said}")
        for change in step.changes:
            print(f"  {'':{width}}    {change}")


@contextmanager
def planning() -> Iterator[list[list[PlannedStep]]]:
    """Within, a script that submits a pipeline gets no run: its plan is in the list, and the script is ended there."""
    global _planned
    _planned = []
    try:
        yield _planned
    finally:
        _planned = None


def stop_if_planning(workspace: Within, body: Mapping[str, Any]) -> None:
    """Where a script is run for its plan alone, make that and end the script."""
    if _planned is not None:
        _planned.append(plan_of(workspace, body))
        raise SystemExit(0)


def _short(value: str | None) -> str:
    if value is None:
        return "none"
    text = json.dumps(value, ensure_ascii=False)[1:-1] or "''"
    return text if len(text) <= _SAID_MAX else f"{text[: _SAID_MAX - 1]}…"
