"""Which of several runs, models or experiments a caller means."""

from __future__ import annotations

from typing import Any


def fits(there: dict[str, str], wanted: Any) -> bool:
    """Whether tags or properties are as wanted: a name that must be there, or {name: value} that must fit.

    >>> fits({"a": "1"}, None), fits({"a": "1"}, "a"), fits({"a": "1"}, {"a": "2"})
    (True, True, False)
    """
    if not wanted:
        return True
    if isinstance(wanted, str):
        return wanted in there
    return all(there.get(name) == value for name, value in dict(wanted).items())


def type_of(view: dict[str, Any]) -> str:
    """v1's word for the kind of the run that a view of the service describes."""
    if view["kind"] == "pipeline":
        return "azureml.PipelineRun"
    return "azureml.ReusedStepRun" if view["kept_from"] else "azureml.StepRun"


def is_of(kind: str, wanted: str | None) -> bool:
    """Whether a run of that type is asked for; a step that was reused is a step as well.

    >>> is_of("azureml.scriptrun", None), is_of("azureml.ReusedStepRun", "azureml.StepRun")
    (True, True)
    """
    return wanted in (None, kind) or (wanted, kind) == ("azureml.StepRun", "azureml.ReusedStepRun")


Wanted = list[tuple[str, str | None]]  # names, each with the value that it must have, or None for any


def wanted_of(given: Any) -> Wanted:
    """What v1 accepts as a filter of models: a list of names that must be there and of [name, value] pairs.

    Raises ValueError for what is neither

    >>> wanted_of(["area", ["mse", 0.5]]), wanted_of(None)
    ([('area', None), ('mse', '0.5')], [])
    """
    found: Wanted = []
    for one in [*given.items()] if isinstance(given, dict) else [given] if isinstance(given, str) else given or []:
        name, *values = one if isinstance(one, (list, tuple)) and one else [one]
        if not isinstance(name, str) or len(values) > 1:
            raise ValueError(f"{one!r} is no filter: use ['name', ['name', 'value']]")
        found.append((name, str(values[0]) if values else None))
    return found


def has_all(there: dict[str, str], wanted: Wanted) -> bool:
    """Whether tags or properties are all as wanted.

    >>> has_all({"a": "1"}, [("a", None), ("a", "1")]), has_all({"a": "1"}, [("a", "2")])
    (True, False)
    """
    return all(name in there and value in (None, there[name]) for name, value in wanted)
