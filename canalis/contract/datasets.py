"""Registered datasets: files that have a name in the workspace, in versions that never change. As kept and shown.

Source   reference section 5
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, StrictBool

from canalis.contract.errors import NameInvalid, TooLarge
from canalis.contract.graph import DataPathValue, DatasetValue, Registered
from canalis.contract.parts import Part
from canalis.contract.tables import DATASET_NAME, Table

DATASETS = "datasets"  # kind of the documents with a version each, named <name>:<version>
DATASET_IDS = "dataset-ids"  # kind of the documents that say which version has an id
LATEST = "latest"
PLACES_MAX = 10_000
TAGS_MAX = 50
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

Places = Annotated[tuple[DataPathValue, ...], Field(min_length=1, max_length=PLACES_MAX)]


class DatasetRegistration(Part):
    """What a caller wants registered under a name.

    places               paths may be patterns
    table                how rows are read from the files; None for files alone
    partition_format     of files alone: the end of their paths, with {name} where a value stands
    create_new_version   whether it may take the place of other files that have the name
    """

    places: Places
    table: Table | None = None
    description: Annotated[str, Field(max_length=5_000)] = ""
    tags: Annotated[dict[str, str], Field(max_length=TAGS_MAX)] = Field(default_factory=dict)
    partition_format: Annotated[str, Field(max_length=2_000)] = ""
    create_new_version: StrictBool = False


class DatasetChange(Part):
    """What is to be said of a version of a dataset; its files and how they are read never change.

    tags          those that it has from then on, in the place of all before; None leaves them
    add_tags      beside these
    remove_tags   names of tags that it is not to have
    """

    description: Annotated[str, Field(max_length=5_000)] | None = None
    tags: Annotated[dict[str, str], Field(max_length=TAGS_MAX)] | None = None
    add_tags: Annotated[dict[str, str], Field(max_length=TAGS_MAX)] = Field(default_factory=dict)
    remove_tags: Annotated[tuple[str, ...], Field(max_length=TAGS_MAX)] = ()


class RegisteredDataset(Registered):
    """A version of a registered dataset, as it is kept and shown."""

    places: Places
    table: Table | None = None
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    partition_format: str = ""
    created_at: float
    created_by: str = ""

    def value(self) -> DatasetValue:
        """The same as the value of a parameter."""
        registered = Registered(name=self.name, version=self.version, id=self.id)
        return DatasetValue(places=self.places, registered=registered, table=self.table)


def changed(known: RegisteredDataset, asked: DatasetChange) -> RegisteredDataset:
    """The same version with what is to be said of it. Raises TooLarge for more tags than there may be."""
    tags = {**(known.tags if asked.tags is None else asked.tags), **asked.add_tags}
    tags = {name: value for name, value in tags.items() if name not in asked.remove_tags}
    if len(tags) > TAGS_MAX:
        raise TooLarge(f"Dataset '{known.name}' would have {len(tags)} tags: at most {TAGS_MAX} are kept")
    description = known.description if asked.description is None else asked.description
    return known.model_copy(update={"description": description, "tags": tags})


def is_id(text: str) -> bool:
    """Whether a text has the form of an id, which no name has."""
    return _ID.fullmatch(text) is not None


def split_name(text: str) -> tuple[str, str]:
    """The name, or the id, and the version that a text means, as somebody types it.

    >>> split_name("weather"), split_name("weather:3")
    (('weather', 'latest'), ('weather', '3'))
    """
    name, _, version = text.partition(":")
    return name, version if version else LATEST


def check_dataset_name(name: str) -> str:
    """The name itself. Raises NameInvalid when it cannot be that of a dataset."""
    if not DATASET_NAME.fullmatch(name) or is_id(name):
        raise NameInvalid(
            f"'{name[:80]}' cannot be the name of a dataset: 1 to 255 letters, digits, blanks, _, - and ., "
            "no blank or sign but _ first, no blank last, and not in the form of an id",
            name=name[:80],
        )
    return name
