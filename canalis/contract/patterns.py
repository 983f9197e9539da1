"""Paths that stand for files in a store: a file, a folder with all below it, or a pattern. Pure.

In a pattern * and ? stay within a folder, ** crosses folders, and [...] is a set of characters. [*], [?] and [[] stand
for these signs themselves, so a path in which all of them are written so is no pattern.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

_WILD = re.compile(r"[*?\[]")
_ITSELF = re.compile(r"\[([*?\[])\]")
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[^]]+\]|.", re.DOTALL)
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def escaped(text: str) -> str:
    """The path that stands for this text and nothing else, whatever signs are in it.

    >>> escaped("report [final].csv"), escaped("a/b.csv")
    ('report [[]final].csv', 'a/b.csv')
    """
    return _WILD.sub(r"[\g<0>]", text)


def unescaped(path: str) -> str:
    """The text that a path stands for which is no pattern.

    >>> unescaped(escaped("a[*]?")), unescaped("a/b")
    ('a[*]?', 'a/b')
    """
    return _ITSELF.sub(r"\1", path)


def is_pattern(path: str) -> bool:
    """Whether a path may stand for several places.

    >>> [is_pattern(path) for path in ("a/*.csv", "a/[*].csv", "a/b")]
    [True, False, False]
    """
    return _WILD.search(_ITSELF.sub("", path)) is not None


def leaves(path: str) -> bool:
    """Whether a path leads out of the folder that it is meant to be below.

    >>> [leaves(path) for path in ("a/b", "a..b", "../a", "a/../b", "/a")]
    [False, False, True, True, True]
    """
    return path.startswith("/") or "\0" in path or ".." in path.split("/")


def listing_prefix(path: str) -> str:
    """How every path that `path` stands for begins.

    >>> listing_prefix("a [[]1]/*.csv"), listing_prefix("a/b")
    ('a [1]/', 'a/b')
    """
    if not is_pattern(path):
        return unescaped(path)
    end = next(found.start() for found in _TOKEN.finditer(path) if _is_wild(found[0]))
    return unescaped(path[:end])


def matches(path: str, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Those of the keys that `path` stands for, each with the folder that it is to be seen from.

    >>> list(matches("a/*.csv", ["a/x.csv", "a/b/y.csv", "a/z.txt"]))
    [('a/x.csv', 'a')]
    >>> list(matches("a", ["a/x.csv", "ab"])), list(matches("a/x", ["a/x"]))
    ([('a/x.csv', 'a')], [('a/x', 'a')])
    """
    if is_pattern(path):
        fits = re.compile("".join(_meaning(token) for token in _TOKEN.findall(path)), re.DOTALL)
        folder = listing_prefix(path).rpartition("/")[0]
        yield from ((key, folder) for key in keys if fits.fullmatch(key))
        return
    path = unescaped(path).rstrip("/")
    for key in keys:
        if key == path:
            yield key, path.rpartition("/")[0]
        elif not path or key.startswith(f"{path}/"):
            yield key, path


def below_common(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each key of `matches` with its path as seen from the folder that all of them share.

    >>> below_common([("a/b/x", "a/b"), ("a/c/y", "a/c")])
    [('a/b/x', 'b/x'), ('a/c/y', 'c/y')]
    """
    pairs = list(found)
    folders = [folder for _, folder in pairs]
    common = os.path.commonpath(folders) if folders and all(folders) else ""
    return [(key, key[len(common) :].lstrip("/")) for key, _ in pairs]


def _is_wild(token: str) -> bool:
    return _WILD.match(token) is not None and _ITSELF.fullmatch(token) is None


def _meaning(token: str) -> str:
    if _ITSELF.fullmatch(token):
        return re.escape(token[1])
    if len(token) > 1 and token.startswith("["):
        return token.replace("[!", "[^")
    return _MEANING.get(token) or re.escape(token)
