"""What a node asks of a service that is none of the machines that run scripts, and which compute targets are such."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field, JsonValue

from canalis.contract.parts import Kinded

DATABRICKS = "databricks"
TRANSFER = "transfer"


class ServiceWork(Kinded):
    """Ask a service to do something. What it is asked in full, the backend of that name alone understands.

    service   the kind of service
    asked     what is the same in every run of the graph; what is not stands in the node's arguments and parameters
    script    the file of the snapshot that is asked for, if there is one
    """

    kind: Literal["service"] = "service"
    service: str
    asked: dict[str, JsonValue] = Field(default_factory=dict)
    script: str | None = None


class Target(NamedTuple):
    """What a type of compute target is to the service.

    backend   that has its steps
    works     kinds of work that it takes
    """

    backend: str
    works: tuple[str, ...]


# By v1's word for the type. Every other type is a pool of the machines that run scripts.
TARGETS: dict[str, Target] = {
    "Databricks": Target(DATABRICKS, (DATABRICKS,)),
    "DataFactory": Target(TRANSFER, (TRANSFER,)),
}
SCRIPTS = ("python", "command")  # kinds of work that the machines of the service take


def kind_of(work: Kinded) -> str:
    """The kind of a node's work: python, command, or the service that is asked."""
    return work.service if isinstance(work, ServiceWork) else str(work.kind)  # type: ignore[attr-defined]
