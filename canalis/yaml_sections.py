"""A section of a YAML file, whose keys are asked for one by one: each as what it must be, the rest is a fault."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from itertools import islice

from canalis.yaml_reading import Faults, Item

_NEAR_MAX = 200  # words that one is compared with
_NUMBER = re.compile(r"[-+.]*[0-9]")


class Section:
    """A section of a file.

    What is asked for and is not there, or is nothing, is None. What is there and is no such thing is None too, and has
    been told. `end` tells of the keys that nobody has asked for.
    """

    def __init__(self, item: Item, faults: Faults) -> None:
        assert isinstance(item.value, dict), item
        self.item = item
        self.entries = item.value
        self._faults = faults
        self._asked: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self.entries and not self.entries[key].is_nothing

    def at(self, key: str) -> Item:
        """Where a key stands, or, when it does not, the section that lacks it."""
        return self.entries.get(key, self.item)

    def fault(self, key: str, message: str) -> None:
        """Something is wrong with the value of a key."""
        self._faults.add(self.at(key), message)

    def take(self, key: str) -> Item | None:
        """The value of a key, whatever it is."""
        self._asked[key] = None
        found = self.entries.get(key)
        return None if found is None or found.is_nothing or found.is_broken else found

    def text(self, key: str) -> str | None:
        """A text, as it is written."""
        found = self.take(key)
        return text_of(found, self._faults) if found is not None else None

    def needed_text(self, key: str, what: str) -> str | None:
        """A text that must be there and not empty; `what` says in the message what it is."""
        item = self.entries.get(key)
        if item is None or item.is_nothing:
            self._asked[key] = None
            self.fault(key, f"the key '{key}' is missing: {what}")
            return None
        found = self.text(key)
        if found == "":
            self.fault(key, f"this cannot be empty: {what}")
        return found or None

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        found = self.take(key)
        if found is None:
            return default
        if not isinstance(found.value, bool):
            self._faults.add(found, f"this must be true or false, not {found.shown}")
            return default
        return found.value

    def whole(self, key: str, least: int | None = None, most: int | None = None) -> int | None:
        """A whole number."""
        found = self.take(key)
        return whole_of(found, self._faults, least, most) if found is not None else None

    def number(self, key: str, least: float, most: float = math.inf) -> float | None:
        """A number."""
        found = self.take(key)
        if found is None:
            return None
        value = number_of(found)
        if value is None or not least <= value <= most or math.isinf(value):
            wanted = f"from {least:g} to {most:g}" if most < math.inf else f"of {least:g} or more"
            self._faults.add(found, f"this must be a number {wanted}, not {found.shown}")
            return None
        return value

    def choice(self, key: str, choices: Collection[str]) -> str | None:
        """One of some words."""
        found = self.text(key)
        if found is None or found in choices:
            return found
        self.fault(key, f"'{found}' is none of: {', '.join(choices)}{near(found, choices)}")
        return None

    def section(self, key: str) -> Section | None:
        """A section below this one."""
        found = self.take(key)
        return as_section(found, self._faults) if found is not None else None

    def sections(self, key: str) -> Iterator[tuple[str, Section]]:
        """The sections that a section consists of, by name."""
        inner = self.section(key)
        for name, item in inner.entries.items() if inner is not None else ():
            found = as_section(item, self._faults)
            if found is not None:
                yield name, found

    def listed(self, key: str) -> list[Item]:
        """The items of a list; a single value is a list of one."""
        found = self.take(key)
        if found is None:
            return []
        if isinstance(found.value, dict):
            self._faults.add(found, f"this must be a list, not {found.shown}")
            return []
        return found.value if isinstance(found.value, list) else [found]

    def end(self, also: Iterable[str] = ()) -> None:
        """Tell of each key that was not asked for. `also` names keys that are known and not read here."""
        known = [*self._asked, *also]
        for key, item in self.entries.items():
            if key not in known:
                listed = ", ".join(sorted(known))
                self._faults.add(item, f"there is no key '{key}' here{near(key, known) or f' (there are: {listed})'}")


def as_section(item: Item, faults: Faults) -> Section | None:
    """The section that an item is; None, and told, when it is none."""
    if item.is_broken:
        return None
    if not isinstance(item.value, dict):
        said = "there is nothing" if item.is_nothing else f"this is {item.shown}"
        faults.add(item, f"{said}, where a section with keys must be")
        return None
    return Section(item, faults)


def text_of(item: Item, faults: Faults) -> str | None:
    """The text that an item is, as it is written; None, and told, when it is none."""
    if item.is_broken:
        return None
    if isinstance(item.value, (dict, list)) or item.value is None:
        faults.add(item, "this must be text" + ("" if item.value is None else f", not {item.shown}"))
        return None
    return item.written


def whole_of(item: Item, faults: Faults, least: int | None = None, most: int | None = None) -> int | None:
    """The whole number that an item is; None, and told, when it is none, or beyond what it may be."""
    if item.is_broken:
        return None
    value = item.value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_one = isinstance(value, int) and not isinstance(value, bool)
    if not is_one or (least is not None and value < least) or (most is not None and value > most):  # type: ignore[operator]
        wanted = "" if least is None else f" from {least} to {most}" if most is not None else f" of {least} or more"
        faults.add(item, f"this must be a whole number{wanted}, not {item.shown}")
        return None
    return value  # type: ignore[return-value]


def number_of(item: Item) -> float | None:
    """The number that an item is; None when it is none. 1e-5, which YAML takes for text, is one."""
    if isinstance(item.value, (dict, list, bool)) or item.value is None:
        return None
    if isinstance(item.value, str) and not _NUMBER.match(item.value):
        return None
    try:
        return float(item.value)
    except (ValueError, OverflowError):
        return None


def near(word: str, known: Iterable[str], nearly: float = 0.6) -> str:
    """A question for who may have misspelt a word; "" when nothing is like it, to that part of it."""
    found = get_close_matches(word[:80], [*islice(known, _NEAR_MAX)], n=1, cutoff=nearly)
    return f": did you mean '{found[0]}'?" if found else ""
