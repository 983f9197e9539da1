"""The datastores of a workspace: those that it keeps itself, and those that authors have registered, wherever they lie.

    stores = RegisteredStores(FileStores(root), documents, vault, is_local=True)
    stores.open("landing")      opened with what the vault has of it, and again once it was registered anew

What Azure or a library answers is put into the words of who has registered the datastore.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from adapters.files import FileBlobs
from canalis.contract.datastores import DATASTORES, FURNISHED, account_url, library_options, place_of, secret_of
from canalis.contract.errors import BadRequest, DatastoreRefused, NotFound, NotSupported, SettingInvalid
from canalis.contract.ports import BlobStore, Document, DocumentStore, Vault

_AGAIN = "Register it again, with overwrite=True and the right credentials"
_GONE = ("ContainerNotFound", "ResourceNotFound", "AccountIsDisabled", "ContainerBeingDeleted")


class OwnStores(Protocol):
    """Datastores that lie with everything else that the service keeps."""

    def open(self, name: str) -> BlobStore:
        """The files of that datastore. Raises NotFound."""
        ...

    def make(self, name: str) -> BlobStore:
        """The files of one that the workspace has, of which there may be none yet."""
        ...


class RegisteredStores:
    """All datastores of a workspace by name. Many threads may use it at once.

    is_local   whether this machine stands for what is in Azure, and its owner for whoever registers
    """

    def __init__(self, own: OwnStores, documents: DocumentStore, vault: Vault, is_local: bool) -> None:
        self._own = own
        self._documents = documents
        self._vault = vault
        self._is_local = is_local
        self._lock = threading.Lock()
        self._opened: dict[str, tuple[str, BlobStore]] = {}  # each with the version of its document

    def open(self, name: str) -> BlobStore:
        """The files of that datastore. Raises NotFound, NotSupported, DatastoreRefused."""
        if name in FURNISHED:
            return self._own.open(name)
        stored = self._documents.get(DATASTORES, name) if name else None
        if stored is None:
            raise NotFound(
                f"There is no datastore '{name[:80]}': it was never registered in this workspace, or was unregistered",
                kind="datastore",
                name=name[:80],
            )
        with self._lock:
            version, store = self._opened.get(name, ("", None))
        if store is None or version != stored.etag:
            store = self.reach(name, stored.body, self._credentials(name, stored.body))
            if store is None:
                raise NotSupported(
                    f"Datastore '{name}' is a database, which has rows and no files: read it by "
                    "Dataset.Tabular.from_sql_query((datastore, query))"
                )
            with self._lock:
                self._opened[name] = (stored.etag, store)
        return store

    def reach(self, name: str, body: Document, credentials: Mapping[str, str], make: bool = False) -> BlobStore | None:
        """The files of a datastore as it would be registered with that document; None for one that has no files."""
        place = place_of(body, self._is_local)
        if place == "own":
            return self._own.make(name)
        if place == "account":
            return _in_account(name, body, credentials, make, self._is_local)
        if place == "library":
            return _in_library(name, body, credentials, self._is_local)
        if place == "nowhere":
            raise NotSupported(
                f"Datastore '{name}' is of type {body['type']}, whose files the service cannot reach in the cloud: "
                "copy them to a blob container, and register that; a laptop has a folder in its place"
            )
        return None

    def _credentials(self, name: str, body: Document) -> dict[str, str]:
        found = {one: self._vault.read(secret_of(name, one)) for one in body.get("credentials", ())}
        return {one: value for one, value in found.items() if value is not None}


def _in_library(name: str, body: Document, credentials: Mapping[str, str], is_local: bool) -> BlobStore:
    options, url = library_options(body, credentials, is_local), str(body["url"])
    scheme, _, path = url.partition("://")
    if scheme == "file":  # a laptop's own: data there is used in place
        folder = Path(path)
        if not folder.is_absolute() or not folder.is_dir():
            raise DatastoreRefused(f"Datastore '{name}': {folder} is no folder of this machine")
        return FileBlobs(folder)
    from adapters.fsspec_blobs import FsspecBlobs

    return FsspecBlobs(f"Datastore '{name}'", url, options, credentials)


def _in_account(name: str, body: Document, credentials: Mapping[str, str], make: bool, is_local: bool) -> BlobStore:
    try:
        from adapters.azure_account import Account
        from adapters.azure_blobs import AzureBlobs
    except ImportError:
        raise NotSupported(
            f"Datastore '{name}' is in an account of Azure's, which this service has no library for: "
            "pip install 'canalis[azure]' where it runs, and start it again"
        ) from None
    container, where = body["container_name"], account_url(body, is_local)
    account = Account(
        where,
        _identity(name, body, credentials),
        body["account_name"],
        _key(name, credentials),
        sas=credentials.get("sas_token", "").lstrip("?"),
    )
    errors = partial(_authors_errors, f"Datastore '{name}'", f"container '{container}' of {where}", body)
    return AzureBlobs.of_datastore(account, container, make, errors)


def _key(name: str, credentials: Mapping[str, str]) -> str:
    """The account's key. Raises DatastoreRefused for one that is none, without repeating it."""
    import base64

    key = credentials.get("account_key", "")
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        key = "\n"
    if key == "\n":  # not where it was caught: what failed has the key in it
        raise DatastoreRefused(f"Datastore '{name}': its account_key is none, since it is no Base64. {_AGAIN}")
    return key


def _identity(name: str, body: Document, credentials: Mapping[str, str]) -> Any:
    """What signs in as a service principal; None where there is none."""
    if "client_secret" not in credentials:
        return None
    from azure.identity import ClientSecretCredential

    missing = [one for one in ("tenant_id", "client_id") if not body.get(one)]
    if missing:
        raise BadRequest(f"Datastore '{name}' has a client_secret, and needs {' and '.join(missing)} beside it")
    return ClientSecretCredential(body["tenant_id"], body["client_id"], credentials["client_secret"])


@contextmanager
def _authors_errors(datastore: str, where: str, body: Document) -> Iterator[None]:
    """What Azure answers, in the words of who registered the datastore."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    from adapters.azure_account import code_of, no_answer, refusal

    named = f"{datastore}: {where}"
    try:
        yield
    except HttpResponseError as error:
        code, status = code_of(error), error.status_code or 0
        if status in (401, 403) or isinstance(error, ClientAuthenticationError):
            how = " and ".join(body.get("credentials", ())) or "nobody who is unknown: it has no credentials"
            raise DatastoreRefused(f"{named} does not let in {how} ({code or status}). {_AGAIN}") from error
        if code in _GONE or status == 404:
            raise DatastoreRefused(
                f"{named} is not there ({code or status}). Pass create_if_not_exists=True to have it made, or name "
                "another one"
            ) from error
        raise refusal(status, code, named, "") from error
    except (ValueError, SettingInvalid) as error:
        raise DatastoreRefused(f"{named} cannot be asked. {_AGAIN}") from error
    except AzureError as error:
        raise no_answer(error, named, "") from error
