"""YAML that people write, read with care: every value knows its line, and all that is wrong is told at once.

A file has at most 1 MiB, no aliases (which make a bomb of a few lines), no key twice, and no tags but those of plain
values. A text is read as it is written: where text is wanted `1.10` stays 1.10, and `12:30` is never a number.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from canalis.contract.errors import YamlInvalid

BYTES_MAX = 2**20
DEPTH_MAX = 64  # sections within sections
_TOLD_MAX = 100  # faults; who has more begins with these
_FOUND_MAX = 1_000  # who has more has another file than they think, and reading ends

_TAG = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0b[01_]+)")  # 010 would be 8 to some and 10 to others
_TRUE = ("yes", "true", "on")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Item:
    """A value in a file.

    line         counted from 1; of a value with a key, the key's
    path         the keys that lead to it: steps.train.inputs
    written      of a single value: as it stands in the file
    is_plain     whether that is without quotes
    is_broken    whether it could not be read, which has been told
    """

    file: str
    line: int
    path: str
    value: Scalar | dict[str, Item] | list[Item]
    written: str = ""
    is_plain: bool = False
    is_broken: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether it says that nothing is given: ~, null, nothing at all, or None, which people write for it."""
        return not self.is_broken and (self.value is None or (self.is_plain and self.written == "None"))

    @property
    def shown(self) -> str:
        """What it is, for a message."""
        if isinstance(self.value, dict):
            return "a section"
        if isinstance(self.value, list):
            return "a list"
        return repr(self.written) if len(self.written) <= 80 else f"{self.written[:80]!r}..."


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}: {where}{self.message}"


class Faults:
    """What is wrong with a file and those that it names, gathered until all of it is known."""

    def __init__(self) -> None:
        self._found: dict[Fault, None] = {}  # a thing that is used twice may be found twice

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, at: Item, message: str) -> None:
        """Something is wrong there."""
        self._found[Fault(at.file, at.line, at.path, message)] = None
        if len(self._found) >= _FOUND_MAX:
            self.raise_all()

    def raise_all(self) -> None:
        """Raise YamlInvalid with everything in the order of the lines; nothing when nothing is wrong."""
        if not self._found:
            return
        files = list(dict.fromkeys(fault.file for fault in self._found))
        found = sorted(self._found, key=lambda fault: (files.index(fault.file), fault.line))
        lines = [str(fault) for fault in found[:_TOLD_MAX]]
        if len(found) > _TOLD_MAX:
            lines.append(f"... and {len(found) - _TOLD_MAX} faults more")
        told = [{"file": one.file, "line": one.line, "key": one.path, "message": one.message} for one in found]
        raise YamlInvalid("\n".join(lines), faults=told[:_TOLD_MAX])


def read_file(file: Path, faults: Faults, root: str = "") -> Item | None:
    """The content of a file; None when it cannot be read at all.

    root   the one key at the top, which goes without saying in the paths of faults
    """
    whole = Item(str(file), 1, "", None)
    try:
        with file.open("rb") as opened:
            content = opened.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        faults.add(whole, f"the file cannot be read: {getattr(error, 'strerror', None) or error}")
        return None
    if len(content) > BYTES_MAX:
        faults.add(whole, f"the file has more than {BYTES_MAX // 2**20} MiB; what is meant to be read here is smaller")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        faults.add(Item(str(file), line, "", None), "this is no UTF-8 text")
        return None
    return read_text(text, str(file), faults, root)


def read_text(text: str, file: str, faults: Faults, root: str = "") -> Item | None:
    """The same of a text. `file` is what its faults call it."""
    try:
        return _Builder(text, file, faults, root).whole()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        said = " ".join(part for part in (error.context, error.problem) if part)
        faults.add(Item(file, line, "", None), f"this is no YAML: {said}")
    except yaml.reader.ReaderError as error:
        place = error.position if isinstance(error.position, int) else 0
        line = text.encode()[:place].count(b"\n") + 1
        faults.add(Item(file, line, "", None), "this is no YAML: a character that no text has")
    except _TooDeep as error:
        faults.add(Item(file, error.line, "", None), f"sections within sections, more than {DEPTH_MAX} deep")
    return None


