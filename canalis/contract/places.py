"""Where the outputs of a step lie, and whether anything does."""

from __future__ import annotations

from dataclasses import dataclass

from canalis.contract.graph import Output
from canalis.contract.ports import Stores
from canalis.contract.run import RunRequest, StepRunId

_DEFAULT_PATH = {"reference": "azureml/{run-id}/{output-name}", "dataset": "dataset/{run-id}/{output-name}"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where data lies: a path below a datastore."""

    datastore: str
    path: str


def is_written(stores: Stores, place: Place) -> bool:
    """Whether there is a file at that place, or a folder with a file in it. Raises NotFound for a datastore."""
    store = stores.open(place.datastore)
    if place.path and store.info(place.path) is not None:
        return True
    return next(store.list(f"{place.path}/" if place.path else ""), None) is not None


def output_place(request: RunRequest, port: Output, owner: StepRunId) -> Place:
    """Where an attempt's output lies. Pure.

    Source   reference sections 4 and 5: azureml/<step run id>/<name>, dataset/<step run id>/<name>
    """
    template = port.path if port.path is not None else _DEFAULT_PATH[port.style]
    path = template.replace("{run-id}", str(owner)).replace("{output-name}", port.name)
    return Place(port.datastore or request.default_datastore, path.strip("/"))
