"""Secrets that authors keep in the workspace's vault: their names, their sizes, and how they are said over HTTP.

Source   Azure Key Vault, limits of objects: names of letters, digits and hyphens, 127 at most; values of 25 KB
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from canalis.contract.errors import BadRequest, NameInvalid, TooLarge
from canalis.contract.masking import SECRET_MIN

NAME_MAX = 127
VALUE_BYTES_MAX = 25 * 1024
SECRETS_MAX = 500  # each costs time wherever logs are looked through
_NAME = re.compile(rf"[0-9a-zA-Z-]{{1,{NAME_MAX}}}")


class SecretSaid(BaseModel):
    """What a secret is to be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    value: Annotated[str, Field(repr=False, json_schema_extra={"format": "password", "writeOnly": True})]


class SecretView(BaseModel):
    """A secret, as everybody may see it."""

    name: str


class SecretKept(SecretView):
    """A secret that was kept.

    warning   why it is not masked; "" when it is
    """

    warning: str = ""


class SecretRead(SecretView):
    """A secret for who may read it."""

    value: Annotated[str, Field(repr=False, json_schema_extra={"format": "password"})]


def check_name(name: str) -> str:
    """The name of a secret. Raises NameInvalid."""
    if not _NAME.fullmatch(name):
        raise NameInvalid(
            f"'{name[:40]}' cannot be the name of a secret: it must be 1 to {NAME_MAX} letters, digits and hyphens"
        )
    return name


def check_value(name: str, value: str) -> str:
    """The value of a secret. Raises TooLarge, BadRequest for no text; neither repeats it."""
    size = len(value.encode("utf-8", "replace"))
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise BadRequest(f"The secret '{name}' is no text: it has half of a character")
    if size > VALUE_BYTES_MAX:
        raise TooLarge(
            f"The secret '{name}' has {size} bytes: at most {VALUE_BYTES_MAX} are kept. Put a file into a datastore, "
            "and the key that opens it here",
            bytes_max=VALUE_BYTES_MAX,
        )
    return value


def warning_of(name: str, value: str) -> str:
    """Why a secret of that value is not masked in logs; "" when it is."""
    if len(value.strip()) >= SECRET_MIN:
        return ""
    return f"The secret '{name}' is not masked in logs, since it has fewer than {SECRET_MIN} characters"
