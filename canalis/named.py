"""What a workspace has, by name: datastores, compute targets, experiments, environments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NotThere(KeyError):
    """A workspace, or a step, has nothing of that name. A KeyError, as v1's was, whose text is a sentence."""

    def __str__(self) -> str:
        return str(self.args[0])


class Named(Mapping[str, Item], Generic[Item]):
    """Things of a workspace by name, read when they are asked for.

    kind     what they are called in one's message
    remedy   what can be done about one that is missing
    """

    def __init__(
        self,
        kind: str,
        names: Callable[[], list[str]],
        make: Callable[[str], Item],
        remedy: Callable[[str], str] | None = None,
    ) -> None:
        self._kind = kind
        self._names = names
        self._make = make
        self._remedy = remedy

    def __getitem__(self, name: str) -> Item:
        known = self._names()
        if name not in known:
            mend = f". {self._remedy(name)}" if self._remedy else ""
            raise NotThere(f"There is no {self._kind} '{name}' (there: {', '.join(known) or 'none'}){mend}")
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        return repr(dict(self))
