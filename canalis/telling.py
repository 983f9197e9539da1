"""How runs and steps stand, in words and lines for people."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

SOURCES = "canalis.sources"  # property of a run: which folder each of its snapshots was made of, as JSON


def progress_line(view: dict[str, Any], each: Sequence[dict[str, Any]] = ()) -> str:
    """How far a run is, in one line. With a view of each of its steps, those in work are told by what they do.

    >>> progress_line({"status": "running", "steps": {"waiting": 2, "started": 1, "succeeded": 3}})
    'running: 3 of 6 steps done, 1 in work, 2 waiting'
    """
    steps = view["steps"]
    done = sum(steps.get(word, 0) for word in ("succeeded", "reused"))
    parts = [f"{done} of {sum(steps.values())} steps done"]
    counts = Counter({"in work": sum(steps.get(word, 0) for word in ("started", "recalled", "stopping"))})
    if each:
        words = {"CancelRequested": "stopping"}
        counts = Counter(
            words.get(step["run_status_v1"], step["run_status_v1"].lower()) for step in each if step["phase"]
        )
    counts["waiting"] = sum(steps.get(word, 0) for word in ("waiting", "ready"))
    parts += [f"{count} {name}" for name, count in counts.items() if count]
    parts += [f"{steps[word]} {word}" for word in ("failed", "cancelled", "skipped") if steps.get(word)]
    return f"{view['status']}: {', '.join(parts)}"


def not_begun(step: dict[str, Any], run: dict[str, Any]) -> str:
    """Why a step of that run never began; "" for one that did, or still may."""
    if step["run_status_v1"] != "Canceled" or step["started_at"]:
        return ""
    if run["status"] in ("cancelling", "cancelled") or not run["error"]:
        return "not begun: the run was cancelled"
    if run["continue_on_step_failure"]:
        return "not begun: a step before it failed"
    return f"not begun: step {run['error']['step'].split('.')[1]} failed"


def label(step: dict[str, Any]) -> str:
    """A step's name, with its key where that tells it from another step of the name.

    >>> [label({"name": "train", "node": key}) for key in ("train", "train_2")]
    ['train', 'train (train_2)']
    """
    number = re.search(r"_\d+$", step["node"])
    is_told = number is None or re.sub(r"\W", "_", step["name"]).endswith(number[0])
    return str(step["name"]) if is_told else f"{step['name']} ({step['node']})"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, with each column as wide as its longest cell but the last.

    >>> aligned([("step", "took"), ("a", "1.2 s")])
    ['step  took', 'a     1.2 s']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def kept_word(step: dict[str, Any]) -> str:
    """Which run's step stands in for a step."""
    return f"{label(step)} was kept from run {step['kept_from'].partition('.')[0]}"


def step_word(step: dict[str, Any], with_error: bool = True) -> str:
    """How a step ended, in one line."""
    took = ""
    if step["started_at"] and step["ended_at"]:
        took = f" after {duration(step['ended_at'] - step['started_at'])}"
    if with_error and step["error"] and step["run_status_v1"] == "Failed":
        return f"{label(step)} failed{took}: {step['error']['message']}"
    word = {"Completed": "finished", "Failed": "failed"}.get(step["run_status_v1"], "cancelled")
    return f"{label(step)} {word}{took}"


def last_word(view: dict[str, Any]) -> str:
    """How a run or step ended, in one line."""
    if view["kind"] == "step":
        return step_word(view)
    took = duration((view["ended_at"] or time.time()) - view["submitted_at"])
    word = {"Completed": "is completed", "Failed": "has failed", "Canceled": "is cancelled"}[view["run_status_v1"]]
    error = f": {view['error']['message']}" if view.get("error") else ""
    return f"Run {view['id']} {word} after {took}{error}"


def duration(seconds: float) -> str:
    """A duration for people.

    >>> [duration(s) for s in (0.04, 3.21, 75, 3700, 90000)]
    ['0.0 s', '3.2 s', '1 min 15 s', '1 h 1 min', '25 h 0 min']
    """
    if seconds < 60:
        return f"{max(0.0, seconds):.1f} s"
    minutes = int(seconds) // 60
    return f"{minutes} min {int(seconds) % 60} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def origin(run: dict[str, Any], step: dict[str, Any]) -> str:
    """Where the files of a step that has failed came from, for its trace names a copy that is gone; "" otherwise."""
    folders = json.loads(run["properties"].get(SOURCES, "{}"))
    folder = folders.get(step["snapshot"])
    if folder is None or not step["error"] or step["error"]["code"] != "script_failed":
        return ""
    return f"It ran in a copy, which is gone; its files are those of {folder}"
