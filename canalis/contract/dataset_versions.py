"""How a version of a registered dataset is made: whoever registers one does it here."""

from __future__ import annotations

import uuid

from canalis.contract.datasets import DATASET_IDS, DATASETS, DatasetRegistration, RegisteredDataset
from canalis.contract.errors import AlreadyExists, Conflict
from canalis.contract.ports import DocumentStore

VERSION_DIGITS = 6


def make_version(
    documents: DocumentStore, now: float, name: str, asked: DatasetRegistration, by: str = ""
) -> RegisteredDataset:
    """The version that holds what is asked: the newest when it does already, so that asking twice makes one.

    now      seconds since 1970
    Raises   AlreadyExists when others have the name and no new version may be made
    """
    while True:
        known = documents.list(DATASETS, f"{name}:")
        newest = RegisteredDataset.model_validate(known[-1].body) if known else None
        if newest is not None and _read_alike(newest, asked):
            return newest
        if newest is not None and not asked.create_new_version:
            raise AlreadyExists(
                f"There is a dataset '{name}' of other files already (version {newest.version}): pass "
                "create_new_version=True for another version, or take another name",
                kind="dataset",
                name=name,
            )
        made = RegisteredDataset(
            name=name,
            version=newest.version + 1 if newest else 1,
            id=str(uuid.uuid4()),
            places=asked.places,
            table=asked.table,
            description=asked.description,
            tags=asked.tags,
            partition_format=asked.partition_format,
            created_at=now,
            created_by=by,
        )
        if _keep(documents, made):
            return made


def _read_alike(newest: RegisteredDataset, asked: DatasetRegistration) -> bool:
    one, other = ((kept.places, kept.table, kept.partition_format) for kept in (newest, asked))
    return one == other


def version_key(name: str, version: int) -> str:
    """The name of the document with that version."""
    return f"{name}:{version:0{VERSION_DIGITS}d}"  # zeros, so that versions sort as numbers do


def _keep(documents: DocumentStore, made: RegisteredDataset) -> bool:
    """Whether the version is kept; False when somebody registered the same one at the same moment."""
    # Its id first: who finds the version may ask for it by id at once. What is then not kept names no version.
    documents.put(DATASET_IDS, made.id, {"name": made.name, "version": made.version})
    try:
        documents.put(DATASETS, version_key(made.name, made.version), made.model_dump(mode="json"), if_absent=True)
    except Conflict:
        return False
    return True
