"""Datastores: which kinds authors can register, what each says of itself, what of that is secret, and where it lies.

A registered one is a document with its `type`, what is said of it, and in `credentials` the names of its secrets. The
secrets themselves are in the vault, each under `secret_of`. One that every workspace has from its first day on
(FURNISHED) has no `credentials`, and lies where the service keeps everything.

Source   reference section 3
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from canalis.contract.errors import BadRequest, NameInvalid, NotSupported
from canalis.contract.masking import AUTHORS

DATASTORES = "datastores"  # kind of the documents with datastores
FURNISHED = {  # those of a new v1 workspace
    "workspaceblobstore": "AzureBlob",
    "workspacefilestore": "AzureFile",
    "workspaceartifactstore": "AzureBlob",
    "workspaceworkingdirectory": "AzureFile",
}
SECRET_CHARS_MAX = 16_000
_SAID_CHARS_MAX = 8_000
_NAME = re.compile(r"[a-zA-Z0-9_][\w-]{0,63}", re.ASCII)
_RESERVED = ("default", "http", "https")
_PART = re.compile(r"[a-zA-Z_][\w.-]{0,63}", re.ASCII)
_OPTIONS_MAX = 40
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"\$root|\$web|[a-z0-9](?:-?[a-z0-9]){2,62}")
_ENDPOINTS = ("core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net", "core.cloudapi.de")
_SCHEMES_IN_A_CLOUD = ("s3", "gs", "gcs", "abfs", "abfss", "az")
_OPTIONS_IN_A_CLOUD = ("account_name", "tenant_id", "client_id", "project", "requester_pays", "version_aware")
_SECRETS_IN_A_CLOUD = ("key", "secret", "account_key", "sas_token", "client_secret")
_HERE = re.compile(r"(?:localhost|[0-9.]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")

# Where a datastore lies: with what the service keeps, in an account of Azure's, where a library of others finds it;
# it is a database, which has rows and no files; or nowhere that the service can reach.
Place = Literal["own", "account", "library", "database", "nowhere"]


class Kind(NamedTuple):
    """A kind of datastore: what must be said of it, what may be, and which of its secrets there can be."""

    needed: tuple[str, ...]
    also: tuple[str, ...]
    secrets: tuple[str, ...]


_IN_AZURE = ("subscription_id", "resource_group")
_ENTRA = ("tenant_id", "client_id", "resource_url", "authority_url", *_IN_AZURE)
_STORAGE = ("protocol", "endpoint", *_IN_AZURE)
_SERVER = ("port_number", "endpoint", *_IN_AZURE)
_KERBEROS = ("kerberos_realm", "kerberos_kdc_address", "kerberos_principal")
KINDS: dict[str, Kind] = {
    "AzureBlob": Kind(("container_name", "account_name"), _STORAGE, ("account_key", "sas_token")),
    "AzureFile": Kind(("container_name", "account_name"), _STORAGE, ("account_key", "sas_token")),
    "AzureDataLake": Kind(("store_name",), _ENTRA, ("client_secret",)),
    "AzureDataLakeGen2": Kind(
        ("container_name", "account_name"), (*_ENTRA, "protocol", "endpoint"), ("client_secret",)
    ),
    "AzureSqlDatabase": Kind(
        ("server_name", "database_name"), (*_ENTRA, *_SERVER[:2], "username"), ("client_secret", "password")
    ),
    "AzurePostgreSql": Kind(("server_name", "database_name", "user_id"), (*_SERVER, "enforce_ssl"), ("user_password",)),
    "AzureMySql": Kind(("server_name", "database_name", "user_id"), (*_SERVER, "enforce_ssl"), ("user_password",)),
    "DBFS": Kind((), (), ()),
    "Hdfs": Kind(
        ("namenode_address",),
        ("protocol", "hdfs_server_certificate", "auth_type", *_KERBEROS),
        ("kerberos_keytab", "kerberos_password"),
    ),
    # These two v1 never had.
    "Fsspec": Kind(("url",), ("options",), ()),  # secrets: whatever the library has
    "Sql": Kind(("url",), (), ("password",)),
}
DATABASES = ("AzureSqlDatabase", "AzurePostgreSql", "AzureMySql", "Sql")


class DatastoreRegistration(BaseModel):
    """What a datastore is to be.

    said          what may be seen of it, by v1's words
    credentials   its secrets by their names; they go into the vault, and no other answer has them
    overwrite     whether it may stand in the place of another one of that name
    create_if_not_exists   whether its container is made when it is not there
    skip_validation        whether nobody looks if it can be reached
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    type: str
    said: dict[str, JsonValue] = {}
    credentials: Annotated[
        dict[str, str], Field(repr=False, json_schema_extra={"writeOnly": True}, max_length=_OPTIONS_MAX)
    ] = {}
    overwrite: bool = False
    create_if_not_exists: bool = False
    skip_validation: bool = False

    def body(self) -> dict[str, Any]:
        """The document that is kept of it."""
        said = {name: value for name, value in self.said.items() if value is not None}
        return {"type": self.type, **said, "credentials": sorted(self.credentials)}


