"""The backends that this installation has, by name: ours, and those that other packages bring by an entry point.

    [project.entry-points."canalis.backends"]
    slurm = "my_package.slurm:make"         # make(ports, site) gives a Backend

A backend is loaded when its first order comes, so that nobody waits for a library that he does not use.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from canalis.contract.errors import NotFound
from canalis.contract.ports import Ports
from canalis.contract.works import DATABRICKS, TRANSFER
from steps.backend import Backend
from steps.surroundings import Site

GROUP = "canalis.backends"
PROCESS = "process"  # made by each door in its own way: what is a machine there, is none here
OURS = {DATABRICKS: "steps.databricks:make", TRANSFER: "steps.transfer:make"}

Maker = Callable[[Ports, Site], Backend]


def names() -> list[str]:
    """Names of all backends but `process`, whether or not they can be loaded."""
    return sorted({*OURS, *_others()} - {PROCESS})


def make(name: str, ports: Ports, site: Site) -> Backend:
    """The backend of that name. Raises NotFound."""
    return _maker(name)(ports, site)


def _maker(name: str) -> Maker:
    if name in OURS:
        module, _, function = OURS[name].partition(":")
        maker: Maker = getattr(import_module(module), function)
        return maker
    found = _others().get(name)
    if found is None:
        known = ", ".join(names())
        raise NotFound(f"There is no backend '{name}' (there: {known}): is its package installed?", kind="backend")
    loaded: Maker = found.load()
    return loaded


def _others() -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=GROUP)}
