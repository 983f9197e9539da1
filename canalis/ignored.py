"""What .amlignore and .gitignore leave out of a snapshot, by git's own rules.

Each folder may have one. The rules of a nearer folder come after those of the folders above it, and the last one that
fits decides. Where there is an .amlignore no .gitignore counts, there and in all folders below, as v1 had it.

A rule is asked about each folder before what is in it, so that it has to fit a path as a whole, as in git. Source
gitignore(5), and git's dir.c and wildmatch.c where that leaves something open; tests/unit/test_ignored.py asks git.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

AMLIGNORE = ".amlignore"
GITIGNORE = ".gitignore"
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": " \\t-\\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of such a file.

    fits        the paths that it is about, from its folder on, or names in it
    is_kept     whether these are kept after all
    of_folders  whether it is about folders alone
    of_names    whether it is about the last part of a path alone
    """

    fits: re.Pattern[str]
    is_kept: bool
    of_folders: bool
    of_names: bool


@dataclass(frozen=True, slots=True)
class Ignored:
    """The rules for what is right in one folder.

    rules   the last one first, each with how many characters of a path lead to the folder where it stands
    own     whether some of them are of an .amlignore
    """

    rules: tuple[tuple[int, Rule], ...] = ()
    own: bool = False

    def within(self, folder: str, below: str, names: frozenset[str]) -> Ignored:
        """The rules for what is right in a folder of that one.

        folder   where it lies
        below    its path from the source directory on, with a closing slash; "" for the source directory itself
        names    of its files
        """
        for name in (AMLIGNORE, *(() if self.own else (GITIGNORE,))):
            if name in names:
                text = Path(folder, name).read_text(encoding="utf-8-sig", errors="surrogateescape")
                rules = ((len(below), rule) for rule in reversed(rules_of(text)))
                return Ignored((*rules, *self.rules), self.own or name == AMLIGNORE)
        return self

    def has(self, path: str, is_folder: bool = False) -> bool:
        """Whether a path from the source directory on is left out."""
        name = path[path.rfind("/") + 1 :]
        for begin, rule in self.rules:
            if (is_folder or not rule.of_folders) and rule.fits.fullmatch(name if rule.of_names else path[begin:]):
                return not rule.is_kept
        return False


def rules_of(text: str) -> list[Rule]:
    """The rules of a file. A line that is none says nothing, as to git."""
    found = []
    for line in text.split("\n"):
        said = _without_spaces(line.removesuffix("\r"))
        is_kept = said.startswith("!")
        pattern = said[1:] if is_kept else said
        if not pattern or said.startswith("#"):
            continue
        of_folders = pattern.endswith("/")
        pattern = pattern[:-1] if of_folders else pattern
        of_names = "/" not in pattern
        found.append(Rule(_compiled(pattern.removeprefix("/"), of_names), is_kept, of_folders, of_names))
    return found


def _without_spaces(line: str) -> str:
    """A line without the spaces at its end, but for one behind a backslash."""
    bare = line.rstrip(" ")
    slashes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if slashes % 2 and bare != line else bare


def _compiled(pattern: str, of_names: bool) -> re.Pattern[str]:
    """What fits a pattern: * and ? stay within a folder, ** between slashes crosses folders."""
    found, at = [""], 0
    while at < len(pattern):
        sign = pattern[at]
        end = at + 1
        if sign == "*":
            while pattern[end : end + 1] == "*":
                end += 1
            crosses = end - at > 1 and pattern[at - 1 : at] in ("", "/") and pattern[end : end + 1] in ("", "/")
            if crosses and end < len(pattern):
                end += 1  # the slash, which is not there when no folder is
                found.append("(?:.*/)?")
            else:
                found.append(".*" if crosses and not of_names else "[^/]*")
        elif sign == "?":
            found.append("[^/]")
        elif sign == "[":
            end, part = _bracket(pattern, at + 1)
            if not end:
                return _NEVER
            found.append(part)
        elif sign == "\\":
            end += 1
            if end > len(pattern):
                return _NEVER
            found.append(re.escape(pattern[at + 1]))
        else:
            found.append(re.escape(sign))
        at = end
    return re.compile("".join(found), re.DOTALL) if pattern else _NEVER


def _bracket(pattern: str, at: int) -> tuple[int, str]:
    """Where a set of characters ends that begins there, and what fits it; 0 where it does not end."""
    is_negated = pattern[at : at + 1] in ("!", "^")
    at += is_negated
    first, items = at, list[str]()
    while at < len(pattern) and (pattern[at] != "]" or at == first):
        if pattern.startswith("[:", at) and (close := pattern.find(":]", at)) > 0:
            items.append(_CLASSES.get(pattern[at + 2 : close], ""))
            at = close + 2
            continue
        low, at = _sign(pattern, at)
        high = low
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]"):
            high, at = _sign(pattern, at + 1)
        if low <= high:
            items.append(f"{re.escape(low)}-{re.escape(high)}")
    if at >= len(pattern):
        return 0, ""
    inside = "".join(items)
    if is_negated:
        return at + 1, f"[^/{inside}]"
    return at + 1, f"(?!/)[{inside}]" if inside else "(?!)"


def _sign(pattern: str, at: int) -> tuple[str, int]:
    """A character of a set, and where the next one begins."""
    if pattern[at] == "\\" and at + 1 < len(pattern):
        at += 1
    return pattern[at], at + 1
