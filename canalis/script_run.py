"""The run of a script that was submitted alone. The service has a run of one step; an author sees that step as the run.

Source   reference sections 13 and 17
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from canalis.pipeline_run import StepRun
from canalis.run import Run


class ScriptRun(StepRun):
    """The run of a script that was submitted alone; inside the script Run.get_context() has the same id."""

    @property
    def parent(self) -> Run | None:
        """The step that has submitted it, if one has."""
        parent = self._whole()["parent"]
        return Run.get(self.experiment.workspace, parent) if parent else None

    @property
    def number(self) -> int:
        """Which run of its experiment it is, from 1 on."""
        return int(self._whole()["number"])

    def get_status(self) -> str:
        """How it stands, in the words of plain runs: Queued, Running, Completed, Failed, Canceled..."""
        return self.status

    def wait_for_completion(  # type: ignore[override]
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> dict[str, Any]:
        """Wait until it has ended; its details. Raises ActivityFailedException when it failed."""
        self._wait(show_output, None, raise_on_error)
        return self.get_details()

    def cancel(self) -> None:
        """Stop it."""
        self._client.post(f"/runs/{quote(self.pipeline_run_id)}/cancel")

    def _type_in(self, view: dict[str, Any]) -> str:
        return "azureml.scriptrun"

    def _tags_in(self, view: dict[str, Any]) -> dict[str, str]:
        return dict(view["tags"])  # an author knows no step and no pipeline here

    def _whole(self) -> dict[str, Any]:
        view: dict[str, Any] = self._client.get(f"/runs/{quote(self.pipeline_run_id)}")
        return view

    def __repr__(self) -> str:
        return f"ScriptRun(Experiment: {self.experiment.name}, Id: {self.id})"
