"""Paths that stand for files in a store: a file, a folder with all below it, or a pattern. Pure.

In a pattern * and ? stay within a folder, ** crosses folders, and [...] is a set of characters.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

_WILD = re.compile(r"[*?\[]")
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[^]]+\]|.", re.DOTALL)
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def is_pattern(path: str) -> bool:
    """Whether a path may stand for several places."""
    return _WILD.search(path) is not None


def leaves(path: str) -> bool:
    """Whether a path leads out of the folder that it is meant to be below.

    >>> [leaves(path) for path in ("a/b", "a..b", "../a", "a/../b", "/a")]
    [False, False, True, True, True]
    """
    return path.startswith("/") or "\0" in path or ".." in path.split("/")


def listing_prefix(path: str) -> str:
    """How every path that `path` stands for begins."""
    return _WILD.split(path)[0]


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
    path = path.rstrip("/")
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


def _meaning(token: str) -> str:
    if len(token) > 1 and token.startswith("["):
        return token.replace("[!", "[^")
    return _MEANING.get(token) or re.escape(token)