def secret_of(datastore: str, credential: str) -> str:
    """Under which name the vault has a secret of a datastore: masked as those of authors, and none of theirs."""
    return f"{AUTHORS}of datastore {datastore} {credential}"


def check_registration(name: str, asked: DatastoreRegistration) -> None:
    """Raises NameInvalid, and BadRequest with everything that is wrong with it; neither repeats a secret."""
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise NameInvalid(
            f"'{name[:80]}' cannot be the name of a datastore: 1 to 64 letters, digits, _ and -, and none of "
            f"{', '.join(_RESERVED)}"
        )
    kind = KINDS.get(asked.type)
    if kind is None:
        raise BadRequest(f"'{asked.type[:80]}' is no type of a datastore: {', '.join(KINDS)}")
    wrong = [*_faults(asked, kind), *_faults_of_secrets(asked, kind)]
    if wrong:
        raise BadRequest(f"Datastore '{name}' of type {asked.type} cannot be registered: {'; '.join(wrong)}")


def place_of(body: Mapping[str, Any], is_local: bool) -> Place:
    """Where a datastore lies.

    On a laptop a container is reached when its datastore has a key or a SAS token; all else of Azure is a folder.
    """
    kind, secrets = body["type"], body.get("credentials")
    if secrets is None:
        return "own"
    if kind == "Fsspec":
        return "library"
    if kind in DATABASES:
        return "database"
    if kind == "AzureBlob":
        return "account" if secrets or not is_local else "own"
    if is_local:
        return "own"
    return "account" if kind == "AzureDataLakeGen2" else "nowhere"


def account_url(body: Mapping[str, Any], is_local: bool) -> str:
    """Where the account of a datastore has its blobs. Raises NotSupported for another place than Azure, in a cloud.

    >>> account_url({"account_name": "acc"}, is_local=False)
    'https://acc.blob.core.windows.net'
    >>> account_url({"account_name": "acc", "protocol": "http", "endpoint": "127.0.0.1:10000"}, is_local=True)
    'http://127.0.0.1:10000/acc'
    """
    protocol, endpoint = body.get("protocol") or "https", body.get("endpoint") or _ENDPOINTS[0]
    if not is_local and (protocol != "https" or endpoint not in _ENDPOINTS):
        raise NotSupported(
            f"A datastore at {protocol}://{endpoint} is not asked from the cloud, whose network would be open to it: "
            f"use https and one of {', '.join(_ENDPOINTS)}"
        )
    if _HERE.fullmatch(endpoint):  # an emulator has the account in the path
        return f"{protocol}://{endpoint}/{body['account_name']}"
    return f"{protocol}://{body['account_name']}.blob.{endpoint}"


