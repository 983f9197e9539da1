"""What an author asks of a schedule, as the service is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from canalis.recurrence import Cron, ScheduleRecurrence
from canalis.submission import as_json, values_of

POLLING_MINUTES = 5

_POLICIES = ("missed", "missed_max", "overlap")
_OF_A_WATCH = ("batch", "quiet_minutes", "subfolders")
_WITHOUT_MEANING = ("_workflow_provider", "_service_endpoint")


class Watch(NamedTuple):
    """A datastore, or its name, whose changes start runs; as v1's arguments say it."""

    datastore: Any = None
    polling_minutes: int | None = None
    parameter: str | None = None
    path: str | None = None


def terms_of(
    name: str,
    description: str | None,
    experiment: str,
    parameters: dict[str, Any] | None,
    continues: bool | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """How runs are started. Raises ValueError for an option that no schedule has."""
    unknown = options.keys() - {*_POLICIES, *_OF_A_WATCH, *_WITHOUT_MEANING}
    if unknown:
        raise ValueError(f"A schedule has no parameter {', '.join(sorted(unknown))}")
    return {
        "name": name,
        "description": description or "",
        "experiment": experiment,
        "parameters": as_json(values_of(parameters)),
        "continue_on_step_failure": continues,
        **policies_of(options),
    }


def policies_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """What becomes of ticks that come at a bad time, as far as it was said."""
    return {name: options[name] for name in _POLICIES if options.get(name) is not None}


def trigger_of(recurrence: Any, watch: Watch, options: Mapping[str, Any]) -> dict[str, Any]:
    """What starts runs. Raises ValueError for none or both, and for a datastore that cannot be watched."""
    store = watch.datastore
    if (recurrence is None) == (store is None):
        raise ValueError("A schedule needs either a recurrence or a datastore to watch, and not both")
    if store is None:
        if not isinstance(recurrence, (ScheduleRecurrence, Cron)):
            raise ValueError(f"A recurrence is a ScheduleRecurrence or a Cron, not {recurrence!r}")
        return recurrence._rule.model_dump(mode="json")
    kind = getattr(store, "datastore_type", "AzureBlob")
    if kind != "AzureBlob":
        raise ValueError(f"Datastore '{store.name}' is of type {kind}: only an AzureBlob datastore can be watched")
    named = store if isinstance(store, str) else store.name
    return {"kind": "changes", "datastore": named, **_said_of(watch, options)}


def changed_trigger(
    before: Mapping[str, Any], recurrence: Any, watch: Watch, options: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What starts runs from now on, with what was said of a datastore before; None when nothing of it was said."""
    if recurrence is not None or before["kind"] != "changes":
        is_said = recurrence is not None or watch.datastore is not None
        return trigger_of(recurrence, watch, options) if is_said else None
    said = _said_of(watch, options)
    if watch.datastore is not None:
        return dict(before) | trigger_of(None, watch, options)
    return dict(before) | said if said else None


def _said_of(watch: Watch, options: Mapping[str, Any]) -> dict[str, Any]:
    given = {
        "path": watch.path,
        "polling_minutes": watch.polling_minutes,
        "parameter": watch.parameter,
        **{name: options[name] for name in _OF_A_WATCH if name in options},
    }
    return {name: value for name, value in given.items() if value is not None}
