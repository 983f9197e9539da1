"""RunDetails: a run shown in a notebook, or as text where there is none."""

from __future__ import annotations

import html
import sys
import time
from typing import Any

from canalis.progress import duration, progress_line
from canalis.run import Run

_COLUMNS = ("step", "status", "attempt", "started", "took", "compute", "says")


class RunDetails:
    """How a run stands, step by step."""

    def __init__(self, run_instance: Run) -> None:
        self._run = run_instance

    def show(self, render_lib: Any = None, widget_settings: Any = None) -> None:
        """Show it as it stands now: a table in a notebook, text elsewhere."""
        view = self._run._view()
        rows = [_row(step) for step in _steps(self._run, view)]
        if _in_notebook():
            from IPython.display import HTML, display

            display(HTML(_html(view, rows)))
        else:
            print(_text(view, rows))

    def get_widget_data(self, widget_settings: Any = None) -> dict[str, Any]:
        """What is shown, as data."""
        view = self._run._view()
        return {"run": view, "steps": _steps(self._run, view)}


def _steps(run: Run, view: dict[str, Any]) -> list[dict[str, Any]]:
    if view["kind"] == "step":
        return [view]
    found: list[dict[str, Any]] = run._client.get(f"{run._path}/steps")
    return found


def _row(step: dict[str, Any]) -> tuple[str, ...]:
    started, ended = step["started_at"], step["ended_at"]
    says = step["error"]["message"] if step["error"] else "; ".join(f"waits for {one}" for one in step["waits_for"])
    return (
        step["name"],
        step["run_status_v1"],
        str(step["attempt"] or ""),
        time.strftime("%H:%M:%S", time.localtime(started)) if started else "",
        duration((ended or time.time()) - started) if started else "",
        step["compute"] or "this machine",
        says,
    )


def _title(view: dict[str, Any]) -> str:
    how = progress_line(view) if view["kind"] == "pipeline" else view["run_status_v1"]
    return f"Run {view['id']} of {view['experiment']} is {how}"


def _text(view: dict[str, Any], rows: list[tuple[str, ...]]) -> str:
    table = [_COLUMNS, *rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([_title(view), *lines])


def _html(view: dict[str, Any], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in _COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<b>{html.escape(_title(view))}</b><table><tr>{head}</tr>{body}</table>"


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and hasattr(shell, "kernel")
