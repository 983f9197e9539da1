"""Where the outputs of a step lie, and whether anything does."""

from __future__ import annotations

from dataclasses import dataclass

from canalis.contract.graph import DataPathValue, Output
from canalis.contract.parameters import text_in
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
    datastore, path = port.datastore or request.default_datastore, text_in(port.path or "", request.parameters)
    if port.parameter is not None:
        value = request.parameters[port.parameter]
        assert isinstance(value, DataPathValue), (port.parameter, value)
        datastore, path = value.datastore, value.path
    template = tidy(path) or _DEFAULT_PATH[port.style]
    return Place(datastore, template.replace("{run-id}", str(owner)).replace("{output-name}", port.name))


def tidy(path: str) -> str:
    """The same place without empty parts and dots, which no key of a blob can have.

    >>> tidy("/a//./b/"), tidy("./")
    ('a/b', '')
    """
    return "/".join(part for part in path.split("/") if part not in ("", "."))
