"""An experiment: the name under which runs are kept together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from canalis.absent import V1
from canalis.contract.errors import NameInvalid
from canalis.exceptions import UserErrorException
from canalis.filters import fits
from canalis.run import listed
from canalis.runconfig import ScriptRunConfig
from canalis.within import Within


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

    def get_runs(
        self,
        type: str | None = None,
        tags: Any = None,
        properties: dict[str, str] | None = None,
        include_children: bool = False,
    ) -> Iterator[Any]:
        """Its runs, newest first.

        tags   a name that must be there, or {name: value} that must fit
        """
        for run in listed(self.workspace, experiment=self.name):
            view = run._view(allow_old=True)
            if fits(view["tags"], tags) and fits(view["properties"], properties):
                yield run

    @staticmethod
    def list(workspace: Within) -> list[Experiment]:
        """All experiments of the workspace."""
        return [Experiment(workspace, found["name"]) for found in workspace._client.get("/experiments")]

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name}, Workspace: {self.workspace.name})"
