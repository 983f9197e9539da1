"""Registered datasets, as the service knows them: by name, by version, by id."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from canalis.answers import asked
from canalis.contract.datasets import LATEST, check_dataset_name, is_id
from canalis.contract.tables import Registration, Table
from canalis.exceptions import UserErrorException
from canalis.within import Within


class Scenario:
    """v1's words for what a dataset was to a model."""

    TRAINING = "training"
    VALIDATION = "validation"
    INFERENCING = "inferencing"


def register(workspace: Within, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the service keeps of a dataset under that name. Raises UserErrorException."""
    asked(lambda: check_dataset_name(name))  # here as well: with a slash in it another route would answer
    view: dict[str, Any] = asked(lambda: workspace._client.post(f"/datasets/{quote(name, safe='')}", body))
    return view


def registration(name: str, description: str | None, tags: dict[str, str] | None, table: Table | None) -> Registration:
    """What an output shall be registered as. Raises UserErrorException for a name that is none."""
    asked(lambda: check_dataset_name(name))
    parts: dict[str, Any] = {"name": name}
    if description:
        parts["description"] = description
    if tags:
        parts["tags"] = {str(key): str(value) for key, value in tags.items()}
    return Registration(**parts, table=table) if table is not None else Registration(**parts)


def change(workspace: Within, identity: str, asks: dict[str, Any]) -> dict[str, Any]:
    """What the service keeps of a dataset after a change of what is said of it. Raises UserErrorException."""
    view: dict[str, Any] = asked(lambda: workspace._client.patch(f"/datasets/{quote(identity, safe='')}", asks))
    return view


def unregister(workspace: Within, name: str) -> None:
    """Take a name from all its versions."""
    asked(lambda: workspace._client.delete(f"/datasets/{quote(name, safe='')}"))


def by_name(workspace: Within, name: str, version: int | str = LATEST) -> dict[str, Any]:
    """The dataset of that name and version. Raises UserErrorException."""
    if not isinstance(version, (int, str)) or isinstance(version, bool):
        raise UserErrorException(f"{version!r} is no version of a dataset: use a number, or '{LATEST}'")
    path = f"/datasets/{quote(name, safe='')}"
    view: dict[str, Any] = asked(lambda: workspace._client.get(path, version=str(version)))
    return view


def by_id(workspace: Within, identity: str) -> dict[str, Any]:
    """The dataset of that id; in a step also one that the step reads directly. Raises UserErrorException."""
    if not is_id(identity):
        raise UserErrorException(f"'{identity}' is no id of a dataset; Dataset.get_by_name finds one by its name")
    return _of_this_step(identity) or by_name(workspace, identity)


def _of_this_step(identity: str) -> dict[str, Any] | None:
    """What the step that this script is reads directly under that id; v1 keeps datasets that have no name, too."""
    context = os.environ.get("CANALIS_CONTEXT")
    inputs = json.loads(Path(context).read_text())["inputs"] if context else {}
    for port in inputs.values():
        if port["mode"] == "direct" and port["path"] == identity and "dataset" not in port:
            places = [{"datastore": datastore, "path": path} for datastore, path in port["places"]]
            return {"places": places, "table": port.get("table")}
    return None
