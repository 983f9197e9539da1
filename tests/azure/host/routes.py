"""Which function a request is for: route templates as ASP.NET has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from tests.azure.host.functions import Function

_PART = re.compile(r"\{(\*{0,2})(\w+)(:[^}?]*)?(\?)?\}")
_CONSTRAINTS = {"int": r"-?\d+", "long": r"-?\d+", "alpha": r"[A-Za-z]+", "guid": r"[0-9A-Fa-f-]{36}"}


@dataclass(frozen=True)
class Route:
    """One function's route."""

    function: Function
    methods: frozenset[str]  # upper case; empty: all
    pattern: re.Pattern[str]
    rank: tuple[int, ...]  # lower is asked first


class Routes:
    """The routes of an app."""

    def __init__(self, functions: list[Function], prefix: str) -> None:
        self._routes = sorted(
            (_route(function, prefix) for function in functions if function.trigger.type == "httptrigger"),
            key=lambda route: route.rank,
        )

    def find(self, method: str, path: str) -> tuple[Function, dict[str, str]] | None:
        """The function for a request and the route's parameters, or None."""
        for route in self._routes:
            found = route.pattern.fullmatch(path)
            if found is not None and (not route.methods or method in route.methods):
                return route.function, {key: unquote(value) for key, value in found.groupdict().items() if value}
        return None


def _route(function: Function, prefix: str) -> Route:
    told = function.trigger.properties
    template = str(told.get("route") or function.name).strip("/")
    whole = "/".join(part for part in (prefix.strip("/"), template) if part)
    parts = [part for part in whole.split("/") if part]
    return Route(
        function=function,
        methods=frozenset(str(method).upper() for method in told.get("methods") or ()),
        pattern=re.compile("".join(_pattern(part) for part in parts) + "/?", re.IGNORECASE),
        rank=tuple(_rank(part) for part in parts) + (4,),
    )


def _pattern(part: str) -> str:
    found = _PART.fullmatch(part)
    if found is None:
        return "/" + re.escape(part)
    stars, name, constraint, optional = found.groups()
    if stars:
        return f"(?:/(?P<{name}>.*))?"
    kind = _CONSTRAINTS.get((constraint or "").lstrip(":"), "[^/]+")
    return f"(?:/(?P<{name}>{kind}))?" if optional else f"/(?P<{name}>{kind})"


def _rank(part: str) -> int:
    found = _PART.fullmatch(part)
    if found is None:
        return 0
    return 3 if found[1] else 2 if not found[3] else 1
