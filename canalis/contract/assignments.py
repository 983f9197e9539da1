"""Values of parameters as v1's callers send them over HTTP become values of the types that the parameters have. Pure.

    ParameterAssignments                {name: text, number or bool}
    DataPathAssignments                 {name: {DataStoreName, RelativePath}}
    DataSetDefinitionValueAssignments   {name: {SavedDataSetReference: {Id}}}
                                        {name: {DataSetReference: {Id or Name, Version}}}
                                        {name: {LiteralValue: {DataStoreName, RelativePath}}}

v1 kept all of the first as text, so a text is read as the parameter's type; and a number that was sent for text is that
number's text. What a caller names and the pipeline has not is a warning: callers of v1 do that and went on to run.

Source   reference section 15
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from canalis.contract.datasets import LATEST, split_name
from canalis.contract.errors import AuthorError, ParameterError
from canalis.contract.graph import DataPathValue, DatasetValue, Parameter, ParameterType, ParameterValue
from canalis.contract.parameters import converted, fits, is_too_long, place_fault, said, value_from

TEXTS = "ParameterAssignments"
PATHS = "DataPathAssignments"
DATASETS = "DataSetDefinitionValueAssignments"

Find = Callable[[str, str], DatasetValue]  # by name or id, and version or "latest"; raises NotFound

_NUMBER_MAX = 400  # signs
_WHOLE = re.compile(r"[+-]?[0-9]+(?:\.0*)?(?:[eE]\+?[0-9]+)?")  # a number that has no fraction, written otherwise

_PLACE = '{"DataStoreName": ..., "RelativePath": ...}'
_REFERENCES = (
    '{"SavedDataSetReference": {"Id": ...}}, {"DataSetReference": {"Name" or "Id": ..., "Version": ...}} or '
    f'{{"LiteralValue": {_PLACE}}}'
)


@dataclass(frozen=True, slots=True)
class Assigned:
    """The values that a caller gave, by name of parameter, each of its type; and what he should know of the others."""

    values: dict[str, ParameterValue]
    warnings: tuple[str, ...]


class _Wrong(Exception):
    """Why a value cannot be the parameter's, to be said after its name."""


def assigned_v1(
    parameters: Iterable[Parameter], texts: object, paths: object, datasets: object, find: Find
) -> Assigned:
    """The values in v1's three dictionaries, as they came: nothing of them needs to have been looked at.

    texts, paths, datasets   ParameterAssignments, DataPathAssignments, DataSetDefinitionValueAssignments; None for none
    find       the registered dataset of a name or an id, in a version or "latest"; raises NotFound
    Raises     ParameterError naming every parameter that cannot have the value given, and every dictionary that is none
    """
    known = {parameter.name: parameter for parameter in parameters}
    values, warnings, wrong = dict[str, ParameterValue](), list[str](), dict[str, str]()
    for field, given in ((TEXTS, texts), (PATHS, paths), (DATASETS, datasets)):
        if given is not None and not isinstance(given, Mapping):
            wrong[field] = f"{field} must be an object of names and values, not {_kind(given)}"
            continue
        for name, value in (given or {}).items():
            if name not in known:
                has = ", ".join(sorted(known)) or "none"
                warnings.append(
                    f"{field} names '{_short(name)}', which is no parameter of this pipeline (it has: {has})"
                )
                continue
            try:
                found = _READ[field](known[name], value, find)
                if name in values and values[name] != found:
                    raise _Wrong("is given twice, with different values")
                values[name] = found
            except (_Wrong, AuthorError) as error:
                wrong[name] = _sentence(name, error)
    if wrong:
        raise ParameterError("; ".join(wrong.values()), names=sorted(wrong))
    return Assigned(values, tuple(warnings))


def _sentence(name: str, error: Exception) -> str:
    text = str(error)
    return text if isinstance(error, ParameterError) else f"Parameter '{name}' {text}"


# One reader for each dictionary --------------------------------------------------------------------------------


def _text_value(parameter: Parameter, given: object, find: Find) -> ParameterValue:
    wanted = parameter.type
    if isinstance(given, (dict, list)) or given is None:
        field = {"datapath": PATHS, "dataset": DATASETS}.get(wanted)
        where = f"; a value of type {wanted} is given in {field}" if field else ""
        raise _Wrong(f"must be text, a number or a bool, not {_kind(given)}{where}")
    assert isinstance(given, (str, bool, int, float)), given
    if isinstance(given, float) and not math.isfinite(given):
        raise _Wrong(f"is {given}, and must be a finite number")
    if isinstance(given, int) and is_too_long(given):
        raise _Wrong(f"is {said(given)}")
    if wanted == "string":
        return given if isinstance(given, str) else json.dumps(given)
    if wanted == "dataset":
        return _found(find, *split_name(given)) if isinstance(given, str) else _refuse(wanted, given)
    value = _read(parameter.name, wanted, given.strip()) if isinstance(given, str) else given
    if not fits(wanted, value) or (wanted == "bool" and value not in (0, 1)):
        _refuse(wanted, given)
    return _checked(parameter.name, converted(wanted, value))


