"""Reads the Bicep of infra/ as far as its names go, and tells each that leads nowhere.

The two parsers that are to be had accept names that nothing declares; the compiler would not. It is no compiler: types of
values and properties of resources are not looked at. It understands the subset that infra/ is written in: declarations
begin in the first column, a property's name is the first word of its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.infra.known import DECORATORS, FUNCTIONS, RESOURCES

_HEAD = re.compile(r"(?P<kind>param|var|output|resource|module) (?P<name>\w+)(?P<rest>[^=\n]*)(?P<value>=)?", re.ASCII)
_STRING = re.compile(r"'((?:[^'\\]|\\.)*)'")
_COMMENT = re.compile(r"('(?:[^'\\\n]|\\.)*')|//[^\n]*")
_KEY = re.compile(r"^\s*(\w+)\s*:", re.MULTILINE)
_WORD = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(\()?")
_KEYWORDS = {"true", "false", "null", "if", "for", "in", "existing"}


@dataclass
class Declaration:
    """One `param`, `var`, `output`, `resource` or `module`.

    of      the type of a param or output; type@version of a resource; the path of a module
    value   what follows `=`, with strings; "" for a param that must be given
    """

    kind: str
    name: str
    of: str
    value: str
    decorators: str


@dataclass
class Source:
    """A file of Bicep: what it declares."""

    path: Path
    declarations: list[Declaration] = field(default_factory=list)

    def of_kind(self, *kinds: str) -> dict[str, Declaration]:
        """The declarations of those kinds, by name."""
        return {one.name: one for one in self.declarations if one.kind in kinds}


def read(path: Path) -> Source:
    """A file's declarations. Raises ValueError for a line in the first column that begins none."""
    source = Source(path)
    for decorators, text in _chunks(_COMMENT.sub(lambda found: found[1] or "", path.read_text())):
        if text.startswith("targetScope"):
            continue
        head = _HEAD.match(text)
        if head is None:
            raise ValueError(f"{path.name}: no declaration: {text.splitlines()[0]}")
        of = head["rest"].strip().strip("'")
        source.declarations.append(
            Declaration(head["kind"], head["name"], of, text[head.end() :] if head["value"] else "", decorators)
        )
    return source


def faults(folder: Path) -> list[str]:
    """Every name in a folder's Bicep that leads nowhere, and every resource that is not on the list."""
    sources = {path: read(path) for path in sorted(folder.rglob("*.bicep"))}
    return [f"{path.name}: {fault}" for path, source in sources.items() for fault in _faults(source, sources)]


def _chunks(text: str) -> Iterator[tuple[str, str]]:
    """Each declaration with the decorators before it."""
    decorators = ""
    for chunk in re.split(r"^(?=[a-zA-Z@])", text, flags=re.MULTILINE):
        if chunk.startswith("@"):
            decorators += chunk
        elif chunk.strip():
            yield decorators, chunk
            decorators = ""


def _faults(source: Source, sources: dict[Path, Source]) -> Iterator[str]:
    named = [one.name for one in source.declarations if one.kind != "output"]
    yield from (f"{name} is declared twice" for name in sorted({name for name in named if named.count(name) > 1}))
    used: set[str] = set()
    for one in source.declarations:
        loops = set(re.findall(r"\bfor (\w+) in\b", one.value))
        for word, is_call in _words(one.value):
            if is_call and word not in FUNCTIONS:
                yield f"{one.name} calls {word}(), which is no function on the list"
            elif not is_call and word not in named and word not in loops:
                yield f"{one.name} names {word}, which nothing declares"
            used.add(word)
        for decorator in re.findall(r"^@(\w+)", one.decorators, re.MULTILINE):
            if decorator not in DECORATORS:
                yield f"{one.name} has @{decorator}, which is no decorator on the list"
        if one.kind == "resource":
            yield from _resource_faults(one, source)
    yield from (f"{name} is never used" for name in source.of_kind("param", "var") if name not in used)
    yield from _module_faults(source, sources)


def _resource_faults(one: Declaration, source: Source) -> Iterator[str]:
    kind, _, version = one.of.removesuffix("' existing").partition("@")
    if version not in RESOURCES.get(kind, ()):
        yield f"{one.name} is a {kind}@{version}, which is not on the list"
    parent = re.search(r"^\s*parent: (\w+)", one.value, re.MULTILINE)
    if parent is not None and parent[1] in source.of_kind("resource"):
        above = source.of_kind("resource")[parent[1]].of.partition("@")[0]
        if kind.rpartition("/")[0] != above:
            yield f"{one.name} is a {kind}, which cannot be in a {above}"
    elif kind.count("/") > 1 and parent is None:
        yield f"{one.name} is a {kind} without a parent"


def _module_faults(source: Source, sources: dict[Path, Source]) -> Iterator[str]:
    modules = {}
    for one in source.of_kind("module").values():
        inner = sources.get((source.path.parent / one.of).resolve())
        if inner is None:
            yield f"{one.name} is in {one.of}, which is not there"
            continue
        modules[one.name] = inner
        given, params = _given(one.value), inner.of_kind("param")
        yield from (f"{one.name} is given {name}, which it does not take" for name in sorted(given - set(params)))
        needed = {name for name, param in params.items() if not param.value}
        yield from (f"{one.name} is not given {name}, which it needs" for name in sorted(needed - given))
    for one in source.declarations:
        for module, member, output in re.findall(r"(?<![\w.])(\w+)\.(\w+)(?:\.(\w+))?", _bare(one.value)):
            if module in modules and (member != "outputs" or output not in modules[module].of_kind("output")):
                yield f"{one.name} names {module}.{member}.{output}, which {modules[module].path.name} does not give"


def _given(module: str) -> set[str]:
    """The names of the parameters that a module is given: those one level below `params`."""
    found, depth, inside = set(), 0, None
    for line in module.splitlines():
        key = _KEY.match(line)
        if inside is None and key and key[1] == "params":
            inside = depth + 1
        elif inside == depth and key:
            found.add(key[1])
        depth += len(re.findall(r"[{\[]", _bare(line))) - len(re.findall(r"[}\]]", _bare(line)))
        if inside is not None and depth < inside:
            break
    return found


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Each name that a value mentions, and whether it is called."""
    for found in _WORD.finditer(_KEY.sub("", _bare(text))):
        if found[1] not in _KEYWORDS:
            yield found[1], found[2] is not None


def _bare(text: str) -> str:
    """The code without its strings, except for the expressions within them."""

    def expressions(found: re.Match[str]) -> str:
        return " ".join(f"({inner})" for inner in _interpolated(found[1]))

    return _STRING.sub(expressions, _joined(text))


def _joined(text: str) -> str:
    """Strings within the expressions of strings, such as '${take(name, 'x')}', with those made plain first."""
    while (found := re.search(r"\$\{[^{}]*\}", text)) and "'" in found[0]:
        text = text[: found.start()] + _STRING.sub("0", found[0]) + text[found.end() :]
    return text


def _interpolated(text: str) -> list[str]:
    return re.findall(r"\$\{([^{}]*)\}", text)
