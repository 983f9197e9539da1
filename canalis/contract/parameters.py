"""Pipeline parameters: which value fits which, how a value reads as text, and what a graph says with it. Pure."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Mapping

from canalis.contract.errors import ParameterError
from canalis.contract.graph import (
    DataPathValue,
    DatasetValue,
    Node,
    Parameter,
    ParameterType,
    ParameterValue,
    Text,
)
from canalis.contract.patterns import escaped, leaves
from canalis.contract.tables import Table

_TYPES: tuple[tuple[type, ParameterType], ...] = (
    (DatasetValue, "dataset"),
    (DataPathValue, "datapath"),
    (bool, "bool"),  # before int, which it is as well
    (int, "int"),
    (float, "float"),
)
_DIGITS_MAX = 300  # of a whole number; with thousands Python refuses to write it down
_BEYOND: int = 10**_DIGITS_MAX
_SAID_MAX = 80  # signs of a value that an error shows
_ALIKE = (("bool", "int"), ("int", "bool"), ("string", "dataset"))  # given, wanted

Values = Mapping[str, ParameterValue]  # by name of parameter


def type_of(value: ParameterValue) -> ParameterType:
    """The type that a parameter with this default has. A bool is a bool here, although v1 calls it an int."""
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return "string"


def fits(wanted: ParameterType, value: ParameterValue) -> bool:
    """Whether `value` can be that of a parameter of type `wanted`, as it is or converted without loss.

    A text fits a dataset parameter: it names a registered one, which the service looks up.
    Source   reference section 9: strict, except that bool and int are interchangeable. That v1's float rejects 1 and
             its int 6.0 helps nobody, so those are taken.
    """
    return (type_of(value), wanted) in _ALIKE or type_of(converted(wanted, value)) == wanted


def converted(wanted: ParameterType, value: ParameterValue) -> ParameterValue:
    """The same as the other type, when that holds it exactly; else the value as it is."""
    if isinstance(value, DataPathValue) and wanted == "dataset":
        return DatasetValue(places=(value,))
    given = type_of(value)
    if given == "int" and wanted == "float":
        with contextlib.suppress(OverflowError):
            return float(value) if float(value) == value else value  # type: ignore[arg-type]
    if given == "float" and wanted == "int" and value.is_integer():  # type: ignore[union-attr]
        return int(value)  # type: ignore[arg-type]
    return value


def place_fault(name: str, value: ParameterValue) -> str:
    """What is wrong with the places in the value of a parameter; "" when nothing is, or it is no place."""
    places = value.places if isinstance(value, DatasetValue) else (value,)
    for place in places:
        if isinstance(place, DataPathValue) and is_outside(place.path.strip("/")):
            return f"Parameter '{name}' names '{place.path}', which leaves its datastore"
    return ""


def is_outside(path: str) -> bool:
    """Whether a path below a datastore is none: it leads out, or it would elsewhere."""
    return "\\" in path or leaves(path)


def said(value: object) -> str:
    """A value in an error's message: as Python writes it, and not more than people read."""
    if isinstance(value, int) and is_too_long(value):
        return f"a number of more than {_DIGITS_MAX} digits"
    text = repr(value)
    return text if len(text) <= _SAID_MAX else f"{text[:_SAID_MAX]}..."


def is_too_long(number: int) -> bool:
    """Whether a whole number has more digits than a parameter's value can."""
    return abs(number) >= _BEYOND


def assign(parameters: Iterable[Parameter], given: Values) -> dict[str, ParameterValue]:
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
        f"Parameter '{name}' is of type {known[name].type}; {said(value)} is of type {type_of(value)}"
        for name, value in given.items()
        if name in known and not fits(known[name].type, value)
    ]
    wrong += [fault for name, value in given.items() if (fault := place_fault(name, value))]
    wrong += [
        f"Parameter '{name}' is {said(value)}"
        for name, value in given.items()
        if isinstance(value, int) and is_too_long(value)
    ]
    if wrong:
        raise ParameterError("; ".join(wrong), names=sorted(given))
    return {name: converted(one.type, given.get(name, one.default)) for name, one in known.items()}


def value_from(name: str, wanted: ParameterType, text: str) -> ParameterValue:
    """The value that somebody typed for a parameter of that type.

    A data path is typed as <datastore>/<path>; a dataset as its name, <name>:<version> or its id, for the service.
    Raises ParameterError when it cannot be read as one.
    """
    if wanted in ("string", "dataset"):
        return text
    if wanted == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if wanted == "datapath":
        datastore, slash, path = text.partition("/")
        if datastore and slash:
            return DataPathValue(datastore=datastore, path=path)
    if wanted in ("int", "float"):
        with contextlib.suppress(ValueError):
            return int(text) if wanted == "int" else float(text)
    how = {"datapath": "typed as <datastore>/<path>", "bool": "true or false"}.get(wanted, f"of type {wanted}")
    raise ParameterError(f"Parameter '{name}' must be {how}, and {said(text)} is not", names=[name])


def text_of(value: ParameterValue) -> str:
    """A value as a script sees it in its arguments and environment; of a dataset it is the id, as in v1."""
    if isinstance(value, DatasetValue):
        return identity_of(value)
    return f"{value.datastore}/{value.path}" if isinstance(value, DataPathValue) else str(value)


def words_of(value: ParameterValue) -> str:
    """A value for people: a dataset by its name and version, or by where its files lie."""
    if not isinstance(value, DatasetValue):
        return text_of(value)
    if value.registered is not None:
        return f"{value.registered.name}:{value.registered.version}"
    return ", ".join(map(text_of, value.places))


def identity_of(dataset: DatasetValue) -> str:
    """The id of a dataset: that of the registered one, or one that all datasets of the same places have."""
    if dataset.registered is not None:
        return dataset.registered.id
    return places_id(((place.datastore, place.path) for place in dataset.places), dataset.table)


def places_id(places: Iterable[tuple[str, str]], table: Table | None = None) -> str:
    """An id for files at these places, each a datastore and a path: the same places, the same id.

    table   how rows are read from them, which makes another dataset of them
    """
    said = [f"{datastore}/{path}" for datastore, path in places]
    if table is not None:
        said.append(table.model_dump_json())
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(said)))


# What a graph says with parameters -----------------------------------------------------------------------------


def text_in(text: Text, values: Values) -> str:
    """What a text reads in a run whose parameters have these values."""
    if isinstance(text, str):
        return text
    return "".join(piece if isinstance(piece, str) else text_of(values[piece.name]) for piece in text)


def pattern_in(text: Text, values: Values) -> str:
    """The same for a path that may be a pattern: what the author wrote may be one, a value stands for itself.

    Who gives `report [final].csv` to a run means that file; to refuse it would be to forbid names that files have.
    """
    if isinstance(text, str):
        return text
    return "".join(piece if isinstance(piece, str) else escaped(text_of(values[piece.name])) for piece in text)


def compute_in(node: Node, values: Values) -> str:
    """The name of the compute target that a node has in a run whose parameters have these values; "" for none.

    Everybody who wants to know asks here. As the value of a parameter `local`, which is no name of a target, is none.
    """
    if node.compute is None or isinstance(node.compute, str):
        return node.compute or ""
    name = text_of(values[node.compute.name])
    return "" if name == "local" else name
