"""What the parts of documents are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A piece of a document: it does not change and knows all its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Kinded(Part):
    """A part that says in its `kind` which of several it is, so that it is always written down."""

    def model_post_init(self, context: object) -> None:
        """Counts `kind` as given, so that leaving out what was not given keeps it."""
        self.__pydantic_fields_set__.add("kind")
