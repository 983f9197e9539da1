"""Registered datasets: files that have a name in the workspace, in versions that never change. As kept and shown.

Source   reference section 5
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, StrictBool

from canalis.contract.errors import NameInvalid
from canalis.contract.graph import DataPathValue, DatasetValue, Registered
from canalis.contract.parts import Part
from canalis.contract.tables import DATASET_NAME, Table

DATASETS = "datasets"  # kind of the documents with a version each, named <name>:<version>
DATASET_IDS = "dataset-ids"  # kind of the documents that say which version has an id
LATEST = "latest"
PLACES_MAX = 10_000
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

Places = Annotated[tuple[DataPathValue, ...], Field(min_length=1, max_length=PLACES_MAX)]


class DatasetRegistration(Part):
    """What a caller wants registered under a name.

    places               paths may be patterns
    table                how rows are read from the files; None for files alone
    create_new_version   whether it may take the place of other files that have the name
    """

    places: Places
    table: Table | None = None
    description: Annotated[str, Field(max_length=5_000)] = ""
    tags: Annotated[dict[str, str], Field(max_length=50)] = Field(default_factory=dict)
    create_new_version: StrictBool = False


class RegisteredDataset(Registered):
    """A version of a registered dataset, as it is kept and shown."""

    places: Places
    table: Table | None = None
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    created_at: float
    created_by: str = ""

    def value(self) -> DatasetValue:
        """The same as the value of a parameter."""
        registered = Registered(name=self.name, version=self.version, id=self.id)
        return DatasetValue(places=self.places, registered=registered, table=self.table)


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