def library_options(body: Mapping[str, Any], secrets: Collection[str], is_local: bool) -> dict[str, Any]:
    """What the library of a datastore is given beside its secrets.

    Raises NotSupported, in a cloud, for what would lead into the service's network, to its files, or to what its own
    identity may open: a laptop's owner owns these.

    >>> library_options({"url": "s3://bucket"}, [], is_local=False)
    {'anon': True}
    """
    options = dict(body.get("options") or {})
    if is_local:
        return options
    scheme = str(body["url"]).partition("://")[0]
    unknown = [name for name in options if name not in _OPTIONS_IN_A_CLOUD]
    unknown += [name for name in secrets if name not in _SECRETS_IN_A_CLOUD]
    if scheme not in _SCHEMES_IN_A_CLOUD or unknown:
        what = f"the option {unknown[0]}" if scheme in _SCHEMES_IN_A_CLOUD else f"{scheme}://"
        raise NotSupported(
            f"A datastore with {what} is not opened in the cloud, where it could lead to what the service alone may "
            f"reach: {', '.join(f'{one}://' for one in _SCHEMES_IN_A_CLOUD)} with {', '.join(_OPTIONS_IN_A_CLOUD)} and "
            f"the credentials {', '.join(_SECRETS_IN_A_CLOUD)}"
        )
    if not _ACCOUNT.fullmatch(str(options.get("account_name", "account"))):
        raise NotSupported("account_name must be 3 to 24 lower case letters and digits")
    if not secrets:
        options |= {"token": "anon"} if scheme in ("gs", "gcs") else {"anon": True}
    return options


def _faults(asked: DatastoreRegistration, kind: Kind) -> list[str]:
    said = {name: value for name, value in asked.said.items() if value is not None}
    wrong = [f"{name} is missing" for name in kind.needed if said.get(name) in (None, "")]
    unknown = [name for name in said if name not in (*kind.needed, *kind.also)]
    wrong += [f"'{name[:40]}' is nothing that can be said of it" for name in unknown]
    for name, value in said.items():
        if name == "options":
            wrong += [] if isinstance(value, dict) and len(value) <= _OPTIONS_MAX else ["options must be a mapping"]
        elif not isinstance(value, (str, int)):
            wrong.append(f"{name} must be text")
    if len(str(said)) > _SAID_CHARS_MAX:
        wrong.append(f"it says more than {_SAID_CHARS_MAX} characters")
    if asked.type in ("AzureBlob", "AzureDataLakeGen2", "AzureFile") and not wrong:
        wrong += _faults_of_account(said)
    if asked.type in ("Fsspec", "Sql") and not wrong:
        wrong += _faults_of_url(str(said["url"]), asked.type)
    return wrong


def _faults_of_account(said: Mapping[str, Any]) -> list[str]:
    wrong = []
    if not _ACCOUNT.fullmatch(str(said["account_name"])):
        wrong.append("account_name must be 3 to 24 lower case letters and digits")
    if not _CONTAINER.fullmatch(str(said["container_name"])):
        wrong.append("its container must have a name of 3 to 63 lower case letters, digits and single hyphens")
    if said.get("protocol", "https") not in ("https", "http"):
        wrong.append("protocol must be https or http")
    if not re.fullmatch(r"[a-z0-9.:\[\]-]{1,200}", str(said.get("endpoint", "x"))):
        wrong.append("endpoint must be a host such as core.windows.net")
    return wrong


def _faults_of_url(url: str, kind: str) -> list[str]:
    try:
        parts = urlsplit(url)
        has_password = parts.password is not None
    except ValueError:
        return ["its url is none"]
    wrong = [] if "://" in url else ["its url has no scheme: s3://bucket/folder, sftp://host/folder"]
    if has_password:
        wrong.append("its url has a password in it, which belongs to its credentials")
    if kind == "Fsspec" and "::" in url:
        wrong.append("its url leads through several file systems")
    return wrong


def _faults_of_secrets(asked: DatastoreRegistration, kind: Kind) -> list[str]:
    wrong = []
    for name, value in asked.credentials.items():
        if not _PART.fullmatch(name) or (asked.type != "Fsspec" and name not in kind.secrets):
            known = ", ".join(kind.secrets) or "none"
            wrong.append(f"'{name[:40]}' is none of the credentials that it can have ({known})")
        elif not value.strip() or len(value) > SECRET_CHARS_MAX:
            wrong.append(f"{name} must have 1 to {SECRET_CHARS_MAX} characters")
    return wrong
