"""Figures about a run: where its time went, and what it cost in operations and messages."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from canalis.cli import output
from canalis.cli.segments import SIGNS, bar, words
from canalis.contract.times import SEGMENTS
from canalis.telling import duration

_PATH_NAMED_MAX = 20


def print_shown(found: dict[str, Any]) -> None:
    """A run and its steps, or the figures about it that were asked for; a step always with its segments."""
    is_step = found["run"]["kind"] == "step"
    if is_step or not {"times", "cost"} & found.keys():
        output.print_run(found)
    else:
        print(output.title(found["run"]))
    if is_step:
        print_segments(found["run"])
    elif "times" in found:
        print_times(found["steps"], found["times"])
    if "cost" in found:
        print_cost(found["cost"])


def print_times(steps: Sequence[dict[str, Any]], found: dict[str, Any]) -> None:
    """Each step's segments in seconds, and the chain of steps that the run had to wait for."""
    used = [segment for segment in SEGMENTS if any(segment in step["times"] for step in steps)]
    whole_s = max([found["wall_s"], *(sum(step["times"].values()) for step in steps)])
    rows = [
        (
            step["name"],
            *(_seconds(step["times"].get(segment, 0.0)) for segment in used),
            _seconds(sum(step["times"].values())),
            bar(step["times"], whole_s),
        )
        for step in steps
    ]
    output.table(("step", *map(words, used), "wall", "from submission to end"), rows)
    print("The bars: " + ", ".join(f"{SIGNS[segment]} {words(segment)}" for segment in used))
    names = [step["name"] for step in found["path"]]
    more = len(names) - _PATH_NAMED_MAX
    shown = [*names[: _PATH_NAMED_MAX // 2], f"({more} more)", *names[-_PATH_NAMED_MAX // 2 :]] if more > 0 else names
    print(f"\nCritical path: {' > '.join(shown)}")
    print("\n".join(_said(found["times"], found["wall_s"])))


def print_segments(step: Mapping[str, Any]) -> None:
    """Where the time of one step went, in words."""
    print("\n".join(_said(step["times"], sum(step["times"].values()))))
    if step["waits_since"] is not None:
        since = duration(time.time() - step["waits_since"])
        print(f"It waits for {', '.join(step['waits_for'])}, for {since} now")


def _said(times: Mapping[str, float], whole_s: float) -> list[str]:
    parts = [(seconds, f"{words(name)}: {SEGMENTS.get(name, name)}") for name, seconds in times.items()]
    return [f"{_seconds(seconds):>10} s  {said}" for seconds, said in parts] + [f"{_seconds(whole_s):>10} s  in all"]


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds else "-"


def print_cost(found: Mapping[str, Any]) -> None:
    """What a run cost in operations and messages, by kind."""
    steps = max(1, found["steps"])
    rows = [
        (line["kind"], line["sort"], str(line["calls"]), str(line["counted"]), f"{line['counted'] / steps:.2f}")
        for line in found["kinds"]
    ]
    totals = ("table_operations", "blob_operations", "messages")
    rows += [("all", words(total), "", str(found[total]), f"{found[total] / steps:.2f}") for total in totals]
    output.table(("kind", "counted as", "calls", "counted", "per step"), rows)
    if not found["is_final"]:
        print("The run has not ended, and these figures will grow")
