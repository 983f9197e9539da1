"""Registered datasets: files that have a name, in versions that never change."""

from __future__ import annotations

from fastapi import APIRouter

from api.access import GuardedRoute, Role, needs
from api.reach import Reach
from api.service import Asking, Here
from canalis.contract.datasets import LATEST, DatasetChange, DatasetRegistration, RegisteredDataset
from orchestrator import datasets

router = APIRouter(prefix="/datasets", route_class=GuardedRoute, tags=["datasets"])


@router.get("", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def list_datasets(here: Here) -> list[RegisteredDataset]:
    """The newest version of each registered dataset, by name."""
    return datasets.newest_of_each(here.ports.documents)


@router.get("/{name}", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def get_dataset(here: Here, name: str, version: str = LATEST) -> RegisteredDataset:
    """A registered dataset by its name, in its newest version when none is named, or by its id."""
    return datasets.find(here.ports.documents, name, version)


@router.delete("/{name}", dependencies=[needs(Role.OPERATOR)], status_code=204)
def unregister_dataset(here: Here, name: str) -> None:
    """Take a name from all its versions. The files stay, and so do runs that read them."""
    datasets.unregister(here.ports.documents, name)


@router.patch("/{name}", dependencies=[needs(Role.SUBMITTER, step=Reach.WORKSPACE)])
def change_dataset(here: Here, name: str, asked: DatasetChange, version: str = LATEST) -> RegisteredDataset:
    """Change the description or the tags of a version; its files, and how they are read, stay as they are."""
    return datasets.change(here.ports.documents, name, asked, version)


@router.post("/{name}", dependencies=[needs(Role.SUBMITTER, step=Reach.WORKSPACE)])
def register_dataset(here: Here, who: Asking, name: str, asked: DatasetRegistration) -> RegisteredDataset:
    """Give files a name. The same files again keep their version; others get the next one, if that is asked for."""
    return datasets.register(here.ports, name, asked, by=who.name)
