"""Following a run: what its steps print, as they print it, and how far it is.

A follower asks the service and tells a display. A display on a terminal draws a line of progress below what is
printed; elsewhere it prints plain lines.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import quote

from canalis.client import Client
from canalis.telling import kept_word, label, last_word, origin, progress_line, step_word

_FIRST_REST_S = 0.05
_LAST_REST_S = 0.5
_NAME_MAX = 24
_NAMED_MAX = 10  # steps that never began, named one by one
_OVERLAP_S = 5.0  # clocks of worker and service may differ a little; what comes twice is told once


class Followed(Protocol):
    """A run, as who follows it knows it."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def _client(self) -> Client:
        """The way to its service."""
        ...


class Display(Protocol):
    """Shows what a follower hears."""

    def line(self, step: str, text: str) -> None:
        """A line that a step printed."""
        ...

    def news(self, text: str) -> None:
        """Something happened."""
        ...

    def progress(self, view: dict[str, Any]) -> None:
        """How far the run is."""
        ...

    def close(self) -> None:
        """Nothing further comes."""
        ...


class PlainDisplay:
    """Lines, for files, pipes and notebooks."""

    def line(self, step: str, text: str) -> None:
        """The step's name before what it printed."""
        print(f"{step[:_NAME_MAX]:<{_NAME_MAX}} | {text}", flush=True)

    def news(self, text: str) -> None:
        """A line of its own."""
        print(text, flush=True)

    def progress(self, view: dict[str, Any]) -> None:
        """Nothing: progress can be read from the news."""

    def close(self) -> None:
        """Nothing to close."""


class TerminalDisplay:
    """The same lines, above one that says how far the run is."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.status import Status

        self._console = Console(highlight=False)
        self._status = Status("", console=self._console)
        self._status.start()

    def line(self, step: str, text: str) -> None:
        """The step's name, dim, before what it printed."""
        from rich.text import Text

        named = (f"{step[:_NAME_MAX]:<{_NAME_MAX}} | ", "dim")
        self._console.print(Text.assemble(named, text), soft_wrap=True)

    def news(self, text: str) -> None:
        """A line of its own."""
        self._console.print(text, markup=False, style="bold", soft_wrap=True)

    def progress(self, view: dict[str, Any]) -> None:
        """The line at the bottom."""
        self._status.update(progress_line(view))

    def close(self) -> None:
        """Take the line away."""
        self._status.stop()


