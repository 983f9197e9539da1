"""What a built environment has of the interpreter that it was built for: Canalis, and what Canalis needs.

A copy lies in the environment, where a .pth file has each interpreter load it; so it imports nothing of ours. The
environment's own packages come first, and nothing else of that interpreter is seen.
"""

import json
import os
import re
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, DistributionFinder, MetadataPathFinder
from typing import Any, Iterator  # noqa: UP035

_LIST = "canalis_borrowed.json"


class Borrowed(DistributionFinder):
    """Finds modules by the first part of their names, each in the folder that the list names for it.

    canalis_lent    folders by module, under a name that others look for
    distributions   folders by distribution, for those who ask for versions
    """

    def __init__(self, folders: dict[str, str], distributions: dict[str, str]) -> None:
        self.canalis_lent = folders
        self._distributions = distributions

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As importlib asks, after it has found nothing elsewhere."""
        folder = self.canalis_lent.get(name) if path is None else None
        return PathFinder.find_spec(name, [folder]) if folder is not None else None

    def find_distributions(self, context: Any = DistributionFinder.Context()) -> Iterator[Distribution]:  # noqa: B008
        """As importlib.metadata asks for one by name."""
        name = re.sub(r"[-_.]+", "-", context.name or "").lower()
        if name in self._distributions:
            found = DistributionFinder.Context(name=name, path=[self._distributions[name]])
            yield from MetadataPathFinder.find_distributions(found)


def install() -> None:
    """Have this interpreter find what is borrowed, after everything else."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), _LIST), encoding="utf-8") as file:
        found = json.load(file)
    sys.meta_path.append(Borrowed(found["folders"], found["distributions"]))
