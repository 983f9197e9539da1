"""Registered models, as the service knows them: what is sent to register one, and which of them is meant."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from canalis.answers import of_models
from canalis.contract.models import check_model_name
from canalis.exceptions import WebserviceException
from canalis.filters import has_all, wanted_of
from canalis.within import Within


def register(workspace: Within, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the service keeps of a model under that name. Asked twice, since an answer was lost, it is one version."""
    checked(name)  # here as well: with a slash in it another route would answer
    path = f"/models/{quote(name, safe='')}"
    view: dict[str, Any] = of_models(lambda: workspace._client.post(path, body, key=str(uuid.uuid4())))
    return view


def checked(name: str) -> str:
    """The name itself. Raises WebserviceException when it cannot be that of a model."""
    if not isinstance(name, str):
        raise WebserviceException(f"The name of a model is text, not {name!r}", code="name_invalid")
    return of_models(lambda: check_model_name(name))


def found(workspace: Within, said: str) -> dict[str, Any]:
    """The model of that name in its newest version, or of that `name:version`. Raises WebserviceException."""
    view: dict[str, Any] = of_models(lambda: workspace._client.get(f"/models/{quote(said, safe='')}"))
    return view


def sought(workspace: Within, name: Any, version: Any, identity: Any, **wanted: Any) -> dict[str, Any]:
    """The newest model that is as wanted. Raises WebserviceException when there is none."""
    if version is not None and (isinstance(version, bool) or not str(version).isdecimal()):
        raise WebserviceException(f"{version!r} is no version of a model: use a number", code="not_found")
    if version is not None and not (name or identity):
        raise WebserviceException("A version says which model is meant only with its name", code="not_found")
    said = identity or (f"{name}:{int(version)}" if version is not None else name)
    if said and not any(wanted.values()):
        return found(workspace, str(said))
    views = listed(workspace, name=name, **wanted)
    views = [view for view in views if said in (None, view["id"], view["name"])]
    if not views:
        given = {"name": name, "version": version, "id": identity, **wanted}
        named = ", ".join(f"{key}={value!r}" for key, value in given.items() if value)
        raise WebserviceException(f"There is no model with {named or 'any name'} in this workspace", code="not_found")
    return views[0]


def listed(
    workspace: Within,
    name: str | None = None,
    tags: Any = None,
    properties: Any = None,
    run_id: str | None = None,
    latest: bool = False,
    dataset_id: str | None = None,
    framework: str | None = None,
) -> list[dict[str, Any]]:
    """Models that are as wanted, the newest first. Raises WebserviceException for filters that are none."""
    try:
        wanted_tags, wanted_properties = wanted_of(tags), wanted_of(properties)
    except (TypeError, ValueError) as error:
        raise WebserviceException(f"Filters of models: {error}", error) from error
    query = {"name": name, "run": run_id, "latest": "true" if latest else None}
    views: list[dict[str, Any]] = of_models(lambda: workspace._client.get("/models", **query))
    return [
        view
        for view in views
        if has_all(view["tags"], wanted_tags)
        and has_all(view["properties"], wanted_properties)
        and framework in (None, view["framework"])
        and (dataset_id is None or dataset_id in dataset_ids(view))
    ]


def dataset_ids(view: dict[str, Any]) -> list[str]:
    """Ids of the registered datasets that a model refers to."""
    values = [*(one["dataset"] for one in view["datasets"]), view["sample_input"], view["sample_output"]]
    return [value["registered"]["id"] for value in values if value and value["registered"]]


def words(what: str, given: Any) -> dict[str, str]:
    """Tags or properties as they are kept. Raises WebserviceException for what is none."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise WebserviceException(f"{what} of a model are {{name: value}}, not {given!r:.200}", code="bad_request")
    wrong = [
        f"{name!r}: {value!r:.80}"
        for name, value in given.items()
        if not isinstance(name, str) or isinstance(value, (dict, list, tuple, set, bytes))
    ]
    if wrong:
        raise WebserviceException(
            f"{what} of a model have a text as name, and as value a text or a number; not {', '.join(wrong)}",
            code="bad_request",
        )
    return {name: "" if value is None else str(value) for name, value in given.items()}


def run_of_this_script(workspace: Within) -> str:
    """Id of the step run that this script is, if it is one of that workspace; else ""."""
    context = os.environ.get("CANALIS_CONTEXT")
    facts = json.loads(Path(context).read_text()) if context else {}
    return str(facts["run_id"]) if facts.get("workspace") == workspace.name else ""