def plain(item: Item) -> Any:
    """An item as Python's own data, for what is kept as it comes."""
    if isinstance(item.value, dict):
        return {key: plain(inner) for key, inner in item.value.items()}
    if isinstance(item.value, list):
        return [plain(inner) for inner in item.value]
    return item.value


def is_there(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether a path that somebody has written leads to something of that kind: Path.is_file or Path.is_dir."""
    with contextlib.suppress(OSError, ValueError):  # a name that is too long, or has a NUL
        return kind(path)
    return False


class _TooDeep(Exception):
    """More sections within sections than anybody writes."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Builder:
    """Makes items of a parser's events: it is there, and not in a tree of nodes, that an alias is still an alias."""

    def __init__(self, text: str, file: str, faults: Faults, root: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._resolver = yaml.resolver.Resolver()
        self._file = file
        self._faults = faults
        self._tops = ("", root)

    def whole(self) -> Item:
        """The one document of the text."""
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                break
        else:
            return Item(self._file, 1, "", None)
        found = self._item(next(self._events), "", None, 0)
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._faults.add(Item(self._file, _line(event), "", None), "a second document begins; there is one")
                break
        return found

    def _item(self, event: Any, path: str, line: int | None, depth: int) -> Item:
        line = line or _line(event)
        if depth > DEPTH_MAX:
            raise _TooDeep(line)
        if isinstance(event, yaml.AliasEvent):
            broken = Item(self._file, line, path, None, is_broken=True)
            self._faults.add(broken, f"`*{event.anchor}` is an alias, which is not read: write out what it stands for")
            return broken
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path, line)
        kind = "map" if isinstance(event, yaml.MappingStartEvent) else "seq"
        value = self._mapping(path, depth) if kind == "map" else self._sequence(path, depth)
        found = Item(self._file, line, path, value, is_broken=event.tag not in (None, "!", _TAG + kind))
        if found.is_broken:
            self._refuse_tag(found, event.tag)
        return found

    def _mapping(self, path: str, depth: int) -> dict[str, Item]:
        found: dict[str, Item] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            key = event.value if isinstance(event, yaml.ScalarEvent) else None
            if key is None:
                self._item(event, path, line, depth + 1)  # read away
            below = str(key) if path in self._tops else f"{path}.{key}"
            value = self._item(next(self._events), below if key else path, line, depth + 1)
            at = Item(self._file, line, below, None)
            if not key:
                self._faults.add(Item(self._file, line, path, None), "a key must be text on one line")
            elif key in found:
                self._faults.add(at, f"the key stands here a second time; it is in line {found[key].line} already")
            else:
                found[key] = value
        return found

    def _sequence(self, path: str, depth: int) -> list[Item]:
        found: list[Item] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._item(event, f"{path}[{len(found)}]", None, depth + 1))
        return found

    def _scalar(self, event: Any, path: str, line: int) -> Item:
        text: str = event.value
        tag = event.tag
        if tag in (None, "!"):
            implicit = event.implicit if tag is None else (False, True)
            tag = self._resolver.resolve(yaml.ScalarNode, text, implicit)  # type: ignore[no-untyped-call]
            is_plain = bool(event.implicit[0])
        else:
            is_plain = False
        kind = tag.removeprefix(_TAG)
        if not tag.startswith(_TAG) or event.tag not in (None, "!", _TAG + "str"):
            broken = Item(self._file, line, path, None, text, is_broken=True)
            self._refuse_tag(broken, str(event.tag))
            return broken
        return Item(self._file, line, path, _value(kind, text), text, is_plain)

    def _refuse_tag(self, at: Item, tag: str) -> None:
        self._faults.add(at, f"the tag '{tag[:80]}' is not read: only plain values, lists and sections are")


def _value(kind: str, text: str) -> Scalar:
    """What a single value means. Times, and numbers that could mean two things, stay text."""
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in _TRUE
    if kind == "int" and _WHOLE.fullmatch(text) and len(text) <= 300:
        return int(text.replace("_", ""), 0)
    if kind == "float" and ":" not in text:
        return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
