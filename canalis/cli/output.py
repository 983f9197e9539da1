"""How the command line looks: tables and a live tree on a terminal, plain lines where output is piped."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from canalis.cli.segments import brief
from canalis.telling import aligned, duration, label, not_begun, origin, progress_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from canalis.client import Client
    from canalis.workspace import Workspace

_TREE_STEPS_MAX = 200
_REFRESH_S = 0.5
_STYLE = {
    "Completed": ("green", "✓"),
    "Failed": ("red", "✗"),
    "Canceled": ("yellow", "-"),
    "Running": ("cyan", "▸"),
    "Preparing": ("cyan", "▸"),
    "Finalizing": ("cyan", "▸"),
    "CancelRequested": ("yellow", "▸"),
    "Queued": ("blue", "·"),
    "NotStarted": ("dim", "·"),
}


class Shown:
    """A run that is shown: what has to be read for it."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self._edges: dict[str, list[str]] | None = None

    def read(self) -> dict[str, Any]:
        """The run, its steps, and which step runs after which."""
        run = self._client.get(f"/runs/{quote(self._name)}")
        if run["kind"] == "step":
            of = self._client.get(f"/runs/{run['run_id']}")
            return {"run": run, "steps": [run], "after": {}, "of": of}
        identity = quote(run["id"])
        if self._edges is None:
            self._edges = _edges(self._client.get(f"/runs/{identity}/graph"))
        return {"run": run, "steps": self._client.get(f"/runs/{identity}/steps"), "after": self._edges}

    def figures(self, noun: str, run: dict[str, Any]) -> dict[str, Any]:
        """The `times` or the `cost` of a run; of the run it belongs to, for a step."""
        found: dict[str, Any] = self._client.get(f"/runs/{quote(run.get('run_id') or run['id'])}/{noun}")
        return found


def print_json(value: Any) -> None:
    """JSON, for programs."""
    print(as_json_text(value))


def as_json_text(value: Any) -> str:
    """A value as text for programs."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def prints_aside(is_aside: bool) -> AbstractContextManager[object]:
    """Within, what is printed goes to stderr when stdout is for something else."""
    return contextlib.redirect_stdout(sys.stderr) if is_aside else contextlib.nullcontext()


def print_runs(views: list[dict[str, Any]], is_filtered: bool) -> None:
    """Runs as a table. `is_filtered` says whether there may be others."""
    rows = [
        (
            view["id"][:8],
            view["experiment"],
            view["run_status_v1"],
            _steps(view),
            _ago(view["submitted_at"]),
            duration((view["ended_at"] or time.time()) - view["submitted_at"]),
        )
        for view in views
    ]
    if rows:
        table(("run", "experiment", "status", "steps done", "submitted", "took"), rows)
    elif is_filtered:
        print("No runs match. `canalis runs` lists all.")
    else:
        print("No runs yet. `canalis run SCRIPT` runs a pipeline, `canalis demo` the example.")


def print_computes(found: list[dict[str, Any]]) -> None:
    """Compute targets as a table."""
    rows = [
        (one["name"], str(one.get("type", "")), "no limit" if "settings" in one else str(one.get("max_nodes", 1)))
        for one in found
    ]
    if rows:
        table(("compute", "type", "steps at once"), rows)
    else:
        print("No compute targets. Steps that name none run on this machine.")


def print_run(found: dict[str, Any]) -> None:
    """A run and its steps."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console(highlight=False).print(_drawn(found))
    else:
        print(title(found["run"], found["steps"]))
        rows = [
            (label(step), step["run_status_v1"], _took(step), brief(step), _says(step, found.get("of", found["run"])))
            for step in found["steps"]
        ]
        print("\n".join(aligned(rows)))
    of = found.get("of", found["run"])
    for where in dict.fromkeys(origin(of, step) for step in found["steps"] if step["error"]):
        if where:
            print(where)
    for attempt in found["run"].get("earlier", ()):
        print(_earlier(attempt))


def print_logs(logs: list[tuple[str, str]]) -> None:
    """The logs of some steps, each under its name when there are several."""
    for name, text in logs:
        if len(logs) > 1:
            print(f"==> {name} <==")
        print(text, end="" if text.endswith("\n") or not text else "\n")


def watch(shown: Shown) -> None:
    """A run and its steps, drawn anew until it has ended; where output is piped, each change on a line of its own."""
    found = shown.read()
    if not sys.stdout.isatty():
        if not _has_ended(found):
            print(title(found["run"], found["steps"]), flush=True)
        told: dict[str, str] = {}
        while not _has_ended(found):
            for step in found["steps"]:
                status = step["run_status_v1"]
                if status != told.get(step["node"], "NotStarted"):
                    print(f"{label(step)} is {status}", flush=True)
                told[step["node"]] = status
            time.sleep(_REFRESH_S)
            found = shown.read()
        print_run(found)
        return
    from rich.live import Live

    with Live(_drawn(found), auto_refresh=False) as live:
        while not _has_ended(found):
            time.sleep(_REFRESH_S)
            found = shown.read()
            live.update(_drawn(found), refresh=True)


