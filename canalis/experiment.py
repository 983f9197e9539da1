"""An experiment: the name under which runs are kept together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from canalis.absent import V1
from canalis.answers import asked
from canalis.contract.errors import NameInvalid
from canalis.exceptions import UserErrorException
from canalis.filters import fits
from canalis.run import listed
from canalis.runconfig import ScriptRunConfig
from canalis.within import Within

if TYPE_CHECKING:
    from canalis.interactive_run import InteractiveRun


class Experiment(V1):
    """Runs under one name; made when there is none of that name. UserErrorException for a name that cannot be."""

    def __init__(self, workspace: Within, name: str, **ignored: Any) -> None:
        if not hasattr(workspace, "_client"):
            raise UserErrorException(f"The first argument of Experiment is a Workspace, not {workspace!r}")
        self.workspace = workspace
        self.name = name
        try:
            workspace._client.put(f"/experiments/{quote(str(name), safe='') or '%20'}")
        except NameInvalid as error:
            raise UserErrorException(error.message, error, error.code) from error

    @classmethod
    def _known(cls, workspace: Within, name: str) -> Experiment:
        """An experiment that is there for sure, without asking."""
        experiment = cls.__new__(cls)
        experiment.workspace = workspace
        experiment.name = name
        return experiment

    @property
    def id(self) -> str:
        """Its identity: the name."""
        return self.name

    def submit(self, config: Any, tags: dict[str, str] | None = None, **kwargs: Any) -> Any:
        """Start a run of a pipeline, a published one, an endpoint or a ScriptRunConfig.

        The other arguments are those of its submit.
        """
        if isinstance(config, ScriptRunConfig):
            from canalis.script_submission import submit_script  # a script that only logs need not wait for all that

            return submit_script(self.workspace, self.name, config, tags)
        if not hasattr(config, "_submit_in"):
            raise UserErrorException(
                f"{type(config).__name__} cannot be submitted yet: put it into a step of a Pipeline",
                code="not_there_yet",
            )
        kwargs.pop("show_output", None)
        return config._submit_in(self.workspace, self.name, tags=tags, **kwargs)

    def start_logging(
        self, *args: Any, outputs: Any = None, snapshot_directory: Any = ".", display_name: str = "", **kwargs: Any
    ) -> InteractiveRun:
        """A run of this script or notebook: it logs, and ends by `complete`, `fail` or `cancel`, or with its `with`.

        No source files are kept with it, and nothing is uploaded by itself.
        """
        from canalis.interactive_run import begin  # a script that only logs need not wait for all that

        run: InteractiveRun = begin(self.workspace, self.name, display_name or "")
        return run

    def get_runs(
        self,
        type: str | None = None,
        tags: Any = None,
        properties: dict[str, str] | None = None,
        include_children: bool = False,
    ) -> Iterator[Any]:
        """Its runs, newest first.

        type   azureml.PipelineRun, azureml.scriptrun, or azureml.StepRun, which takes `include_children`
        tags   a name that must be there, or {name: value} that must fit
        include_children   gives the runs of each one's steps behind it, those that fit
        """
        for top in listed(self.workspace, experiment=self.name):
            for run in (top, *(top.get_children(recursive=True) if include_children else ())):
                if run._fits(tags, properties, type):
                    yield run

    @staticmethod
    def list(
        workspace: Within, experiment_name: str | None = None, view_type: str = "ActiveOnly", tags: Any = None
    ) -> list[Experiment]:
        """The experiments of the workspace, by name.

        view_type   ActiveOnly, ArchivedOnly or All
        tags        a name that must be there, or {name: value} that must fit
        """
        wanted = {"activeonly": (False,), "archivedonly": (True,), "all": (False, True)}.get(str(view_type).lower())
        if wanted is None:
            raise UserErrorException(f"view_type is ActiveOnly, ArchivedOnly or All, not {view_type!r}")
        return [
            Experiment._known(workspace, found["name"])
            for found in workspace._client.get("/experiments")
            if experiment_name in (None, found["name"])
            and ("archived_at" in found) in wanted
            and fits(found.get("tags", {}), tags)
        ]

    @property
    def tags(self) -> dict[str, str]:
        """What it is tagged with."""
        return dict(self._view().get("tags", {}))

    @property
    def archived_time(self) -> datetime | None:
        """When it was archived, in UTC; None for an active one."""
        seconds = self._view().get("archived_at")
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None

    def tag(self, key: str, value: Any = None) -> None:
        """Tag it."""
        self.set_tags({key: "" if value is None else value})

    def set_tags(self, tags: dict[str, Any]) -> None:
        """Tag it with several."""
        self._change({"tags": {str(key): str(value) for key, value in tags.items()}})

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Take tags off, by name."""
        self._change({"tags": dict.fromkeys(tags)})

    def archive(self) -> None:
        """Put it away: it is not listed any more. A run that is submitted to it makes it active again."""
        self._change({"archived": True})

    def reactivate(self, new_name: str | None = None) -> None:
        """Have it listed again. Its name stays: runs are kept under it."""
        if new_name not in (None, self.name):
            raise UserErrorException(f"Experiment '{self.name}' cannot be given another name: runs are kept under it")
        self._change({"archived": False})

    @staticmethod
    def delete(workspace: Within, experiment_id: str) -> None:
        """Delete an experiment with all its runs, or find that it is gone; its id is its name.

        Raises   UserErrorException while one of its runs goes on, and while something outside of it needs one
        """
        asked(lambda: workspace._client.delete(f"/experiments/{quote(str(experiment_id), safe='')}"))

    def get_portal_url(self) -> str:
        """Where its runs are looked at."""
        return f"{self.workspace._client.endpoint.url}/#/experiments/{quote(self.name, safe='')}"

    def refresh(self) -> None:
        """Nothing: what is asked of it is asked of the service."""

    def _view(self) -> dict[str, Any]:
        view: dict[str, Any] = asked(lambda: self.workspace._client.get(f"/experiments/{quote(self.name, safe='')}"))
        return view

    def _change(self, news: dict[str, Any]) -> None:
        asked(lambda: self.workspace._client.patch(f"/experiments/{quote(self.name, safe='')}", news))

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name}, Workspace: {self.workspace.name})"
