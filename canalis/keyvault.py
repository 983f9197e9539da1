"""The secrets of a workspace: kept encrypted by its service, read by scripts, and masked in what runs leave behind.

Source   reference section 3, and section 13 for Run.get_secret
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from canalis.absent import V1
from canalis.answers import asked
from canalis.contract.errors import NotFound
from canalis.contract.layout import SECRETS_READ
from canalis.contract.secrets import check_name, check_value
from canalis.exceptions import UserErrorException
from canalis.within import Within

_CONTEXT = "CANALIS_CONTEXT"  # names the file beside which a step's runner looks for SECRETS_READ


class Keyvault(V1):
    """The secrets of a workspace, by name. Names that differ in case alone are one."""

    def __init__(self, workspace: Within) -> None:
        self._workspace = workspace

    def set_secret(self, name: str, value: str) -> None:
        """Keep a secret in the place of the one before; warns of one that is too short to be masked.

        Raises UserErrorException for a name or value that cannot be kept; it does not repeat the value.
        """
        self._put(*_checked(name, value))

    def set_secrets(self, secrets_batch: Mapping[str, str]) -> None:
        """Keep several. Nothing is kept when one of them cannot be."""
        for name, value in [_checked(name, value) for name, value in secrets_batch.items()]:
            self._put(name, value)

    def get_secret(self, name: str) -> str:
        """The value of a secret, which is masked in the step's log from now on.

        Raises UserErrorException when there is none, with the names that are alike.
        """
        say_read()
        return str(asked(lambda: self._workspace._client.get(_path(name)))["value"])

    def get_secrets(self, secrets: Iterable[str]) -> dict[str, str | None]:
        """Values by name; None for a secret that is not there."""
        return {name: self._found(name) for name in _names(secrets)}

    def list_secrets(self) -> list[dict[str, Any]]:
        """Each secret's name as {"name": ...}, without values."""
        found: list[dict[str, Any]] = self._workspace._client.get("/secrets")
        return found

    def delete_secret(self, name: str) -> None:
        """Forget a secret, or find that it is gone."""
        asked(lambda: self._workspace._client.delete(_path(name)))

    def delete_secrets(self, secrets: Iterable[str]) -> None:
        """Forget several."""
        for name in _names(secrets):
            self.delete_secret(name)

    def _found(self, name: str) -> str | None:
        try:
            return self.get_secret(name)
        except UserErrorException as error:
            if error.code == NotFound.code:
                return None
            raise

    def _put(self, name: str, value: str) -> None:
        kept = asked(lambda: self._workspace._client.put(_path(name), {"value": value}))
        if kept["warning"]:
            warnings.warn(kept["warning"], UserWarning, stacklevel=3)

    def __repr__(self) -> str:
        return f"Keyvault(workspace={self._workspace.name!r})"


def _checked(name: str, value: str) -> tuple[str, str]:
    if not isinstance(value, str):
        raise UserErrorException(f"The value of the secret '{name}' must be text, and is {type(value).__name__}")
    _path(name)
    asked(lambda: check_value(name, value))
    return name, value


def _path(name: str) -> str:
    if not isinstance(name, str):
        raise UserErrorException(f"The name of a secret must be text, and is {type(name).__name__}")
    return f"/secrets/{quote(asked(lambda: check_name(name)))}"


def _names(secrets: Iterable[str]) -> list[str]:
    if isinstance(secrets, str):
        raise UserErrorException("Several secrets are named in a list; of one name use the method for one")
    return list(secrets)


def say_read() -> None:
    """Tell who copies this step's log that it is about to know a secret, before it does."""
    if context := os.environ.get(_CONTEXT):
        with contextlib.suppress(OSError), Path(context).with_name(SECRETS_READ).open("ab", buffering=0) as file:
            file.write(b".")
