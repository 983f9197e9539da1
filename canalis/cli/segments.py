"""A step's segments as text: named for people, in short, and as a bar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canalis.contract.times import INPUTS, SEGMENTS
from canalis.telling import duration

_BAR_SIGNS = 40
_SEEN_S = 0.05  # what is shorter is no answer to where the time went
SIGNS = dict(zip(SEGMENTS, ".xrqceI#O+", strict=True))


def brief(step: Mapping[str, Any]) -> str:
    """The two segments that took most of a step's time since its inputs were there, or its waiting for them."""
    times = {name: seconds for name, seconds in step["times"].items() if seconds >= _SEEN_S}
    own = {name: seconds for name, seconds in times.items() if name != INPUTS} or times
    most = sorted(own, key=lambda name: -own[name])[:2]
    return ", ".join(f"{words(name)} {duration(own[name])}" for name in most)


def words(segment: str) -> str:
    """The name of a segment, for people."""
    return segment.replace("_", " ")


def bar(times: Mapping[str, float], whole_s: float) -> str:
    """A step's segments as signs, as long as its part of the whole.

    >>> bar({"inputs": 5.0, "user_code": 5.0}, 20.0)
    '..........##########'
    """
    drawn, passed_s = "", 0.0
    for segment, sign in SIGNS.items():
        passed_s += times.get(segment, 0.0)
        until = round(_BAR_SIGNS * passed_s / whole_s) if whole_s else 0
        drawn += sign * (until - len(drawn))
    return drawn
