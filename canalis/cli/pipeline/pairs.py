"""What people type as NAME=VALUE: several in one text, as `az ml` took them, and values with commas in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canalis.contract.errors import ParameterError
from canalis.contract.graph import ParameterType, ParameterValue
from canalis.contract.parameters import value_from
from canalis.exceptions import UserErrorException

_PAIR = re.compile(r'\s*(?P<name>[^=,"]*[^=,"\s])\s*=(?:"(?P<quoted>(?:[^"]|"")*)"\s*|(?P<plain>(?!")[^,]*))(?:,|$)')
_NOTHING = re.compile(r"\s*(?:,|$)")


def pairs_of(texts: Iterable[str], option: str) -> dict[str, str]:
    """The pairs in what an option was given, which may be given several times.

    A comma ends a value. One that has a comma in it, or begins with a double quote, stands in double quotes, and a
    double quote in it is written twice.

    >>> pairs_of(['a=1,b="x,y"', 'c=d=e,f="a ""z"" b"'], "-p")
    {'a': '1', 'b': 'x,y', 'c': 'd=e', 'f': 'a "z" b'}

    Raises   UserErrorException for what cannot be read, and for a name that comes twice
    """
    found: dict[str, str] = {}
    for text in texts:
        place = 0
        while place < len(text):
            if nothing := _NOTHING.match(text, place):
                place = max(nothing.end(), place + 1)
                continue
            pair = _PAIR.match(text, place)
            if pair is None:
                raise UserErrorException(f"{option} '{text}' cannot be read: {_fault(text[place:], option)}")
            quoted = pair["quoted"]
            value = pair["plain"] if quoted is None else quoted.replace('""', '"')
            _add(found, pair["name"].strip(), value, option)
            place = pair.end()
    return found


def single_pairs(texts: Iterable[str], option: str, found: dict[str, str]) -> dict[str, str]:
    """`found`, and pairs of which each is a text of its own: all after its first = is its value, commas and quotes too.

    >>> single_pairs(['a=x,"y"=1'], "--parameter", {})
    {'a': 'x,"y"=1'}
    """
    for text in texts:
        name, sign, value = text.partition("=")
        if not (sign and name.strip()):
            raise UserErrorException(f"{option} '{text}' is not NAME=VALUE")
        _add(found, name.strip(), value, option)
    return found


def typed(
    parameters: Sequence[Mapping[str, Any]], given: Mapping[str, str], paths: Mapping[str, str]
) -> dict[str, Any]:
    """Values of the types that their parameters have.

    parameters   of the pipeline, each with `name` and `type`
    given        as texts, by name
    paths        those that must be data paths: <datastore>/<path>
    Raises       ParameterError, naming everything that is wrong
    """
    types: dict[str, ParameterType] = {one["name"]: one["type"] for one in parameters}
    values: dict[str, ParameterValue] = {}
    wrong = [f"'{name}' is given twice, as a value and as a data path" for name in given if name in paths]
    known = ", ".join(f"{name} ({kind})" for name, kind in types.items()) or "none"
    for name, text in {**given, **paths}.items():
        if name not in types:
            wrong.append(f"'{name}' is not a parameter of this pipeline (it has: {known})")
        elif name in paths and types[name] != "datapath":
            wrong.append(f"Parameter '{name}' is of type {types[name]}, and no data path: give its value with -p")
        else:
            try:
                values[name] = value_from(name, types[name], text)
            except ParameterError as error:
                wrong.append(error.message)
    if wrong:
        raise ParameterError("\n".join(wrong), names=sorted({**given, **paths}))
    return values


def flag_of(text: str | None, option: str) -> bool | None:
    """True or false, as az took it with a word behind the option.

    >>> flag_of("True", "--continue"), flag_of(None, "--continue")
    (True, None)
    """
    if text is None:
        return None
    if text.lower() not in ("true", "false"):
        raise UserErrorException(f"{option} is true or false, not '{text}'")
    return text.lower() == "true"


def _add(found: dict[str, str], name: str, value: str, option: str) -> None:
    if name in found:
        raise UserErrorException(f"'{name}' is given twice with {option}: '{found[name]}' and '{value}'")
    found[name] = value


def _fault(rest: str, option: str) -> str:
    """What is wrong with the text that no pair begins."""
    name, sign, value = rest.partition("=")
    if sign and value.startswith('"') and "," not in name and name.strip():
        closed = re.match(r'"(?:[^"]|"")*"', value)
        if closed is None:
            return f"the double quote after {name.strip()}= is not closed (a double quote in a value is written twice)"
        return f"""'{value[closed.end() :]}' stands behind the closing quote of {name.strip()}="""
    piece = rest.partition(",")[0]
    return f"'{piece}' is not NAME=VALUE. A value with a comma in it stands in double quotes: {option} 'a=\"x,y\"'"
