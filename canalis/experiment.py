"""An experiment: the name under which runs are kept together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from canalis.absent import V1
from canalis.contract.errors import NameInvalid
from canalis.exceptions import UserErrorException
from canalis.filters import fits
from canalis.within import Within

_PAGE = 100


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
        """Start a run of a pipeline. The other arguments are those of Pipeline.submit."""
        if not hasattr(config, "submit"):
            raise UserErrorException(
                f"{type(config).__name__} cannot be submitted yet: put it into a step of a Pipeline",
                code="not_there_yet",
            )
        kwargs.pop("show_output", None)
        return config.submit(self.name, tags=tags, **kwargs)

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
        before = None
        while True:
            page = self.workspace._client.get("/runs", experiment=self.name, limit=_PAGE, before=before)
            for view in page:
                if fits(view["tags"], tags) and fits(view["properties"], properties):
                    yield self.workspace._run(view)
            if len(page) < _PAGE:
                return
            before = page[-1]["submitted_at"]

    @staticmethod
    def list(workspace: Within) -> list[Experiment]:
        """All experiments of the workspace."""
        return [Experiment(workspace, found["name"]) for found in workspace._client.get("/experiments")]

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name}, Workspace: {self.workspace.name})"
