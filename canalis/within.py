"""What the things in a workspace know of each other. The classes themselves stand above or beside one another,
and none imports a class that stands above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from canalis.client import Client


class Within(Protocol):
    """A workspace, as the things in it know it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def location(self) -> str:
        """Its region."""
        ...

    @property
    def datastores(self) -> Mapping[str, Any]:
        """Datastores by name."""
        ...

    @property
    def datasets(self) -> Mapping[str, Any]:
        """Registered datasets by name."""
        ...

    @property
    def compute_targets(self) -> Mapping[str, Any]:
        """Compute targets by name."""
        ...

    def get_details(self) -> dict[str, Any]:
        """What is known of it, as v1 shows it."""
        ...

    def set_default_datastore(self, name: str) -> None:
        """Make another datastore the default."""
        ...

    @property
    def _root(self) -> Path | None:
        """Its folder on this machine; None when it is elsewhere."""
        ...

    @property
    def _client(self) -> Client:
        """The way to its service."""
        ...

    def _run(self, view: dict[str, Any]) -> Any:
        """The run that a view of the service describes, of the class that it is."""
        ...

    def _publish(self, body: dict[str, Any]) -> Any:
        """The published pipeline that is made of a publication."""
        ...

    def _experiment(self, name: str) -> Any:
        """The experiment of that name, made when there is none."""
        ...


class Store(Protocol):
    """A datastore, as references to it know it."""

    @property
    def _lies_here(self) -> bool:
        """Whether its files are in a folder of the workspace, where that is on this machine."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def workspace(self) -> Within:
        """The workspace that it is in."""
        ...


class Kept(Protocol):
    """An experiment, as its runs know it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def workspace(self) -> Within:
        """The workspace that it is in."""
        ...


class Writer(Protocol):
    """A step, as the data that it writes knows it."""

    name: str