def print_demo(
    workspace: Workspace,
    view: dict[str, Any],
    steps: list[dict[str, Any]],
    metrics: dict[str, dict[str, Any]],
    link: str,
) -> None:
    """What the example has found, where its files lie, and the link that opens the portal."""
    print()
    rows = [
        (
            step["name"],
            step["run_status_v1"],
            "reused" if step["kept_from"] else _took(step),
            _numbers(metrics[step["name"]]),
        )
        for step in steps
    ]
    table(("step", "status", "took", "metrics"), rows)
    root, command = workspace._root, _this_command()
    made_by = (steps[-1]["kept_from"] or view["id"]).partition(".")[0]
    files, data = f"artifacts/{made_by}", "workspaceblobstore/azureml"
    print(f"""
The run   {view["id"]}: {view["run_status_v1"]}
Files     {root / "blobs" / files if root else f"`{command} download {view['id'][:8]}` copies them here"}
Data      {root / "datastores" / data if root else f"datastore {data}"}

Next      {command} runs                   what ran here
          {command} show {view["id"][:8]}          its steps
          {command} logs {view["id"][:8]}          what they printed
          {command} run my_pipeline.py     your own v1 script, as it is
          {command} open                   the portal, signed in

The portal, for one browser within fifteen minutes:
{link}""")


def _this_command() -> str:
    """How to call the command line from here: by its name, where the shell finds it under that."""
    called = Path(sys.orig_argv[1]).absolute()  # sys.argv is the script's by now
    found = shutil.which("canalis")
    if found is not None and Path(found).resolve() == called.resolve():
        return "canalis"
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)


def _drawn(found: dict[str, Any]) -> RenderableType:
    from rich.text import Text
    from rich.tree import Tree

    run, steps = found["run"], found["steps"]
    of = found.get("of", run)  # of a step's run, the run that it belongs to
    tree = Tree(Text(title(run, steps)))
    shown = steps
    if len(steps) > _TREE_STEPS_MAX:  # nobody reads ten thousand lines: what goes on or went wrong is left
        shown = [step for step in steps if step["run_status_v1"] not in ("Completed", "NotStarted", "Queued")]
        shown = shown[:_TREE_STEPS_MAX]
    branches: dict[str, Tree] = {}
    for step in shown:
        before = [name for name in found["after"].get(step["node"], ()) if name in branches]
        parent = branches[before[-1]] if before else tree
        branches[step["node"]] = parent.add(_step_text(step, before[:-1], of))
    if len(shown) < len(steps):
        tree.add(Text(f"and {len(steps) - len(shown)} steps more", style="dim"))
    return tree


def _step_text(step: dict[str, Any], also_after: list[str], run: dict[str, Any]) -> Any:
    from rich.text import Text

    style, sign = _STYLE.get(step["run_status_v1"], ("", "?"))
    also = f"(and after {', '.join(also_after)})" if also_after else ""
    said = [(f"  {part}", "dim") for part in (_took(step), brief(step), also, _says(step, run)) if part]
    return Text.assemble((f"{sign} ", style), (label(step), "bold"), (f"  {step['run_status_v1']}", style), *said)


def _edges(graph: dict[str, Any]) -> dict[str, list[str]]:
    """For each step, the steps that it waits for."""
    found = {}
    for node in graph["nodes"]:
        by_data = [port["source"]["node"] for port in node["inputs"] if port["source"]["kind"] == "step"]
        found[node["key"]] = list(dict.fromkeys([*by_data, *node["after"]]))
    return found


def title(run: dict[str, Any], steps: Sequence[dict[str, Any]] = ()) -> str:
    """A run or a step in a line: how it stands, and what went wrong."""
    if run["kind"] == "step":
        attempt = f", attempt {run['attempt']}" if run["attempt_now"] > 1 else ""
        return f"Step {label(run)} of run {run['run_id']}{attempt}: {run['run_status_v1']}"
    took = duration((run["ended_at"] or time.time()) - run["submitted_at"])
    error = f"\n{run['error']['message']}" if run.get("error") else ""
    attention = f"\nNeeds somebody's help: {run['attention']}" if run["attention"] else ""
    before = f"\nGoes on from run {run['resumed_from']}" if run["resumed_from"] else ""
    after = f"\nResumed as run {', '.join(run['resumed_by'])}" if run["resumed_by"] else ""
    return (
        f"Run {run['id']} of {run['experiment']}, {progress_line(run, steps)}, {took}{before}{after}{error}{attention}"
    )


def _says(step: dict[str, Any], run: dict[str, Any]) -> str:
    why = not_begun(step, run)
    if why:
        return why
    if step["error"]:
        return str(step["error"]["message"])
    if step["kept_from"]:
        return f"kept from run {step['kept_from'].partition('.')[0]}"
    return f"waits for {', '.join(step['waits_for'])}" if step["waits_for"] else ""


def _earlier(attempt: dict[str, Any]) -> str:
    """An attempt that a later one has taken the place of, and where to read more of it."""
    why = f": {attempt['error']['message']}" if attempt["error"] else ""
    return f"Attempt {attempt['attempt']} {attempt['outcome'].replace('_', ' ')}{why} (canalis logs {attempt['id']})"


def _took(step: dict[str, Any]) -> str:
    if not step["started_at"]:
        return ""
    return duration((step["ended_at"] or time.time()) - step["started_at"])


def _steps(view: dict[str, Any]) -> str:
    steps = view["steps"]
    return f"{steps.get('succeeded', 0) + steps.get('reused', 0)}/{sum(steps.values())}"


def _ago(seconds: float) -> str:
    return f"{duration(time.time() - seconds)} ago"


def _numbers(metrics: dict[str, Any]) -> str:
    shown = []
    for name, value in metrics.items():
        if isinstance(value, (int, float)):
            shown.append(f"{name} {value:.4g}")
        elif isinstance(value, str) and not value.startswith("aml://"):
            shown.append(f"{name} {value}")
    return ", ".join(shown)


def _has_ended(found: dict[str, Any]) -> bool:
    return found["run"]["run_status_v1"] in ("Completed", "Failed", "Canceled")


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table: in colours on a terminal, plain elsewhere."""
    if not sys.stdout.isatty():
        print("\n".join(aligned([columns, *rows])))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLE.get(cell, ("", ""))[0]) for cell in row))
    Console(highlight=False).print(table)
