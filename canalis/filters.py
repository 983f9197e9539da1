"""Which of several runs a caller means."""

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
