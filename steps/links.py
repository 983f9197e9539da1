"""Links at paths of this machine, where scripts want to see data: one path shows one thing at a time.

An attempt that uses a link writes that down beside its working folder, in <attempt>.data/links. So it is known whose
a link is, also to a service that comes after one that died. Attempts that want to see the same share a link.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from canalis.contract.errors import AuthorError

DATA = ".data"  # ends the name of an attempt's data folder
_TAKEN = "The data cannot be shown at {link}, since {why}"
_one_at_a_time = threading.Lock()  # one service serves a workspace, so its threads are all who could be in between


class LinkTaken(AuthorError):
    """Something else is to be seen at the path where a step wants to see its data."""

    code = "link_taken"


def show(link: Path, target: Path, data: Path, has_ended: Callable[[str], bool]) -> None:
    """Make `link` lead to `target` for an attempt.

    data        the attempt's own data folder, beside those of the others
    has_ended   whether an attempt, named by its data folder's name, is over: what it has left is nobody's
    Raises      LinkTaken when another attempt that is not over sees something else there, or when there is
                something that none of ours has made
    """
    with _one_at_a_time:
        mark = _mark(data, link)
        if mark.is_symlink() and mark.readlink() != target:
            raise LinkTaken(_TAKEN.format(link=link, why="another input of this step is"))
        for other, seen in _users(link, data):
            if seen != target and not has_ended(other):
                why = f"step run {other.removesuffix(DATA)} sees something else there just now"
                raise LinkTaken(f"{_TAKEN.format(link=link, why=why)}: give each a path of its own, or an order")
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.unlink(missing_ok=True)
        mark.symlink_to(target)  # before the link itself: what nobody is known to use may be taken away
        if link.is_symlink() and data.parent.parent in link.readlink().parents:  # it leads into this workspace
            link.unlink()
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            link.symlink_to(target)
        except FileExistsError:
            mark.unlink()
            raise LinkTaken(_TAKEN.format(link=link, why="there is something already on this machine")) from None


def hide(link: Path, data: Path) -> None:
    """An attempt does not need `link` any more; it goes with the last that did."""
    with _one_at_a_time:
        mark = _mark(data, link)
        if not mark.is_symlink():
            return  # it was never this attempt's
        target = mark.readlink()
        mark.unlink()
        if not any(seen == target for _, seen in _users(link, data)):
            with contextlib.suppress(OSError):
                if link.readlink() == target:
                    link.unlink()


def _users(link: Path, data: Path) -> Iterator[tuple[str, Path]]:
    """The other attempts that have written down that they use a link, each with what it sees there."""
    for mark in data.parent.glob(f"*/links/{_mark(data, link).name}"):
        if mark.parent.parent != data:
            with contextlib.suppress(FileNotFoundError):
                yield mark.parent.parent.name, mark.readlink()


def _mark(data: Path, link: Path) -> Path:
    return data / "links" / hashlib.sha256(str(link).encode()).hexdigest()[:32]
