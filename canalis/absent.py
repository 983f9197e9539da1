"""What v1 has and Canalis has not (yet): asking for it says so, by name, where Python would only say "no attribute"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from canalis.contract.version import VERSION


class _SpeakingType(type):
    """For what is asked of a class itself, such as Dataset.get_by_name."""

    if not TYPE_CHECKING:  # a type checker shall go on to find what is misspelt

        def __getattr__(cls, name: str) -> Any:
            raise AttributeError(_text(cls.__name__, name, dir(cls)))


class V1(metaclass=_SpeakingType):
    """Base of the classes that stand for v1's."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(_text(type(self).__name__, name, dir(self)))


def said_of(name: str, there: Iterable[str] = ()) -> str:
    """What is said of a name that is not here: whether it is planned, what to use instead, or what may be meant.

    there   names beside it
    """
    from canalis.planned import fate

    known = fate(name)
    meant = "" if known else meant_by(name.rpartition(".")[2], there)
    how = f" and {known}" if known else f". Did you mean '{meant}'?" if meant else ""
    return f"{name} is not in Canalis {VERSION}{how}{' ' if meant else '; '}`canalis coverage` lists what is"


def meant_by(name: str, there: Iterable[str]) -> str:
    """Which of the public names there are somebody means who has misspelt one; "" for none."""
    from difflib import get_close_matches

    found = get_close_matches(name, [one for one in there if not one.startswith("_")], n=1, cutoff=0.7)
    return found[0] if found else ""


def _text(owner: str, name: str, there: Iterable[str]) -> str:
    return f"'{owner}' has no attribute '{name}'" if name.startswith("_") else said_of(f"{owner}.{name}", there)
