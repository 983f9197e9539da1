"""Pipeline parameters: which value fits which, and how a value reads as text. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from canalis.contract.errors import ParameterError
from canalis.contract.graph import DataPathValue, Parameter, ParameterType, ParameterValue
from canalis.contract.patterns import leaves


def type_of(value: ParameterValue) -> ParameterType:
    """The type that a parameter with this default has. A bool is a bool here, although v1 calls it an int."""
    if isinstance(value, DataPathValue):
        return "datapath"
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float")):
        if isinstance(value, kind):
            return name  # type: ignore[return-value]
    return "string"


def fits(wanted: ParameterType, value: ParameterValue) -> bool:
    """Whether `value` can be that of a parameter of type `wanted`, as it is or converted without loss.

    Source   reference section 9: strict, except that bool and int are interchangeable. That v1's float rejects 1 and
             its int 6.0 helps nobody, so those are taken.
    """
    given = type_of(value)
    return {given, wanted} == {"bool", "int"} or type_of(_converted(wanted, value)) == wanted


def _converted(wanted: ParameterType, value: ParameterValue) -> ParameterValue:
    """The same number as the other type, when that holds it exactly; else the value as it is."""
    given = type_of(value)
    if given == "int" and wanted == "float":
        with contextlib.suppress(OverflowError):
            return float(value) if float(value) == value else value  # type: ignore[arg-type]
    if given == "float" and wanted == "int" and value.is_integer():  # type: ignore[union-attr]
        return int(value)  # type: ignore[arg-type]
    return value


def place_fault(name: str, value: ParameterValue) -> str:
    """What is wrong with a data path as the value of a parameter; "" when nothing is, or it is no data path."""
    if not isinstance(value, DataPathValue) or not leaves(value.path.strip("/")):
        return ""
    return f"Parameter '{name}' names '{value.path}', which leaves its datastore"


def assign(parameters: Iterable[Parameter], given: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
    """The value of each parameter in a run: the one given at submission, else its default.

    Raises ParameterError naming every unknown name, every value of a wrong type and every place that is none.
    """
    known = {parameter.name: parameter for parameter in parameters}
    wrong = [
        f"Parameter '{name}' is not a parameter of this pipeline (it has: {', '.join(sorted(known)) or 'none'})"
        for name in given
        if name not in known
    ]
    wrong += [
        f"Parameter '{name}' is of type {known[name].type}; {value!r} is of type {type_of(value)}"
        for name, value in given.items()
        if name in known and not fits(known[name].type, value)
    ]
    wrong += [fault for name, value in given.items() if (fault := place_fault(name, value))]
    if wrong:
        raise ParameterError("; ".join(wrong), names=sorted(given))
    return {name: _converted(one.type, given.get(name, one.default)) for name, one in known.items()}


def value_from(name: str, wanted: ParameterType, text: str) -> ParameterValue:
    """The value that somebody typed for a parameter of that type; a data path is typed as <datastore>/<path>.

    Raises ParameterError when it cannot be read as one.
    """
    if wanted == "string":
        return text
    if wanted == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if wanted == "datapath" and "/" in text.strip("/"):
        datastore, _, path = text.partition("/")
        return DataPathValue(datastore=datastore, path=path)
    if wanted in ("int", "float"):
        with contextlib.suppress(ValueError):
            return int(text) if wanted == "int" else float(text)
    how = {"datapath": "typed as <datastore>/<path>", "bool": "true or false"}.get(wanted, f"of type {wanted}")
    raise ParameterError(f"Parameter '{name}' must be {how}, and '{text}' is not", names=[name])


def text_of(value: ParameterValue) -> str:
    """A value as a script sees it in its arguments and environment."""
    return f"{value.datastore}/{value.path}" if isinstance(value, DataPathValue) else str(value)