def _path_value(parameter: Parameter, given: object, find: Find) -> ParameterValue:
    value = _place(given, PATHS)
    if parameter.type not in ("datapath", "dataset"):
        raise _Wrong(f"is of type {parameter.type}, which is given in {TEXTS}")
    return _checked(parameter.name, value if parameter.type == "datapath" else DatasetValue(places=(value,)))


def _dataset_value(parameter: Parameter, given: object, find: Find) -> ParameterValue:
    if parameter.type not in ("datapath", "dataset"):
        raise _Wrong(f"is of type {parameter.type}, which is given in {TEXTS}")
    fields = {name: value for name, value in _fields(given).items() if value is not None}
    kinds = [kind for kind in ("saveddatasetreference", "datasetreference", "literalvalue") if kind in fields]
    if len(kinds) != 1:
        raise _Wrong(f"must be one of {_REFERENCES}, not {_kind(given)} that is none of them")
    inner = fields[kinds[0]]
    if kinds[0] == "literalvalue":
        return _path_value(parameter, inner, find)
    if parameter.type == "datapath":
        raise _Wrong(f'is a data path, so it is given as {{"LiteralValue": {_PLACE}}}')
    reference = _fields(inner)
    identity = _word(reference.get("id")) or (_word(reference.get("name")) if kinds[0] == "datasetreference" else "")
    if not identity:
        raise _Wrong(f"must be one of {_REFERENCES}: neither an id nor a name is in it")
    return _found(find, identity, _word(reference.get("version")) or LATEST)


_READ: dict[str, Callable[[Parameter, object, Find], ParameterValue]] = {
    TEXTS: _text_value,
    PATHS: _path_value,
    DATASETS: _dataset_value,
}


# What they are made of -----------------------------------------------------------------------------------------


def _read(name: str, wanted: ParameterType, text: str) -> ParameterValue:
    """A text as a value of that type; of a bool also 0 and 1, of an int also 6.0, as v1 took any of them."""
    if wanted in ("int", "bool", "float"):
        if not text.isascii() or "_" in text:  # Python reads more as numbers than anybody else does
            _refuse(wanted, text)
        if len(text) > _NUMBER_MAX:
            raise _Wrong(f"is {said(text)}, which is too long for a number")
        if wanted == "bool" and text in ("0", "1"):
            return int(text)
    try:
        value = value_from(name, wanted, text)
    except ParameterError:
        if wanted != "int" or not _WHOLE.fullmatch(text):
            raise
        value = float(text)
    if isinstance(value, float) and not math.isfinite(value):
        raise _Wrong(f"is {value}, and must be a finite number")
    if isinstance(value, int) and is_too_long(value):
        raise _Wrong(f"is {said(value)}")
    return value


def _place(given: object, field: str) -> DataPathValue:
    fields = _fields(given)
    store, path = fields.get("datastorename"), fields.get("relativepath")
    if not (isinstance(store, str) and store and isinstance(path, str)):
        raise _Wrong(f"must be {_PLACE} with two texts, not {_kind(given)}")
    return DataPathValue(datastore=store, path=path)


def _fields(given: object) -> dict[str, object]:
    """The fields of an object by their names in lower case, which is all that v1 told them by."""
    if not isinstance(given, Mapping):
        raise _Wrong(f"must be an object, not {_kind(given)}")
    return {str(name).lower(): value for name, value in given.items()}


def _word(given: object) -> str:
    """An id, a name or a version, which some send as a number."""
    if isinstance(given, int) and not isinstance(given, bool) and not is_too_long(given):
        return str(given)
    return given if isinstance(given, str) else ""


def _found(find: Find, name: str, version: str) -> DatasetValue:
    try:
        return find(name, version)
    except AuthorError as error:
        raise _Wrong(f"names a dataset that cannot be read: {error.message}") from error


def _checked(name: str, value: ParameterValue) -> ParameterValue:
    if fault := place_fault(name, value):
        raise ParameterError(fault)
    return value


def _refuse(wanted: ParameterType, given: object) -> NoReturn:
    raise _Wrong(f"is of type {wanted}, which {said(given)} is not")


def _kind(given: object) -> str:
    """What a value of JSON is, in an error's message."""
    if isinstance(given, Mapping):
        return f"an object of {', '.join(map(_short, given)) or 'nothing'}" if len(given) <= 5 else "an object"
    names: Iterator[tuple[type, str]] = iter(((list, "a list"), (type(None), "null"), (str, "text"), (bool, "a bool")))
    return next((name for kind, name in names if isinstance(given, kind)), "a number")


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= 80 else f"{text[:80]}..."
