"""What v1 has and Canalis has not (yet): asking for it says so, by name, where Python would only say "no attribute"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canalis.contract.version import VERSION


class _SpeakingType(type):
    """For what is asked of a class itself, such as Dataset.get_by_name."""

    if not TYPE_CHECKING:  # a type checker shall go on to find what is misspelt

        def __getattr__(cls, name: str) -> Any:
            raise AttributeError(_text(cls.__name__, name))


class V1(metaclass=_SpeakingType):
    """Base of the classes that stand for v1's."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(_text(type(self).__name__, name))


def said_of(name: str) -> str:
    """What is said of a name of v1 that is not here: whether it is planned, or what to use instead."""
    from canalis.planned import fate

    known = fate(name)
    how = f" and {known}" if known else ""
    return f"{name} is not in Canalis {VERSION}{how}; `canalis coverage` lists what is"


def _text(owner: str, name: str) -> str:
    return f"'{owner}' has no attribute '{name}'" if name.startswith("_") else said_of(f"{owner}.{name}")