class SilentDisplay:
    """Shows nothing."""

    def line(self, step: str, text: str) -> None:
        """Nothing."""

    def news(self, text: str) -> None:
        """Nothing."""

    def progress(self, view: dict[str, Any]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def display(show_output: bool) -> Display:
    """The display that fits where output goes to."""
    if not show_output:
        return SilentDisplay()
    return TerminalDisplay() if sys.stdout.isatty() else PlainDisplay()


def follow(run: Followed, show_output: bool, timeout_seconds: float | None = None) -> dict[str, Any]:
    """Wait until a run has ended, showing what happens; its view then, or when the time was up."""
    shown = display(show_output)
    give_up = time.monotonic() + timeout_seconds if timeout_seconds is not None else None
    follower = Follower(run, shown, with_logs=show_output)
    try:
        return follower.wait(give_up)
    finally:
        shown.close()


class Follower:
    """Keeps up with one run, of a pipeline or of a step."""

    def __init__(self, run: Followed, shown: Display, with_logs: bool = True) -> None:
        self._client = run._client
        self._id = run.id
        self._shown = shown
        self._with_logs = with_logs
        self._since = 0.0
        self._told: dict[str, str] = {}
        self._logs: dict[str, _Log] = {}

    def wait(self, give_up: float | None = None) -> dict[str, Any]:
        """Follow to the end, or until the monotonic time `give_up`; the run's view then."""
        began = time.monotonic()
        while True:
            view: dict[str, Any] = self._client.get(f"/runs/{quote(self._id)}")
            if view["kind"] == "step" and view["attempt"] == view["attempt_now"]:
                self._id = f"{view['run_id']}.{view['node']}"  # the step, should it be tried again
            has_ended = view["run_status_v1"] in ("Completed", "Failed", "Canceled")
            self._catch_up(view)
            if has_ended:
                self._last_words(view)
                return view
            if give_up is not None and time.monotonic() >= give_up:
                self._shown.news(f"Run {self._id} has not ended in the time that was given; it goes on")
                return view
            # A short run is told of at once; for a long one asking often would only cost.
            time.sleep(min(max(_FIRST_REST_S, (time.monotonic() - began) / 10), _LAST_REST_S))

    def _catch_up(self, view: dict[str, Any]) -> None:
        """Tell everything that has happened since the last time."""
        if not self._with_logs:
            return
        if view["kind"] == "step":
            steps = [view]
        else:
            self._shown.progress(view)
            asked_at = time.time()
            if asked_at < self._since:  # somebody has set the clock back: what ended since then seems to be old
                self._since = 0.0
            steps = self._client.get(f"/runs/{quote(self._id)}/steps", news_since=self._since)
            self._since = asked_at - _OVERLAP_S
            # What was kept did not happen here.
            steps = [step for step in steps if not step["kept_from"]]
        # As one would tell it: what ended first comes first.
        for step in sorted(steps, key=lambda step: step["ended_at"] or float("inf")):
            self._tell_step(step)

    def _last_words(self, view: dict[str, Any]) -> None:
        """What is left to be told of a run that has ended: the steps that never began, and how it ended."""
        if view["kind"] == "step":
            if view["id"] not in self._told:
                self._shown.news(step_word(view))
            return
        never = view["steps"].get("skipped", 0) + view["steps"].get("cancelled", 0)
        if never and self._with_logs:
            steps = self._client.get(f"/runs/{quote(self._id)}/steps")
            names = [label(step) for step in steps if not step["started_at"] and not step["kept_from"]]
            if names:
                more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
                self._shown.news(f"Never began: {', '.join(names[:_NAMED_MAX])}{more}")
        if view["error"] and view["error"]["step"] and self._with_logs:
            where = origin(view, self._client.get(f"/runs/{quote(view['error']['step'])}"))
            if where:
                self._shown.news(where)
        self._shown.news(last_word(view))

    def _tell_step(self, step: dict[str, Any]) -> None:
        identity = step["id"]
        status = step["run_status_v1"]
        if self._told.get(identity) in ("Completed", "Failed", "Canceled") and status == self._told[identity]:
            return
        if (step["started_at"] or step["kept_from"]) and identity not in self._logs:
            again = f" (attempt {step['attempt']})" if step["attempt"] > 1 else ""
            self._shown.news(f"{label(step)} started{again}" if step["started_at"] else kept_word(step))
            # With the number: without it the log would be that of the next attempt, once there is one.
            self._logs[identity] = _Log(self._client, f"{step['run_id']}.{step['node']}.{max(1, step['attempt'])}")
        if identity in self._logs:
            for text in self._logs[identity].new_lines():
                self._shown.line(label(step), text)
        if status in ("Completed", "Failed", "Canceled"):
            if identity in self._logs:
                for text in self._logs[identity].last_line():
                    self._shown.line(label(step), text)
            # Of a run's step the log has told why already, and the run's last word will.
            has_said = self._id == step["run_id"] and identity in self._logs
            self._shown.news(step_word(step, with_error=not has_said))
            self._told[identity] = status


class _Log:
    """The log of a step, read line by line as it grows."""

    def __init__(self, client: Client, step_run_id: str) -> None:
        self._client = client
        self._path = f"/runs/{quote(step_run_id)}/log"
        self._offset = 0
        self._begun = b""

    def new_lines(self) -> Iterator[str]:
        """Whole lines that have come since the last time."""
        while True:
            piece, size, _ = self._client.read_range(self._path, self._offset)
            if size < self._offset:
                self._offset, self._begun = size, b""
                yield "canalis: this log became too long and was cut; `canalis logs` has what is left of it"
            self._offset += len(piece)
            *lines, self._begun = (self._begun + piece).split(b"\n")
            yield from (_text(line) for line in lines)
            if not piece or self._offset >= size:
                return

    def last_line(self) -> Iterator[str]:
        """What is left when no more will come."""
        if self._begun:
            yield _text(self._begun)
            self._begun = b""


def _text(line: bytes) -> str:
    """A line as a terminal may be given it: without what would move its cursor."""
    text = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
    return "".join(sign for sign in text if sign >= " " or sign == "\t")
