"""Secrets of authors in an Azure Key Vault, where those that they kept for v1 may lie already; our own are sealed.

    vault = AuthorsVault("https://team.vault.azure.net", credential, SealedDocuments(documents, keys))
    vault.read("secret db-password")   # the secret `db-password` of the Key Vault
    vault.read("hooks")                # sealed among the documents: none of a Key Vault's authors has a use for it

Each secret of the Key Vault is masked, also one that nobody has kept through us. A list of them tells when each was
written last, so that only those are read again that have changed.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.secrets import SecretClient, SecretProperties

from adapters.azure_account import Account, code_of, plain_errors, rest_s, transport
from adapters.sealed import MASK_S, Masks, SealedDocuments, bytes_of
from canalis.contract import logs
from canalis.contract.errors import Conflict, SecretUnreadable, SettingInvalid, TooLarge
from canalis.contract.masking import AUTHORS, Mask

VALUE_BYTES_MAX = 25_000  # of a secret of a Key Vault: "maximum 25k bytes", https://learn.microsoft.com/azure/key-vault/secrets/about-secrets
ROLE = "Key Vault Secrets Officer"
_REST_S = 0.2  # before the second try of a request; doubles
_CLOCKS_APART_S = 60.0  # a secret that was written so shortly before it was read may have been written since
_TRIES = 6  # of keeping a secret that is being deleted, over some 12 s: a deletion takes that long

_log = logging.getLogger("canalis.vault")


class _Read(NamedTuple):
    """A secret's value, when it was written as the list said, and when it was read; both in seconds since 1970."""

    value: str
    written: float
    read: float


class AuthorsVault:
    """Keeps what authors keep in a Key Vault, and all else sealed. Safe to be used by many threads.

    url      https://<name>.vault.azure.net
    verify   whether its certificate is checked, or the file with the one that it must be signed by
    Raises   SettingInvalid for an address that is not https
    """

    def __init__(
        self, url: str, credential: TokenCredential, sealed: SealedDocuments, verify: bool | str = True
    ) -> None:
        found = urlsplit(url)
        if found.scheme != "https" or not found.hostname:
            raise SettingInvalid(f"{url} is not the address of a Key Vault: https://<name>.vault.azure.net")
        self._where = f"the Key Vault {found.hostname}"
        self._client = SecretClient(
            url,
            credential,
            transport=transport(Account(url.rstrip("/"), credential, verify=verify)),
            verify_challenge_resource=found.hostname not in ("127.0.0.1", "localhost"),
            retry_total=3,
            retry_backoff_factor=_REST_S,
        )
        self._sealed = sealed
        self._masks = Masks(self._all, MASK_S)
        self._read: dict[str, _Read] = {}

    def keep(self, name: str, secret: str) -> None:
        """Keep it under that name, in the place of what was there.

        Raises TooLarge, BadRequest for no text, Conflict for a name that is being deleted, StoreUnavailable
        """
        if not _is_authors(name):
            return self._sealed.keep(name, secret)
        if len(data := bytes_of(secret)) > VALUE_BYTES_MAX:
            raise TooLarge(f"The secret has {len(data)} bytes: a Key Vault keeps at most {VALUE_BYTES_MAX}")
        logs.hide(secret)
        with self._plain():
            self._set(name.removeprefix(AUTHORS), secret)
        self._read.pop(name, None)
        self._masks.forget()
        return None

    def read(self, name: str) -> str | None:
        """The secret, or None; from then on no log shows it. Raises SecretUnreadable when it is disabled or too old."""
        if not _is_authors(name):
            return self._sealed.read(name)
        with self._plain():
            return self._value(name.removeprefix(AUTHORS))

    def forget(self, name: str) -> bool:
        """Whether there was one to forget. The Key Vault keeps it for as long as it keeps what was deleted."""
        if not _is_authors(name):
            return self._sealed.forget(name)
        with self._plain():
            try:
                self._client.begin_delete_secret(name.removeprefix(AUTHORS))  # which is not waited for
            except ResourceNotFoundError:
                return False
        return True

    def names(self) -> list[str]:
        """Of all that are kept, in order."""
        with self._plain():
            return sorted([*self._sealed.names(), *(AUTHORS + str(one.name) for one in self._listed())])

    def mask(self, fresh: bool = False) -> Mask:
        """What hides the secrets of the Key Vault, and those that it had before as far as this process knows."""
        return self._masks.get(fresh)

    def _all(self) -> Iterator[str]:
        yield from self._sealed.authors()  # kept before there was a Key Vault
        with self._plain():
            for listed in self._listed():
                name = str(listed.name)
                with contextlib.suppress(SecretUnreadable):  # nobody else can read it either
                    if (value := self._value_listed(name, listed)) is not None:
                        yield value

    def _value_listed(self, name: str, listed: SecretProperties) -> str | None:
        written = listed.updated_on.timestamp() if listed.updated_on else 0.0
        known = self._read.get(name)
        if known is None or known.written != written or known.read < written + _CLOCKS_APART_S:
            read = time.time()
            value = self._value(name)
            if value is None:
                return None  # deleted since
            known = self._read[name] = _Read(value, written, read)
        return known.value

    def _value(self, name: str) -> str | None:
        try:
            value = self._client.get_secret(name).value
        except ResourceNotFoundError:
            return None
        except HttpResponseError as error:
            if error.status_code == 403 and _inner_code(error) == "SecretDisabled":
                raise SecretUnreadable(
                    f"The secret '{name}' is disabled in {self._where}, or its time is not now: enable it there",
                    name=name,
                ) from error
            raise
        if value is not None:
            logs.hide(value)
        return value

    def _set(self, name: str, secret: str) -> None:
        for number in range(1, _TRIES + 1):
            try:
                self._client.set_secret(name, secret)
                return
            except HttpResponseError as error:
                if error.status_code != 409:
                    raise
            with contextlib.suppress(HttpResponseError):  # it is deleted, or still being deleted, or being recovered
                self._client.begin_recover_deleted_secret(name)
            time.sleep(rest_s(number))
        raise Conflict(f"The secret '{name}' is being deleted in {self._where}: keep it again in a minute")

    def _listed(self) -> Iterable[SecretProperties]:
        """Those that can be read; not the private keys of certificates, which the vault keeps by itself."""
        return (one for one in self._client.list_properties_of_secrets() if one.enabled and not one.managed)

    @contextlib.contextmanager
    def _plain(self) -> Iterator[None]:
        with plain_errors(self._where, ROLE):
            yield


def _is_authors(name: str) -> bool:
    """Whether an author has named it so: what belongs to datastores and computes has a space in its name."""
    return name.startswith(AUTHORS) and " " not in name.removeprefix(AUTHORS)


def _inner_code(error: HttpResponseError) -> str:
    inner: Any = getattr(getattr(error, "error", None), "innererror", None)
    return str((inner or {}).get("code", "")) if isinstance(inner, dict) else code_of(error)
