"""The run of a notebook or a script that nobody else runs: it logs, and says itself how it has ended.

Source   reference section 17
"""

from __future__ import annotations

from types import TracebackType
from typing import Any
from urllib.parse import quote

from canalis.answers import asked
from canalis.child_run import ChildRun
from canalis.contract.run import ALONE, INTERACTIVE, StepRunId, new_run_id
from canalis.pipeline_run import PipelineRun, StepRun
from canalis.run import Run
from canalis.script_run import ScriptRun
from canalis.within import Kept, Within

_WORDS_MAX = 5_000  # characters of why it has failed


class InteractiveRun(ScriptRun):
    """A run that goes on until it is completed, failed or cancelled. In a `with` block it ends with the block."""

    def complete(self, _set_status: bool = True) -> None:
        """It has succeeded. Nothing when it has ended already."""
        self._end("completed")

    def fail(self, error_details: Any = None, error_code: Any = None, _set_status: bool = True) -> None:
        """It has failed. Nothing when it has ended already.

        error_details   why: text or an exception
        error_code      a word of one's own for that
        """
        self._end("failed", str(error_details or "")[:_WORDS_MAX], str(error_code or "")[:80])

    def cancel(self) -> None:
        """Stop it. Nothing when it has ended already."""
        self._end("canceled")

    def _end(self, how: str, error: str = "", error_code: str = "") -> None:
        body = {"how": how, "error": error, "error_code": error_code}
        asked(lambda: self._client.post(f"/runs/{quote(self.pipeline_run_id)}/end", body))

    def __enter__(self) -> InteractiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.complete()
        elif issubclass(kind, KeyboardInterrupt):
            self.cancel()
        else:
            self.fail(f"{kind.__name__}: {error}", kind.__name__)

    def __repr__(self) -> str:
        return f"Run(Experiment: {self.experiment.name}, Id: {self.id})"


def begin(workspace: Within, experiment_name: str, display_name: str = "", tags: dict[str, str] | None = None) -> Any:
    """A run that is under way from now on."""
    body = {"experiment": experiment_name, "run_id": new_run_id(), "display_name": display_name, "tags": tags or {}}
    view = asked(lambda: workspace._client.post("/interactive", body))
    return workspace._run(view)


def run_of(experiment: Kept, view: dict[str, Any]) -> Run:
    """The run that a view of the service describes, of the class that it is."""
    if view["kind"] == "step":
        return StepRun(experiment, view["id"], _view=view)
    if view["kind"] == "child":
        made = StepRunId.parse(view["run"])
        assert made is not None, view["id"]
        attempt = f"{made.run_id}.{made.node}.{made.attempt}"  # the first, too: else the current one is meant
        return ChildRun(experiment, view, StepRun(experiment, attempt))
    if ALONE in view["properties"]:
        kind = InteractiveRun if INTERACTIVE in view["properties"] else ScriptRun
        return kind(experiment, f"{view['id']}.{view['properties'][ALONE]}")
    return PipelineRun(experiment, view["id"], _view=view)
