"""What of a pipeline would run if it were submitted now, and why. Asked of the service before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from canalis.client import writes
from canalis.within import Within

_SAID_MAX = 60  # signs of a value that are shown

_KINDS = {
    "models": "model",
    "datasets": "dataset",
    "environments": "environment",
    "computes": "compute target",
    "secrets": "secret",
    "pipelines": "a published pipeline",
    "endpoints": "an endpoint",
    "schedules": "a schedule",
    "drafts": "a draft",
}

_planning: Planning | None = None  # of the script that is run for its plan alone


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


@dataclass
class Planning:
    """What a script that was run for its plan alone has come to.

    plans     of the pipeline that it would have submitted; empty where it submits none
    written   what it has registered, published or uploaded on its way there, which stays
    ended_at  where it was ended, in words; "" where it came to its end
    """

    plans: list[list[PlannedStep]] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    ended_at: str = ""

    def left_out(self, script: str) -> str:
        """In one line, what is not planned and what stays; "" when there is nothing to say."""
        said = []
        if self.ended_at:
            said.append(f"{script} was ended where it {self.ended_at}: what comes after that is not in the plan")
        if self.written:
            said.append(f"What it did before that stays: {', '.join(self.written)}")
        return ". ".join(said)


@contextmanager
def planning() -> Iterator[Planning]:
    """Within, a script that submits a pipeline gets no run: its plan is kept, and the script is ended there."""
    global _planning
    _planning = found = Planning()
    try:
        with writes() as paths:
            yield found
        found.written = [*dict.fromkeys(text for text in map(_written, paths) if text)]
    finally:
        _planning = None


def stop_if_planning(workspace: Within, body: Mapping[str, Any]) -> None:
    """Where a script is run for its plan alone, make that and end the script."""
    if _planning is not None:
        _planning.plans.append(plan_of(workspace, body))
        _planning.ended_at = "submits a pipeline"
        raise SystemExit(0)


def stop_before(what: str) -> None:
    """Where a script is run for its plan alone, end it before it does what there is no plan of."""
    if _planning is not None:
        _planning.ended_at = what
        raise SystemExit(0)


def _written(path: str) -> str:
    """What somebody who wrote at a path of the service has done, in words; "" for what leaves nothing."""
    kind, _, rest = path.strip("/").partition("/")
    name = unquote(rest.partition("/")[0])
    if kind == "datastores" and "/files/" in path:
        return f"files in datastore {name}"
    called = _KINDS.get(kind, "")
    return f"{called} {name}".rstrip() if called else ""


def _short(value: str | None) -> str:
    if value is None:
        return "none"
    text = json.dumps(value, ensure_ascii=False)[1:-1] or "''"
    return text if len(text) <= _SAID_MAX else f"{text[: _SAID_MAX - 1]}…"
