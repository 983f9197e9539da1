"""What a run was, without what differs from one door to the other: names and places, times, ids."""

from __future__ import annotations

import re
from typing import Any

from canalis.contract.errors import NotFound
from canalis.pipeline_run import PipelineRun
from canalis.run import Run

Event = tuple[object, ...]

_FACTS = ("status", "run_status_v1", "exit_code", "name", "type", "kind")
_FOLDER = re.compile(r"/\S*?/(?=[\w.\-]+(?:['\"\s:,)]|$))")  # all but the last part of an absolute path


def history(run: PipelineRun) -> list[Event]:
    """What the service tells of a run that has ended: the run, its steps in their order, and each attempt of these.

    Steps are in the order of their ends as far as the graph gives one: by how many steps lie before them, and by name.
    """
    view = run._view()
    events: list[Event] = [("run", view["status"], view["run_status_v1"], _plain(run, _error(view)))]
    before = _depths(run)
    ends = {step.name: step._view()["ended_at"] for step in run.get_steps()}
    for step in sorted(run.get_steps(), key=lambda step: (before[step.name], step.name)):
        events += _of_step(run, step)
    waits = [(first, then) for first, then in _edges(run) if ends[first] is not None and ends[then] is not None]
    events += [("after", first, then, ends[first] <= ends[then]) for first, then in sorted(waits)]
    return [*events, ("metrics", "run", sorted(run.get_metrics().items())), ("tags", sorted(run.tags.items()))]


def _of_step(run: PipelineRun, step: Run) -> list[Event]:
    view = step._view()
    facts = tuple(view.get(name) for name in _FACTS)
    found: list[Event] = [("step", *facts, _plain(run, _error(view)), tuple(sorted(step.get_outputs())))]
    for number in range(1, (view.get("attempt") or 0) + 1):
        try:
            attempt = Run.get(run.experiment.workspace, f"{run.id}.{step.name}.{number}")
        except NotFound:  # it was never ordered
            break
        told = attempt._view()
        found.append(("attempt", step.name, number, told["status"], told.get("exit_code"), _plain(run, _error(told))))
        found.append(("log", step.name, number, _plain(run, attempt.get_stdout_log())))
        found.append(("metrics", step.name, number, sorted(attempt.get_metrics().items())))
        found.append(("files", step.name, number, sorted(attempt.get_file_names())))
    return found


def _error(view: dict[str, Any]) -> str:
    error = view.get("error")
    return f"{error['code']}: {error['message']}" if error else ""


def _edges(run: PipelineRun) -> list[tuple[str, str]]:
    """Pairs of steps of which the one waits for the other."""
    graph = run._client.get(f"/runs/{run.id}/graph")
    found = set()
    for node in graph["nodes"]:
        sources = [port["source"]["node"] for port in node["inputs"] if port["source"]["kind"] == "step"]
        found |= {(first, node["key"]) for first in (*sources, *node["after"])}
    return sorted(found)


def _depths(run: PipelineRun) -> dict[str, int]:
    """How many steps lie one behind the other before each step."""
    edges = _edges(run)
    depths = {step.name: 0 for step in run.get_steps()}
    for _ in depths:
        for first, then in edges:
            depths[then] = max(depths[then], depths[first] + 1)
    return depths


def _plain(run: PipelineRun, text: str) -> str:
    """A text without ids and folders."""
    text = text.replace("Terminated\n", "")  # by the shell around a script that began in a new interpreter, not a fork
    return _FOLDER.sub("<folder>/", text.replace(run.id, "<run>"))
