"""Pipeline endpoints: a name and an address that stay while the pipelines behind them change. As kept and shown."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from canalis.contract.graph import Part
from canalis.contract.published import NAME_MAX, Description, EntityStatus, Id, Tags

ENDPOINTS = "endpoints"  # kind of the documents with endpoints
ENDPOINT_NAMES = "endpoint-names"  # kind of those that say whose a name is
VERSIONS_MAX = 1_000


def _plain_name(name: str) -> str:
    """The name in one spelling, so that no two look alike. Raises ValueError for one that nobody could type."""
    found = unicodedata.normalize("NFC", name).strip()
    if not found or not found.isprintable():
        raise ValueError("a name has at least one character, and none that cannot be seen")
    return found


EndpointName = Annotated[str, Field(min_length=1, max_length=NAME_MAX), AfterValidator(_plain_name)]


class EndpointRequest(Part):
    """A new endpoint, whose version 0 is a published pipeline.

    id   chosen by the caller to make a repeated request the same endpoint; else a new one
    """

    id: Id | None = None
    name: EndpointName
    description: Description = ""
    pipeline: Id
    tags: Tags = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)


class EndpointVersion(Part):
    """A published pipeline behind an endpoint. Versions are counted from "0"."""

    version: str
    pipeline: str
    added_at: float
    added_by: str = ""


class Endpoint(Part):
    """A pipeline endpoint: its default version is what runs when nobody asks for another."""

    id: str
    name: str
    description: str = ""
    status: EntityStatus = "Active"
    default_version: str = "0"
    versions: tuple[EndpointVersion, ...]
    tags: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)
    created_at: float
    created_by: str = ""
    updated_at: float

    def pipeline_of(self, version: str) -> str | None:
        """The id of the published pipeline behind a version; None when there is no such version."""
        return next((one.pipeline for one in self.versions if one.version == version), None)


class EndpointView(Endpoint):
    """An endpoint as it is shown. `url` is where it is started by v1's REST contract."""

    url: str


class EndpointChange(Part):
    """What shall be other than it is; what is not given stays."""

    name: EndpointName | None = None
    description: Description | None = None
    status: EntityStatus | None = None
    default_version: Annotated[str, Field(max_length=20)] | None = None
    tags: Tags | None = None
