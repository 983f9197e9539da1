"""RunDetails: a run shown in a notebook, or as text where there is none."""

from __future__ import annotations

import html
import sys
import time
from typing import Any

from canalis.run import Run
from canalis.telling import aligned, duration, label, not_begun, progress_line

_COLUMNS = ("step", "status", "attempt", "started", "took", "compute", "says")


class RunDetails:
    """How a run stands, step by step."""

    def __init__(self, run_instance: Run) -> None:
        self._run = run_instance

    def show(self, render_lib: Any = None, widget_settings: Any = None) -> None:
        """Show it as it stands now: a table in a notebook, text elsewhere."""
        view = self._run._view()
        steps = _steps(self._run, view)
        rows = [_row(step, view) for step in steps]
        if _in_notebook():
            from IPython.display import HTML, display

            display(HTML(_html(_title(view, steps), rows)))
        else:
            print("\n".join([_title(view, steps), *aligned([_COLUMNS, *rows])]))

    def get_widget_data(self, widget_settings: Any = None) -> dict[str, Any]:
        """What is shown, as data."""
        view = self._run._view()
        return {"run": view, "steps": _steps(self._run, view)}


def _steps(run: Run, view: dict[str, Any]) -> list[dict[str, Any]]:
    if view["kind"] == "step":
        return [view]
    found: list[dict[str, Any]] = run._client.get(f"{run._path}/steps")
    return found


def _row(step: dict[str, Any], view: dict[str, Any]) -> tuple[str, ...]:
    started, ended = step["started_at"], step["ended_at"]
    says = not_begun(step, view) if view["kind"] == "pipeline" else ""
    if not says:
        says = step["error"]["message"] if step["error"] else "; ".join(f"waits for {one}" for one in step["waits_for"])
    return (
        label(step),
        step["run_status_v1"],
        str(step["attempt"] or ""),
        time.strftime("%H:%M:%S", time.localtime(started)) if started else "",
        duration((ended or time.time()) - started) if started else "",
        step["compute"] or "this machine",
        says,
    )


def _title(view: dict[str, Any], steps: list[dict[str, Any]]) -> str:
    how = progress_line(view, steps) if view["kind"] == "pipeline" else view["run_status_v1"]
    return f"Run {view['id']} of {view['experiment']} is {how}"


def _html(title: str, rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in _COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<b>{html.escape(title)}</b><table><tr>{head}</tr>{body}</table>"


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and hasattr(shell, "kernel")
